"""Card files as payments."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ingest import transactions
from ingest.cards import is_card_file, payment, read_cards
from ingest.directory import Directory
from ingest.fields import Arrival
from veilocity.contracts import Channel, Transaction
from veilocity.errors import InvalidInputError

NOW = Arrival(received_ms=1_800_000_000_000, future_limit_s=300.0)
ROW = {
    "": "0",
    "trans_date_trans_time": "2019-01-01 00:00:18",
    "cc_num": "2703186189652095",
    "merchant": "fraud_Rippin, Kub and Mann",
    "category": "misc_pos",
    "amt": "4.97",
    "trans_num": "0b242abb",
    "unix_time": "1325376018",
    "merch_lat": "36.011293",
    "merch_long": "-82.048315",
}


def test_a_row_becomes_a_payment_in_the_normal_form() -> None:
    assert payment(ROW) == {
        "id": "0b242abb",
        "card": "2703186189652095",
        "authorised_ms": 1_546_300_818_000,
        "amount": "4.97",
        "currency": "USD",
        "merchant": "fraud_Rippin, Kub and Mann",
        "category": "misc_pos",
        "channel": "card-present",
        "lat": "36.011293",
        "lon": "-82.048315",
    }


def test_a_category_of_the_net_was_paid_online_and_has_no_place() -> None:
    online = payment(ROW | {"category": "shopping_net"})
    assert online["channel"] == "e-commerce"
    assert "lat" not in online


def test_columns_are_found_by_their_header_and_quotes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv"
    names = list(reversed(list(ROW)))
    path.write_text(",".join(names) + "\n" + ",".join(f'"{ROW[name]}"' for name in names) + "\n", encoding="utf-8")
    assert is_card_file(path)
    assert read_cards(path) == [payment(ROW)]


def test_what_is_wrong_with_a_row_is_for_the_gateway_to_say() -> None:
    rows = [payment(ROW | {"cc_num": "2.70319E+15"}), payment(ROW | {"trans_date_trans_time": "new year"}), payment(ROW)]
    outcome = transactions.parse(msgspec.json.encode(rows), NOW, Directory())
    assert (len(outcome.accepted), outcome.reasons()) == (1, {"damaged_identifier": 1, "invalid_time": 1})


@pytest.mark.parametrize("content", ["", "time,latitude\n1,2\n", "cc_num,amt\n1,2\n"])
def test_another_file_is_no_card_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(content, encoding="utf-8")
    assert not is_card_file(path)
    with pytest.raises(InvalidInputError, match="lacks the columns"):
        read_cards(path)


def test_a_binary_file_is_no_card_file(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    assert not is_card_file(path)


def test_the_real_card_file_is_accepted_whole(shared_data: Path) -> None:
    payments = read_cards(shared_data / "cards" / "sparkov_kaggle_head_intellisense.csv")
    outcome = transactions.parse(msgspec.json.encode(payments), NOW, Directory())
    assert (len(payments), len(outcome.accepted), outcome.rejects) == (2001, 2001, [])
    found = [item for item in outcome.accepted if isinstance(item, Transaction)]
    assert len({item.id for item in found}) == 2001
    assert {item.channel for item in found} == {Channel.CARD_PRESENT, Channel.ECOMMERCE}
    assert sum(item.amount_minor for item in found) == sum(round(100 * float(item["amount"])) for item in payments)
