"""A small masked world as it should lie in both stores: forty people, four hours of one night, a class per cell and hour."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import h3
import numpy as np

from privacy.audit import AuditReport, KnownIdentifiers, Limits, StoredDocument, audit
from storage.documents import (
    MaskedAlert,
    MaskedEpisode,
    MaskedObservation,
    MaskedTransaction,
    Place,
    Position,
    Progress,
    ReleaseDocument,
    Sample,
    SimilarGroup,
)
from storage.kinds import ALERTS, GROUPS, POSITIONS, PROGRESS, RELEASES, SAMPLES, TRANSACTIONS, to_document
from veilocity.contracts import AlertState, Channel, Check, ObservationKind, Release, Severity, Verdict
from veilocity.geo import Interval

STORES = ("mongodb", "elasticsearch")
HOUR_MS = 3_600_000
START_MS = 1_795_305_600_000
"""2026-11-22T00:00Z."""
HOURS = 4
PEOPLE = 40
K = 5
CELLS = [h3.latlng_to_cell(37.0 + step, -122.0, 7) for step in range(4)]
World = dict[str, dict[str, list[dict[str, Any]]]]
"""Documents by store and collection, in the order of insertion."""


def digits(*parts: object) -> str:
    """Return 32 hexadecimal digits that look random."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def token(store: str, kind: str, name: object) -> str:
    """Return the pseudonym of an identifier: another one in each store and for each kind."""
    return digits("token", store, kind, name)


def place(cell: str) -> Place:
    lat, lon = h3.cell_to_latlng(cell)
    return Place(cell, round(lat, 5), round(lon, 5))


def payment(store: str, hour: int, person: int) -> MaskedTransaction:
    return MaskedTransaction(
        id=token(store, "transaction", (hour, person)),
        seq=hour,
        revision=1,
        subject=token(store, "subject", person),
        card=token(store, "card", person),
        device=token(store, "device", person) if person % 2 else None,
        user=None,
        device_type="mobile",
        minute_ms=START_MS + hour * HOUR_MS + (7 * person % 60) * 60_000,
        amount=24.0,
        currency="EUR",
        amount_band="EUR 20-50",
        merchant=f"corner shop {person % 7}",
        category="groceries",
        channel=Channel.CARD_PRESENT,
        country="US",
        place=place(CELLS[person % 4]),
        verdict=Verdict.FLAGGED if person % 10 == 3 else Verdict.CLEAR,
        score=0.25,
        reasons=("impossible_travel",),
        alert=token(store, "alert", person) if person % 10 == 3 else None,
        severity=None,
        place_seen_before=True,
    )


def released(hour: int, cell: int) -> ReleaseDocument:
    """Return the class of everybody who paid in a cell in an hour."""
    people = [person for person in range(PEOPLE) if person % 4 == cell]
    flagged = sum(person % 10 == 3 for person in people)
    whole = sum(person % 10 == 3 for person in range(PEOPLE)) / PEOPLE
    sensitive = {Verdict.CLEAR: len(people) - flagged, Verdict.FLAGGED: flagged}
    identity = digits("class", hour, cell)
    release = Release(
        class_id=identity,
        policy="default-1",
        window_start_ms=START_MS + hour * HOUR_MS,
        window_end_ms=START_MS + (hour + 1) * HOUR_MS,
        k=K,
        people=len(people),
        payments=len(people),
        loss=0.0,
        cell=CELLS[cell],
        cell_resolution=7,
        hour=f"2026-11-22T{hour:02d}",
        amount_band="EUR 20-50",
        category="groceries",
        flagged=flagged,
        l=sum(count > 0 for count in sensitive.values()),
        t=round(abs(flagged / len(people) - whole) + 4e-5, 4),
        sensitive=sensitive,
        members=tuple(sorted(digits("member", hour, person) for person in people)),
    )
    return ReleaseDocument(identity, hour, release)


