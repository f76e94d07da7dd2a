"""The default rules on labelled weeks that no figure was taken from: the four bars of `make bench-quality` on a small scale.

The weeks and the rules are pure, so a failure is a change of either, never bad luck. The number of misses allowed is nevertheless that of a
sample: rules which just meet the bars on endless weeks would fail one of the three shares with probability below 3 %.
"""

from __future__ import annotations

from functools import cache

from benchmarks.quality import measure
from benchmarks.quality_score import Naive, Score, Share, allowed_misses
from ingest.simulator.weeks import WeekPlan
from veilocity.contracts import Severity

SEEDS = (101, 102)
"""None of the benchmark's."""


@cache
def measured() -> tuple[Score, Naive]:
    return measure(WeekPlan(seed=seed, people=20, days=6) for seed in SEEDS)


def meets(share: Share, bar: float) -> bool:
    return share.of - share.hits <= allowed_misses(share.of, 1.0 - bar)


def test_provable_fraud_is_found() -> None:
    """N = 76 provable frauds, seeds 101 and 102, bar 0.99: more misses than allowed have probability below 1 % at recall 0.99."""
    found = measured()[0].recall()
    assert found.of > 60
    assert meets(found, 0.99), found


def test_provable_fraud_is_found_at_high_severity() -> None:
    """N = 76 provable frauds, seeds 101 and 102, bar 0.90: more misses than allowed have probability below 1 % at recall 0.90."""
    found = measured()[0].recall(Severity.HIGH)
    assert meets(found, 0.90), found


def test_travel_alerts_are_true() -> None:
    """N about 76 alerts of medium or high, seeds 101 and 102, bar 0.95: more false ones than allowed have probability below 1 % at 0.95."""
    true = measured()[0].precision()
    assert true.of > 50
    assert meets(true, 0.95), true


def test_no_honest_flight_raises_a_high_alert() -> None:
    """N = 68 flights, seeds 101 and 102, bar 0: no chance is allowed for."""
    flights = measured()[0].high_on_flights()
    assert flights.of > 50
    assert flights.hits == 0


def test_the_naive_rule_is_far_worse_on_the_same_events() -> None:
    score, peer = measured()
    assert Share(peer.true, peer.true + peer.false).value < 0.5 < score.precision().value
