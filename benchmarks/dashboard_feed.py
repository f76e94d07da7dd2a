"""What the dashboard's benchmark looks at: people who walk from cell to cell, payments, alerts, written as the privacy stage writes them.

Run as a program it writes for so many seconds and prints, as JSON, when each alert happened.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice

import h3
import msgspec

from storage.documents import MaskedAlert, MaskedBatch, MaskedEpisode, MaskedObservation, MaskedTransaction, Place, Position, Progress
from storage.mongo import MongoStore
from storage.schema import ensure_collections
from veilocity import settings as kernel_settings
from veilocity.contracts import AlertState, Channel, Check, ObservationKind, Severity, Verdict
from veilocity.evidence import fine_with_s, speed_bounds_kmh, tell
from veilocity.geo import Interval, distance_bounds_m

__all__ = ["EVENTS", "MOVING", "PEOPLE", "City", "Fed", "Load", "counts"]

PEOPLE = 5_000
_CENTRE = (51.5074, -0.1278)
_AFAR = ((6.4541, 3.3947), (35.6895, 139.6917), (40.7128, -74.006), (-33.8679, 151.2073), (1.2897, 103.8501))
_CELL_RESOLUTION = 7
_CITY_CELLS = 14
"""Radius of the city in cells: 631 of them."""
_LIMIT_KMH = 1_000.0
_ELAPSED_S = 2_460.0
_MINUTE_MS = 60_000


@dataclass(frozen=True)
class Load:
    """How much of what happens in a second, and how often it is written."""

    positions: float
    payments: float
    alerts: float
    batches: float


MOVING = Load(positions=1_000.0, payments=10.0, alerts=0.2, batches=4.0)
EVENTS = Load(positions=70.0, payments=28.0, alerts=2.0, batches=10.0)
"""A hundred a second."""


class Fed(msgspec.Struct):
    """What was written."""

    seconds: float
    positions: int
    alerts: dict[str, float] = {}
    """When each happened, in milliseconds since 1970: when it was due, however late it was written."""


def _place(cell: str) -> Place:
    lat, lon = h3.cell_to_latlng(cell)
    return Place(cell=cell, lat=lat, lon=lon)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class City:
    """People in cells, each of whom is somewhere else after a step; the same for the same seed."""

    seed: int = 1
    seq: int = 0
    written: int = 0
    _where: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311  # a made-up city
        cells = h3.grid_disk(h3.latlng_to_cell(*_CENTRE, _CELL_RESOLUTION), _CITY_CELLS)
        self._places = {cell: _place(cell) for cell in cells}
        self._beside = {cell: [one for one in h3.grid_ring(cell, 1) if one in self._places] for cell in cells}
        self._names = [f"{number:032x}" for number in range(PEOPLE)]
        self._where = {name: self.dice.choice(cells) for name in self._names}
        self._next = cycle(self._names)

    def everybody(self, minute_ms: int) -> tuple[Position, ...]:
        """Return where everybody is."""
        return tuple(self._position(name, minute_ms) for name in self._where)

    def moved(self, count: int, minute_ms: int) -> tuple[Position, ...]:
        """Let as many people walk to a cell beside theirs; all have walked before somebody walks again."""
        names = list(islice(self._next, count))
        for name in names:
            self._where[name] = self.dice.choice(self._beside[self._where[name]])
        return tuple(self._position(name, minute_ms) for name in names)

    def _position(self, name: str, minute_ms: int) -> Position:
        return Position(id=name, seq=self.seq, minute_ms=minute_ms, place=self._places[self._where[name]])

    def payment(self, minute_ms: int) -> MaskedTransaction:
        """Return a payment where its person is."""
        self.written += 1
        name = self.dice.choice(self._names)
        return MaskedTransaction(
            id=f"{self.seed:08x}{self.written:024x}",
            seq=self.seq,
            revision=1,
            subject=name,
            card=name,
            device=None,
            user=None,
            device_type="terminal",
            minute_ms=minute_ms,
            amount=float(self.dice.choice((4, 12, 30, 75))),
            currency="GBP",
            amount_band="10-100",
            merchant=f"merchant{self.dice.randrange(40)}",
            category=self.dice.choice(("groceries", "transport", "fuel")),
            channel=Channel.CARD_PRESENT,
            country="GB",
            place=self._places[self._where[name]],
            verdict=Verdict.CLEAR,
            score=0.02,
            reasons=(),
            alert=None,
            severity=None,
            place_seen_before=True,
        )

    def alert(self, minute_ms: int) -> MaskedAlert:
        """Return an impossible trip of somebody."""
        self.written += 1
        name = self.dice.choice(self._names)
        first = self._places[self._where[name]]
        second = _place(h3.latlng_to_cell(*self.dice.choice(_AFAR), _CELL_RESOLUTION))
        bounds = distance_bounds_m(first.lat, first.lon, 900.0, second.lat, second.lon, 1_000.0)
        distance = Interval(*(float(f"{value:.2g}") for value in (bounds.low, bounds.likely, bounds.high)))
        speed, fine_s = speed_bounds_kmh(distance, _ELAPSED_S, 30.0), fine_with_s(distance, _LIMIT_KMH, 30.0)
        return MaskedAlert(
            id=f"{self.seed:08x}{self.written:024x}",
            seq=self.seq,
            revision=1,
            rule="impossible-travel",
            rule_version="1",
            cause="impossible_travel",
            severity=self.dice.choice(tuple(Severity)),
            state=AlertState.OPEN,
            subject=name,
            score=0.9,
            probability=0.01,
            first=MaskedObservation(ObservationKind.FIX, minute_ms - 41 * _MINUTE_MS, first, 900.0),
            second=MaskedObservation(ObservationKind.CARD_PRESENT, minute_ms, second, 1_000.0),
            distance_m=distance,
            elapsed_s=_ELAPSED_S,
            speed_kmh=speed,
            speed_limit_kmh=_LIMIT_KMH,
            minimum_distance_m=50_000.0,
            fine_with_s=fine_s,
            sentence=tell(distance, _ELAPSED_S, speed, _LIMIT_KMH, fine_s),
            checks=(Check("same-place", False), Check("clock-slack", False)),
            episode=MaskedEpisode(first_ms=minute_ms, last_ms=minute_ms, count=1),
        )


def counts(rate: float, batches: float) -> Iterator[int]:
    """Return how many there are in each batch, so that no fraction is lost."""
    owed = 0.0
    while True:
        owed += rate / batches
        yield int(owed)
        owed -= int(owed)


class Feeder:
    """Writes a city into MongoDB, batch after batch, each with its progress behind it."""

    def __init__(self, store: MongoStore, city: City) -> None:
        """Write nothing yet.

        Args:
            store: where to write.
            city: what happens.
        """
        self._store = store
        self._city = city
        self._payments = 0
        self._alerts = 0

    def begin(self) -> None:
        """Put everybody on the map."""
        minute_ms = _now_ms() // _MINUTE_MS * _MINUTE_MS
        self._write(self._city.everybody(minute_ms), (), (), minute_ms)

    def run(self, load: Load, seconds: float) -> Fed:
        """Write a load for so many seconds; a batch that is late is written at once and none is left out."""
        planned = zip(*(counts(rate, load.batches) for rate in (load.positions, load.payments, load.alerts)), strict=True)
        began, began_ms = time.monotonic(), _now_ms()
        fed = Fed(seconds=seconds, positions=0)
        for number, (positions, payments, alerts) in zip(range(int(seconds * load.batches)), planned, strict=False):
            due_s = (number + 1) / load.batches
            time.sleep(max(0.0, began + due_s - time.monotonic()))
            minute_ms = _now_ms() // _MINUTE_MS * _MINUTE_MS
            found = tuple(self._city.alert(minute_ms) for _ in range(alerts))
            paid = tuple(self._city.payment(minute_ms) for _ in range(payments))
            self._write(self._city.moved(positions, minute_ms), paid, found, minute_ms)
            fed.positions += positions
            # What happened since the batch before waited for this one, as it does in the privacy stage.
            fed.alerts |= {one.id: began_ms + 1_000.0 * (due_s - self._city.dice.random() / load.batches) for one in found}
        fed.seconds = time.monotonic() - began
        return fed

    def _write(
        self, positions: tuple[Position, ...], payments: tuple[MaskedTransaction, ...], alerts: tuple[MaskedAlert, ...], minute_ms: int
    ) -> None:
        self._payments += len(payments)
        self._alerts += len(alerts)
        progress = Progress(
            id="privacy",
            seq=self._city.seq,
            decisions=self._payments,
            transactions=self._payments,
            alerts=self._alerts,
            event_ms=minute_ms,
            written_ms=_now_ms(),
        )
        refused = self._store.write(MaskedBatch(progress=progress, transactions=payments, alerts=alerts, positions=positions))
        if refused:
            raise SystemExit(f"the store refused {len(refused)} documents")
        self._store.write_progress(progress)
        self._city.seq += 1


def main(load: str, seconds: float, first_seq: int) -> Fed:
    """Write one of the loads; the first puts everybody on the map."""
    store = MongoStore(kernel_settings.load())
    ensure_collections(store.database)
    city = City(seed=first_seq + 1, seq=first_seq)
    feeder = Feeder(store, city)
    if first_seq == 0:
        feeder.begin()
    fed = feeder.run({"moving": MOVING, "events": EVENTS}[load], seconds)
    store.close()
    return fed


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))))
