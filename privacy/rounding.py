"""Rounding that keeps a statement true: lower bounds go down, upper bounds go up, to two significant digits.

A lower bound that was true stays true when it is made smaller, and an upper bound when it is made larger; so a masked alert claims less
than the exact one, never more.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from veilocity.geo import Interval

__all__ = [
    "MINUTE_MS",
    "coarse_altitude_m",
    "hundredths_up",
    "minute_ms",
    "nearest",
    "round_down",
    "round_up",
    "whole_minutes_up_s",
    "widened",
]

MINUTE_MS = 60_000
_DOWN = Context(prec=2, rounding=ROUND_FLOOR)
_UP = Context(prec=2, rounding=ROUND_CEILING)
_NEAREST = Context(prec=2, rounding=ROUND_HALF_EVEN)


def round_down(value: float) -> float:
    """Return the largest number of two significant digits that is not above `value`.

    >>> round_down(7_189.9), round_down(0.0), round_down(-41.5)
    (7100.0, 0.0, -42.0)
    """
    return float(_DOWN.create_decimal_from_float(value))


def round_up(value: float) -> float:
    """Return the smallest number of two significant digits that is not below `value`.

    >>> round_up(7_101.0), round_up(65.0)
    (7200.0, 65.0)
    """
    return float(_UP.create_decimal_from_float(value))


def coarse_altitude_m(altitude_m: float | None) -> float | None:
    """Return a height in tens of metres; None where none is stated, or none where a phone can be.

    >>> coarse_altitude_m(857.9), coarse_altitude_m(None), coarse_altitude_m(1e9)
    (860.0, None, None)
    """
    if altitude_m is None or not -500.0 <= altitude_m <= 20_000.0:
        return None
    return round(altitude_m / 10.0) * 10.0


def nearest(value: float) -> float:
    """Return the nearest number of two significant digits.

    >>> nearest(5_012_345.0)
    5000000.0
    """
    return float(_NEAREST.create_decimal_from_float(value))


def hundredths_up(value: float) -> float:
    """Return the smallest whole number of hundredths that is not below `value`: how likely something is at most.

    >>> hundredths_up(0.0), hundredths_up(1e-9), hundredths_up(0.07), hundredths_up(1.0)
    (0.0, 0.01, 0.07, 1.0)
    """
    return float(Decimal(repr(value)).quantize(Decimal("0.01"), ROUND_CEILING))


def widened(interval: Interval) -> Interval:
    """Return the interval with its bounds moved outwards; the likely value stays between them.

    >>> widened(Interval(4_980_123.0, 5_012_345.0, 5_040_456.0))
    Interval(low=4900000.0, likely=5000000.0, high=5100000.0)
    """
    return Interval(round_down(interval.low), nearest(interval.likely), round_up(interval.high))


def minute_ms(time_ms: int) -> int:
    """Return the time cut to the minute.

    >>> minute_ms(1_690_598_222_123)
    1690598220000
    """
    return time_ms - time_ms % MINUTE_MS


def whole_minutes_up_s(seconds: float) -> float:
    """Return the seconds of the next whole minute.

    >>> whole_minutes_up_s(0.0), whole_minutes_up_s(0.4), whole_minutes_up_s(60.0)
    (0.0, 60.0, 60.0)
    """
    return -(-seconds // 60.0) * 60.0
