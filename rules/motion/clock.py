"""Clock shift: the new place is where the person passed a whole number of hours ago, so the phone's clock is what jumped.

Only moving pieces count: a place where somebody stayed fits any number of hours, and would excuse fraud at home.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rules.motion.limits import MotionLimits
from rules.sight import Sight
from veilocity.geo import great_circle_m, interpolate

__all__ = ["MAX_PATH", "PathPoint", "extend_path", "is_clock_shift"]

PathPoint = tuple[int, int, int]
"""Event time, latitude and longitude (1e-7 degrees)."""
MAX_PATH = 24
_STEP_NS = 600_000_000_000
_STEP_E7 = 500_000
"""5 km or more apart, along the meridian and the parallel together."""
_PIECE_NS = 3 * _STEP_NS
_HOUR_NS = 3_600_000_000_000


def extend_path(path: tuple[PathPoint, ...], event_ns: int, lat_e7: int, lon_e7: int) -> tuple[PathPoint, ...]:
    """Return the coarse path with one fix more, if it is ten minutes and five kilometres from the last point."""
    if path:
        last_ns, last_lat, last_lon = path[-1]
        if event_ns - last_ns < _STEP_NS or abs(lat_e7 - last_lat) + abs(lon_e7 - last_lon) < _STEP_E7:
            return path
    return (*path, (event_ns, lat_e7, lon_e7))[-MAX_PATH:]


def is_clock_shift(path: Sequence[PathPoint], sight: Sight, limits: MotionLimits) -> bool:
    """Say whether the fix lies on a moving piece of the path 1 to `clock_hours` whole hours earlier.

    >>> path = [(0, 0, 0), (1_200_000_000_000, 0, 10_000_000)]
    >>> is_clock_shift(path, Sight(3_600_000_000_000 + 600_000_000_000, 0, 5_000_000, 100), MotionLimits())
    True
    """
    for begin, end in pairwise(path):
        if end[0] - begin[0] > _PIECE_NS:
            continue
        hours = -(-(sight.event_ns - end[0]) // _HOUR_NS)
        at_ns = sight.event_ns - hours * _HOUR_NS
        if 1 <= hours <= limits.clock_hours and begin[0] <= at_ns <= end[0]:
            fraction = (at_ns - begin[0]) / (end[0] - begin[0])
            lat, lon = interpolate(begin[1] / 1e7, begin[2] / 1e7, end[1] / 1e7, end[2] / 1e7, fraction)
            leg_m = great_circle_m(begin[1] / 1e7, begin[2] / 1e7, end[1] / 1e7, end[2] / 1e7)
            if great_circle_m(lat, lon, sight.lat_e7 / 1e7, sight.lon_e7 / 1e7) <= limits.clock_m + leg_m / 4.0:
                return True
    return False
