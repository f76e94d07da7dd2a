"""A simulated day judged by the rules engine itself: it must find what the labels promise, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ingest import sensor_logger, transactions
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.simulator import CityPlan, FraudKind, Label, Push, directory, simulate, truth
from rules import Engine, default_rule_book
from rules.backtest import Judgement, judge
from veilocity.contracts import Alert, AlertState, Decision, Fix, Severity, SubjectId, Transaction, Verdict

START_MS = 1_750_000_000_000
HOURS = 14.0
PLAN = CityPlan(people=100, offline_chance=0.05)
TRAVEL = {"impossible-travel", "phone-far-from-card", "simultaneous-use", "atm-hop"}


def _names(alert: Alert) -> set[str]:
    """Return what stands at both ends and in the episode: transaction ids, and devices of fixes (`device@fix_ns`)."""
    return {name.split("@")[0] for name in (alert.first.id, alert.second.id, *alert.episode.events)}


def _events() -> Iterator[Fix | Transaction]:
    people = Directory()
    for entry in directory(PLAN):
        people.put(entry)
    for event in simulate(PLAN, START_MS, HOURS):
        parse = sensor_logger.parse if isinstance(event, Push) else transactions.parse
        for item in parse(event.body, Arrival(event.due_ms, 0.0), people).accepted:
            assert isinstance(item, Fix | Transaction)
            yield item


def _judge() -> Judgement:
    return judge(_events(), Engine(default_rule_book()))


def test_every_expected_alert_is_raised_and_no_other() -> None:
    judgement = _judge()
    alerts = [alert for alert in judgement.alerts.values() if alert.state is not AlertState.RETRACTED and alert.rule in TRAVEL]
    labels = list(truth(PLAN, START_MS, HOURS))
    expected = [label for label in labels if label.expected_alert]
    assert len(expected) >= 15
    raised: defaultdict[SubjectId, set[str]] = defaultdict(set)
    for alert in alerts:
        raised[alert.subject] |= _names(alert)
    assert [label for label in expected if (label.transaction or label.device) not in raised[label.subject]] == []
    guilty = {(label.subject, label.transaction or label.device) for label in labels}
    false = [alert for alert in alerts if not {(alert.subject, name) for name in _names(alert)} & guilty]
    assert [alert for alert in false if alert.severity is not Severity.LOW] == []
    _check_decisions(judgement.decisions, labels)


def _check_decisions(decisions: dict[str, Decision], labels: list[Label]) -> None:
    answered = {name for name, decision in decisions.items() if decision.severity is not None}
    promised = {label.transaction for label in labels if label.expected_alert and label.transaction is not None}
    assert promised <= answered
    flagged = {name for name, decision in decisions.items() if decision.verdict is Verdict.FLAGGED}
    # The owner's own payment of the same millisecond is the other end of the contradiction.
    simultaneous = {(label.subject, label.from_ms) for label in labels if label.kind is FraudKind.SIMULTANEOUS}
    fraud = {label.transaction for label in labels if label.transaction is not None}
    others = [decisions[name].transaction for name in flagged - fraud]
    assert all((payment.subject, payment.authorised_ms) in simultaneous for payment in others)
