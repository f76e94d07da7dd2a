"""What the page of payments shows: ten panels of the payments that its address names, counted when somebody looks.

Each view is counted at most every two seconds however many look at it, and only after a new batch: once as it comes, and once more a second
later, because Elasticsearch finds what was written after half a second. Sixteen views are kept; of more, those nobody looked at for longest
are let go. MongoDB tells how far the stage came, Elasticsearch counts; which of them is silent is told by name, and the last figures stay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Protocol

import msgspec

from dashboard.desk import Desk, wall_clock_ms
from dashboard.payments_picture import PanelsPicture, picture_panels
from dashboard.payments_view import View
from storage.documents import Progress
from storage.filters import Filter
from storage.read_panels import STEP_MS, Panels
from veilocity.contracts import Channel, Verdict
from veilocity.errors import InvalidInputError, StoreUnavailableError

__all__ = ["Choices", "PaymentsDesk", "PaymentsSource", "PaymentsState"]

_READ_EVERY_S = 2.0
_SETTLED_MS = 1_000
"""After so long Elasticsearch finds all of a batch (`refresh_interval` is half of it)."""
_VIEWS = 16
_MOST_CHOICES = 100


class PaymentsSource(Protocol):
    """Who counts: `storage.queries.Reader`, or a test's own."""

    def progress(self) -> Progress | None:
        """Return how far the privacy stage came."""
        ...

    def panels(self, which: Filter) -> Panels:
        """Return the ten panels."""
        ...


class Choices(msgspec.Struct, frozen=True):
    """What was seen in any answer, to choose from: a filtered view would offer nothing but itself."""

    categories: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    channels: tuple[str, ...] = tuple(Channel)
    verdicts: tuple[str, ...] = tuple(Verdict)


class PaymentsState(msgspec.Struct, frozen=True):
    """One answer: everything that the page shows."""

    store: str
    """`up`, `down`, or `unknown` before the first answer."""
    now_ms: int
    stale_s: float
    loaded: bool
    silent: str = ""
    """The store that does not answer."""
    refused: str = ""
    """Why the address cannot be counted."""
    view: str = ""
    """The address's text in its one form."""
    written_ms: int = 0
    event_ms: int = 0
    step_ms: int = STEP_MS
    choices: Choices = Choices()
    panels: PanelsPicture | None = None
    """None before the first batch."""


class _Read(msgspec.Struct, frozen=True):
    progress: Progress | None
    panels: PanelsPicture | None = None
    seen_ms: int = 0
    """When the batch was seen first."""
    counted_ms: int = 0


class PaymentsDesk:
    """Answers for each view from what was counted last. Safe with threads."""

    def __init__(
        self,
        connect: Callable[[], PaymentsSource],
        *,
        stale_s: float = 15.0,
        read_every_s: float = _READ_EVERY_S,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Nothing is connected before somebody looks.

        Args:
            connect: makes the source.
            stale_s: silence after which the page says that what it shows is old.
            read_every_s: pause between two questions of one view.
            clock_ms: a clock.
        """
        self._connect = connect
        self._stale_s = stale_s
        self._read_every_s = read_every_s
        self._clock_ms = clock_ms
        self._source: PaymentsSource | None = None
        self._kept: OrderedDict[str, _Counted] = OrderedDict()
        self._choices = Choices()
        self._lock = Lock()

    def state(self, query: str) -> PaymentsState:
        """Return what the page at an address shows now.

        Args:
            query: of the address, without its question mark.
        """
        base = PaymentsState(store="up", now_ms=self._clock_ms(), stale_s=self._stale_s, loaded=False)
        try:
            view = View.from_query(query)
        except InvalidInputError as refusal:
            return msgspec.structs.replace(base, refused=refusal.detail)
        counted = self._counted(view)
        store, read = counted.desk.look()
        # The clock again: counting may have taken a while.
        base = msgspec.structs.replace(base, store=store, now_ms=self._clock_ms(), silent=counted.silent, view=view.to_query())
        if read is None:
            return base
        self._remember(read.panels)
        progress = read.progress
        return msgspec.structs.replace(
            base,
            loaded=True,
            written_ms=progress.written_ms if progress else 0,
            event_ms=progress.event_ms if progress else 0,
            choices=self._choices,
            panels=read.panels,
        )

    def _counted(self, view: View) -> _Counted:
        name = view.to_query()
        with self._lock:
            if name not in self._kept:
                self._kept[name] = _Counted(self._connected, view, self._read_every_s, self._clock_ms)
            self._kept.move_to_end(name)
            if len(self._kept) > _VIEWS:
                self._kept.popitem(last=False)
            return self._kept[name]

    def _connected(self) -> PaymentsSource:
        with self._lock:
            if self._source is None:
                self._source = self._connect()
            return self._source

    def _remember(self, panels: PanelsPicture | None) -> None:
        if panels is None:
            return
        categories = {share.name for share in panels.categories} | {name for money in panels.money for name, _ in money.categories}
        currencies = {money.currency for money in panels.money}
        with self._lock:
            self._choices = Choices(_union(self._choices.categories, categories), _union(self._choices.currencies, currencies))


class _Counted:
    """One view and its last figures."""

    def __init__(self, source: Callable[[], PaymentsSource], view: View, read_every_s: float, clock_ms: Callable[[], int]) -> None:
        self._source = source
        self._view = view
        self._clock_ms = clock_ms
        self.silent = ""
        self.desk: Desk[_Read] = Desk(self._ask, read_every_s=read_every_s, clock_ms=clock_ms, page="payments")

    def _ask(self, before: _Read | None) -> _Read:
        asked = "MongoDB"
        try:
            source = self._source()
            progress = source.progress()
            if progress is None:
                found = _Read(None)
            else:
                now_ms = self._clock_ms()
                same = before is not None and before.progress is not None and before.progress.seq == progress.seq
                if before is not None and same and before.counted_ms - before.seen_ms >= _SETTLED_MS:
                    found = msgspec.structs.replace(before, progress=progress)
                else:
                    asked = "Elasticsearch"
                    panels = picture_panels(source.panels(self._view.bounded(progress.event_ms)))
                    found = _Read(progress, panels, before.seen_ms if before is not None and same else now_ms, now_ms)
        except StoreUnavailableError:
            self.silent = asked
            raise
        self.silent = ""
        return found


def _union(known: tuple[str, ...], found: set[str]) -> tuple[str, ...]:
    return tuple(sorted({*known, *found})[:_MOST_CHOICES]) if found - set(known) else known
