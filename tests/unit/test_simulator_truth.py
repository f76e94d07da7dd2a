"""Honest people obey physics, and every label is true: judged with the real parsers and the kernel's own arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import pytest

from ingest import sensor_logger, transactions
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.simulator import CityPlan, Event, FraudKind, Label, Push, default_rule, directory, simulate, truth
from veilocity.contracts import Fix, SubjectId, Transaction
from veilocity.evidence import speed_bounds_kmh
from veilocity.geo import distance_bounds_m

START_MS = 1_750_000_000_000
RULE = default_rule()
PLAN = CityPlan(people=150, offline_chance=0.03)


class Seen(NamedTuple):
    """One observation, sortable by event time."""

    event_ns: int
    name: str
    lat: float
    lon: float
    accuracy_m: float


Histories = dict[SubjectId, list[Seen]]


class World(NamedTuple):
    """A day as the gateway reads it."""

    histories: Histories
    payments: list[Transaction]
    fixes: list[Fix]
    rejected: int
    ignored: int
    labels: list[Label]


def _read(plan: CityPlan, events: Iterable[Event], labels: list[Label]) -> World:
    resolver = Directory()
    for entry in directory(plan):
        resolver.put(entry)
    world = World({}, [], [], 0, 0, labels)
    rejected = ignored = 0
    for event in events:
        # No allowance for the future: an event must have happened when it is sent.
        arrival = Arrival(event.due_ms, 0.0)
        parse = sensor_logger.parse if isinstance(event, Push) else transactions.parse
        outcome = parse(event.body, arrival, resolver)
        rejected += len(outcome.rejects)
        ignored += outcome.ignored
        for item in outcome.accepted:
            if isinstance(item, Fix):
                world.fixes.append(item)
                accuracy = item.accuracy_m or RULE.default_accuracy_m
                seen = Seen(item.fix_ns, item.device, item.lat, item.lon, accuracy)
            else:
                assert isinstance(item, Transaction)
                world.payments.append(item)
                if not item.channel.has_place or item.lat is None or item.lon is None:
                    continue
                accuracy = item.place_accuracy_m or RULE.default_place_accuracy_m
                seen = Seen(item.authorised_ms * 1_000_000, item.id, item.lat, item.lon, accuracy)
            world.histories.setdefault(item.subject, []).append(seen)
    for history in world.histories.values():
        history.sort()
    return world._replace(rejected=rejected, ignored=ignored)


def _impossible(first: Seen, second: Seen) -> bool:
    distance = distance_bounds_m(*first[2:], *second[2:])
    speed = speed_bounds_kmh(distance, (second.event_ns - first.event_ns) / 1e9, RULE.time_slack_s)
    return distance.low >= RULE.minimum_distance_m and (speed is None or speed.low > RULE.speed_limit_kmh)


def _contradictions(histories: Histories, without: set[str]) -> list[tuple[SubjectId, Seen, Seen]]:
    found = []
    for subject, history in histories.items():
        honest = [seen for seen in history if seen.name not in without]
        found += [(subject, first, second) for first, second in pairwise(honest) if _impossible(first, second)]
    return found


def _guilty(labels: list[Label]) -> set[str]:
    return {name for label in labels for name in (label.transaction, label.device) if name is not None}


@pytest.fixture(scope="module")
def world() -> World:
    return _read(PLAN, simulate(PLAN, START_MS, 24.0), list(truth(PLAN, START_MS, 24.0)))


def test_the_gateway_accepts_everything(world: World) -> None:
    assert world.rejected == 0
    assert world.ignored > 0, "other sensors than location are pushed too"


def test_no_honest_pair_of_events_is_an_impossible_trip(world: World) -> None:
    assert _contradictions(world.histories, _guilty(world.labels)) == []


def test_every_expected_alert_is_an_impossible_trip_and_no_other_fraud_is(world: World) -> None:
    for label in world.labels:
        name = label.transaction or label.device
        history = world.histories[label.subject]
        pairs = [
            pair
            for pair in pairwise(history)
            if any(seen.name == name and label.from_ms <= seen.event_ns // 1_000_000 <= label.until_ms for seen in pair)
        ]
        assert pairs
        assert any(_impossible(*pair) for pair in pairs) == label.expected_alert, label


def test_every_impossible_trip_is_the_work_of_a_labelled_fraud(world: World) -> None:
    expected = {(label.subject, label.transaction or label.device) for label in world.labels if label.expected_alert}
    for subject, first, second in _contradictions(world.histories, set()):
        assert {(subject, first.name), (subject, second.name)} & expected


def test_a_fraud_is_never_beside_an_honest_payment_that_could_be_blamed_for_it(world: World) -> None:
    honest = {payment.id for payment in world.payments} - _guilty(world.labels)
    simultaneous = {label.transaction for label in world.labels if label.kind is FraudKind.SIMULTANEOUS}
    for _, first, second in _contradictions(world.histories, set()):
        if not {first.name, second.name} & simultaneous:
            assert not {first.name, second.name} & honest


def test_labels_are_complete_and_hold_what_was_sent(world: World) -> None:
    payments = {payment.id: payment for payment in world.payments}
    kinds = {label.kind for label in world.labels}
    assert kinds == set(FraudKind)
    for label in world.labels:
        assert label.expected_alert == (label.kind is not FraudKind.NEAR_MISS)
        assert (label.speed_low_kmh is None) == (label.kind is FraudKind.SIMULTANEOUS)
        if label.transaction is not None:
            payment = payments[label.transaction]
            assert (payment.authorised_ms, payment.subject) == (label.from_ms, label.subject)
        else:
            fixes = [fix for fix in world.fixes if fix.device == label.device]
            assert fixes
            assert label.until_ms - label.from_ms >= 290_000


def test_nobody_who_shares_a_card_is_robbed(world: World) -> None:
    """The partner's payments would stand between the victim's fixes."""
    users: dict[SubjectId, set[str | None]] = {}
    for payment in world.payments:
        users.setdefault(payment.subject, set()).add(payment.user)
    sharing = {subject for subject, seen in users.items() if len(seen) > 1}
    assert sharing
    assert not sharing & {label.subject for label in world.labels}


def test_a_watcher_sees_the_first_fraud_at_once() -> None:
    first = min((label for label in truth(CityPlan(), START_MS, 0.5)), key=lambda label: label.from_ms)
    assert first.expected_alert
    assert first.from_ms - START_MS < 10_000


def test_travellers_fly_honestly() -> None:
    """Twelve days in which everybody who may fly does: airport, boarding, flight mode, far away, and back."""
    plan = CityPlan(people=14, share_travellers=1.0, frauds_per_person_day=0.0, opening_fraud=False)
    world = _read(plan, simulate(plan, START_MS, 288.0), [])
    assert world.rejected == 0
    assert _contradictions(world.histories, set()) == []
    far = [history for history in world.histories.values() if max(s.lon for s in history) - min(s.lon for s in history) > 5.0]
    assert len(far) >= 10
    aloft = [fix for fix in world.fixes if (fix.altitude_m or 0.0) > 10_000.0]
    assert aloft, "some phones record at the window"
    assert max(fix.speed_mps or 0.0 for fix in aloft) <= 1.1 * 1000.0 / 3.6


def test_online_payments_name_far_shops_and_are_no_observation(world: World) -> None:
    online = [payment for payment in world.payments if payment.channel.value == "e-commerce"]
    assert len({payment.merchant.split("-")[0] for payment in online}) > 5
    assert all(payment.lat is not None for payment in online)


def test_some_fixes_come_from_the_radio_cell_alone_and_some_from_satellites(world: World) -> None:
    accuracies = [fix.accuracy_m for fix in world.fixes if fix.accuracy_m is not None]
    assert len(accuracies) == len(world.fixes)
    assert 0.001 < sum(accuracy > 500.0 for accuracy in accuracies) / len(accuracies) < 0.01
    assert 0.1 < sum(accuracy < 10.0 for accuracy in accuracies) / len(accuracies) < 0.6


def test_stated_accuracy_is_honest() -> None:
    """Fixes of sleeping phones scatter around home: 68 % within the stated accuracy, none beyond 2.5 times it (and the rounding)."""
    plan = CityPlan(people=60, frauds_per_person_day=0.0, opening_fraud=False, share_travellers=0.0)
    # From 1 to 3 in the morning in Paris nobody moves.
    world = _read(plan, simulate(plan, 1_750_032_000_000, 2.0), [])
    errors = []
    for history in world.histories.values():
        if abs(history[0].lon - 2.3) < 1.0:
            best = min(history, key=lambda seen: seen.accuracy_m)
            errors += [(distance_bounds_m(*best[2:4], 0.0, *seen[2:4], 0.0).likely, seen.accuracy_m, best.accuracy_m) for seen in history]
    inside = sum(error <= stated + best for error, stated, best in errors) / len(errors)
    assert 0.65 < inside < 0.95
    assert all(error <= 2.5 * (stated + best) + 0.1 for error, stated, best in errors)
