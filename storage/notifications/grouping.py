"""Putting alerts together: one case, one message; a storm of cases, one message. Pure.

A channel tells each case (a person's alerts, by default of one rule) `wait_ms` after its first news, so that what belongs together comes
together, and again at the earliest `interval_ms` later if there is more. What was told and is retracted is told as such; what is retracted
before it was told is never told.

Guarantees, for each channel, where `news` is what `fold` made of an alert:

- Conservation: each piece of news is in exactly one message, that of its case's generation or a storm's. `settle` alone takes news
  away, and only for a message that was made.
- Idempotence: an alert that is read again, or in an older revision, changes nothing.
- Bound: in any `interval_ms` at most `storm_cases` messages of single cases, and one of a storm.

Source: Prometheus Alertmanager, dispatch/dispatch.go and its configuration (`group_wait`, `group_interval`, `repeat_interval`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from storage.notifications.documents import Case, News, Standing
from storage.notifications.rules import Channel, Timing, rank
from veilocity.contracts import AlertState, Severity

__all__ = ["MOST_ALERTS", "Plan", "Seen", "case_id", "fold", "message_id", "new_case", "plan", "release", "settle"]

MOST_ALERTS = 500
"""Alerts without news that a case remembers, the newest."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What grouping reads of an alert."""

    id: str
    revision: int
    rule: str
    severity: Severity
    state: AlertState
    subject: str


class Plan(msgspec.Struct, frozen=True):
    """What a channel says now."""

    cases: tuple[str, ...] = ()
    """Tokens of the cases that are told one by one."""
    storm: bool = False
    """Whether all cases with news are told in one message instead."""


def case_id(channel: Channel, seen: Seen) -> str:
    """Return the token of the case that an alert belongs to: the same for every revision of it.

    >>> from storage.notifications.rules import Route
    >>> one = Channel("r", "mail", ("person", "rule"), Route(name="r", receivers=("mail",)).timing())
    >>> seen = Seen("a", 1, "cash-out", Severity.HIGH, AlertState.OPEN, "p")
    >>> len(case_id(one, seen)), case_id(one, seen) == case_id(one, msgspec.structs.replace(seen, id="b", severity=Severity.LOW))
    (32, True)
    """
    return _token("case", channel.id, seen.subject if "person" in channel.group_by else "", seen.rule if "rule" in channel.group_by else "")


def message_id(case: Case) -> str:
    """Return the token of the message that is made of a case in its present generation, alone or as the first of a storm."""
    return _token("message", case.channel, case.id, str(case.generation))


def new_case(channel: Channel, identity: str) -> Case:
    """Return a case without alerts."""
    return Case(identity, 0, channel.id, 0, (), news=False, due_ms=0, told_ms=0, changed_ms=0, message="", in_storm=False)


def fold(case: Case, seen: Seen, timing: Timing, now_ms: int, *, fits: bool = True) -> Case:
    """Return the case after an alert was read; the same object where that changes nothing.

    Args:
        case: as it is kept.
        seen: the alert; older revisions than the known one are left out.
        timing: of the channel.
        now_ms: wall clock.
        fits: whether the routes send the alert, as it is now, to this channel; else only what the channel knows already is kept right, and
            a retraction told.
    """
    known = next((one for one in case.alerts if one.id == seen.id), None)
    after = _standing(known, seen, timing, fits=fits)
    if after is None or after == known:
        return case
    alerts = _forget_some((*(one for one in case.alerts if one.id != seen.id), after))
    has_news = any(one.news is not None for one in alerts)
    if not has_news:
        due_ms = _repeat_due(case.told_ms, now_ms, alerts, timing)
    elif case.news:
        due_ms = case.due_ms
    else:
        due_ms = max(now_ms + timing.wait_ms, case.told_ms + timing.interval_ms if case.told_ms else 0)
    return msgspec.structs.replace(case, alerts=alerts, news=has_news, due_ms=due_ms, changed_ms=now_ms)


def plan(due: Sequence[Case], waiting: int, made_ms: Sequence[int], storm_ms: int, timing: Timing, now_ms: int) -> Plan:
    """Return what to say.

    Args:
        due: cases whose time has come, with news or to be repeated, in any order.
        waiting: how many cases have news, due or not.
        made_ms: when messages of single cases were made, back to `interval_ms` ago.
        storm_ms: when the last message of a storm was made; 0 for never.
        timing: of the channel.
        now_ms: wall clock.
    """
    since_ms = now_ms - timing.interval_ms
    if not due or storm_ms > since_ms:
        return Plan()
    told = sum(made > since_ms for made in made_ms)
    with_news = [case for case in due if case.news]
    if with_news and told + waiting > timing.storm_cases:
        return Plan(storm=True)
    # Repetitions take what news leaves.
    repeated = [case for case in due if not case.news][: max(0, timing.storm_cases - told - len(with_news))]
    return Plan(tuple(case.id for case in (*with_news, *repeated)))


def settle(case: Case, timing: Timing, made_ms: int) -> Case:
    """Return the case after a message was made of it: its news is told."""
    alerts = tuple(_told(one) for one in case.alerts)
    return msgspec.structs.replace(
        case,
        generation=case.generation + 1,
        alerts=_forget_some(alerts),
        news=False,
        due_ms=_repeat_due(made_ms, case.changed_ms, alerts, timing),
        told_ms=made_ms,
        message="",
        in_storm=False,
    )


def release(case: Case) -> Case:
    """Return the case free again: the message that it was taken for was made without it."""
    return msgspec.structs.replace(case, message="", in_storm=False)


def _standing(known: Standing | None, seen: Seen, timing: Timing, *, fits: bool) -> Standing | None:
    is_retracted = seen.state is AlertState.RETRACTED
    if known is None:
        stands_here = fits and not is_retracted
        return Standing(seen.id, seen.rule, seen.revision, seen.severity, False, None, News.NEW) if stands_here else None
    if seen.revision <= known.revision:
        return known
    if is_retracted:
        news = News.RETRACTED if known.told is not None and timing.retractions else None
    elif not fits:
        # What it became is told elsewhere.
        news = None
    elif known.told is None:
        news = News.NEW
    else:
        news = News.RAISED if rank(seen.severity) > rank(known.told) else None
    return Standing(known.id, seen.rule, seen.revision, seen.severity, is_retracted, known.told, news)


def _told(one: Standing) -> Standing:
    if one.news is None:
        return one
    # Taken back: should it stand again one day, that is new.
    told = None if one.news is News.RETRACTED else one.severity
    return msgspec.structs.replace(one, told=told, news=None)


def _repeat_due(told_ms: int, changed_ms: int, alerts: Iterable[Standing], timing: Timing) -> int:
    stands = any(one.told is not None and not one.retracted for one in alerts)
    if timing.repeat_ms is None or not told_ms or not stands:
        return 0
    due_ms = told_ms + timing.repeat_ms
    return due_ms if due_ms < changed_ms + timing.forget_ms else 0


def _forget_some(alerts: tuple[Standing, ...]) -> tuple[Standing, ...]:
    surplus = sum(one.news is None for one in alerts) - MOST_ALERTS
    if surplus <= 0:
        return alerts
    kept = []
    for one in alerts:
        if one.news is None and surplus > 0:
            surplus -= 1
        else:
            kept.append(one)
    return tuple(kept)


def _token(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
