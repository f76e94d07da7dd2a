"""What is taken for an identifier in text, and what is not."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import h3
import pytest

from privacy.amounts import band, band_path
from privacy.audit.cards import card_form
from privacy.audit.documents import StoredDocument, parts_of
from privacy.audit.exactness import decimals, is_time, significant_digits
from privacy.audit.known import KnownIdentifiers
from privacy.audit.patterns import card_number, in_text, luhn
from privacy.audit.printed import cell_covers
from privacy.hierarchies import hour_of, hour_path
from veilocity.errors import SettingsError


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "x5555555555554444y",
        "3782 822463 10005",
        "4111--1111--1111--1111",
        "6011.1111.1111.1117",
        "1 2 4111111111111111 9",
    ],
)
def test_card_numbers_are_found_in_any_setting(text: str) -> None:
    assert "card-number" in in_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # Luhn's test fails
        "0000000000000000",  # no card begins with 0
        "5f2b4b3c9d0e1f2a3b4c5d6e7f809102",  # a token
        "1a2003d9400-5f2b4b3c9d0e1f2a3b4c5d6e7f809102",  # id of a group
        h3.latlng_to_cell(37.77, -122.41, 9),
        "9,000 km in 1 h 00 min: at least 8,800 km/h, limit 1,000 km/h. Fine with 9 h 00 min or more.",
        "quarter=2026-11-22T00:15",
        "std::vector of 1.2.3",
        "call +1 now",
    ],
)
def test_what_only_looks_alike_is_left_alone(text: str) -> None:
    assert in_text(text) == ()


def test_a_card_number_in_a_longer_row_of_digits_is_found() -> None:
    assert in_text("9" * 5 + "4111111111111111") == ("card-number",)


def test_a_row_of_digits_before_a_token_is_hidden_only_if_it_is_the_start_of_a_window() -> None:
    rest = "-" + "5f2b4b3c9d0e1f2a3b4c5d6e7f809102"
    cards = [number for number in map(str, range(400_000_000_000, 400_000_200_000)) if luhn(number)]
    windows = [number for number in cards if int(number, 16) % 60_000 == 0]
    assert [number for number in cards if not in_text(number + rest)] == windows
    assert not in_text(f"{1_795_305_600_000:x}{rest}")


def test_nothing_that_a_release_prints_is_taken_for_an_identifier() -> None:
    amounts = [sign * step * 10**power for sign in (1, -1) for step in (1, 2, 5, 9) for power in range(15)]
    bands = {shown for amount in amounts for currency in ("EUR", "JPY", "KWD") for shown in band_path(band(amount, currency))}
    hours = {shown for day in range(400) for shown in hour_path(hour_of(1_700_000_000_000 + day * 93_600_000))}
    assert len(bands) > 60
    assert [text for text in sorted(bands | hours) if in_text(text)] == []


def test_numbers_of_few_digits_that_count_are_no_card_numbers() -> None:
    assert not any(card_number(10**power * step) for power in range(10, 18) for step in range(1, 1000))
    assert card_number(-4_111_111_111_111_111)


def test_luhn_finds_every_single_wrong_digit() -> None:
    number = "4539148803436467"
    assert luhn(number)
    wrong = [f"{number[:place]}{digit}{number[place + 1 :]}" for place in range(16) for digit in "0123456789" if digit != number[place]]
    assert not any(map(luhn, wrong))


@pytest.mark.parametrize(("text", "kind"), [("aabb.ccdd.1122", "mac-address"), ("AA-BB-CC-DD-EE-01", "mac-address"), ("::ffff:1", "")])
def test_addresses_of_devices_come_in_three_forms(text: str, kind: str) -> None:
    assert in_text(text) == ((kind,) if kind else ())


def test_an_account_number_needs_its_check_digits() -> None:
    assert in_text("DE89370400440532013000 and more") == ("iban",)
    assert "iban" not in in_text("DE88370400440532013000")
    assert "iban" not in in_text("ZZ89370400440532013000")


def test_sealed_text_holds_nothing_by_chance_and_is_no_place_to_hide() -> None:
    dice = random.Random(5)  # noqa: S311  # a seeded test, nothing secret
    # Account and telephone numbers, slashes and plus signs included, as random base64 has them now and then.
    accidents = ("/MT84MALT011000012345MTLCAST001S", "/+14155552671x", "x4111/1111/1111/1111+")
    sealed = base64.b64encode(dice.randbytes(600)).decode()
    assert [in_text(accident) for accident in accidents] == [("iban",), ("phone",), ("card-number",)]
    assert not any(in_text(sealed[:400] + accident + sealed[400:]) for accident in accidents)
    assert in_text(f"{sealed[:400]}/4111111111111111/{sealed[400:]}") == ("card-number",)
    assert in_text(f"{sealed} 4111/1111/1111/1111") == ("card-number",)
    # What only looks sealed is looked into, and a long word of few characters is a word.
    evidence = '{"card": "4111-1111-1111-1111", "user": "jo@example.org", "note": "Zebras & QUICK foxes JUMP over 95 lazy dogs; vex?"}'
    assert in_text(base64.b64encode(2 * evidence.encode()).decode()) == ("card-number", "e-mail")
    assert in_text("x" * 300 + "/DE89370400440532013000") == ("iban",)


def test_known_identifiers_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text("device-0001\n\n  4111111111111111 \n", encoding="utf-8")
    known = KnownIdentifiers.from_file(file)
    assert len(known) == 2
    assert known.in_text("of device-0001.")
    assert known.is_number(4_111_111_111_111_111)
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="is empty"):
        KnownIdentifiers.from_file(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        KnownIdentifiers.from_file(tmp_path / "missing")


def test_digits_inside_a_token_are_no_known_identifier() -> None:
    known = KnownIdentifiers(["809102", "5f2b4b3c9d0e1f2a3b4c5d6e7f809102"])
    assert not known.in_text("ff2b4b3c9d0e1f2a3b4c5d6e7f809102")
    assert known.in_text("5F2B4B3C9D0E1F2A3B4C5D6E7F809102")
    assert known.in_text("no 809102")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("****1111", "truncated 0+4"),
        ("411111", "truncated 6"),
        ("4111 11XX XXXX 1111", ""),
        (4111111111111111, "digits"),
        (True, ""),
        ("****", ""),
    ],
)
def test_forms_of_a_card(value: object, form: str) -> None:
    assert card_form(value) == form


def test_a_printed_cell_covers_none_coarser_than_itself() -> None:
    fine = h3.latlng_to_cell(37.77, -122.41, 7)
    assert cell_covers(h3.cell_to_parent(fine, 5), fine)
    assert not cell_covers(fine, h3.cell_to_parent(fine, 5))


def test_figures_are_measured_by_their_digits() -> None:
    assert [significant_digits(value) for value in (1200.0, 1e9, -0.05, 1.01)] == [2, 1, 1, 3]
    assert [decimals(value) for value in (0.5, 12, 37.77493, 1e-7)] == [1, 0, 5, 7]
    assert [is_time(value) for value in (946_684_799_999, 946_684_800_000, 1_690_598_222_123_456, -1)] == [0, 1, 2, 0]


def test_a_document_is_taken_to_pieces_once_and_completely() -> None:
    document = StoredDocument("mongodb", "odd", {"_id": 7, "a": [{"b": ("x", [1, 2])}, None, True], "long name!": b"y"}, place=3)
    parts = document.parts
    assert parts is document.parts
    assert parts.texts == [("a[].b[]", "x"), ("?", "long name!")]
    assert parts.numbers == [("_id", 7), ("a[].b[]", 1), ("a[].b[]", 2)]
    assert parts.others == [("?", b"y")]
    assert [path for path, _ in parts.lists] == ["a[].b[]"]
    assert document.where.id == "#3"
    assert parts_of({}).objects == [("", {})]
