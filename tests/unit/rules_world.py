"""Events, an unforgetting judge and a tally, shared by the tests of the rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from rules import EngineParameters, Outcome, SubjectState, evaluate
from veilocity.contracts import Alert, AlertState, Channel, DeviceId, Fix, FixFlag, SubjectId, Transaction
from veilocity.settings import Settings

START_MS = 1_764_000_000_000
"""2025-11-24T16:00:00Z, a multiple of a slot."""
SUBJECT = SubjectId("anna")
LONDON, PARIS, LAGOS = (51.5074, -0.1278), (48.8566, 2.3522), (6.5244, 3.3792)
SUVA, APIA = (-18.1248, 178.4501), (-13.8507, -171.7514)
"""On both sides of the antimeridian, 1,140 km apart."""

Event = Fix | Transaction


def parameters(**settings: object) -> EngineParameters:
    return EngineParameters.from_settings(Settings.model_validate(settings))


def fix(
    at_s: float,
    place: tuple[float, float] = LONDON,
    *,
    accuracy_m: float | None = 20.0,
    device: str = "phone",
    flags: tuple[FixFlag, ...] = (),
    subject: str = SUBJECT,
) -> Fix:
    at_ms = START_MS + round(at_s * 1000)
    return Fix(
        subject=SubjectId(subject),
        device=DeviceId(device),
        source="sensor-logger",
        fix_ns=at_ms * 1_000_000,
        received_ms=at_ms + 500,
        lat=place[0],
        lon=place[1],
        accuracy_m=accuracy_m,
        flags=flags,
    )


def payment(
    at_s: float,
    place: tuple[float, float] | None = LONDON,
    *,
    id: str = "",
    channel: Channel = Channel.CARD_PRESENT,
    subject: str = SUBJECT,
) -> Transaction:
    at_ms = START_MS + round(at_s * 1000)
    return Transaction(
        id=id or f"payment-{at_s}-{place}",
        subject=SubjectId(subject),
        authorised_ms=at_ms,
        received_ms=at_ms + 700,
        amount_minor=1250,
        currency="EUR",
        merchant="Corner shop",
        category="grocery",
        channel=channel,
        lat=place[0] if place else None,
        lon=place[1] if place else None,
    )


@dataclass
class Tally:
    """What a run of events led to."""

    outcomes: list[Outcome] = field(default_factory=list)
    state: SubjectState = field(default_factory=SubjectState)

    @property
    def revisions(self) -> list[Alert]:
        return [alert for outcome in self.outcomes for alert in outcome.alerts]

    @property
    def newest(self) -> dict[str, Alert]:
        """The newest revision of each alert; revisions must rise by one."""
        newest: dict[str, Alert] = {}
        for alert in self.revisions:
            before = newest.get(alert.id)
            assert alert.revision == (before.revision if before else 0) + 1
            newest[alert.id] = alert
        return newest

    @property
    def standing(self) -> dict[str, Alert]:
        """Alerts that hold at the end, without what tells of the order of arrival."""
        return {
            name: msgspec.structs.replace(alert, revision=0, received_ms=0, state=AlertState.OPEN)
            for name, alert in self.newest.items()
            if alert.state is not AlertState.RETRACTED
        }

    def count(self, name: str) -> int:
        return sum(outcome.counted == name for outcome in self.outcomes)


def play(events: Iterable[Event], limits: EngineParameters | None = None, *, shortcut: bool = True, after: Tally | None = None) -> Tally:
    """Evaluate the events, going on from another run if one is given."""
    tally, limits = after or Tally(), limits or parameters()
    for event in events:
        tally.outcomes.append(evaluate(tally.state, event, limits, shortcut=shortcut))
    return tally


@dataclass(frozen=True)
class Place:
    """One observation of the unforgetting judge."""

    event_ns: int
    name: str
    payment: bool
    lat: float
    lon: float
    accuracy_m: float


def judge_all(events: Sequence[Event], limits: EngineParameters) -> dict[str, tuple[str, str]]:
    """Return anchor -> (first, second) of the strongest pair, from all events at once, by the text of docs/rules.md alone."""
    places = _places(events, limits)
    found: dict[str, list[tuple[tuple[float, float], str, str]]] = {}
    is_anchor = False
    for first, second in pairwise(places):
        low_m = max(0.0, _metres(first, second) * (1 - 0.0056) - first.accuracy_m - second.accuracy_m)
        elapsed_s = (second.event_ns - first.event_ns) / 1e9
        speed_kmh = low_m / (elapsed_s + limits.rule.time_slack_s) * 3.6 if elapsed_s else math.inf
        if low_m < limits.rule.minimum_distance_m or speed_kmh <= limits.rule.speed_limit_kmh:
            is_anchor = False
            continue
        if first.payment != second.payment:
            anchor = first if first.payment else second
        else:
            anchor = first if is_anchor else second
        is_anchor = anchor is second
        found.setdefault(anchor.name, []).append(((speed_kmh, low_m), first.name, second.name))
    return {anchor: max(pairs, key=lambda pair: pair[0])[1:] for anchor, pairs in found.items()}


def _places(events: Sequence[Event], limits: EngineParameters) -> list[Place]:
    slots: dict[int, Place] = {}
    payments: dict[str, Place] = {}
    for event in events:
        if isinstance(event, Transaction):
            if event.channel.has_place and event.lat is not None and event.lon is not None:
                payments[event.id] = Place(
                    event.authorised_ms * 1_000_000, event.id, True, round(event.lat, 7), round(event.lon, 7), 1000.0
                )
            continue
        if {FixFlag.MOCK, FixFlag.CACHED} & set(event.flags):
            continue
        accuracy_m = math.ceil((event.accuracy_m or 100.0) * 10) / 10
        place = Place(event.fix_ns, f"{event.device}@{event.fix_ns}", False, round(event.lat, 7), round(event.lon, 7), accuracy_m)
        slot = event.fix_ns // limits.slot_ns
        slots[slot] = min(slots.get(slot, place), place, key=lambda one: (one.accuracy_m, one.event_ns, one.lat, one.lon, one.name))
    return sorted([*slots.values(), *payments.values()], key=lambda one: (one.event_ns, one.payment, one.name))


def _metres(first: Place, second: Place) -> float:
    """Distance by the spherical law of cosines in vector form: another formula than the engine's."""
    a, b = _vector(first), _vector(second)
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return 6_371_008.8 * math.atan2(math.hypot(*cross), sum(x * y for x, y in zip(a, b, strict=True)))


def _vector(place: Place) -> tuple[float, float, float]:
    lat, lon = math.radians(place.lat), math.radians(place.lon)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
