"""Labelled fake readings among the real ones of a recording, at a set rate. Pure: same rows, rate and seed, same result.

After every reading come n fakes with chance rate^n (1 - rate), so their share of all readings is `rate` on average:

    E[n] = rate / (1 - rate)        share = E[n] / (1 + E[n]) = rate

Real readings stay as they are and in their order. A fake is stamped between its neighbours, and with the nanosecond of no reading before
it, so time alone finds it again: that is its label.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from ingest.simulator.chance import Dice, generator
from ingest.tracks import PLACE, Row
from veilocity.errors import InvalidInputError
from veilocity.eventtime import NS_PER_S, ns_from_iso

__all__ = ["Label", "Mixed", "NoiseKind", "labels_csv", "mix", "row_time_ns"]

_METRES_PER_DEGREE = 111_195.0
_BACK = 30
"""Readings that a cached place may lie back."""


class NoiseKind(StrEnum):
    """How a reading is false."""

    JUMP = "jump"
    """50 to 5,000 km away, and sure of it: a receiver that errs, or a lie."""
    DRIFT = "drift"
    """0.3 to 3 km away, with a radius that says so: reflections in a city."""
    CACHED = "cached"
    """The place of up to 30 readings before, under the present time."""
    MOCK = "mock"
    """Set by a program, 1 to 500 km away, and said to be."""
    CLOAKED = "cloaked"
    """The real place, rounded to 0.1 degrees."""
    SWAPPED = "swapped"
    """Latitude and longitude in each other's place."""
    ZERO = "zero"
    """(0, 0), as a receiver without a fix writes; the gateway refuses it."""


class Label(NamedTuple):
    """The truth about one fake."""

    time_ns: int
    kind: NoiseKind
    latitude: float
    longitude: float


class Mixed(NamedTuple):
    """What `mix` returns: all rows in order, and a label for each fake among them."""

    rows: list[Row]
    labels: list[Label]


def mix(rows: Iterable[Row], rate: float, seed: int, kinds: Sequence[NoiseKind] = tuple(NoiseKind)) -> Mixed:
    """Return the rows of a recording with fakes among its places.

    Args:
        rows: as `ingest.recordings.read_rows` returns them. One without a readable time or place gets no fake.
        rate: share of fakes among all readings that come out, on average; from 0 to below 1.
        seed: of the draws.
        kinds: which to choose from, each as likely.

    Raises:
        ValueError: the rate is no share, or there is no kind.

    >>> walk = [Row(PLACE, {"time": str(10**18 + n * NS_PER_S), "latitude": "52.5163", "longitude": "13.3777"}) for n in range(1000)]
    >>> mixed = mix(walk, rate=0.2, seed=7)
    >>> len(mixed.rows) == 1000 + len(mixed.labels), [row for row in mixed.rows if row in walk] == walk, len(mixed.labels)
    (True, True, 232)
    """
    if not 0.0 <= rate < 1.0 or not kinds:
        raise ValueError("the rate must be from 0 to below 1, and there must be a kind of noise")
    dice, known, mixed = Dice(generator(seed, "noise")), list(rows), Mixed([], [])
    times = [row_time_ns(row) for row in known]
    taken = {time_ns for time_ns in times if time_ns is not None}
    places: list[tuple[float, float]] = []
    for index, row in enumerate(known):
        mixed.rows.append(row)
        place, time_ns = _place(row), times[index]
        if place is None or time_ns is None:
            continue
        places.append(place)
        count = 0
        while dice.happens(rate):
            count += 1
        gap_ns = _gap_ns(times, index)
        for number in range(count):
            stamp_ns = time_ns + gap_ns * (number + 1) // (count + 1)
            while stamp_ns in taken:
                stamp_ns += 1
            taken.add(stamp_ns)
            _add(mixed, row, Label(stamp_ns, dice.pick(kinds), *place), places, dice)
    return mixed


def _gap_ns(times: Sequence[int | None], index: int) -> int:
    """Return the time to the next row; a second where there is none."""
    now_ns, next_ns = times[index], times[index + 1] if index + 1 < len(times) else None
    return next_ns - now_ns if now_ns is not None and next_ns is not None and next_ns > now_ns else NS_PER_S


def _add(mixed: Mixed, row: Row, label: Label, places: Sequence[tuple[float, float]], dice: Dice) -> None:
    lat, lon, changes = _fake(label, places, dice)
    fields = {**row.fields, **changes, "time": str(label.time_ns), "latitude": repr(lat), "longitude": repr(lon)}
    mixed.rows.append(Row(row.sensor, fields))
    mixed.labels.append(label._replace(latitude=lat, longitude=lon))


def _fake(label: Label, places: Sequence[tuple[float, float]], dice: Dice) -> tuple[float, float, dict[str, str]]:
    """Return where a fake claims to be, and what else it states."""
    lat, lon = label.latitude, label.longitude
    match label.kind:
        case NoiseKind.JUMP:
            return *_moved(lat, lon, 50_000.0 * 100.0 ** dice.unit(), dice), {"horizontalAccuracy": f"{dice.between(3, 20):.1f}"}
        case NoiseKind.DRIFT:
            off_m = dice.between(300.0, 3_000.0)
            return *_moved(lat, lon, off_m, dice), {"horizontalAccuracy": f"{off_m * dice.between(0.5, 1.5):.1f}"}
        case NoiseKind.CACHED:
            return *places[max(0, len(places) - 1 - dice.whole(1, _BACK))], {}
        case NoiseKind.MOCK:
            return *_moved(lat, lon, 1_000.0 * 500.0 ** dice.unit(), dice), {"mocked": "true", "horizontalAccuracy": "5.0"}
        case _:
            return *{NoiseKind.CLOAKED: (round(lat, 1), round(lon, 1)), NoiseKind.SWAPPED: (lon, lat)}.get(label.kind, (0.0, 0.0)), {}


def _moved(lat: float, lon: float, distance_m: float, dice: Dice) -> tuple[float, float]:
    """Return a place about so far away in any direction, never nearer a pole than 85 degrees."""
    angle, degrees = dice.between(0.0, 2.0 * math.pi), distance_m / _METRES_PER_DEGREE
    there = max(-85.0, min(85.0, lat + degrees * math.cos(angle)))
    east = lon + degrees * math.sin(angle) / math.cos(math.radians((lat + there) / 2.0))
    return there, (east + 180.0) % 360.0 - 180.0


def _place(row: Row) -> tuple[float, float] | None:
    if not row.sensor.lower().endswith(PLACE.lower()) and not row.sensor.startswith(PLACE):
        return None
    try:
        lat, lon = float(row.fields.get("latitude", "")), float(row.fields.get("longitude", ""))
    except ValueError:
        return None
    return (lat, lon) if abs(lat) <= 90.0 and abs(lon) <= 180.0 else None


def row_time_ns(row: Row) -> int | None:
    """Return a row's time, or None where it cannot be read."""
    text = row.fields.get("time", "").strip()
    if text.isdecimal():
        return int(text)
    try:
        return ns_from_iso(text, assume_utc=True)
    except InvalidInputError:
        return None


def labels_csv(labels: Iterable[Label], shift_ns: int = 0) -> str:
    r"""Return the labels as CSV, their times moved by as much as the recording was.

    >>> labels_csv([Label(5, NoiseKind.ZERO, 0.0, 0.0)], shift_ns=2)
    'time_ns,kind,latitude,longitude\n7,zero,0.0,0.0\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Label._fields)
    writer.writerows((label.time_ns + shift_ns, label.kind.value, label.latitude, label.longitude) for label in labels)
    return text.getvalue()
