"""From contradictions to alerts: one per anchor, opened, amended, retracted and settled as the history changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from rules.catalogue.rule import Contradiction, Rule
from rules.entries import DOUBTFUL_FIX, Entry, observation, order
from rules.history import older_than
from rules.parameters import EngineParameters
from rules.proof import alert_id, prove
from rules.state import MAX_REPLACED, OpenAlert, SubjectState
from veilocity.contracts import Alert, AlertState, Check, Episode, SubjectId

__all__ = ["Cause", "has_live_alerts", "revise", "settle", "still_open"]

EXAMINED = ("mock_location", "cached_fix", "cloaked_place", "accuracy_radius", "minimum_distance", "clock_slack")
"""The reasons to stay silent that every contradiction has passed."""
BETTER_FIX = "better_fix"
"""Retracted: a more accurate fix stands for the same few seconds now."""
EVENT_BETWEEN = "event_between"
"""Retracted: an event that came later lies between the two and explains the journey."""
OTHER_ANCHOR = "other_anchor"
"""Retracted: a contradiction stands, but another event is the odd one."""


class Cause:
    """Whose alerts are revised, by which rule, and when the event arrived that made it necessary."""

    __slots__ = ("parameters", "received_ms", "rule", "subject")

    def __init__(self, subject: SubjectId, received_ms: int, rule: Rule, parameters: EngineParameters) -> None:
        self.subject = subject
        self.received_ms = received_ms
        self.rule = rule
        self.parameters = parameters


def has_live_alerts(state: SubjectState) -> bool:
    """Say whether an alert is open that a new event could change."""
    return any(not alert.retracted for alert in state.alerts.values())


def still_open(state: SubjectState, horizon_ns: int) -> tuple[int, str] | None:
    """Return the order key from which on an anchor's alert may still change; None when any may.

    The newest observation before the horizon is the left neighbour of what may still arrive; anything before it has all its neighbours.
    """
    for index in range(older_than(state, horizon_ns) - 1, -1, -1):
        if state.history[index].kind != DOUBTFUL_FIX:
            return order(state.history[index])
    return None


def settle(state: SubjectState, horizon_ns: int) -> None:
    """Let go of the alerts that no event can change any more: their newest revision is the last."""
    first_open = still_open(state, horizon_ns)
    if first_open is not None and state.alerts:
        state.alerts = {name: alert for name, alert in state.alerts.items() if order(alert.anchor) >= first_open}


def revise(state: SubjectState, found: Sequence[Contradiction], cause: Cause) -> list[Alert]:
    """Compare what the history says now with the alerts that are open, and return the revisions that follow.

    Args:
        state: its open alerts are brought up to date.
        found: every contradiction of the history whose anchor is not settled.
        cause: of the revisions.
    """
    revisions = []
    by_anchor: dict[tuple[int, str], list[Contradiction]] = {}
    for contradiction in found:
        by_anchor.setdefault(order(contradiction.anchor), []).append(contradiction)
    standing = set()
    for contradictions in by_anchor.values():
        name = alert_id(cause.rule.id, cause.subject, observation(contradictions[0].anchor, state.devices).id)
        standing.add(name)
        revision = _open_or_amend(state, name, contradictions, cause)
        if revision is not None:
            revisions.append(revision)
    live = [(name, alert) for name, alert in state.alerts.items() if alert.rule == cause.rule.id and not alert.retracted]
    revisions += [_retract(state, name, alert, found, cause) for name, alert in live if name not in standing]
    _forget_replaced(state)
    return revisions


def _open_or_amend(state: SubjectState, name: str, contradictions: list[Contradiction], cause: Cause) -> Alert | None:
    strongest = max(contradictions, key=lambda one: cause.rule.strength(one, cause.parameters))
    episode = Episode(
        first_ms=contradictions[0].first.event_ns // 1_000_000,
        last_ms=contradictions[-1].second.event_ns // 1_000_000,
        count=len(contradictions),
    )
    known = state.alerts.get(name)
    alert = OpenAlert(cause.rule.id, 1, strongest.anchor, strongest.first, strongest.second, episode)
    verb = AlertState.OPEN
    if known is not None:
        if (known.first, known.second, known.episode, known.retracted) == (alert.first, alert.second, episode, False):
            return None
        verb = AlertState.OPEN if known.retracted else AlertState.AMENDED
        alert = OpenAlert(cause.rule.id, known.revision + 1, strongest.anchor, strongest.first, strongest.second, episode)
    state.alerts[name] = alert
    return _publish(state, name, alert, verb, cause)


def _retract(state: SubjectState, name: str, known: OpenAlert, found: Sequence[Contradiction], cause: Cause) -> Alert:
    if not (_stands(state, known.first) and _stands(state, known.second)):
        reason = BETTER_FIX
    elif any(known.anchor in (other.first, other.second) for other in found):
        reason = OTHER_ANCHOR
    else:
        reason = EVENT_BETWEEN
    alert = OpenAlert(known.rule, known.revision + 1, known.anchor, known.first, known.second, known.episode, retracted=True)
    state.alerts[name] = alert
    return _publish(state, name, alert, AlertState.RETRACTED, cause, reason)


def _forget_replaced(state: SubjectState) -> None:
    if len(state.alerts) <= MAX_REPLACED:
        return
    replaced = [name for name, alert in state.alerts.items() if alert.retracted and not _stands(state, alert.anchor)]
    for name in replaced[:-MAX_REPLACED]:
        del state.alerts[name]


def _stands(state: SubjectState, entry: Entry) -> bool:
    index = bisect_left(state.history, order(entry), key=order)
    return index < len(state.history) and state.history[index] == entry


def _publish(state: SubjectState, name: str, alert: OpenAlert, verb: AlertState, cause: Cause, reason: str = "") -> Alert:
    rule, parameters = cause.rule, cause.parameters.rule
    first, second = observation(alert.first, state.devices), observation(alert.second, state.devices)
    evidence = prove(first, second, parameters)
    checks = tuple(Check(examined, applied=False) for examined in EXAMINED)
    return Alert(
        id=name,
        rule=rule.id,
        rule_version=rule.version,
        severity=evidence.severity,
        state=verb,
        revision=alert.revision,
        subject=cause.subject,
        anchor=observation(alert.anchor, state.devices).id,
        first=first,
        second=second,
        distance_m=evidence.distance_m,
        elapsed_s=evidence.elapsed_s,
        speed_kmh=evidence.speed_kmh,
        parameters=parameters,
        fine_with_s=evidence.fine_with_s,
        sentence=evidence.sentence,
        checks=(*checks, Check(reason, applied=True)) if reason else checks,
        episode=alert.episode,
        received_ms=cause.received_ms,
    )
