"""What is too old is decided by whole days and months, and deletions are handed to a cluster only in a form that it knows."""

from __future__ import annotations

import pytest

from storage.capabilities import lifecycle_policy
from storage.elastic_schema import declared as declared_templates
from storage.kinds import SEARCHABLE
from storage.migrations.model import letters
from storage.reading import DAY_MS
from storage.retention import cut_ms, keep_days, month_end_ms
from storage.schema import INDEXES
from storage.schema import declared as declared_collections
from veilocity.settings import load

NOON_MS = 1_795_305_600_000 + DAY_MS // 2
"""2026-11-22T12:00Z."""
PHASES = frozenset({"hot", "warm", "cold", "frozen", "delete"})


def test_a_day_goes_when_all_of_it_is_too_old() -> None:
    assert cut_ms(NOON_MS, 1) == NOON_MS - DAY_MS // 2 - DAY_MS
    assert cut_ms(NOON_MS + DAY_MS // 2 - 1, 1) == cut_ms(NOON_MS, 1)
    assert cut_ms(NOON_MS + DAY_MS // 2, 1) == cut_ms(NOON_MS, 1) + DAY_MS


@pytest.mark.parametrize(
    ("index", "days"),
    [("v-transactions-2026.11", 9), ("v-transactions-2026.12", 40), ("v-transactions-2026.10", -21), ("a-2-groups-2027.02", 99)],
)
def test_a_month_ends_where_the_next_one_begins(index: str, days: int) -> None:
    assert month_end_ms(index) == NOON_MS - DAY_MS // 2 + days * DAY_MS


@pytest.mark.parametrize("index", ["v-alerts-all", "v-transactions-2026.11-restored", "v-2026.11.02"])
def test_an_index_that_is_not_a_month_is_no_month(index: str) -> None:
    assert month_end_ms(index) is None


def test_every_kind_has_its_setting_and_its_index_and_is_kept_for_ever_by_default() -> None:
    assert keep_days(load({})) == {kind.name: 0 for kind in SEARCHABLE}
    assert keep_days(load({"VEILOCITY_STORAGE_KEEP_ALERTS_DAYS": "30"}))["alerts"] == 30
    for kind in SEARCHABLE:
        assert any(fields[0] == "minute_ms" for fields in INDEXES[kind.name]), kind.name


def test_the_lifecycle_policy_is_one_that_elasticsearch_takes() -> None:
    phases = lifecycle_policy()["phases"]
    assert set(phases) <= PHASES
    for phase in phases.values():
        assert set(phase) == {"min_age", "actions"}
        assert phase["min_age"] in {"0ms", "0s"}, "its age is counted by us, and ends when it gets the policy"
    assert phases["delete"]["actions"] == {"delete": {}}


def test_what_is_declared_has_a_checksum_that_holds() -> None:
    assert letters(declared_collections()) == letters(declared_collections())
    assert letters(declared_templates()) != letters(declared_collections())
