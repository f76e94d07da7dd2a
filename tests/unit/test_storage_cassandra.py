"""Rows of Cassandra without a server: columns, what is null and what is not written, timestamps and times to live."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from cassandra import AuthenticationFailed, InvalidRequest, OperationTimedOut
from cassandra.cluster import NoHostAvailable
from hypothesis import given
from hypothesis import strategies as st

from devstack.cassandra import configuration
from storage.cassandra.faults import translated
from storage.cassandra.rows import COLUMNS, LONGEST_TTL_S, row, timestamp_us, ttl_s
from storage.documents import MaskedTransaction
from tests.integration import storage_world as world
from veilocity.errors import SettingsError, StateError, StoreUnavailableError, VeilocityError

DAY_MS = 86_400_000
UNSET = object()


def test_every_field_of_a_payment_has_its_column() -> None:
    fields = {field.name for field in msgspec.structs.fields(MaskedTransaction)}
    assert set(COLUMNS) == fields - {"place", "minute_ms"} | {"minute", "cell", "cell_lat", "cell_lon"}
    values = dict(zip(COLUMNS, row(world.transaction(1, 3)), strict=True))
    assert (values["cell"], values["cell_lat"], values["cell_lon"]) == (world.PLACE.cell, world.PLACE.lat, world.PLACE.lon)
    assert values["minute"] == datetime.fromtimestamp(world.minute(3) / 1000, tz=UTC)
    assert values["reasons"] == ["no_neighbour"]


def test_only_what_a_later_answer_may_take_back_is_written_as_null() -> None:
    first = dict(zip(COLUMNS, row(world.transaction(3, 0), UNSET), strict=True))
    assert None not in first.values()
    assert {name for name, value in first.items() if value is UNSET} >= {"user", "cell", "alert", "severity"}
    later = msgspec.structs.replace(world.transaction(3, 0), revision=2)
    second = dict(zip(COLUMNS, row(later, UNSET), strict=True))
    assert {name for name, value in second.items() if value is None} == {"alert", "severity"}


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_the_later_batch_has_the_later_timestamp(first: int, second: int) -> None:
    assert (timestamp_us(first) < timestamp_us(second)) == (first < second)
    assert 0 < timestamp_us(first) < 2**62


@given(st.integers(0, 2**42), st.integers(1, 20_000), st.integers(0, 2**42), st.integers(0, 10 * DAY_MS))
def test_a_row_that_is_written_again_ends_when_it_would_have(minute_ms: int, days: int, now_ms: int, later_ms: int) -> None:
    left_s, left_later_s = ttl_s(minute_ms, days, now_ms), ttl_s(minute_ms, days, now_ms + later_ms)
    if left_s is None:
        assert left_later_s is None
        assert now_ms >= minute_ms + days * DAY_MS
    elif left_later_s is not None and left_s < LONGEST_TTL_S:
        assert abs(left_s * 1000 - (left_later_s * 1000 + later_ms)) < 1000
    assert left_s is None or 0 < left_s <= LONGEST_TTL_S


@pytest.mark.parametrize(
    ("raised", "told", "sentence"),
    [
        (NoHostAvailable("", {"a": AuthenticationFailed("user jane")}), SettingsError, "refuses the user"),
        (NoHostAvailable("", {"a": OSError("refused"), "b": AuthenticationFailed("")}), StoreUnavailableError, "is it running"),
        (OperationTimedOut(), StoreUnavailableError, "cannot serve now"),
        (InvalidRequest("Unknown identifier 4539148803436467"), StateError, "is the keyspace ours"),
        (OSError("gone"), StoreUnavailableError, "cannot serve now"),
    ],
)
def test_what_the_driver_raises_says_what_to_do(raised: Exception, told: type[VeilocityError], sentence: str) -> None:
    with pytest.raises(told, match=sentence) as found, translated():
        raise raised
    assert "jane" not in str(found.value)
    assert "4539" not in str(found.value)


def test_the_node_of_tests_is_on_loopback_alone() -> None:
    text = configuration("/data", {"cassandra": 9, "cassandra_storage": 8})
    addresses = [line.split(": ")[1] for line in text.splitlines() if line.startswith(("listen_address", "rpc_address"))]
    assert addresses == ["127.0.0.1", "127.0.0.1"]
    assert 'commitlog_directory: "/data/commitlog"' in text
