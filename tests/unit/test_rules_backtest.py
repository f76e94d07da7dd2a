import pytest

from rules import Engine, default_rule_book
from rules.backtest import Judgement, judge
from tests.unit.rules_world import LAGOS, LONDON, PARIS, Event, fix, payment
from veilocity.contracts import Severity, Verdict
from veilocity.errors import RejectReason


@pytest.fixture
def engine() -> Engine:
    return Engine(default_rule_book())


def day(subject: str, *, far: bool = False) -> list[Event]:
    """A phone that stays in London, and a payment beside it or in Lagos."""
    fixes: list[Event] = [fix(at_s, (LONDON[0] + at_s * 1e-7 * (at_s % 7), LONDON[1]), subject=subject) for at_s in range(0, 3600, 60)]
    return [*fixes, payment(1830.0, LAGOS if far else LONDON, id=f"paid-by-{subject}", subject=subject)]


def without_order(judgement: Judgement) -> tuple[object, object]:
    return (
        {name: (one.verdict, one.score, one.reasons) for name, one in judgement.decisions.items()},
        {name: (one.rule, one.severity, one.cause, one.episode) for name, one in judgement.standing.items()},
    )


def test_a_payment_far_from_its_phone_is_flagged_and_its_neighbour_is_not(engine: Engine) -> None:
    judgement = judge([*day("anna", far=True), *day("ben")], engine)
    assert judgement.decisions["paid-by-anna"].verdict is Verdict.FLAGGED
    assert judgement.decisions["paid-by-ben"].verdict is Verdict.CLEAR
    assert {alert.subject for alert in judgement.standing.values() if alert.severity is Severity.HIGH} == {"anna"}


def test_subjects_that_are_interleaved_are_judged_apart(engine: Engine) -> None:
    one_by_one = judge([*day("anna", far=True), *day("ben")], engine)
    mixed = judge([event for pair in zip(day("anna", far=True), day("ben"), strict=True) for event in pair], engine)
    assert without_order(one_by_one) == without_order(mixed)


def test_the_counters_add_up_as_those_of_the_service_do(engine: Engine) -> None:
    events = [*day("anna", far=True), *day("anna", far=True), fix(-40_000.0), fix(4000.0, (0.0, 0.0)), payment(5000.0, PARIS)]
    counts = judge(events, engine).counts
    fixes = ("fixes_kept", "fixes_duplicate", "fixes_thinned", "fixes_late", "fixes_rejected")
    assert counts["fixes_read"] == sum(counts[name] for name in fixes)
    assert counts["transactions_read"] == counts["decided"] + counts["transactions_duplicate"] + counts["transactions_rejected"]
    assert counts["decided"] == counts["flagged"] + counts["clear"] + counts["not_scorable"]
    assert min(counts["fixes_late"], counts["fixes_rejected"], counts["fixes_kept"], counts["transactions_duplicate"]) > 0


def test_an_event_that_cannot_be_costs_only_itself(engine: Engine) -> None:
    with_it, without_it = judge([fix(0.0, (0.0, 0.0)), *day("anna", far=True)], engine), judge(day("anna", far=True), engine)
    assert with_it.rejects == {RejectReason.INVALID_COORDINATES: 1}
    assert with_it.decisions == without_it.decisions
    assert with_it.alerts == without_it.alerts


def test_of_an_alert_and_a_decision_the_highest_revision_holds(engine: Engine) -> None:
    # The payment is judged before its phone is heard of: the fixes that come after amend the decision.
    fixes, paid = day("anna", far=True)[:-1], day("anna", far=True)[-1]
    judgement = judge([*fixes[:10], paid, *fixes[10:]], engine)
    assert judgement.decisions["paid-by-anna"].revision > 1
    assert judgement.counts["decisions_amended"] == judgement.decisions["paid-by-anna"].revision - 1
