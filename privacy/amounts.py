"""Amounts: rounded for single records, banded for releases.

Bands follow 1-2-5 in major units, half open: `EUR 20-50` holds 20.00 up to 49.99. A payment back (a negative amount) has bands of its own,
`EUR back 20-50`. The tree above a band, narrow to wide: the decade (`EUR 10-100`), the currency (`EUR *`), everything (`*`).

Guarantee: an amount lies inside every band of its path.
"""

from __future__ import annotations

from itertools import pairwise

from veilocity.currencies import minor_digits
from veilocity.errors import FatalError

__all__ = ["band", "band_bounds", "band_path", "minor_digits", "rounded_amount"]

_STEPS = (1, 2, 5, 10)


def rounded_amount(amount_minor: int, currency: str) -> float:
    """Return the amount in major units, rounded to two significant digits, half away from zero.

    >>> rounded_amount(123_456, "EUR"), rounded_amount(-4_950, "EUR"), rounded_amount(7, "JPY"), rounded_amount(99_999, "USD")
    (1200.0, -50.0, 7.0, 1000.0)
    """
    size = abs(amount_minor)
    step = 10 ** max(0, len(str(size)) - 2)
    rounded = (size + step // 2) // step * step
    major: float = rounded / 10 ** minor_digits(currency)
    return -major if amount_minor < 0 else major


def band(amount_minor: int, currency: str) -> str:
    """Return the narrowest band of an amount.

    >>> band(2_000, "EUR"), band(4_999, "EUR"), band(99, "EUR"), band(-1_250, "EUR"), band(1_000_000, "JPY")
    ('EUR 20-50', 'EUR 20-50', 'EUR 0-1', 'EUR back 10-20', 'JPY 1000000-2000000')
    """
    major = abs(amount_minor) // 10 ** minor_digits(currency)
    return f"{_label(amount_minor, currency)} {_narrow(major)}"


def band_path(narrowest: str) -> tuple[str, str, str, str]:
    """Return the band and the bands above it, narrow to wide.

    >>> band_path("EUR 20-50")
    ('EUR 20-50', 'EUR 10-100', 'EUR *', '*')
    >>> band_path("EUR back 0-1")
    ('EUR back 0-1', 'EUR back 0-1', 'EUR *', '*')
    """
    label, _, span = narrowest.rpartition(" ")
    low = int(span.partition("-")[0])
    decade = f"{10 ** (len(str(low)) - 1)}-{10 ** len(str(low))}" if low else "0-1"
    return narrowest, f"{label} {decade}", f"{label.partition(' ')[0]} *", "*"


def band_bounds(printed: str) -> tuple[int, int]:
    """Return the bounds in major units of a band that has them: at least the first, below the second.

    Raises:
        FatalError: the band has no bounds (`EUR *`, `*`).

    >>> band_bounds("EUR back 20-50")
    (20, 50)
    """
    low, dash, high = printed.rpartition(" ")[2].partition("-")
    if not dash:
        raise FatalError(f"the band {printed} has no bounds: ask only for bands that print them")
    return int(low), int(high)


def _label(amount_minor: int, currency: str) -> str:
    return f"{currency} back" if amount_minor < 0 else currency


def _narrow(major: int) -> str:
    if major == 0:
        return "0-1"
    decade = 10 ** (len(str(major)) - 1)
    for low, high in pairwise(_STEPS):
        if major < high * decade:
            return f"{low * decade}-{high * decade}"
    raise AssertionError("a number has as many digits as it has")  # pragma: no cover
