"""Alerts with sealed evidence in real stores, and people who judge them, for the tests of cases."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from pymongo import MongoClient
from pymongo.database import Database

from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.sealing import Sealer
from privacy.unsealing import EVIDENCE
from storage.cases import Change, Status
from storage.documents import MaskedAlert, MaskedBatch, MaskedTransaction, Progress
from storage.kinds import Document
from storage.roles import Actor, Role
from storage.vault import SubjectKeys
from tests.integration.storage_world import START_MS, alert, both, minute, token, transaction, writing
from veilocity.contracts import Alert, AlertState, Episode, Observation, ObservationKind, Severity, SubjectId, encode
from veilocity.evidence import tell
from veilocity.geo import Interval
from veilocity.settings import Settings

PERSON = "PERSON-0001"
"""Raw id of the person of every alert that is sealed."""
SUBJECT = token("subject", 1)
ADA = Actor("ada", Role.TRIAGE)
BEN = Actor("ben", Role.UNMASK)
CHIEF = Actor("chief", Role.ADMIN)
NOW_MS = 1_795_400_000_123
REASON = "the bank called the holder"
changed = msgspec.structs.replace


def to(status: Status | None, actor: Actor = ADA, **fields: str) -> Change:
    return Change(actor=actor, written_ms=NOW_MS, to=status, **fields)


@contextmanager
def mongodb(settings: Settings) -> Iterator[Database[Document]]:
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    try:
        yield client[settings.mongodb_database]
    finally:
        client.close()


def exact_alert(name: str = "ALERT-1") -> Alert:
    def seen(kind: ObservationKind, identity: str, at_ms: int, lat: float, lon: float) -> Observation:
        return Observation(kind, identity, at_ms * 1_000_000 + 777_777, lat, lon, 25.0)

    distance_m, speed_kmh = Interval(8_951_000.0, 8_953_000.0, 8_955_000.0), Interval(8_951.0, 8_953.0, 8_955.0)
    first = seen(ObservationKind.FIX, "DEVICE-0001@1795302000777777777", START_MS - 3_600_000, 37.76412, -122.41873)
    second = seen(ObservationKind.ATM, "PAYMENT-000001", START_MS, 48.85661, 2.35222)
    return Alert(
        id=name,
        rule="impossible-travel",
        rule_version="1",
        severity=Severity.HIGH,
        state=AlertState.OPEN,
        revision=1,
        subject=SubjectId(PERSON),
        anchor=second.id,
        cause="impossible_travel",
        score=0.9,
        first=first,
        second=second,
        distance_m=distance_m,
        elapsed_s=3_600.0,
        speed_kmh=speed_kmh,
        probability=0.01,
        parameters={},
        facts={},
        fine_with_s=28_640.0,
        sentence=tell(distance_m, 3_600.0, speed_kmh, 1_000.0, 28_640.0),
        checks=(),
        episode=Episode(START_MS, START_MS, 1, (second.id,)),
        received_ms=START_MS,
    )


def sealed_alert(settings: Settings, number: int = 1) -> MaskedAlert:
    """Return a masked alert whose evidence is sealed under a key of `PERSON`; the key ring is made where there is none."""
    if not settings.token_key_file.exists():
        KeyRing.generate(settings.token_key_file)
    # Told as the rounded figures allow.
    sentence = tell(Interval(8.9e6, 9.0e6, 9.0e6), 3_600.0, Interval(8_900.0, 9_000.0, 9_000.0), 1_000.0, 29_000.0)
    masked = changed(alert(number, 0), subject=SUBJECT, sentence=sentence)
    keys = SubjectKeys(settings)
    try:
        sealer = Sealer(KeyRing.from_file(settings.token_key_file), keys)
        sealed = sealer.seal(PERSON, START_MS, masked.id, EVIDENCE, encode(exact_alert()))
    finally:
        keys.close()
    return changed(masked, sealed=base64.b64encode(sealed).decode())


def payments_of_person(count: int = 4) -> tuple[MaskedTransaction, ...]:
    return tuple(changed(transaction(number, 0), subject=SUBJECT, minute_ms=minute(-60 * number)) for number in range(count))


def write_alerts(settings: Settings, alerts: tuple[MaskedAlert, ...], payments: tuple[MaskedTransaction, ...] = ()) -> None:
    """Make both stores ready and write one batch."""
    progress = Progress(id="privacy", seq=0, event_ms=minute(120), alerts=len(alerts), transactions=len(payments))
    with writing(settings) as writer:
        writer.write(both(MaskedBatch(progress=progress, alerts=alerts, transactions=payments)))
