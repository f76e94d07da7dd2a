import pickle

import numpy as np
import pytest

from privacy.identifiers.card_tokens import CardCipher
from privacy.identifiers.cards import (
    Brand,
    brand_of,
    check_kept,
    display,
    display_format,
    is_card_number,
    luhn_digit,
    luhn_valid,
    truncate,
    truncation_format,
)
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from veilocity.errors import InvalidInputError, KeyMissingError, SettingsError, UnsafePolicyError

RING = KeyRing([(1, ALWAYS_MS, bytes(range(32)))])
VISA, AMEX = "4111111111111111", "378282246310005"
TEST_NUMBERS = {
    VISA: Brand.VISA,
    "4222222222222": Brand.VISA,
    "5555555555554444": Brand.MASTERCARD,
    "2223003122003222": Brand.MASTERCARD,
    AMEX: Brand.AMERICAN_EXPRESS,
    "6011111111111117": Brand.DISCOVER,
    "6445644564456445": Brand.DISCOVER,
    "30569309025904": Brand.DINERS,
    "36227206271667": Brand.DINERS,
    "3530111333300000": Brand.JCB,
    "6205500000000000004": Brand.UNIONPAY,
    "6759649826438453": Brand.MAESTRO,
}
"""Numbers that networks and payment services publish for tests."""


def number_of(length: int, prefix: str = "4") -> str:
    body = prefix.ljust(length - 1, "7")
    return body + luhn_digit(body)


def test_published_test_numbers_are_valid_and_of_their_brand() -> None:
    assert luhn_valid(list(TEST_NUMBERS)).all()
    assert {number: brand_of(number) for number in TEST_NUMBERS} == TEST_NUMBERS
    assert all(is_card_number(number) and luhn_digit(number[:-1]) == number[-1] for number in TEST_NUMBERS)


@pytest.mark.parametrize(
    ("prefix", "brand"),
    [
        ("222099", Brand.UNKNOWN),
        ("222100", Brand.MASTERCARD),
        ("272099", Brand.MASTERCARD),
        ("272100", Brand.UNKNOWN),
        ("352799", Brand.UNKNOWN),
        ("352800", Brand.JCB),
        ("358999", Brand.JCB),
        ("359000", Brand.UNKNOWN),
        ("643999", Brand.UNKNOWN),
        ("644000", Brand.DISCOVER),
        ("622126", Brand.UNIONPAY),
        ("000000", Brand.UNKNOWN),
        ("999999", Brand.UNKNOWN),
        ("340000", Brand.UNKNOWN),
    ],
)
def test_ranges_end_where_they_end_and_lengths_count(prefix: str, brand: Brand) -> None:
    assert brand_of(prefix + "0" * 10) == brand


def test_every_single_wrong_digit_is_seen() -> None:
    wrong = [
        VISA[:place] + str(digit) + VISA[place + 1 :] for place in range(len(VISA)) for digit in range(10) if str(digit) != VISA[place]
    ]
    assert len(wrong) == 9 * 16
    assert not luhn_valid([*wrong]).any()


def test_what_is_not_digits_is_not_valid_and_hides_no_neighbour() -> None:
    column = [VISA, "4111111111111 11", None, "", "4", "٤111111111111111", "4111111111111111 ", AMEX]
    assert luhn_valid(column).tolist() == [True, *[False] * 6, True]
    assert luhn_valid([]).tolist() == []
    for text in ("", "4", "abcd", "1" * 20, "0" * 11):
        assert not is_card_number(text)


@pytest.mark.parametrize(("length", "shown"), [(19, 10), (17, 10), (16, 10), (15, 10), (14, 10), (13, 4), (12, 4)])
def test_display_shows_the_bank_and_the_last_four_at_most(length: int, shown: int) -> None:
    text = display(number_of(length))
    assert len(text) == length
    assert length - text.count("*") == shown
    assert display(number_of(length), bin_digits=8).count("*") == length - shown - (2 if length >= 16 else 0)


