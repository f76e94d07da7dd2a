"""One event in, its consequences out: the whole judgement, pure.

`evaluate` takes a subject's state and one event, brings the state up to date and returns what follows. It reads no clock, no environment
and no network, so the live service, a test and a replay of old data get the same answers.

Guarantee: for any set of events of one subject, each within the lateness bound when it arrives, any order, any repetition and any
interruption lead to the same alerts (apart from revision numbers and the arrival times they carry).
"""

from __future__ import annotations

from typing import NamedTuple

from rules.alerts import Cause, has_live_alerts, revise, settle, still_open
from rules.catalogue import RULES, Contradiction, Rule
from rules.entries import DOUBTFUL_FIX, check_fix, check_time, fix_entry, observation, order, payment_entry
from rules.history import (
    add_fix,
    add_payment,
    device_index,
    horizon_ns,
    neighbours,
    overfull,
    remember_id,
    shorten,
)
from rules.parameters import EngineParameters
from rules.proof import alert_id
from rules.state import SubjectState
from veilocity.contracts import Alert, Decision, Fix, SubjectId, Transaction, Verdict

__all__ = ["Outcome", "evaluate"]

CHANNEL_WITHOUT_PLACE = "channel_without_place"
COORDINATES_MISSING = "coordinates_missing"
NEIGHBOUR_TOO_OLD = "neighbour_too_old"
NO_NEIGHBOUR = "no_neighbour"
TOO_LATE = "too_late"
_RULE_VERSIONS = {rule.id: rule.version for rule in RULES}


class Outcome(NamedTuple):
    """What follows from one event."""

    counted: str
    """The counter of `RulesProgress` that the event belongs to."""
    decision: Decision | None = None
    """The answer to a transaction that is not a repeat."""
    alerts: tuple[Alert, ...] = ()
    """New revisions, in the order they were made."""
    placed: bool = False
    """The event stands in the history now."""


class _Arrival(NamedTuple):
    """One event on its way through the judgement."""

    subject: SubjectId
    received_ms: int
    horizon_ns: int
    parameters: EngineParameters
    shortcut: bool


class _Judgement(NamedTuple):
    alerts: tuple[Alert, ...] = ()
    contradictions: tuple[tuple[Rule, Contradiction], ...] = ()


def evaluate(state: SubjectState, event: Fix | Transaction, parameters: EngineParameters, *, shortcut: bool = True) -> Outcome:
    """Place one event in its subject's history and return what follows.

    Args:
        state: of the event's subject; brought up to date.
        event: as read from Kafka.
        parameters: thresholds and bounds.
        shortcut: judge only the changed neighbours where that is enough; without it everything is judged again, with the same result.

    Raises:
        InvalidInputError: a time, or the coordinates of a fix, out of range; the state is unchanged.
    """
    if isinstance(event, Fix):
        return _evaluate_fix(state, event, parameters, shortcut)
    return _evaluate_transaction(state, event, parameters, shortcut)


def _evaluate_fix(state: SubjectState, fix: Fix, parameters: EngineParameters, shortcut: bool) -> Outcome:
    check_fix(fix)
    horizon = horizon_ns(state, fix.fix_ns, parameters)
    if fix.fix_ns < horizon:
        return Outcome("fixes_late")
    _advance(state, fix.fix_ns, horizon, parameters)
    placement = add_fix(state, fix_entry(fix, device_index(state, fix.device), parameters.rule), parameters)
    if placement.place is None:
        return Outcome(placement.counted)
    # What a replaced fix leaves behind is not between the neighbours of the one that came.
    local = shortcut and not placement.moved and not (placement.replaced and has_live_alerts(state))
    arrival = _Arrival(fix.subject, fix.received_ms, horizon, parameters, local)
    return Outcome(placement.counted, alerts=_judge(state, placement.place, arrival).alerts, placed=True)


