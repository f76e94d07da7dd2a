"""Stays: where a phone stopped, and from when to when. What a payment that was told late is looked up in.

A stay is two fixes in a row near each other with some time between; further ones there lengthen it. The newest `MAX_STAYS` are kept, packed
in 24 bytes each, because every subject has some.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from rules.sight import Sight
from rules.travel import gap_m

__all__ = ["MAX_STAYS", "STAY_BYTES", "extend_stays", "last_stay"]

MAX_STAYS = 24
_STAY = Struct("<qqii")
STAY_BYTES = _STAY.size
_LEAST_NS = 40_000_000_000
_STOP_E7 = 30_000
"""About 300 m along the meridian and the parallel together."""
_SAME_E7 = 100_000
"""About 1 km: still the same stay."""


def extend_stays(stays: bytes, fixes: Iterable[tuple[int, ...]]) -> bytes:
    """Return the stays with further fixes added.

    Args:
        stays: packed.
        fixes: event time, latitude and longitude (1e-7 degrees) of each, and whatever follows, in order; the first one is known already.

    >>> stays = extend_stays(b"", [(0, 0, 0), (60_000_000_000, 9, 9), (120_000_000_000, 5, 5)])
    >>> len(stays) // STAY_BYTES, last_stay(stays, Sight(200_000_000_000, 0, 0, 100), 10**12, 500.0)
    (1, 120000000000)
    """
    found = [_STAY.unpack_from(stays, len(stays) - STAY_BYTES)] if stays else []
    kept = stays[:-STAY_BYTES]
    begin_ns = lat_1 = lon_1 = -(2**62)
    for end_ns, lat_2, lon_2, *_ in fixes:
        if end_ns - begin_ns >= _LEAST_NS and abs(lat_1 - lat_2) + abs(lon_1 - lon_2) <= _STOP_E7:
            from_ns, _until_ns, lat_e7, lon_e7 = found[-1] if found else (0, 0, 2**31, 2**31)
            if abs(lat_e7 - lat_1) + abs(lon_e7 - lon_1) <= _SAME_E7:
                found[-1] = (from_ns, end_ns, lat_e7, lon_e7)
            else:
                found.append((begin_ns, end_ns, lat_1, lon_1))
        begin_ns, lat_1, lon_1 = end_ns, lat_2, lon_2
    return (kept + b"".join(_STAY.pack(*stay) for stay in found))[-MAX_STAYS * STAY_BYTES :]


def last_stay(stays: bytes, sight: Sight, within_ns: int, near_m: float) -> int | None:
    """Return until when the phone last stayed near a place before it was seen there; None where it did not within so many nanoseconds."""
    found = None
    for from_ns, until_ns, lat_e7, lon_e7 in _STAY.iter_unpack(stays):
        if from_ns <= sight.event_ns and until_ns >= sight.event_ns - within_ns:
            if gap_m(Sight(from_ns, lat_e7, lon_e7, 0), sight) <= near_m:
                found = min(until_ns, sight.event_ns)
    return found