@pytest.mark.parametrize(
    ("brand", "length", "first", "last"),
    [
        (Brand.VISA, 16, 8, 4),
        (Brand.MASTERCARD, 16, 8, 4),
        (Brand.JCB, 16, 8, 4),
        (Brand.DISCOVER, 16, 8, 4),
        (Brand.UNIONPAY, 16, 6, 4),
        (Brand.DINERS, 16, 6, 4),
        (Brand.MAESTRO, 16, 6, 4),
        (Brand.UNKNOWN, 16, 6, 4),
        (Brand.VISA, 19, 6, 4),
        (Brand.AMERICAN_EXPRESS, 15, 6, 4),
        (Brand.DINERS, 14, 6, 4),
        (Brand.VISA, 13, 0, 4),
        (Brand.MAESTRO, 12, 0, 4),
    ],
)
def test_truncation_keeps_what_the_table_allows_and_no_more(brand: Brand, length: int, first: int, last: int) -> None:
    assert truncation_format(brand, length) == (first, last)
    check_kept(brand, length, first, last)
    for more in ((first + 1, last), (first, last + 1), (-1, last), (first, -1)):
        with pytest.raises(UnsafePolicyError, match="FAQ 1091"):
            check_kept(brand, length, *more)
    assert length - first - last >= (5 if brand is Brand.AMERICAN_EXPRESS else 4)


def test_truncation_removes_and_refuses() -> None:
    assert truncate(VISA, first=0, last=0) == "*" * 16
    assert truncate(AMEX) == "378282*****0005"
    with pytest.raises(UnsafePolicyError):
        truncate(AMEX, first=8)
    with pytest.raises(UnsafePolicyError):
        display_format(16, bin_digits=10)


@pytest.mark.parametrize("text", ["", "41111111111", "1" * 20, "4111 1111 1111 1111", "٤111111111111111"])
def test_what_is_no_card_number_is_refused_without_showing_it(text: str) -> None:
    for work in (display, truncate, brand_of):
        with pytest.raises(InvalidInputError, match="12 to 19 digits") as refused:
            work(text)
        assert "111" not in str(refused.value)


@pytest.mark.parametrize("length", range(12, 20))
def test_a_token_has_the_form_of_a_number_and_is_none(length: int) -> None:
    cipher = CardCipher(RING, "mongodb/card")
    numbers = [number_of(length, f"4{place:06}") for place in range(200)]
    tokens = cipher.encrypt_column([*numbers], 0)
    assert len(set(tokens)) == len(numbers)
    assert all(token is not None and len(token) == length and token.isdigit() for token in tokens)
    assert not luhn_valid(tokens).any()
    assert cipher.decrypt_column(tokens) == numbers
    assert tokens[0] == cipher.encrypt(numbers[0], 0)
    assert sum(str(token)[-4:] == number[-4:] for token, number in zip(tokens, numbers, strict=True)) < 5


@pytest.mark.parametrize(("first", "last", "length"), [(0, 4, 16), (6, 0, 16), (8, 0, 16), (4, 4, 16), (6, 4, 19), (0, 4, 13), (1, 2, 15)])
def test_digits_stay_readable_when_asked(first: int, last: int, length: int) -> None:
    cipher = CardCipher(RING, "mongodb/card", first, last)
    numbers = [number_of(length, f"4{place:08}") for place in range(50)]
    tokens = cipher.encrypt_column([*numbers], 0)
    for token, number in zip(tokens, numbers, strict=True):
        assert token is not None
        assert token[:first] == number[:first]
        assert token[length - last :] == number[length - last :]
        assert token[first : length - last] != number[first : length - last]
    assert not luhn_valid(tokens).any()
    assert cipher.decrypt_column(tokens) == numbers


def test_kept_digits_are_part_of_the_tweak() -> None:
    cipher = CardCipher(RING, "mongodb/card", keep_first=6)
    one, two = number_of(16, "411111" + "7" * 9), number_of(16, "422222" + "7" * 9)
    assert cipher.encrypt(one, 0)[6:15] != cipher.encrypt(two, 0)[6:15]


