"""The scoring of alerts against the labels of a week: what counts as found, as false, and whose fault it is."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.quality_score import ORDINARY, Score, Share, allowed_misses, naive, score
from ingest.simulator.weeks import Episode, Fraud, FraudKind, Labels
from tests.unit.weeks_world import LAGOS, LONDON, PARIS, START_MS, fix, payment
from veilocity.contracts import Alert, AlertState, Fix, Observation, ObservationKind, Severity, SubjectId, Transaction
from veilocity.contracts import Episode as AlertEpisode

ANNA, BOB = SubjectId("anna"), SubjectId("bob")
FRAUD = Fraud(FraudKind.TELEPORT, ANNA, START_MS + 60_000, START_MS + 60_000, ("stolen",), None, provable=True)
TAKEOVER = Fraud(FraudKind.TAKEOVER, ANNA, START_MS + 3_600_000, START_MS + 4_000_000, (), "intruder", provable=True)


def labels(*frauds: Fraud, episodes: tuple[Episode, ...] = (), misplaced: tuple[str, ...] = (), judged_from_ms: int = 0) -> Labels:
    return Labels(frauds, episodes, frozenset(misplaced), {ANNA: judged_from_ms, BOB: judged_from_ms})


def alert(  # what of an alert the score looks at
    first: str = "phone@1",
    second: str = "phone@2",
    *,
    at_s: float = 60.0,
    until_s: float | None = None,
    severity: Severity = Severity.HIGH,
    subject: SubjectId = ANNA,
    **fields: object,
) -> Alert:
    at_ms, until_ms = START_MS + round(at_s * 1000), START_MS + round((at_s if until_s is None else until_s) * 1000)
    ends = [Observation(ObservationKind.FIX, name, at_ms * 1_000_000, 0.0, 0.0, 10.0) for name in (first, second)]
    filled: dict[str, object] = dict.fromkeys(Alert.__struct_fields__)
    filled |= {
        "id": f"{first}{second}{at_s}{severity}",
        "rule": "impossible-travel",
        "severity": severity,
        "state": AlertState.OPEN,
        "subject": subject,
        "anchor": second,
        "first": ends[0],
        "second": ends[1],
        "episode": AlertEpisode(first_ms=at_ms, last_ms=until_ms, count=1),
    }
    return Alert(**filled | fields)  # type: ignore[arg-type]  # the score reads none of the others


def judged(*alerts: Alert, truth: Labels | None = None) -> Score:
    return score([], truth or labels(FRAUD, TAKEOVER), alerts)


@pytest.mark.parametrize(
    "one",
    [
        alert("phone@1", "stolen", at_s=9000.0),
        alert("stolen", "phone@2", at_s=9000.0),
        alert(at_s=9000.0, anchor="stolen"),
        alert(at_s=9000.0, episode=AlertEpisode(START_MS, START_MS + 9_000_000, 2, ("phone@1", "stolen"))),
        alert(at_s=100.0),
    ],
)
def test_a_fraud_is_found_by_its_name_or_at_its_time(one: Alert) -> None:
    found = judged(one)
    assert [finding.travel for finding in found.findings] == [3, 0]
    assert found.recall() == Share(1, 2)
    assert found.precision() == Share(1, 1)


def test_an_intruder_is_found_by_any_observation_of_the_device() -> None:
    assert judged(alert("phone@1", "intruder@99", at_s=9000.0)).findings[1].travel == 3
    assert judged(alert("phone@1", "intruder2@99", at_s=9000.0)).findings[1].travel == 0


@pytest.mark.parametrize(
    "one",
    [
        alert("phone@1", "stolen", subject=BOB),
        alert(at_s=-1000.0),
        # A long episode that only happens to cover the fraud has not found it.
        alert(at_s=-900.0, until_s=900.0),
    ],
)
def test_another_subject_or_a_long_span_finds_nothing(one: Alert) -> None:
    found = judged(one)
    assert found.recall() == Share(0, 2)
    assert found.precision() == Share(0, 1)


def test_the_gravest_alert_counts_and_low_ones_do_not_hurt_the_precision() -> None:
    low, false = alert("phone@1", "stolen", severity=Severity.LOW), alert(at_s=9000.0, severity=Severity.LOW)
    found = judged(low, false)
    assert (found.recall(), found.recall(Severity.HIGH)) == (Share(1, 2), Share(0, 2))
    assert (found.precision(), found.precision(Severity.LOW)) == (Share(0, 0), Share(1, 2))
    assert judged(low, alert("phone@1", "stolen")).recall(Severity.HIGH) == Share(1, 2)


def test_retracted_alerts_other_rules_and_the_cold_start_are_left_out() -> None:
    other = judged(alert("phone@1", "stolen", rule="new-country"))
    assert (other.recall(), other.precision(), other.findings[0].any_rule) == (Share(0, 2), Share(0, 0), 3)
    assert judged(alert("phone@1", "stolen", state=AlertState.RETRACTED)).recall() == Share(0, 2)
    cold = judged(alert(), truth=labels(judged_from_ms=START_MS + 100_000))
    assert (cold.precision(), cold.cold_alerts) == (Share(0, 0), 1)


def test_what_cannot_be_proved_is_not_asked_for() -> None:
    unproved = msgspec.structs.replace(FRAUD, provable=False)
    assert judged(alert(at_s=9000.0), truth=labels(unproved)).recall() == Share(0, 0)
    assert judged(alert("phone@1", "stolen"), truth=labels(unproved)).precision() == Share(1, 1)


def test_a_false_alert_is_laid_at_the_right_door() -> None:
    flight = Episode("short-haul flight, phone off", ANNA, START_MS, START_MS + 7_200_000)
    cells = Episode("fixes from the radio cell", ANNA, START_MS, START_MS + 60_000, ("phone@2",))
    glitch = Episode("GPS glitch", ANNA, START_MS, START_MS + 600_000, ("phone@1",))
    truth = labels(episodes=(flight, cells, glitch), misplaced=("phone@1",))
    attributed = [name for name, _ in judged(alert(), alert("phone@3", "phone@2"), alert("a", "b", at_s=7000.0), truth=truth).false_alerts]
    assert sorted(attributed) == ["GPS glitch", "fixes from the radio cell", "short-haul flight, phone off"]
    assert judged(alert("a", "b", at_s=90_000.0), truth=truth).false_alerts[0][0] == ORDINARY
    assert judged(alert("a", "b", at_s=7000.0), truth=truth).high_on_flights() == Share(1, 1)


def test_scores_add_up() -> None:
    total = Score()
    for _ in range(3):
        total.add(judged(alert("phone@1", "stolen"), alert(at_s=9000.0)))
    assert (total.recall(), total.precision()) == (Share(3, 6), Share(3, 6))


def test_the_naive_rule_looks_at_the_last_two_events_only() -> None:
    events: list[Fix | Transaction] = [fix(0, PARIS), payment(60, LAGOS, "stolen"), fix(120, PARIS), fix(3720, LONDON), fix(3730, PARIS)]
    found = naive(events, labels(FRAUD))
    assert (found.recall, found.true, found.false) == (Share(1, 1), 2, 1)


def test_an_interval_holds_its_share_and_nothing_of_nothing_is_missed() -> None:
    low, high = Share(0, 20).interval
    assert (low, round(high, 3)) == (0.0, 0.161)
    assert (Share(0, 0).value, Share(0, 0).interval) == (1.0, (0.0, 1.0))


def test_allowed_misses_are_the_binomial_quantile() -> None:
    assert allowed_misses(0, 0.01) == 0
    assert [allowed_misses(200, chance) for chance in (0.0, 0.01, 0.05)] == [0, 6, 18]
    assert 950 < allowed_misses(20_000, 0.05) - 100 < 1050
