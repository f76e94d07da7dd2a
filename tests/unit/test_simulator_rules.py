"""A simulated day judged by the rules engine itself: it must find what the labels promise, and nothing else."""

from __future__ import annotations

from collections import defaultdict

from ingest import sensor_logger, transactions
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.simulator import CityPlan, FraudKind, Label, Push, directory, simulate, truth
from rules import EngineParameters, SubjectState, evaluate
from veilocity.contracts import Alert, AlertState, Decision, Fix, SubjectId, Transaction, Verdict
from veilocity.settings import load

START_MS = 1_750_000_000_000
HOURS = 14.0
PLAN = CityPlan(people=100, offline_chance=0.05)


def _names(alert: Alert) -> set[str]:
    """Return what stands at both ends: transaction ids, and devices of fixes (`device@fix_ns`)."""
    return {observation.id.split("@")[0] for observation in (alert.first, alert.second)}


def _judge() -> tuple[list[Alert], dict[str, Decision]]:
    people = Directory()
    for entry in directory(PLAN):
        people.put(entry)
    parameters = EngineParameters.from_settings(load({}))
    states: defaultdict[SubjectId, SubjectState] = defaultdict(SubjectState)
    alerts: dict[str, Alert] = {}
    decisions: dict[str, Decision] = {}
    for event in simulate(PLAN, START_MS, HOURS):
        parse = sensor_logger.parse if isinstance(event, Push) else transactions.parse
        for item in parse(event.body, Arrival(event.due_ms, 0.0), people).accepted:
            assert isinstance(item, Fix | Transaction)
            outcome = evaluate(states[item.subject], item, parameters)
            alerts.update((alert.id, alert) for alert in outcome.alerts)
            if outcome.decision is not None:
                decisions[outcome.decision.transaction.id] = outcome.decision
    return [alert for alert in alerts.values() if alert.state is not AlertState.RETRACTED], decisions


def test_every_expected_alert_is_raised_and_no_other() -> None:
    alerts, decisions = _judge()
    labels = list(truth(PLAN, START_MS, HOURS))
    expected = [label for label in labels if label.expected_alert]
    assert len(expected) >= 15
    raised: defaultdict[SubjectId, set[str]] = defaultdict(set)
    for alert in alerts:
        raised[alert.subject] |= _names(alert)
    assert [label for label in expected if (label.transaction or label.device) not in raised[label.subject]] == []
    guilty = {(label.subject, label.transaction or label.device) for label in expected}
    assert [alert for alert in alerts if not {(alert.subject, name) for name in _names(alert)} & guilty] == []
    _check_decisions(decisions, labels)


def _check_decisions(decisions: dict[str, Decision], labels: list[Label]) -> None:
    flagged = {name for name, decision in decisions.items() if decision.verdict is Verdict.FLAGGED}
    promised = {label.transaction for label in labels if label.expected_alert and label.transaction is not None}
    assert promised <= flagged
    # The owner's own payment of the same millisecond is the other end of the contradiction.
    simultaneous = {(label.subject, label.from_ms) for label in labels if label.kind is FraudKind.SIMULTANEOUS}
    others = [decisions[name].transaction for name in flagged - promised]
    assert all((payment.subject, payment.authorised_ms) in simultaneous for payment in others)
