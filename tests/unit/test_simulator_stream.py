"""The stream itself: bytes, order, times, repeats."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import msgspec
import pytest

from ingest.simulator import CityPlan, Event, Payment, Push, simulate, truth
from veilocity.errors import SettingsError

START_MS = 1_750_000_000_000
_DIGEST_PROGRAM = """
import hashlib
from ingest.simulator import CityPlan, simulate
digest = hashlib.sha256()
for event in simulate(CityPlan(people=25, offline_chance=0.1, duplicate_chance=0.05), 1_750_000_000_000, 2.0):
    digest.update(b"%d " % event.due_ms + event.body)
print(digest.hexdigest())
"""
GOLDEN = "0b934e46dd46fecac33926b4099712b185cc12f8e12922dccc89203e02e6710c"
"""Changes only when the city changes on purpose: then put the new one here."""


@pytest.fixture(scope="module")
def day() -> list[Event]:
    return list(simulate(CityPlan(people=60), START_MS, 24.0))


def _times_ms(event: Event) -> list[float]:
    content = msgspec.json.decode(event.body)
    if isinstance(event, Payment):
        return [content["authorised_ms"]]
    return [reading["time"] / 1e6 for reading in content["payload"]]


def _digest(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run([sys.executable, "-c", _DIGEST_PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_two_processes_with_different_hash_seeds_make_the_same_bytes_and_the_golden_ones() -> None:
    assert _digest("1") == _digest("2") == GOLDEN


def test_another_seed_makes_another_city() -> None:
    first, second = (list(itertools.islice(simulate(CityPlan(seed=seed, people=5), START_MS, 1.0), 20)) for seed in (1, 2))
    assert not {event.body for event in first} & {event.body for event in second}


def test_events_come_in_order_of_sending_and_none_before_it_happened(day: list[Event]) -> None:
    assert [event.due_ms for event in day] == sorted(event.due_ms for event in day)
    assert all(max(_times_ms(event)) <= event.due_ms for event in day)


def test_nothing_happens_before_the_start_or_after_the_end(day: list[Event]) -> None:
    times = [time_ms for event in day for time_ms in _times_ms(event)]
    # A session's reading of the battery is taken a moment before its first fix.
    assert min(times) >= START_MS - 400
    assert max(times) < START_MS + 24 * 3_600_000
    assert any(event.due_ms >= START_MS + 24 * 3_600_000 for event in day), "what had happened by the end must still be sent"


def test_the_map_fills_at_once(day: list[Event]) -> None:
    early = {msgspec.json.decode(event.body)["deviceId"] for event in day if isinstance(event, Push) and event.due_ms < START_MS + 30_000}
    assert len(early) >= 50


def test_some_pushes_come_twice_late_or_out_of_order(day: list[Event]) -> None:
    pushes = [event for event in day if isinstance(event, Push)]
    bodies = Counter(push.body for push in pushes)
    assert 0.002 < sum(count - 1 for count in bodies.values()) / len(pushes) < 0.01
    lateness_ms = [push.due_ms - max(_times_ms(push)) for push in pushes]
    assert 600_000 < max(lateness_ms) <= 1_260_000 + 150 * 30
    orders: dict[tuple[str, str], list[int]] = {}
    for push in pushes:
        content = msgspec.json.decode(push.body)
        orders.setdefault((content["deviceId"], content["sessionId"]), []).append(content["messageId"])
    assert any(messages != sorted(messages) for messages in orders.values())
    for messages in orders.values():
        assert set(messages) == set(range(1, max(messages) + 1))


def test_sessions_begin_with_the_last_fix_of_the_session_before(day: list[Event]) -> None:
    cached = 0
    for event in day:
        if isinstance(event, Push):
            locations = [reading for reading in msgspec.json.decode(event.body)["payload"] if reading["name"] == "location"]
            cached += len(locations) > 1 and locations[1]["time"] - locations[0]["time"] > 150e9
            assert len(locations) == event.fixes
    assert cached > 30


def test_a_larger_city_and_an_overlapping_run_tell_the_same_honest_payments() -> None:
    plan = CityPlan(people=12, frauds_per_person_day=0.0, opening_fraud=False)
    whole = {event.body for event in simulate(plan, START_MS, 20.0) if isinstance(event, Payment)}
    part = {event.body for event in simulate(plan, START_MS + 16 * 3_600_000 + 123_456, 4.0) if isinstance(event, Payment)}
    larger = CityPlan(people=30, frauds_per_person_day=0.0, opening_fraud=False)
    assert part
    assert part <= whole <= {event.body for event in simulate(larger, START_MS, 20.0) if isinstance(event, Payment)}


def test_a_city_without_an_end_is_told_in_pieces() -> None:
    first = list(itertools.islice(simulate(CityPlan(people=3), START_MS), 2000))
    assert len(first) == 2000
    assert first[-1].due_ms > START_MS + 3_600_000


def test_a_city_of_one_has_no_one_to_share_a_card_with_and_still_lives() -> None:
    assert any(isinstance(event, Push) for event in simulate(CityPlan(people=1), START_MS, 0.5))
    assert list(truth(CityPlan(people=1, frauds_per_person_day=0.0, opening_fraud=False), START_MS, 2.0)) == []


@pytest.mark.parametrize("wrong", [{"people": 0}, {"seed": -1}, {"share_teleport": 1.5}, {"moving_step_s": (30.0, 15.0)}])
def test_a_plan_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        CityPlan(**wrong)


def test_a_payment_states_the_country_of_its_merchant(day: list[Event]) -> None:
    payments = [msgspec.json.decode(event.body) for event in day if isinstance(event, Payment)]
    countries = {payment["merchant"].split("-")[0]: payment["country"] for payment in payments}
    assert countries["paris"] == "FR"
    assert len(set(countries.values())) > 2
    assert {payment["country"] for payment in payments if payment["currency"] == "GBP"} <= {"GB"}
