"""Card numbers: check digit, brand, and how many digits may be shown or kept.

Display (PCI DSS 4.0.1, requirement 3.4.1): at most the bank's number (BIN, 6 or 8 digits) and the last four. Storage by truncation
(requirement 3.5.1; PCI SSC FAQ 1091, version of June 2022): first 6 and last 4 for every brand; 16 digits of Visa, Mastercard, JCB and
Discover first 8 and any other 4; 15 digits of American Express first 6 and last 4, at least 5 removed; Discover below 15 digits first 6 and
any other 4. What that table does not name has the baseline here, and so has UnionPay, whose row could not be confirmed; the baseline is the
default for all, and who keeps more confirms it with the brand first. Because of the check digit a number with d digits removed is one of
10^(d-1): below 14 digits, where the baseline would leave three digits or fewer, the last four alone are kept.

Guarantees: nothing here returns more digits than that; a request for more is refused. Displayed digits can be had back from whoever stores
the number, truncated ones from nobody: but two truncations of one number, or a truncation beside a hash or token of it, can be put together
(FAQ 1117, 1308), so a system keeps one form of a number and no other.

References: ISO/IEC 7812-1:2017, annex B (Luhn); brands' ranges as published by the brands.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.identifiers.columns import TextColumn, as_texts
from privacy.identifiers.ff1_columns import numerals_of
from veilocity.errors import InvalidInputError, RejectReason, UnsafePolicyError

__all__ = [
    "DIGITS",
    "LUHN_TERMS",
    "Brand",
    "Format",
    "brand_of",
    "check_kept",
    "display",
    "display_format",
    "is_card_number",
    "luhn_digit",
    "luhn_sums",
    "luhn_valid",
    "truncate",
    "truncation_format",
]

DIGITS = "0123456789"
"""The alphabet of card numbers."""
LUHN_TERMS = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]], dtype=np.uint8)
"""What a digit adds to the Luhn sum: as it is, and in every second place from the right. Both are permutations of 0 to 9."""

_SHORTEST, _LONGEST = 12, 19


class Brand(StrEnum):
    """The network a card number belongs to."""

    VISA = "visa"
    MASTERCARD = "mastercard"
    AMERICAN_EXPRESS = "american_express"
    DISCOVER = "discover"
    DINERS = "diners"
    JCB = "jcb"
    UNIONPAY = "unionpay"
    MAESTRO = "maestro"
    UNKNOWN = "unknown"


class Format(NamedTuple):
    """How much of a card number stays: digits from its beginning and from its end."""

    first: int
    last: int


_ANY_LENGTH = frozenset(range(_SHORTEST, _LONGEST + 1))
_LENGTHS = {
    Brand.VISA: frozenset({13, 16, 19}),
    Brand.MASTERCARD: frozenset({16}),
    Brand.AMERICAN_EXPRESS: frozenset({15}),
    Brand.DISCOVER: frozenset({16, 17, 18, 19}),
    Brand.DINERS: frozenset({14, 15, 16, 17, 18, 19}),
    Brand.JCB: frozenset({16, 17, 18, 19}),
    Brand.UNIONPAY: frozenset({16, 17, 18, 19}),
    Brand.MAESTRO: _ANY_LENGTH,
    Brand.UNKNOWN: _ANY_LENGTH,
}
_RANGES = sorted(
    (int(str(low).ljust(6, "0")), int(str(high).ljust(6, "9")), brand)
    for brand, ranges in {
        Brand.VISA: [(4, 4)],
        Brand.MASTERCARD: [(51, 55), (2221, 2720)],
        Brand.AMERICAN_EXPRESS: [(34, 34), (37, 37)],
        Brand.DISCOVER: [(6011, 6011), (644, 649), (65, 65)],
        Brand.DINERS: [(300, 305), (3095, 3095), (36, 36), (38, 39)],
        Brand.JCB: [(3528, 3589)],
        Brand.UNIONPAY: [(62, 62), (8100, 8171)],
        Brand.MAESTRO: [(50, 50), (56, 58), (6304, 6304), (6390, 6390), (67, 67)],
    }.items()
    for low, high in ranges
)
_STARTS = [low for low, _, _ in _RANGES]
_LONG_PREFIX_BRANDS = frozenset({Brand.VISA, Brand.MASTERCARD, Brand.JCB, Brand.DISCOVER})
"""Brands for which FAQ 1091 lets 16 digits keep the first 8."""


def luhn_digit(body: str) -> str:
    """Return the check digit that belongs after the other digits of a number.

    Raises:
        InvalidInputError: something else than digits.

    >>> luhn_digit("7992739871")
    '3'
    """
    if not (body.isascii() and body.isdigit()):
        raise _not_a_card_number()
    terms = sum(int(LUHN_TERMS[(place + 1) % 2, int(digit)]) for place, digit in enumerate(reversed(body)))
    return str(-terms % 10)


def luhn_valid(numbers: TextColumn) -> NDArray[np.bool_]:
    """Return for each text whether it is digits only, at least two, and its check digit is right; shape (n,).

    What is missing or not digits is not valid; nothing is raised for it.

    >>> luhn_valid(["79927398713", "79927398710", "4111 1111", None]).tolist()
    [True, False, False, False]
    """
    texts = as_texts(numbers)
    found = np.zeros(len(texts), dtype=np.bool_)
    lengths = np.array([0 if text is None else len(text) for text in texts], dtype=np.int64)
    for length in np.unique(lengths[lengths > 1]).tolist():
        rows = np.flatnonzero(lengths == length)
        same: Any = [texts[row] for row in rows.tolist()]
        digits = numerals_of(same, length, DIGITS)
        if digits is None:
            kept = [place for place, text in enumerate(same) if text.isascii() and text.isdigit()]
            rows = rows[kept]
            digits = numerals_of([same[place] for place in kept], length, DIGITS)
        if digits is not None and len(rows):
            found[rows] = luhn_sums(digits) == 0
    return found


def luhn_sums(digits: NDArray[Any]) -> NDArray[np.int64]:
    """Return the Luhn sum modulo 10 of each row; 0 is what a valid number has.

    Args:
        digits: shape (numbers, digits), 0 to 9.

    Returns:
        shape (numbers,).

    >>> luhn_sums(np.array([[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3]])).tolist()
    [0]
    """
    places = np.arange(digits.shape[1])[::-1] % 2
    return np.asarray(LUHN_TERMS[places, digits].sum(axis=1, dtype=np.int64) % 10)


def brand_of(number: str) -> Brand:
    """Return the brand by the first six digits; `Brand.UNKNOWN` where no range holds them or the brand has no number of that length.

    >>> brand_of("4111111111111111").value, brand_of("2221000000000009").value, brand_of("411111111111").value
    ('visa', 'mastercard', 'unknown')
    """
    _check_number(number)
    prefix = int(number[:6])
    low, high, brand = _RANGES[max(0, bisect_right(_STARTS, prefix) - 1)]
    return brand if low <= prefix <= high and len(number) in _LENGTHS[brand] else Brand.UNKNOWN


def is_card_number(number: str) -> bool:
    """Return whether a text is 12 to 19 digits with a right check digit.

    >>> is_card_number("4111111111111111"), is_card_number("4111111111111112"), is_card_number("")
    (True, False, False)
    """
    return _SHORTEST <= len(number) <= _LONGEST and bool(luhn_valid([number])[0])


def display_format(length: int, bin_digits: int = 6) -> Format:
    """Return the most that may be shown of a number: the bank's number and the last four.

    Args:
        length: of the number.
        bin_digits: 6, or 8 where the bank's numbers have 8 digits; only numbers of 16 digits or more have those.

    Raises:
        UnsafePolicyError: another `bin_digits`.

    >>> display_format(16), display_format(16, bin_digits=8), display_format(15, bin_digits=8), display_format(13)
    (Format(first=6, last=4), Format(first=8, last=4), Format(first=6, last=4), Format(first=0, last=4))
    """
    if bin_digits not in (6, 8):
        raise UnsafePolicyError("the number of a bank has 6 or 8 digits: no other part of a card number may be shown")
    if length >= 16:
        return Format(bin_digits, 4)
    return Format(6, 4) if length >= 14 else Format(0, 4)


def display(number: str, bin_digits: int = 6) -> str:
    """Return a number as it may be shown: what `display_format` allows, and a star for each other digit.

    Raises:
        InvalidInputError: not 12 to 19 digits.
        UnsafePolicyError: as `display_format`.

    >>> display("4111111111111111"), display("378282246310005"), display("4111111111111111", bin_digits=8)
    ('411111******1111', '378282*****0005', '41111111****1111')
    """
    _check_number(number)
    return _starred(number, display_format(len(number), bin_digits))


def truncation_format(brand: Brand, length: int) -> Format:
    """Return the most that may be kept of a number when the rest is removed for good.

    >>> truncation_format(Brand.VISA, 16), truncation_format(Brand.AMERICAN_EXPRESS, 15), truncation_format(Brand.UNIONPAY, 16)
    (Format(first=8, last=4), Format(first=6, last=4), Format(first=6, last=4))
    """
    if length == 16 and brand in _LONG_PREFIX_BRANDS:
        return Format(8, 4)
    return Format(6, 4) if length >= 14 else Format(0, 4)


def truncate(number: str, first: int = 6, last: int = 4) -> str:
    """Return a number with what is not kept replaced by stars.

    Args:
        number: 12 to 19 digits.
        first: digits to keep from the beginning.
        last: digits to keep from the end.

    Raises:
        InvalidInputError: not 12 to 19 digits.
        UnsafePolicyError: more than `truncation_format` allows for the number's brand and length.

    >>> truncate("4111111111111111"), truncate("4111111111111111", first=8), truncate("4222222222222", first=0)
    ('411111******1111', '41111111****1111', '*********2222')
    """
    check_kept(brand_of(number), len(number), first, last)
    return _starred(number, Format(first, last))


def check_kept(brand: Brand, length: int, first: int, last: int) -> None:
    """Refuse to keep more of a number than its brand and length allow.

    Raises:
        UnsafePolicyError: more than `truncation_format`, or less than nothing.

    >>> check_kept(Brand.VISA, 16, 8, 4)
    """
    most = truncation_format(brand, length)
    if not (0 <= first <= most.first and 0 <= last <= most.last):
        message = (
            f"{length} digits of {brand.value} may keep the first {most.first} and the last {most.last}, "
            f"not the first {first} and the last {last} (PCI SSC FAQ 1091): keep fewer"
        )
        raise UnsafePolicyError(message)


def _starred(number: str, kept: Format) -> str:
    end = len(number) - kept.last
    return number[: kept.first] + "*" * (end - kept.first) + number[end:]


def _check_number(number: str) -> None:
    if not (_SHORTEST <= len(number) <= _LONGEST and number.isascii() and number.isdigit()):
        raise _not_a_card_number()


def _not_a_card_number() -> InvalidInputError:
    message = f"a card number has {_SHORTEST} to {_LONGEST} digits and nothing else: take out blanks and dashes"
    return InvalidInputError(RejectReason.INVALID_FIELD, message)
