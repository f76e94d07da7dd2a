"""How much a city sends and how often it is robbed, against what its plan says in advance.

Both tests run fixed seeds, so they give the same answer every time: a failure is a change of the simulator, never bad luck.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from ingest.simulator import CityPlan, FraudKind, Push, simulate, truth

START_MS = 1_750_000_000_000


@pytest.mark.parametrize("seed", [1, 7])
def test_the_event_rate_is_within_a_fifth_of_the_plan(seed: int) -> None:
    plan = CityPlan(seed=seed, people=80)
    events = sum(event.fixes if isinstance(event, Push) else 1 for event in simulate(plan, START_MS, 24.0))
    assert events / 86_400 == pytest.approx(plan.events_per_s, rel=0.2)


@pytest.mark.parametrize("seed", [1, 7, 23])
def test_an_expected_alert_comes_every_eight_to_ten_seconds_at_sixty_times_the_speed(seed: int) -> None:
    plan = CityPlan(seed=seed)
    labels = list(truth(plan, START_MS, 72.0))
    expected = sorted(label.from_ms for label in labels if label.expected_alert)
    assert 8.0 <= (expected[-1] - expected[0]) / (len(expected) - 1) / 60_000 <= 10.0
    assert max(after - before for before, after in pairwise(expected)) / 60_000 < 60.0
    assert 0.03 < sum(label.kind is FraudKind.TAKEOVER for label in labels) / len(labels) < 0.1
