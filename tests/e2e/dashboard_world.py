"""A small world for the page's tests: a store in memory with people in one city, travellers far away, payments and alerts."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from threading import Lock

import h3
import msgspec

from storage.documents import MaskedAlert, MaskedEpisode, MaskedObservation, MaskedTransaction, Place, Position, Progress
from storage.queries import ChangeLimits
from veilocity.contracts import AlertState, Channel, Check, ObservationKind, Severity, Verdict
from veilocity.errors import StoreUnavailableError
from veilocity.evidence import fine_with_s, speed_bounds_kmh, tell
from veilocity.geo import Interval, distance_bounds_m

MINUTE_MS = 60_000
START_MS = 1_795_442_400_000
LIMIT_KMH = 1_000.0
LONDON = (51.5074, -0.1278)
FAR = {
    "Lagos": (6.4541, 3.3947),
    "New York": (40.7128, -74.006),
    "Tokyo": (35.6895, 139.6917),
    "São Paulo": (-23.5475, -46.6361),
    "Sydney": (-33.8679, 151.2073),
    "Singapore": (1.2897, 103.8501),
    "Cairo": (30.0626, 31.2497),
    "Mumbai": (19.0728, 72.8826),
    "Los Angeles": (34.0522, -118.2437),
    "Istanbul": (41.0138, 28.9497),
}


@dataclass(frozen=True)
class WorldChanges:
    positions: tuple[Position, ...]
    alerts: tuple[MaskedAlert, ...]
    transactions: tuple[MaskedTransaction, ...]
    complete: bool = True


def place(lat: float, lon: float) -> Place:
    cell = h3.latlng_to_cell(lat, lon, 7)
    centre_lat, centre_lon = h3.cell_to_latlng(cell)
    return Place(cell=cell, lat=centre_lat, lon=centre_lon)


def make_alert(  # noqa: PLR0913  # a record of many fields, named by the caller
    number: int,
    first: tuple[float, float],
    second: tuple[float, float],
    *,
    minute_ms: int,
    seq: int,
    elapsed_s: float = 2_460.0,
    severity: Severity = Severity.HIGH,
    state: AlertState = AlertState.OPEN,
    revision: int = 1,
    subject: str = "",
    count: int = 1,
) -> MaskedAlert:
    distance = distance_bounds_m(*first, 900.0, *second, 1_000.0)
    rounded = Interval(*(float(f"{value:.2g}") for value in (distance.low, distance.likely, distance.high)))
    speed = speed_bounds_kmh(rounded, elapsed_s, 30.0)
    fine_s = fine_with_s(rounded, LIMIT_KMH, 30.0)
    return MaskedAlert(
        id=f"alert{number:05d}",
        seq=seq,
        revision=revision,
        rule="impossible-travel",
        rule_version="1",
        cause="impossible_travel",
        severity=severity,
        state=state,
        subject=subject or f"person{number:05d}",
        score=0.9,
        probability=0.01,
        first=MaskedObservation(ObservationKind.FIX, minute_ms - int(elapsed_s // 60) * MINUTE_MS, place(*first), 900.0),
        second=MaskedObservation(ObservationKind.CARD_PRESENT, minute_ms, place(*second), 1_000.0),
        distance_m=rounded,
        elapsed_s=elapsed_s,
        speed_kmh=speed,
        speed_limit_kmh=LIMIT_KMH,
        minimum_distance_m=50_000.0,
        fine_with_s=fine_s,
        sentence=tell(rounded, elapsed_s, speed, LIMIT_KMH, fine_s),
        checks=(Check("same-place", False), Check("clock-slack", False), Check("card-not-present", False), Check("cached-fix", False)),
        episode=MaskedEpisode(first_ms=minute_ms - MINUTE_MS * count, last_ms=minute_ms, count=count),
    )


def make_alert_without_places(number: int, *, minute_ms: int, seq: int = 0) -> MaskedAlert:
    end = MaskedObservation(ObservationKind.ECOMMERCE, minute_ms, None, 0.0)
    return msgspec.structs.replace(
        make_alert(number, LONDON, LONDON, minute_ms=minute_ms, seq=seq, severity=Severity.MEDIUM),
        rule="payments-count",
        cause="many_payments",
        probability=None,
        first=end,
        second=end,
        distance_m=None,
        speed_kmh=None,
        speed_limit_kmh=None,
        minimum_distance_m=None,
        fine_with_s=None,
        sentence="Payments count: many payments.",
        checks=(Check("cold_start", False),),
    )


@dataclass
class World:
    """A store whose batches a test writes by hand. `down` makes every question fail."""

    seed: int = 7
    people: int = 300
    down: bool = False
    seq: int = 0
    minute_ms: int = START_MS
    written_ms: int = 0
    _positions: dict[str, Position] = field(default_factory=dict)
    _alerts: dict[str, MaskedAlert] = field(default_factory=dict)
    _payments: list[MaskedTransaction] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311  # a made-up city
        self._homes = [self._scatter(LONDON, 9.0) for _ in range(self.people)]

    def _scatter(self, centre: tuple[float, float], spread_km: float) -> tuple[float, float]:
        north = self.random.gauss(0.0, spread_km) / 111.2
        east = self.random.gauss(0.0, spread_km) / (111.2 * math.cos(math.radians(centre[0])))
        return centre[0] + north, centre[1] + east

    def write(
        self,
        *,
        positions: list[Position] | None = None,
        alerts: list[MaskedAlert] | None = None,
        payments: list[MaskedTransaction] | None = None,
        written_ms: int = 0,
    ) -> None:
        """Write one batch; a payment that is known already is amended."""
        with self._lock:
            self.seq += 1
            for position in positions or []:
                self._positions[position.id] = msgspec.structs.replace(position, seq=self.seq)
            for alert in alerts or []:
                self._alerts[alert.id] = msgspec.structs.replace(alert, seq=self.seq)
            written = {payment.id for payment in payments or []}
            self._payments = [payment for payment in self._payments if payment.id not in written]
            self._payments += [msgspec.structs.replace(payment, seq=self.seq) for payment in payments or []]
            self.written_ms = written_ms

    def move(self, count: int) -> list[Position]:
        """Return new places of `count` people of the city and of those far away."""
        self.minute_ms += MINUTE_MS
        moved = []
        for index in self.random.sample(range(self.people), min(count, self.people)):
            lat, lon = self._scatter(self._homes[index], 1.2)
            moved.append(Position(id=f"person{index:05d}", seq=0, minute_ms=self.minute_ms, place=place(lat, lon)))
        return moved

    def travellers(self) -> list[Position]:
        """Return places of people in the far cities."""
        return [
            Position(id=f"far{index}{number}", seq=0, minute_ms=self.minute_ms, place=place(*self._scatter(centre, 8.0)))
            for index, centre in enumerate(FAR.values())
            for number in range(6)
        ]

    def pay(self, count: int, *, flagged: bool = False) -> list[MaskedTransaction]:
        """Return `count` payments in the city."""
        return [self._payment(index, flagged=flagged) for index in range(count)]

    def _payment(self, index: int, *, flagged: bool) -> MaskedTransaction:
        person = self.random.randrange(self.people)
        channel = self.random.choice([Channel.CARD_PRESENT, Channel.CARD_PRESENT, Channel.ECOMMERCE, Channel.ATM])
        amount = float(f"{self.random.lognormvariate(3.2, 0.9):.2g}")
        low = 10 ** int(math.log10(max(amount, 1.0)))
        return MaskedTransaction(
            id=f"payment{len(self._payments) + index:06d}",
            seq=0,
            revision=1,
            subject=f"person{person:05d}",
            card=f"card{person:05d}",
            device=None,
            user=None,
            device_type="terminal",
            minute_ms=self.minute_ms,
            amount=amount,
            currency="GBP",
            amount_band=f"{low}-{low * 10}",
            merchant=f"merchant{self.random.randrange(40)}",
            category=self.random.choice(["groceries", "transport", "restaurant", "fuel", "clothing"]),
            channel=channel,
            country="GB",
            place=place(*self._scatter(self._homes[person], 1.0)) if channel.has_place else None,
            verdict=Verdict.FLAGGED if flagged else Verdict.CLEAR,
            score=0.97 if flagged else 0.02,
            reasons=("impossible_travel",) if flagged else (),
            alert=None,
            severity=Severity.HIGH if flagged else None,
            place_seen_before=True,
        )

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")

    def progress(self) -> Progress | None:
        self._answer()
        with self._lock:
            if self.seq == 0:
                return None
            payments = len(self._payments)
            return Progress(
                id="privacy",
                seq=self.seq,
                decisions=payments,
                transactions=payments,
                released=payments * 6 // 10,
                suppressed=payments // 10,
                pending=payments - payments * 6 // 10 - payments // 10,
                classes=payments // 40,
                alerts=len(self._alerts),
                event_ms=self.minute_ms,
                written_ms=self.written_ms,
            )

    def positions(self, limit: int) -> list[Position]:
        self._answer()
        with self._lock:
            return sorted(self._positions.values(), key=lambda item: (item.minute_ms, item.seq), reverse=True)[:limit]

    def alerts(self, limit: int) -> list[MaskedAlert]:
        self._answer()
        with self._lock:
            return sorted(self._alerts.values(), key=lambda item: (item.second.minute_ms, item.id), reverse=True)[:limit]

    def recent_transactions(self, limit: int) -> list[MaskedTransaction]:
        self._answer()
        with self._lock:
            return self._payments[::-1][:limit]

    def changes(self, after_seq: int, up_to_seq: int, limits: ChangeLimits) -> WorldChanges:
        self._answer()
        with self._lock:
            return WorldChanges(
                tuple(item for item in self._positions.values() if after_seq < item.seq <= up_to_seq),
                tuple(item for item in self._alerts.values() if after_seq < item.seq <= up_to_seq),
                tuple(item for item in self._payments if after_seq < item.seq <= up_to_seq)[-limits.transactions :],
            )