@pytest.mark.parametrize(
    ("first", "last", "number", "sentence"),
    [
        (6, 4, VISA, "fewer than a million"),
        (8, 4, VISA, "fewer than a million"),
        (6, 4, AMEX, "fewer than a million"),
        (8, 0, number_of(16, "62")[:-1] + luhn_digit(number_of(16, "62")[:-1]), "FAQ 1091"),
        (8, 0, number_of(19), "FAQ 1091"),
        (6, 0, number_of(13), "FAQ 1091"),
        (9, 0, VISA, "first 8 and last 4"),
        (0, 5, VISA, "first 8 and last 4"),
    ],
)
def test_too_much_kept_is_refused(first: int, last: int, number: str, sentence: str) -> None:
    with pytest.raises(UnsafePolicyError, match=sentence):
        CardCipher(RING, "card", first, last).encrypt(number, 0)


@pytest.mark.parametrize("text", ["4111111111111112", "", "79927398713", number_of(20), "4111-1111-1111-1111"])
def test_what_cannot_be_undone_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="luhn_valid") as refused:
        CardCipher(RING, "card").encrypt_column([VISA, text], 0)
    assert "4111" not in str(refused.value)


def test_fields_cannot_be_joined() -> None:
    tokens = [CardCipher(RING, field).encrypt(VISA, 0) for field in ("mongodb/card", "elasticsearch/card", "card")]
    assert len(set(tokens)) == 3
    with pytest.raises(SettingsError, match="field"):
        CardCipher(RING, "")


def test_a_column_may_have_gaps_lengths_and_times() -> None:
    ring = KeyRing([(1, ALWAYS_MS, bytes(range(32))), (2, 1_000, bytes(32))])
    cipher = CardCipher(ring, "card")
    column = [VISA, None, AMEX, VISA, "4222222222222"]
    times = np.array([0, 0, 999, 1_000, 5_000])
    tokens = cipher.encrypt_column(column, times)
    assert tokens == [None if text is None else cipher.encrypt(text, time_ms) for text, time_ms in zip(column, times.tolist(), strict=True)]
    assert tokens[0] != tokens[3]
    assert cipher.decrypt_column(tokens) == column
    assert cipher.encrypt_column([], 0) == cipher.decrypt_column([]) == []
    with pytest.raises(SettingsError, match="one event time"):
        cipher.encrypt_column(column, times[:2])


def test_a_rotated_ring_decrypts_what_its_old_versions_made() -> None:
    token = CardCipher(RING, "card").encrypt(VISA, 0)
    rotated = KeyRing([(1, ALWAYS_MS, bytes(range(32))), (2, 1_000, bytes(32))])
    assert CardCipher(rotated, "card").decrypt(token) == VISA
    assert CardCipher(rotated, "card").encrypt(VISA, 999) == token
    lost = KeyRing([(2, ALWAYS_MS, bytes(32))])
    with pytest.raises(KeyMissingError, match="no version"):
        CardCipher(lost, "card").decrypt(token)


def test_versions_nine_apart_must_be_named() -> None:
    ring = KeyRing([(number, number, bytes([number]) * 32) for number in range(1, 11)])
    cipher = CardCipher(ring, "card")
    first, tenth = cipher.encrypt(VISA, 1), cipher.encrypt(VISA, 10)
    assert (cipher.decrypt(first, version=1), cipher.decrypt(tenth, version=10)) == (VISA, VISA)
    assert cipher.decrypt(cipher.encrypt(VISA, 5)) == VISA
    with pytest.raises(KeyMissingError, match="which one"):
        cipher.decrypt(first)
    with pytest.raises(InvalidInputError, match="another version"):
        cipher.decrypt(first, version=2)


def test_a_card_number_is_not_taken_for_a_token() -> None:
    with pytest.raises(InvalidInputError, match="passes the Luhn check"):
        CardCipher(RING, "card").decrypt(VISA)


def test_a_card_cipher_never_travels() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(CardCipher(RING, "card"))
    assert repr(CardCipher(RING, "card")) == "CardCipher(keys hidden)"
