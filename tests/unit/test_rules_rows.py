"""Transactions survive being packed, and cost less than as JSON."""

from __future__ import annotations

import msgspec
import pytest

from rules.rows import pack, unpack
from veilocity.contracts import CardId, Channel, DeviceId, SubjectId, Transaction, encode

FULL = Transaction(
    id="t1",
    subject=SubjectId("anna"),
    authorised_ms=1_700_000_000_000,
    received_ms=1_700_000_000_400,
    amount_minor=-1_250,
    currency="EUR",
    merchant="Café Ä",
    category="grocery",
    channel=Channel.ATM,
    card=CardId("card-1"),
    device=DeviceId("d1"),
    lat=51.5,
    lon=-0.1,
    place_accuracy_m=30.0,
    country="GB",
)


@pytest.mark.parametrize("left_out", [(), ("card", "device", "lat", "lon", "place_accuracy_m", "country")])
def test_a_row_is_the_transaction(left_out: tuple[str, ...]) -> None:
    transaction = msgspec.structs.replace(FULL, **dict.fromkeys(left_out))
    again = unpack(pack(transaction))
    assert again == transaction
    assert type(again.channel) is Channel


def test_a_row_is_half_of_the_json() -> None:
    assert len(pack(FULL)) < 0.5 * len(encode(FULL))


def test_a_row_without_the_newest_columns_can_be_read() -> None:
    values = msgspec.structs.astuple(FULL)
    assert unpack(msgspec.msgpack.encode(values[:-1])) == FULL


def test_what_is_no_row_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        unpack(msgspec.msgpack.encode(["t1", 4]))
