"""What a phone says of where it is: when it records, how wrong it is, and how wrong it says it is.

The stated accuracy is honest: the error has a Rayleigh distribution whose 68 % point is the stated accuracy, cut at 2.5 times the accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulator.people import Person
from ingest.simulator.places import METRES_PER_DEGREE
from ingest.simulator.plan import CityPlan
from ingest.simulator.routes import Mode, Piece

__all__ = ["Fixes", "keep", "observe", "stranger"]

_Floats = NDArray[np.float64]

_MEDIAN_ACCURACY_M = np.array([22.0, 26.0, 5.5, 6.0, 35.0, 24.0, 50.0])
"""By `Mode`: indoors by Wi-Fi, outdoors by satellites, trains badly."""
_CELL_CHANCE = 0.004
"""Fixes from the radio cell alone, with an accuracy of about a kilometre."""
_RAYLEIGH = 1.0 / np.sqrt(-2.0 * np.log(1.0 - 0.68))
_WORST_ERROR = 2.5
_LOST_IN_TRAINS = 0.35


@dataclass(frozen=True, slots=True)
class Fixes:
    """Fixes in order of time, one array per field. Coordinates are in units of 1e-7 degrees and odd.

    Odd, because a last digit of 0 would look like coordinates rounded on purpose.
    """

    time_us: NDArray[np.int64]
    lat_e7: NDArray[np.int64]
    lon_e7: NDArray[np.int64]
    accuracy_m: _Floats
    speed_mps: _Floats
    bearing_deg: _Floats
    altitude_m: _Floats

    def __len__(self) -> int:
        return len(self.time_us)


def keep(fixes: Fixes, mask: NDArray[np.bool_]) -> Fixes:
    """Return the fixes for which the mask is true."""
    return Fixes(
        fixes.time_us[mask],
        fixes.lat_e7[mask],
        fixes.lon_e7[mask],
        fixes.accuracy_m[mask],
        fixes.speed_mps[mask],
        fixes.bearing_deg[mask],
        fixes.altitude_m[mask],
    )


def observe(
    plan: CityPlan, person: Person, pieces: list[Piece], from_s: float, until_s: float, chance: np.random.Generator, *, begins: bool = False
) -> Fixes:
    """Return what the person's phone records in [from_s, until_s).

    Args:
        plan: how often phones record.
        person: whose phone.
        pieces: where the person is; they cover the span.
        from_s: beginning.
        until_s: end.
        chance: all randomness of the span.
        begins: the recording begins here, with a fix in the first 20 s.
    """
    steps = (plan.asleep_step_s, plan.still_step_s, *(plan.moving_step_s,) * 4)
    times: list[_Floats] = []
    which: list[int] = []
    counts: list[int] = []
    for index, piece in enumerate(pieces):
        start, end = max(piece[0], from_s), min(piece[1], until_s)
        if start >= end or piece[6] == Mode.OFF:
            continue
        low, high = steps[piece[6]]
        step = low + (high - low) * chance.random(int((end - start) / low) + 2)
        step[0] *= chance.random()
        if begins and not times:
            step[0] = min(20.0, end - start) * (0.05 + 0.9 * chance.random())
        found = start + np.cumsum(step)
        found = found[found < end]
        times.append(found)
        which.append(index)
        counts.append(len(found))
    if not times:
        return _noisy(person, np.empty(0), np.empty((0, 7)), chance)
    recorded = np.concatenate(times)
    table = np.array([pieces[index] for index in which])[np.repeat(np.arange(len(which)), counts)]
    heard = (table[:, 6] != Mode.RAIL) | (chance.random(len(recorded)) > _LOST_IN_TRAINS)
    if chance.random() < plan.gap_chance * (until_s - from_s) / 3600.0 and not begins:
        lasts = 300.0 + 1500.0 * chance.random()
        gap = from_s + max(0.0, until_s - from_s - lasts) * chance.random()
        heard &= (recorded < gap) | (recorded > gap + lasts)
    return _noisy(person, recorded[heard], table[heard], chance)


def stranger(person: Person, piece: Piece, chance: np.random.Generator) -> Fixes:
    """Return what another phone, lying still in one place, records every 15 to 25 s during `piece`."""
    times = piece[0] + np.cumsum(15.0 + 10.0 * chance.random(int((piece[1] - piece[0]) / 15.0) + 2)) - 14.0
    times = times[times < piece[1]]
    return _noisy(person, times, np.tile(np.array(piece, dtype=np.float64), (len(times), 1)), chance)


def _noisy(person: Person, times: _Floats, table: _Floats, chance: np.random.Generator) -> Fixes:
    """Place each fix on its piece, and blur it as its accuracy says."""
    count = len(times)
    start, end, lat_1, lon_1, lat_2, lon_2, mode = table.T
    fraction = (times - start) / (end - start)
    lat = lat_1 + fraction * (lat_2 - lat_1)
    lon = lon_1 + fraction * (lon_2 - lon_1)
    east = np.cos(np.radians(lat))
    north_m, east_m = (lat_2 - lat_1) * METRES_PER_DEGREE, (lon_2 - lon_1) * METRES_PER_DEGREE * east
    speed = np.hypot(north_m, east_m) / (end - start)
    draws = chance.random((5, count))
    accuracy = _MEDIAN_ACCURACY_M[mode.astype(np.int64)] * person.accuracy_factor * np.exp(0.45 * chance.standard_normal(count))
    accuracy = np.where(draws[0] < _CELL_CHANCE, 600.0 + 900.0 * draws[1], np.clip(accuracy, 3.0, 250.0)).round(3)
    error = accuracy * np.minimum(_WORST_ERROR, _RAYLEIGH * np.sqrt(-2.0 * np.log1p(-draws[2]))) / METRES_PER_DEGREE
    angle = 2.0 * np.pi * draws[3]
    lat = lat + error * np.cos(angle)
    lon = (lon + error * np.sin(angle) / east + 180.0) % 360.0 - 180.0
    reports = person.reports_speed
    return Fixes(
        np.rint(times * 1e6).astype(np.int64),
        np.rint(lat * 1e7).astype(np.int64) | 1,
        np.rint(lon * 1e7).astype(np.int64) | 1,
        accuracy,
        (speed * (0.9 + 0.2 * draws[4])).round(2) if reports else np.full(count, -1.0),
        (np.degrees(np.arctan2(east_m, north_m)) % 360.0).round(1) if reports else np.full(count, -1.0),
        np.where(mode == Mode.AIR, 10_900.0, 60.0 + 20.0 * draws[4]).round(1),
    )
