"""From alerts to messages: reads what batches wrote, keeps cases, makes the messages whose time has come. One process does it at a time.

A message is made in four steps, each of which may be repeated: its cases are kept for it; it is inserted; its cases learn that it was made;
it learns that they know. Whoever leads next takes up at the step where a killed process was. The message that is in the outbox decides
which cases are in it, so a case is in exactly one message of each generation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pymongo.database import Database

from storage.kinds import Document
from storage.notifications.cases import CHUNK, Cases
from storage.notifications.documents import Case, Part, Reading
from storage.notifications.file import Notifications
from storage.notifications.grouping import Seen, case_id, fold, message_id, new_case, plan, release, settle
from storage.notifications.message import message_of, summarise
from storage.notifications.outbox import Outbox
from storage.notifications.reading import AlertSource, Lead
from storage.notifications.rules import Channel, channels_of
from veilocity import metrics
from veilocity.errors import FencedError
from veilocity.logs import get_logger

__all__ = ["LEASE_MS", "MOST_CASES", "Planner"]

LEASE_MS = 15_000
MOST_CASES = 50_000
"""Cases in one message of a storm; what is beyond is told in the next."""
_CLEAN_EVERY_MS = 3_600_000
_ORPHAN_MS = 90 * 86_400_000
"""A case of a channel that is not in the file any more is deleted after this time."""

_log = get_logger(__name__)
_ALERTS = metrics.counter("notify_alerts", "Revisions of alerts that were read")
_MADE = metrics.counter("notify_made", "Messages that were made, by what they are about", "kind")
_SEQ = metrics.gauge("notify_seq", "Number of the last micro-batch whose alerts were read by this process while it led")
_LEADS = metrics.gauge("notify_leads", "Whether this process makes the messages: 1, else 0; all processes send them")


class Planner:
    """The half that leads; `step` is called again and again."""

    def __init__(self, database: Database[Document], notifications: Notifications, owner: str, clock_ms: Callable[[], int]) -> None:
        """Take what is shared; nothing is asked before the first step.

        Args:
            database: of the stores.
            notifications: the file in force.
            owner: a name that no other process has.
            clock_ms: the wall clock, milliseconds since 1970.
        """
        self._notifications = notifications
        self._clock_ms = clock_ms
        self._lead = Lead(database, owner, LEASE_MS)
        self._source = AlertSource(database)
        self._cases = Cases(database)
        self._outbox = Outbox(database)
        self._term = -1
        self._cleaned_ms = 0

    def begin(self) -> None:
        """Begin with alerts of after now, if this is the first notifier of this database.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        self._lead.begin(self._source.newest_seq())

    def step(self) -> bool:
        """Do what there is to do, if this process leads; say whether it does.

        Raises:
            StoreUnavailableError: MongoDB does not answer: call again.
        """
        reading = self._lead.hold(self._clock_ms())
        _LEADS.set(reading is not None)
        if reading is None:
            self._term = -1
            return False
        try:
            if reading.term != self._term:
                self._take_up()
                self._term = reading.term
            if self._read(reading):
                self._speak()
                self._clean()
        except FencedError as cause:
            _log.info("another process works on the same cases; reading again", cause=str(cause))
            self._term = -1
        except BaseException:
            # Where it broke off is not known: take up again.
            self._term = -1
            raise
        return True

    def resign(self) -> None:
        """Let another process lead at once.

        Raises:
            StoreUnavailableError: MongoDB does not answer; then the lease ends by itself.
        """
        self._lead.resign()

    def _take_up(self) -> None:
        """Finish the messages at which somebody was stopped."""
        for message in self._cases.taken():
            self._finish(message)

    def _read(self, reading: Reading) -> bool:
        """Read what is new; say whether this process still leads."""
        newest, seq = self._source.newest_seq(), reading.seq
        if newest < seq:
            _log.warning("the stores began anew; reading all of their alerts")
            seq = -1
        if newest == seq:
            return True
        for last, some in self._source.after(seq, newest, CHUNK):
            self._fold(some)
            _ALERTS.inc(len(some))
            if self._lead.hold(self._clock_ms()) is None or not self._lead.advance(reading, last):
                return False
            _SEQ.set(last)
        return True

    def _fold(self, alerts: Sequence[Seen]) -> None:
        """Put alerts into the cases of their channels."""
        now_ms = self._clock_ms()
        routes = self._notifications.routes
        placed: list[tuple[str, Channel, Seen, bool]] = []
        for seen in alerts:
            fitting = set(channels_of(routes, seen.rule, seen.severity))
            about = {route.name for route in routes if route.is_about(seen.rule)}
            channels = (channel for channel in self._notifications.channels.values() if channel.route in about)
            placed += [(case_id(channel, seen), channel, seen, channel.id in fitting) for channel in channels]
        before = self._cases.get(list(dict.fromkeys(identity for identity, *_ in placed)))
        after: dict[str, Case] = {}
        for identity, channel, seen, fits in placed:
            case = after.get(identity) or before.setdefault(identity, new_case(channel, identity))
            if case.message:
                raise FencedError("a message is being made of a case that is to change")
            changed = fold(case, seen, channel.timing, now_ms, fits=fits)
            if changed is not case:
                after[identity] = changed
        self._cases.put((before[identity], case) for identity, case in after.items())

    def _speak(self) -> None:
        """Make the messages whose time has come."""
        now_ms = self._clock_ms()
        for channel in self._notifications.channels.values():
            timing = channel.timing
            due = self._cases.due(channel.id, news=True, now_ms=now_ms, most=timing.storm_cases + 1)
            if timing.repeat_ms is not None:
                due += self._cases.due(channel.id, news=False, now_ms=now_ms, most=timing.storm_cases)
            if not due:
                continue
            waiting = len(self._cases.with_news(channel.id, timing.storm_cases + 1))
            made_ms, storm_ms = self._outbox.recent(channel.id, now_ms - timing.interval_ms, timing.storm_cases)
            planned = plan(due, waiting, made_ms, storm_ms, timing, now_ms)
            by_id = {case.id: case for case in due}
            for identity in planned.cases:
                self._make(message_id(by_id[identity]), [identity], in_storm=False)
            if planned.storm:
                self._make(message_id(due[0]), self._cases.with_news(channel.id, MOST_CASES), in_storm=True)

    def _make(self, message: str, cases: Sequence[str], *, in_storm: bool) -> None:
        self._cases.take(cases, message, in_storm=in_storm)
        self._finish(message)

    def _finish(self, message: str) -> None:
        """Make a message of the cases that are kept for it, unless it is made, and let them know."""
        made = self._outbox.made(message) or self._insert(message)
        while some := self._cases.some_taken_for(message):
            self._cases.put((case, self._knowing(case, *made)) for case in some)
            # A storm takes longer than a lease.
            if self._lead.hold(self._clock_ms()) is None:
                raise FencedError("another process leads by now: it goes on with this message")
        self._outbox.settled(message)

    def _knowing(self, case: Case, made_ms: int, parts: frozenset[Part]) -> Case:
        channel = self._notifications.channels.get(case.channel)
        # A channel that is not in the file any more says nothing.
        if channel is None or Part(case.id, case.generation) not in parts:
            return release(case)
        return settle(case, channel.timing, made_ms)

    def _insert(self, message: str) -> tuple[int, frozenset[Part]]:
        """Insert a message; return when the one that holds was made, and of which cases."""
        kept: list[Case] = []
        summary = summarise(_remembering_first(self._fitting(message), kept))
        channel = self._notifications.channels.get(kept[0].channel) if kept else None
        if channel is None:
            return 0, frozenset()
        case = None if kept[0].in_storm else kept[0]
        lines = self._source.lines([one.id for one in summary.named])
        made_ms = self._clock_ms()
        if not summary.alerts or (case is not None and not lines):
            # Whoever this was about has been forgotten meanwhile.
            return made_ms, frozenset(summary.parts)
        record = message_of(message, channel, summary, lines, made_ms, case)
        self._outbox.put(record)
        _MADE.labels(kind=record.kind.value).inc()
        return self._outbox.made(message) or (made_ms, frozenset())

    def _fitting(self, message: str) -> Iterator[Case]:
        """Yield the cases of a message but those that a process took too late: they have been told by another message."""
        for case in self._cases.taken_for(message):
            if case.news if case.in_storm else message_id(case) == message:
                yield case

    def _clean(self) -> None:
        now_ms = self._clock_ms()
        if now_ms - self._cleaned_ms < _CLEAN_EVERY_MS:
            return
        kept_ms = {name: channel.timing.forget_ms for name, channel in self._notifications.channels.items()}
        self._cases.clean(kept_ms, _ORPHAN_MS, now_ms)
        self._outbox.clean(now_ms)
        self._cleaned_ms = now_ms


def _remembering_first(cases: Iterator[Case], kept: list[Case]) -> Iterator[Case]:
    for case in cases:
        if not kept:
            kept.append(case)
        yield case
