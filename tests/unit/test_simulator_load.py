"""The benchmark's load: mix, times, truth, and that the gateway accepts it."""

from __future__ import annotations

import pytest

from ingest import sensor_logger, transactions
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.simulator import CityPlan, Load, default_rule, directory
from veilocity.contracts import Fix, Transaction
from veilocity.evidence import speed_bounds_kmh
from veilocity.geo import distance_bounds_m

NOW_MS = 1_750_000_000_000
PLAN = CityPlan(people=200)


def _played(load: Load, calls: int, events: float) -> tuple[list[Fix], list[Transaction], set[str]]:
    resolver = Directory()
    for entry in directory(PLAN):
        resolver.put(entry)
    fixes: list[Fix] = []
    payments: list[Transaction] = []
    frauds: set[str] = set()
    for call in range(calls):
        now_ms = NOW_MS + 100 * call
        for request in load.take(events, now_ms):
            parse = sensor_logger.parse if request.path == "/v1/sensor-logger" else transactions.parse
            outcome = parse(request.body, Arrival(now_ms, 0.0), resolver)
            assert not outcome.rejects
            assert len(outcome.accepted) == request.fixes + request.payments
            frauds.update(request.frauds)
            for item in outcome.accepted:
                if isinstance(item, Fix):
                    fixes.append(item)
                elif isinstance(item, Transaction):
                    payments.append(item)
    return fixes, payments, frauds


def test_nine_fixes_come_with_one_payment_at_the_rate_asked_for() -> None:
    fixes, payments, frauds = _played(Load(PLAN), 100, 150.0)
    assert len(fixes) == pytest.approx(13_500, abs=10)
    assert len(payments) == pytest.approx(1_500, abs=1)
    assert len(frauds) == pytest.approx(15, abs=2)


def test_no_event_repeats_and_times_are_current() -> None:
    fixes, payments, _ = _played(Load(PLAN), 100, 150.0)
    assert len({(fix.device, fix.fix_ns, fix.lat, fix.lon) for fix in fixes}) == len(fixes)
    assert len({payment.id for payment in payments}) == len(payments)
    assert NOW_MS - 10_000 <= min(fix.fix_ns for fix in fixes) / 1e6 <= max(fix.fix_ns for fix in fixes) / 1e6 <= NOW_MS + 9_900
    assert {payment.authorised_ms for payment in payments} <= {NOW_MS + 100 * call for call in range(100)}


def test_only_the_named_payments_contradict_the_phone() -> None:
    rule = default_rule()
    fixes, payments, frauds = _played(Load(PLAN, fraud_share=0.05), 60, 150.0)
    latest: dict[str, Fix] = {fix.subject: fix for fix in fixes}
    robbed = {payment.subject for payment in payments if payment.id in frauds}
    assert frauds
    for payment in payments:
        phone = latest.get(payment.subject)
        if phone is None or payment.lat is None or payment.lon is None:
            continue
        distance = distance_bounds_m(
            phone.lat, phone.lon, phone.accuracy_m or 0.0, payment.lat, payment.lon, payment.place_accuracy_m or 0.0
        )
        speed = speed_bounds_kmh(distance, abs(phone.fix_ns / 1e9 - payment.authorised_ms / 1e3), rule.time_slack_s)
        impossible = distance.low >= rule.minimum_distance_m and (speed is None or speed.low > rule.speed_limit_kmh)
        assert impossible == (payment.id in frauds)
        assert payment.id in frauds or payment.subject not in robbed


def test_the_same_calls_give_the_same_bytes_and_two_runs_two_sets_of_ids() -> None:
    first, second, other = ([request.body for request in Load(PLAN, run).take(2000, NOW_MS)] for run in ("a", "a", "b"))
    assert first == second
    assert not set(first) & set(other)
