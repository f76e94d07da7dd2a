"""The arithmetic of an impossible trip, and the sentence that tells it.

Both the rules (exact figures) and the privacy stage (rounded figures) speak through this one function, so that what an analyst reads is
always what was computed.
"""

from __future__ import annotations

import math

from veilocity.geo import Interval

__all__ = ["fine_with_s", "speed_bounds_kmh", "tell", "tell_duration"]


def speed_bounds_kmh(distance_m: Interval, elapsed_s: float, time_slack_s: float) -> Interval | None:
    """Return the interval of the speed needed, or None when both happened at the same time.

    The lower bound gives the traveller the shortest distance and the longest time (`elapsed_s + time_slack_s`), the upper bound the
    longest distance and the shortest time.

    >>> speed_bounds_kmh(Interval(9_000.0, 10_000.0, 11_000.0), 3600.0, 0.0)
    Interval(low=9.0, likely=10.0, high=11.0)
    """
    if elapsed_s <= 0.0:
        return None
    shortest_s = elapsed_s - time_slack_s if elapsed_s > time_slack_s else elapsed_s
    return Interval(
        distance_m.low / (elapsed_s + time_slack_s) * 3.6,
        distance_m.likely / elapsed_s * 3.6,
        distance_m.high / shortest_s * 3.6,
    )


def fine_with_s(distance_m: Interval, speed_limit_kmh: float, time_slack_s: float) -> float:
    """Return the seconds between both observations from which the trip would not be flagged.

    >>> fine_with_s(Interval(1_000_000.0, 1_010_000.0, 1_020_000.0), 1000.0, 30.0)
    3570.0
    """
    return max(0.0, distance_m.low / speed_limit_kmh * 3.6 - time_slack_s)


def tell_duration(seconds: float) -> str:
    """Return a duration as people say it.

    >>> tell_duration(40), tell_duration(2460), tell_duration(11_520)
    ('40 s', '41 min', '3 h 12 min')
    """
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def tell(distance_m: Interval, elapsed_s: float, speed_kmh: Interval | None, speed_limit_kmh: float, fine_s: float) -> str:
    """Return the evidence as one sentence that never claims more than was computed.

    The speed is rounded down and the time that would have been enough is rounded up.

    >>> tell(Interval(5.0e6, 5.012e6, 5.02e6), 0.0, None, 1000.0, 18_000.0)
    'Simultaneous, 5,012 km apart. Fine with 5 h 00 min or more.'
    >>> tell(Interval(5.0e6, 5.012e6, 5.02e6), 2460.0, Interval(7180.0, 7334.6, 7400.0), 1000.0, 18_000.0)
    '5,012 km in 41 min: at least 7,180 km/h, limit 1,000 km/h. Fine with 5 h 00 min or more.'
    """
    distance = f"{distance_m.likely / 1000:,.0f} km"
    # Not ceil(fine_s / 60): a quotient may be rounded down to a whole number, or to nothing.
    fine = f"Fine with {tell_duration(-(-fine_s // 60.0) * 60.0)} or more."
    if speed_kmh is None:
        return f"Simultaneous, {distance} apart. {fine}"
    speed = f"at least {math.floor(speed_kmh.low):,} km/h, limit {speed_limit_kmh:,.0f} km/h"
    return f"{distance} in {tell_duration(elapsed_s)}: {speed}. {fine}"