def _evaluate_transaction(state: SubjectState, transaction: Transaction, parameters: EngineParameters, shortcut: bool) -> Outcome:
    event_ns = transaction.authorised_ms * 1_000_000
    check_time(event_ns)
    if not remember_id(state, transaction.id):
        return Outcome("transactions_duplicate")
    horizon = horizon_ns(state, event_ns, parameters)
    late = event_ns < horizon
    if not late:
        _advance(state, event_ns, horizon, parameters)
    if not transaction.channel.has_place:
        return _not_scorable(transaction, CHANNEL_WITHOUT_PLACE)
    entry = payment_entry(transaction, parameters.rule)
    if entry is None:
        return _not_scorable(transaction, COORDINATES_MISSING)
    if late:
        return _not_scorable(transaction, TOO_LATE)
    index = add_payment(state, entry)
    judgement = _judge(state, index, _Arrival(transaction.subject, transaction.received_ms, horizon, parameters, shortcut))
    decision = _decide(state, index, transaction, judgement, parameters)
    _cut_overfull(state, event_ns, horizon, parameters)
    return Outcome("decided", decision, judgement.alerts, placed=True)


def _advance(state: SubjectState, event_ns: int, horizon: int, parameters: EngineParameters) -> None:
    state.newest_ns = max(state.newest_ns, event_ns)
    forgotten = shorten(state, horizon)
    if forgotten:
        past = [*forgotten, state.history[0]]
        state.carried = {rule.id: rule.carry(past, state.carried.get(rule.id, 0), parameters) for rule in RULES}
    if state.alerts:
        settle(state, horizon)


def _cut_overfull(state: SubjectState, event_ns: int, horizon: int, parameters: EngineParameters) -> None:
    later = overfull(state, horizon, parameters)
    if later > horizon:
        state.floor_ns = later
        _advance(state, event_ns, later, parameters)


def _judge(state: SubjectState, index: int, arrival: _Arrival) -> _Judgement:
    entry = state.history[index]
    if entry.kind == DOUBTFUL_FIX:
        return _Judgement()
    before, after = neighbours(state.history, index)
    alerts: list[Alert] = []
    contradictions: list[tuple[Rule, Contradiction]] = []
    for rule in RULES:
        if arrival.shortcut and rule.is_unaffected(before, entry, after, arrival.parameters):
            continue
        found = _contradictions(state, rule, arrival)
        alerts += revise(state, found, Cause(arrival.subject, arrival.received_ms, rule, arrival.parameters))
        contradictions += [(rule, one) for one in found if entry in (one.first, one.second)]
    return _Judgement(tuple(alerts), tuple(contradictions))


def _contradictions(state: SubjectState, rule: Rule, arrival: _Arrival) -> list[Contradiction]:
    history = [entry for entry in state.history if entry.kind != DOUBTFUL_FIX]
    found = rule.contradictions(history, state.carried.get(rule.id, 0), arrival.parameters)
    first_open = still_open(state, arrival.horizon_ns)
    return found if first_open is None else [one for one in found if order(one.anchor) >= first_open]


def _decide(state: SubjectState, index: int, transaction: Transaction, judgement: _Judgement, parameters: EngineParameters) -> Decision:
    entry = state.history[index]
    before, after = neighbours(state.history, index)
    score = max(rule.score(before, entry, after, parameters) for rule in RULES)
    if judgement.contradictions:
        rules = tuple(dict.fromkeys(rule.id.replace("-", "_") for rule, _ in judgement.contradictions))
        # The payment's own alert if it has one; else that of the neighbour it contradicts.
        rule, cause = min(judgement.contradictions, key=lambda pair: order(pair[1].anchor) != order(entry))
        alert = alert_id(rule.id, transaction.subject, observation(cause.anchor, state.devices).id)
        return Decision(transaction, Verdict.FLAGGED, score, rules, _RULE_VERSIONS, alert)
    distances_ns = [abs(entry.event_ns - other.event_ns) for other in (before, after) if other is not None]
    if not distances_ns:
        return _no_verdict(transaction, NO_NEIGHBOUR)
    if min(distances_ns) > parameters.neighbour_limit_ns:
        return _no_verdict(transaction, NEIGHBOUR_TOO_OLD)
    return Decision(transaction, Verdict.CLEAR, score, (), _RULE_VERSIONS)


def _no_verdict(transaction: Transaction, reason: str) -> Decision:
    return Decision(transaction, Verdict.NOT_SCORABLE, 0.0, (reason,), _RULE_VERSIONS)


def _not_scorable(transaction: Transaction, reason: str) -> Outcome:
    return Outcome("decided", _no_verdict(transaction, reason))
