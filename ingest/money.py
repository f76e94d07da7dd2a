"""Exact money: a decimal amount and its currency become integer minor units, or are refused. No float takes part.

Source of the exponents: ISO 4217, list one; every currency that is not listed below has two decimals.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal

from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["LARGEST_AMOUNT_MINOR", "currency_code", "minor_units"]

LARGEST_AMOUNT_MINOR = 10**15
"""Ten thousand milliard euros: more is a mistake, and sums of such stay far inside 64 bits."""
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}
_CODE = re.compile(r"[A-Z]{3}")
_PLAIN = re.compile(r"\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_LARGEST_EXPONENT = 18
_MOST_DIGITS = 36
_EXACT = Context(prec=64)
"""More digits than any amount that is let in: scaling never rounds."""


def currency_code(value: object) -> str:
    """Return the three capital letters of a currency.

    Raises:
        InvalidInputError: ``missing_field`` or ``invalid_field``.

    >>> currency_code("eur")
    'EUR'
    """
    if value is None or value == "":
        raise InvalidInputError(RejectReason.MISSING_FIELD, "currency is missing")
    code = value.strip().upper() if isinstance(value, str) else ""
    if not _CODE.fullmatch(code):
        raise InvalidInputError(RejectReason.INVALID_FIELD, "currency must be three letters, such as EUR")
    return code


def minor_units(amount: object, currency: str) -> int:
    """Return `amount` in the minor unit of `currency`, exactly.

    Args:
        amount: text such as "12.50", an int, or a Decimal; never a float, which has already lost what was written.
        currency: three capital letters.

    Guarantee: the result times ten to the power of minus the currency's decimals equals `amount`.

    Raises:
        InvalidInputError: ``missing_field``, or ``invalid_field`` when it is no plain decimal number, negative, too large, or finer than
            the currency's minor unit.

    >>> minor_units("107.23", "USD"), minor_units("107.230", "USD"), minor_units(500, "JPY"), minor_units("1.234", "KWD")
    (10723, 10723, 500, 1234)
    """
    scaled = _decimal(amount).scaleb(_EXPONENTS.get(currency, 2), _EXACT)
    if scaled < 0:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "amount must not be negative: a refund is not a payment")
    if scaled > LARGEST_AMOUNT_MINOR:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "amount is larger than any payment")
    units = int(scaled)
    if units != scaled:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "amount has more decimals than its currency: round it where it is made")
    return units


def _decimal(amount: object) -> Decimal:
    if amount is None or amount == "":
        raise InvalidInputError(RejectReason.MISSING_FIELD, "amount is missing")
    number: Decimal | None = None
    if isinstance(amount, str) and _PLAIN.fullmatch(amount.strip().removeprefix("-")):
        number = Decimal(amount.strip())
    elif type(amount) is int and abs(amount) <= LARGEST_AMOUNT_MINOR:
        number = Decimal(amount)
    elif isinstance(amount, Decimal):
        number = _bounded(amount)
    if number is None:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "amount must be a decimal number, such as 12.50")
    return number


def _bounded(amount: Decimal) -> Decimal | None:
    """Return `amount` unless it is no number, or so large or fine that scaling it could round or make a million digits."""
    if not amount.is_finite():
        return None
    if amount.is_zero():
        return Decimal(0)
    inside = abs(amount.adjusted()) <= _LARGEST_EXPONENT and len(amount.as_tuple().digits) <= _MOST_DIGITS
    return amount if inside else None
