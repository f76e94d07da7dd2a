"""Events through the engine, one state per subject, and what holds of them at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rules.engine import Engine, Outcome
from rules.subject import SubjectState
from veilocity.contracts import Alert, AlertState, Decision, Fix, SubjectId, Transaction, Verdict
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["Judgement", "judge"]

_ALERT_COUNTERS = {
    AlertState.OPEN: "alerts_opened",
    AlertState.AMENDED: "alerts_amended",
    AlertState.RETRACTED: "alerts_retracted",
}
_VERDICT_COUNTERS = {Verdict.FLAGGED: "flagged", Verdict.CLEAR: "clear", Verdict.NOT_SCORABLE: "not_scorable"}


@dataclass
class Judgement:
    """What a set of events came to."""

    decisions: dict[str, Decision] = field(default_factory=dict)
    """The newest revision of the decision on each transaction, by its id."""
    alerts: dict[str, Alert] = field(default_factory=dict)
    """The newest revision of each alert, by its id; one that was retracted at the end says so in its state."""
    counts: Counter[str] = field(default_factory=Counter)
    """By the names of `RulesProgress`, with the same equations."""
    rejects: Counter[RejectReason] = field(default_factory=Counter)
    """Events that cannot be, by reason."""
    subjects: int = 0

    @property
    def events(self) -> int:
        """How many events were read."""
        return self.counts["fixes_read"] + self.counts["transactions_read"]

    @property
    def standing(self) -> dict[str, Alert]:
        """The alerts that were not retracted."""
        return {name: alert for name, alert in self.alerts.items() if alert.state is not AlertState.RETRACTED}

    def add(self, outcome: Outcome) -> None:
        """Take in decisions and alerts: the highest revision holds, and of two equal ones the later."""
        counts = self.counts
        for decision in outcome.decisions:
            counts["decisions_amended" if decision.revision > 1 else _VERDICT_COUNTERS[decision.verdict]] += 1
            known = self.decisions.get(decision.transaction.id)
            if known is None or decision.revision >= known.revision:
                self.decisions[decision.transaction.id] = decision
        for alert in outcome.alerts:
            counts[_ALERT_COUNTERS[alert.state]] += 1
            told = self.alerts.get(alert.id)
            if told is None or alert.revision >= told.revision:
                self.alerts[alert.id] = alert


def judge(events: Iterable[Fix | Transaction], engine: Engine, told: Callable[[Outcome], object] = lambda _: None) -> Judgement:
    """Judge events in the order in which they come.

    Guarantee: for events within the lateness bound the decisions and alerts are a function of the set of events, apart from revision
    numbers and arrival times. Memory: one state per subject, and what is returned.

    Args:
        events: of any number of subjects; an event that cannot be is counted in `rejects` and changes nothing.
        engine: with the rules in force.
        told: is given each outcome with a decision or an alert, for whoever wants all revisions.

    >>> from rules.library import default_rule_book
    >>> judge([], Engine(default_rule_book())).events
    0
    """
    judgement = Judgement()
    states: dict[SubjectId, SubjectState] = {}
    counts, process = judgement.counts, engine.process
    for event in events:
        state = states.get(event.subject)
        if state is None:
            state = states[event.subject] = SubjectState()
        is_fix = isinstance(event, Fix)
        counts["fixes_read" if is_fix else "transactions_read"] += 1
        try:
            outcome = process(state, event)
        except InvalidInputError as refusal:
            counts["fixes_rejected" if is_fix else "transactions_rejected"] += 1
            judgement.rejects[refusal.reason] += 1
            continue
        counts[outcome.counted] += 1
        if outcome.decisions or outcome.alerts:
            judgement.add(outcome)
            told(outcome)
    judgement.subjects = len(states)
    return judgement
