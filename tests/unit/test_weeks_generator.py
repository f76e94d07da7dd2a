"""Labelled weeks: the same every time, in order of arrival, with every confuser and every fraud there and rightly labelled."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict

import msgspec
import pytest

from ingest.simulator.weeks import FraudKind, WeekPlan, labelled_week
from ingest.simulator.weeks.confusers import LASTING, PASSING, phone_clock, settlement
from ingest.simulator.weeks.frauds import CRIMES
from tests.unit.weeks_world import PLAN, name_of, time_ns, week
from veilocity.contracts import Fix, Transaction
from veilocity.errors import SettingsError

HOUR_NS = 3_600_000_000_000
RARE = {"phone forgotten at home", "head office of a chain never seen before"}


def test_another_process_makes_the_same_week() -> None:
    program = (
        "import hashlib, msgspec; from ingest.simulator.weeks import WeekPlan, labelled_week;"
        "print(hashlib.sha256(msgspec.json.encode(labelled_week(WeekPlan(seed=5, people=3)), order='deterministic')).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": salt, "PYTHONPATH": "."}
        ).stdout
        for salt in ("1", "2")
    }
    assert len(found) == 1
    assert labelled_week(WeekPlan(seed=5, people=3)).events != labelled_week(WeekPlan(seed=6, people=3)).events


def test_events_come_in_order_of_receipt_and_a_few_come_twice() -> None:
    events = week().events
    received = [event.received_ms for event in events]
    assert received == sorted(received)
    repeated = sum(times - 1 for times in Counter(name_of(event) for event in events).values())
    assert 0.5 < repeated / len(events) / PLAN.duplicate_chance < 1.5


def test_nothing_is_an_hour_late_but_what_a_label_says() -> None:
    exempt = {
        name
        for episode in week().labels.episodes
        if episode.confuser in (phone_clock.HOURS, settlement.OFFLINE)
        for name in episode.observations
    }
    newest: dict[str, int] = defaultdict(int)
    late = []
    for event in week().events:
        newest[event.subject] = max(newest[event.subject], time_ns(event))
        if newest[event.subject] - time_ns(event) > HOUR_NS and name_of(event) not in exempt:
            late.append(event)
    assert late == []


def test_some_events_come_late_and_out_of_order() -> None:
    newest: dict[str, int] = defaultdict(int)
    behind = 0
    for event in week().events:
        newest[event.subject] = max(newest[event.subject], time_ns(event))
        behind += newest[event.subject] - time_ns(event) > HOUR_NS // 12
    assert behind > 1000


def test_every_confuser_is_there() -> None:
    found = Counter(episode.confuser for episode in week().labels.episodes)
    assert {confuser.name for confuser in PASSING} - RARE <= set(found)
    assert set(LASTING) <= set(found)
    assert {name for name in found if "flight" in name} >= {"short-haul flight, phone off", "long-haul flight, phone off"}
    assert {"fast train", "holiday", "holiday, phone without roaming"} <= set(found)


def test_there_are_ten_honest_episodes_to_one_fraud() -> None:
    labels = week().labels
    assert len(labels.episodes) / len(labels.frauds) == pytest.approx(10.0, rel=0.05)


def test_every_kind_of_fraud_is_committed_in_its_turn() -> None:
    found = Counter(fraud.kind for seed in (1, 2) for fraud in labelled_week(WeekPlan(seed=seed, people=20)).labels.frauds)
    assert set(found) == set(FraudKind) == {crime.kind for crime in CRIMES}


def test_labels_name_events_that_exist() -> None:
    names = {name_of(event) for event in week().events}
    devices = {event.device for event in week().events if isinstance(event, Fix)}
    labels = week().labels
    assert labels.misplaced <= names
    for fraud in labels.frauds:
        assert set(fraud.transactions) <= names
        assert fraud.device is None or fraud.device in devices
        assert fraud.transactions or fraud.device
    for episode in labels.episodes:
        assert set(episode.observations) <= names, episode.confuser


def test_nothing_happens_in_the_cold_start_but_what_lasts() -> None:
    labels = week().labels
    assert all(fraud.from_ms > labels.judged_from_ms[fraud.subject] for fraud in labels.frauds)
    assert all(episode.until_ms >= labels.judged_from_ms[episode.subject] for episode in labels.episodes)


def test_a_phone_without_roaming_says_nothing_abroad_and_the_card_does() -> None:
    for episode in week().labels.episodes:
        if episode.confuser != "holiday, phone without roaming":
            continue
        during = [event for event in week().events if event.subject == episode.subject and episode.from_ms <= time_ns(event) // 10**6]
        during = [event for event in during if time_ns(event) // 10**6 < episode.until_ms]
        assert [event for event in during if isinstance(event, Fix)] == []


def test_no_proof_without_a_place() -> None:
    online = {event.id for event in week().events if isinstance(event, Transaction) and not event.channel.has_place}
    for fraud in week().labels.frauds:
        if fraud.kind is FraudKind.CARD_TESTING:
            assert not fraud.provable
            assert set(fraud.transactions) <= online
        if fraud.kind is FraudKind.SHORT:
            assert not fraud.provable


@pytest.mark.parametrize("wrong", [{"people": 0}, {"days": 4}, {"cold_days": 0}, {"episodes_per_fraud": 0.0}, {"duplicate_chance": 1.5}])
def test_a_plan_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        msgspec.convert({"seed": 1} | wrong, WeekPlan)
