"""What the stage tells machines: figures that follow the documents, and none that tells of fewer than k people where they are."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from prometheus_client import REGISTRY

from privacy.masking import MONGODB
from privacy.parts import MaskedPart, MaskedPayment
from privacy.state import StageState
from privacy.telemetry import Telemetry, watch_disk
from storage.documents import AggregateDocument, MaskedBatch, NoiseTerms, Place, Position, Progress
from tests.unit.privacy_world import MINUTE, PAYMENTS, POLICY, Store, drained, payment, released
from veilocity.contracts import Verdict

K = 5


def told(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"veilocity_{name}", labels) or 0.0


def in_country(number: int, country: str | None) -> MaskedPayment:
    one = payment(number)
    documents = {store: msgspec.structs.replace(document, country=country) for store, document in one.documents.items()}
    return msgspec.structs.replace(one, documents=documents)


def seen(minute: int, people: int) -> MaskedPart:
    positions = [Position(f"p{number}", 1, minute * MINUTE, Place("cell", 40.0 + number, 10.0)) for number in range(people)]
    return MaskedPart(positions=positions, altitudes_m=[100.0 + 10 * number for number in range(people)])


def test_answers_are_counted_by_channel_and_by_countries_of_k_people() -> None:
    telemetry = Telemetry(K)
    before = told("privacy_channel_payments_total", channel="card-present", verdict="flagged")
    other = told("privacy_country_payments_total", country="other", verdict="clear")
    nowhere = told("privacy_country_payments_total", country="none", verdict="clear")
    # Eleven people: the payments 0 to 10 are of one each.
    rows = [in_country(number, "LI") for number in range(11)] + [in_country(3, None), in_country(4, "ZZ")]
    telemetry.people_seen([MaskedPart(payments=rows)])
    flagged = sum(row.documents[MONGODB].verdict is Verdict.FLAGGED for row in rows)
    assert told("privacy_channel_payments_total", channel="card-present", verdict="flagged") - before == flagged > 0
    named = sum(told("privacy_country_payments_total", country="LI", verdict=verdict) for verdict in ("flagged", "clear"))
    assert named == 11 - (K - 1)
    assert told("privacy_country_payments_total", country="ZZ", verdict="clear") == 0.0
    assert told("privacy_country_payments_total", country="none", verdict="clear") - nowhere == 1.0
    assert told("privacy_country_payments_total", country="other", verdict="clear") > other


def test_mean_places_are_told_of_k_people_and_else_not_a_number() -> None:
    telemetry = Telemetry(K)
    for minute in (10, 11, 12):
        telemetry.people_seen([seen(minute, 6)])
    assert told("privacy_average_latitude_degrees") == pytest.approx(42.5)
    assert told("privacy_average_longitude_degrees") == pytest.approx(10.0)
    assert told("privacy_average_altitude_meters") == 125.0
    # One person comes: the difference would tell where.
    for minute in (13, 14, 15, 16):
        telemetry.people_seen([seen(minute, 7)])
    assert math.isnan(told("privacy_average_latitude_degrees"))
    assert math.isnan(told("privacy_average_altitude_meters"))


def test_mean_places_can_be_turned_off() -> None:
    before = told("privacy_average_minutes_total", outcome="told")
    telemetry = Telemetry(K, averages=False)
    for minute in (10, 11, 12):
        telemetry.people_seen([seen(minute, 6)])
    assert told("privacy_average_minutes_total", outcome="told") == before


def test_an_executor_that_knows_no_heights_stops_nothing() -> None:
    Telemetry(K).people_seen([msgspec.structs.replace(seen(10, 6), altitudes_m=[])])


def test_each_released_class_tells_its_delay(tmp_path: Path) -> None:
    before = told("privacy_release_delay_seconds_count")
    store: Store = drained(tmp_path)
    assert told("privacy_release_delay_seconds_count") - before == len(released(store)) > 0


def test_a_spent_budget_tells_what_was_left() -> None:
    terms = NoiseTerms(0.0, 0.0, 1, 0.95, None, 1.0, 0.0, 7)
    window = AggregateDocument("a", 1, "counts", 0, 1, "*", "*", None, None, None, None, terms, True, 0.25)
    batch = MaskedBatch(Progress(id="privacy", seq=1), aggregates=(window,))
    Telemetry(K).batch_done(batch, StageState.fresh(POLICY), [])
    assert told("privacy_budget_left_epsilon") == 0.25


def test_the_disk_is_measured_at_each_scrape(tmp_path: Path) -> None:
    watch_disk(tmp_path)
    assert 0.0 < told("privacy_disk_free_ratio") <= 1.0


def test_the_made_up_payments_are_of_more_than_k_people() -> None:
    assert len({one.person for one in PAYMENTS}) == 11


def test_what_the_sketches_hold_is_told_in_bytes_and_how_full_the_filter_is() -> None:
    state = StageState.fresh(POLICY)
    Telemetry(K).batch_done(MaskedBatch(progress=Progress("privacy", 1)), state, [])
    assert told("privacy_filter_fill_ratio") == 0.0
    state.places.update_batch([f"pair {number}" for number in range(200)])
    Telemetry(K).batch_done(MaskedBatch(progress=Progress("privacy", 2)), state, [])
    assert told("privacy_filter_fill_ratio") == pytest.approx(state.places.fill()) != 0.0
    assert told("privacy_filter_capacity") == POLICY.bloom_capacity
    assert told("privacy_sketch_bytes", kind="visits") == state.places.memory_bytes
    assert told("privacy_sketch_bytes", kind="people") == 4_096
