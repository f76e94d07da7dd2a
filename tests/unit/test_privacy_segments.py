"""The pure parts of customer segments: rows of payments, features, joining of small groups, letters, words, windows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from privacy.audit import Limits, StoredDocument, audit
from privacy.audit.patterns import in_text
from privacy.audit.segments import SEGMENTS
from privacy.identifiers.keyring import KeyRing
from privacy.segments.behaviour import behaviour_of, standardised
from privacy.segments.groups import Group, averages, grouped
from privacy.segments.job import document_of
from privacy.segments.naming import named
from privacy.segments.rows import RowMaker
from privacy.segments.schedule import Extent, due
from storage.segments import Segment, SegmentsDocument, segments_id
from veilocity.contracts import Channel, Decision, SubjectId, Transaction, Verdict, encode
from veilocity.errors import SchemaVersionError

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
NOON_MS = 20_000 * DAY_MS + 12 * HOUR_MS
PAYMENT = Transaction(
    "t-1", SubjectId("jane"), NOON_MS + 65_432, NOON_MS, 1_234, "EUR", "shop", "food", Channel.CARD_PRESENT, lat=52.516312, lon=13.377712
)


def decision(revision: int = 1, **changes: Any) -> bytes:
    return encode(Decision(msgspec.structs.replace(PAYMENT, **changes), Verdict.CLEAR, 0.0, (), {}, revision=revision))


def masked(path: Path, *values: bytes) -> list[dict[str, Any]]:
    key_file = path / "key"
    if not key_file.exists():
        KeyRing.generate(key_file)
    columns: list[pa.Array[Any]] = [pa.array([3] * len(values), pa.int32()), pa.array(values, pa.binary())]
    batch = pa.RecordBatch.from_arrays(columns, names=["partition", "value"])
    return [row for made in RowMaker(str(key_file), 7 * DAY_MS, 7)([batch]) for row in made.to_pylist()]


def test_a_row_holds_no_identifier_and_nothing_fine(tmp_path: Path) -> None:
    (row,) = masked(tmp_path, decision())
    assert len(row["person"]) == 32
    assert "jane" not in repr(row)
    assert row["minute_ms"] == NOON_MS + 60_000
    assert row["start_ms"] == NOON_MS // (7 * DAY_MS) * 7 * DAY_MS
    assert 100 < abs(row["lat"] - PAYMENT.lat) * 111_320 + abs(row["lon"] - PAYMENT.lon) * 67_800 < 3_000
    assert row["log_amount"] == round(math.log(12.0) * 1_000_000)
    assert (row["night"], row["online"], row["partition"]) == (0, 0, 3)


def test_what_is_no_first_answer_to_a_payment_is_left_out(tmp_path: Path) -> None:
    values = [decision(revision=2), decision(amount_minor=-500), decision(amount_minor=0), b"{", b"", decision(id="t-2")]
    assert len(masked(tmp_path, *values)) == 1
    with pytest.raises(SchemaVersionError):
        masked(tmp_path, decision(schema=1).replace(b'"verdict"', b'"schema":99,"verdict"'))


def test_a_payment_without_a_place_has_none(tmp_path: Path) -> None:
    rows = masked(tmp_path, decision(lat=None, lon=None, channel=Channel.ECOMMERCE), decision(lat=91.0, lon=0.0))
    assert [(row["lat"], row["online"]) for row in rows] == [(None, 1), (None, 0)]
    assert rows[0]["person"] == rows[1]["person"]


def sums(**columns: list[int]) -> pa.Table:
    known = {"payments": [6], "log_amounts": [0], "nights": [0], "online": [0], "way_m": [0], "legs": [0]}
    return pa.table({"person": ["x"] * len(columns.get("payments", [6])), **known, **columns})


def test_features_of_sums() -> None:
    one = sums(log_amounts=[6 * round(math.log(20.0) * 1_000_000)], nights=[3], online=[2], way_m=[12_000], legs=[4])
    found = behaviour_of(one, 2 * DAY_MS, 3)
    assert found.features.round(3).tolist() == [[3.0, 20.0, 0.5, 3.0, 0.333]]
    assert found.too_few == 0


def test_bounds_hold_what_one_person_can_move() -> None:
    wild = sums(payments=[900], log_amounts=[900 * 40_000_000])
    assert behaviour_of(wild, DAY_MS, 3).features[0, :2].round(3).tolist() == [50.0, 1_000_000.0]


def test_people_with_few_payments_are_counted_and_left_out() -> None:
    many = sums(payments=[2, 6, 9], log_amounts=[0] * 3, nights=[0] * 3, online=[0] * 3, way_m=[0] * 3, legs=[0] * 3)
    found = behaviour_of(many, DAY_MS, 3)
    assert (len(found.features), found.too_few) == (2, 1)
    assert found.features[:, 0].tolist() == [6.0, 9.0]


def test_a_feature_that_all_share_is_no_difference() -> None:
    features = np.array([[1.0, 0.1 + 0.2, 0.3, 4.0, 0.5]] * 7)
    assert not standardised(features).any()


def test_small_groups_join_the_nearest_until_all_are_large_enough() -> None:
    vectors = np.array([[0.0], [0.2], [0.4], [9.0], [9.2], [3.0], [20.0]])
    found = grouped(vectors, np.array([0, 0, 0, 1, 1, 2, 3]), 3)
    assert [rows.tolist() for rows in found] == [[0, 1, 2, 5], [3, 4, 6]]
    assert grouped(vectors, np.array([0, 0, 0, 1, 1, 2, 3]), 8) == []


def test_averages_are_rounded_and_no_spender_rules_the_mean() -> None:
    features = np.array([[1.234, 10.0, 0.333, 1.2345, 0.0], [1.234, 10.0, 0.333, 1.2345, 0.0], [1.234, 1_000_000.0, 0.333, 1.2345, 0.5]])
    assert averages(features, [np.arange(3)], 3) == [Group(3, 1.2, 460.0, 0.33, 1.2, 0.17)]


LOW, HIGH = Group(9, 0.5, 20.0, 0.1, 3.0, 0.2), Group(9, 5.0, 20.0, 0.1, 3.0, 0.2)


def test_a_new_segment_takes_no_letter_of_the_window_before() -> None:
    new = Group(9, 30.0, 2_000.0, 0.9, 900.0, 0.9)
    assert named([new, HIGH], {"A": LOW, "B": HIGH}) == {"B": HIGH, "C": new}


def test_letters_follow_the_closest_pairs() -> None:
    nearer, farther = HIGH._replace(payments_per_day=4.5), HIGH._replace(payments_per_day=6.5)
    assert named([farther, nearer], {"K": HIGH}) == {"A": farther, "K": nearer}


def test_the_document_is_what_the_page_reads() -> None:
    before = SegmentsDocument(0, HOUR_MS, 9, 0, 5, (Segment("D", 9, 5.0, 21.0, 0.1, 3.0, 0.2, "words"),))
    found = msgspec.to_builtins(document_of(HOUR_MS, 2 * HOUR_MS, [HIGH, LOW], 2, 5, before))
    assert {name: value for name, value in found.items() if name != "segments"} == {
        "version": 1,
        "start_ms": HOUR_MS,
        "end_ms": 2 * HOUR_MS,
        "people": 18,
        "suppressed_people": 2,
        "k": 5,
    }
    assert [one["segment"] for one in found["segments"]] == ["A", "D"]
    assert found["segments"][1] == {
        "segment": "D",
        "people": 9,
        "payments_per_day": 5.0,
        "mean_amount": 20.0,
        "night_share": 0.1,
        "distance_km": 3.0,
        "online_share": 0.2,
        "words": "many usual payments near home",
    }


def test_a_window_is_due_when_all_partitions_are_past_it_and_nothing_of_it_was_deleted() -> None:
    assert due([0, 100], {0: Extent(0, 219, False)}, 100, 20, 50) == [0]
    assert due([0, 100], {0: Extent(0, 220, False)}, 100, 20, 50) == [0, 100]
    assert due([0, 100], {0: Extent(0, 220, False), 1: Extent(0, 180, False)}, 100, 20, 50) == [0]
    assert due([0, 100], {0: Extent(0, 220, False), 1: Extent(0, 170, False)}, 100, 20, 50) == [0, 100], "idle"
    assert due([0, 100], {0: Extent(0, 220, False), 1: Extent(1, 50, True)}, 100, 20, 50) == [100]
    assert due([], {}, 100, 20, 50) == []


def test_the_audit_takes_no_window_for_a_card() -> None:
    starts = range(1_790_000_000_000 // HOUR_MS * HOUR_MS, 1_800_000_000_000, 24 * HOUR_MS)
    assert not any(in_text(segments_id(start)) for start in starts)
    assert in_text("segments:4111111111111111") == ("card-number",)
    assert any(in_text(segments_id(start + 1)) for start in starts)


def test_the_audit_finds_a_segment_that_is_too_small() -> None:
    document = msgspec.json.decode(msgspec.json.encode(document_of(0, HOUR_MS, [HIGH, LOW], 0, 5, None)))

    def faults(changed: dict[str, Any]) -> list[str]:
        stored = StoredDocument("mongodb", SEGMENTS, {"_id": segments_id(0), **changed})
        report = audit(lambda: [stored], Limits(), rng=np.random.default_rng(1), now_ms=0)
        return [fault.path for check in report.checks for fault in check.faults]

    assert faults(document) == []
    assert faults(document | {"k": 10}) == ["segments[].people", "segments[].people"]
    assert faults(document | {"people": 17}) == ["people"]
    assert faults(document | {"segments": [{"people": 18, "members": ["jane"]}]}) == ["segments[]"]