def alert(store: str, person: int) -> MaskedAlert:
    end = MaskedObservation(ObservationKind.ATM, START_MS + HOUR_MS, place(CELLS[person % 4]), 1000.0)
    return MaskedAlert(
        id=token(store, "alert", person),
        seq=1,
        revision=1,
        rule="impossible-travel",
        rule_version="1",
        cause="impossible_travel",
        severity=Severity.HIGH,
        state=AlertState.OPEN,
        subject=token(store, "subject", person),
        score=0.9,
        probability=0.01,
        first=end,
        second=end,
        distance_m=Interval(8.9e6, 9.0e6, 9.1e6),
        elapsed_s=3600.0,
        speed_kmh=Interval(8800.0, 9000.0, 9200.0),
        speed_limit_kmh=1000.0,
        minimum_distance_m=50_000.0,
        fine_with_s=32_000.0,
        sentence="9,000 km in 1 h 00 min: at least 8,800 km/h, limit 1,000 km/h. Fine with 9 h 00 min or more.",
        checks=(Check("mock", False),),
        episode=MaskedEpisode(START_MS, START_MS + HOUR_MS, 2),
    )


def progress() -> Progress:
    total = HOURS * PEOPLE
    return Progress(
        id="privacy",
        seq=HOURS,
        decisions=total,
        transactions=total,
        released=total,
        classes=HOURS * 4,
        event_ms=START_MS + HOURS * HOUR_MS,
        written_ms=START_MS + 12_345,
    )


def records(store: str) -> dict[str, list[Any]]:
    """Return the records of one store."""
    classes = sorted((released(hour, cell) for hour in range(HOURS) for cell in range(4)), key=lambda one: (one.seq, one.id))
    features = ("amount=EUR 20-50", f"cell={CELLS[0]}", "quarter=2026-11-22T00:15")
    member = token(store, "transaction", (0, 4))
    group = SimilarGroup(f"{START_MS:x}-{member}", 1, START_MS, 3, 2, 0.875, features, (member,))
    found: dict[str, list[Any]] = {
        "transactions": [payment(store, hour, person) for hour in range(HOURS) for person in range(PEOPLE)],
        "alerts": [alert(store, person) for person in range(PEOPLE) if person % 10 == 3],
        "releases": classes,
        "groups": [group],
    }
    if store == "mongodb":
        found["positions"] = [Position(token(store, "subject", person), 1, START_MS, place(CELLS[person % 4])) for person in range(PEOPLE)]
        found["samples"] = [Sample("sample", 2, HOURS * PEOPLE, (token(store, "transaction", (1, 1)),))]
        found["progress"] = [progress()]
    return found


def clean_world() -> World:
    """Return documents in which there is nothing to find."""
    kinds = {kind.name: kind for kind in (TRANSACTIONS, ALERTS, RELEASES, GROUPS, POSITIONS, SAMPLES, PROGRESS)}
    return {
        store: {name: [copy.deepcopy(to_document(kinds[name], record)) for record in found] for name, found in records(store).items()}
        for store in STORES
    }


def audited(
    world: World,
    limits: Limits | None = None,
    known: KnownIdentifiers | None = None,
) -> AuditReport:
    """Return the report on a world."""

    def documents() -> list[StoredDocument]:
        return [
            StoredDocument(store, name, fields, number, number)
            for store, collections in world.items()
            for name, found in sorted(collections.items())
            for number, fields in enumerate(found)
        ]

    return audit(documents, limits or Limits(), rng=np.random.default_rng(7), now_ms=START_MS, known=known)


def faults_after(
    damage: Callable[[World], object], limits: Limits | None = None, known: KnownIdentifiers | None = None
) -> dict[str, list[str]]:
    """Return the sentences of each check's faults in a world that was damaged."""
    world = clean_world()
    damage(world)
    report = audited(world, limits, known)
    return {check.name: [fault.sentence() for fault in check.faults] for check in report.checks if not check.passed}
