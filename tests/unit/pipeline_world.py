"""Payments of one evening through the whole privacy stage without Spark and servers: masked, staged, released, drained, audited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import h3
import numpy as np

from privacy.audit import KnownIdentifiers, Limits, StoredDocument, audit
from privacy.heartbeat import Heartbeat
from privacy.identifiers.cards import luhn_valid
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.sealing import MemorySubjectKeyStore
from privacy.ledger import Ledger
from privacy.masking import Masker
from privacy.parts import MaskedPart, PartBuilder
from privacy.policies import CompiledPolicy
from privacy.policy import Policy, compiled_policy, key_checks
from privacy.stage import Stage
from privacy.telemetry import Telemetry
from storage.documents import ReleaseDocument
from storage.kinds import GROUPS, PROGRESS, RELEASES, SAMPLES, TRANSACTIONS, Kind, to_document
from tests.unit.privacy_world import Store
from veilocity import settings as kernel_settings
from veilocity.contracts import CardId, Channel, Decision, DeviceId, SubjectId, Transaction, UserId, Verdict, encode

PAYMENTS, PEOPLE, BATCHES = 420, 60, 4
HOUR_MS = 3_600_000
START_MS = 1_795_370_400_000
"""2026-11-22T18:00Z: four hours of one evening, in one window of six hours."""
RING = KeyRing([(1, ALWAYS_MS, bytes(range(32)))])
SETTINGS = kernel_settings.load({}, privacy_drain_s=1.0)
COMPILED = compiled_policy(SETTINGS)
POLICY = Policy.of(COMPILED, SETTINGS, key_checks(RING))
ENDS = {0: PAYMENTS, 1: PAYMENTS}
Fields = dict[str, Any]
Change = Callable[[str, str, list[Fields]], Iterable[Fields]]
"""Store, collection and its documents in the order of insertion, to what is stored instead."""


def card_number(person: int) -> str:
    """Return a card number of a person that passes Luhn's test."""
    texts = [f"45391488{person:07d}{digit}" for digit in range(10)]
    return texts[int(np.argmax(luhn_valid(texts)))]


def decision(number: int) -> Decision:
    """Return the answer to a payment; every fifth is made without a place."""
    dice = np.random.default_rng(number)
    person = number * 7 % PEOPLE
    lat, lon = h3.cell_to_latlng(h3.latlng_to_cell(51.5 + 0.03 * (person % 4), -0.12, 7))
    placed = number % 5 > 0
    payment = Transaction(
        id=f"PAYMENT-{number:04d}",
        subject=SubjectId(f"PERSON-{person:04d}"),
        authorised_ms=START_MS + number * 4 * HOUR_MS // PAYMENTS,
        received_ms=START_MS,
        amount_minor=int(dice.choice([1_500, 2_000, 3_000])),
        currency="GBP",
        merchant=f"shop {number % 7}",
        category=str(dice.choice(["groceries", "cafe"])),
        channel=Channel.CARD_PRESENT,
        card=CardId(card_number(person)),
        device=DeviceId(f"DEVICE-{person:04d}"),
        user=UserId(f"USER-{person:04d}"),
        lat=lat if placed else None,
        lon=lon if placed else None,
    )
    return Decision(payment, Verdict.FLAGGED if number % 7 == 0 else Verdict.CLEAR, 0.5, ("reason",), {"rule": "1"})


DECISIONS = [decision(number) for number in range(PAYMENTS)]
IDENTIFIERS = {str(text) for one in DECISIONS for text in (one.transaction.card, one.transaction.user, one.transaction.subject)}


def masked(decisions: Sequence[Decision], batch: int = 0, compiled: CompiledPolicy = COMPILED) -> MaskedPart:
    """Return what an executor makes of these payments."""
    builder = PartBuilder(Masker(compiled, RING, MemorySubjectKeyStore), seq=batch + 1)
    for partition in (0, 1):
        mine = decisions[partition::2]
        builder.add("decisions", partition, range(batch * PAYMENTS, batch * PAYMENTS + len(mine)), map(encode, mine))
    return builder.finish()


def play(folder: Path, compiled: CompiledPolicy = COMPILED, repeated: int | None = None) -> Store:
    """Play all payments and then silence; return what the stores hold.

    Args:
        folder: of the stage.
        compiled: by which payments are masked.
        repeated: a micro-batch whose process dies when the stores have it: it is masked and written once more.
    """
    store = Store()
    stage = Stage(POLICY, Ledger(folder, POLICY), store, Telemetry(k=1), clock_ms=lambda: START_MS)
    size = -(-PAYMENTS // BATCHES)
    for batch in range(BATCHES):
        for _ in range(2 if batch == repeated else 1):
            stage.process([masked(DECISIONS[batch * size : (batch + 1) * size], batch, compiled)], batch, {})
    for batch, wall_ms in enumerate((5_000, 6_000), BATCHES):
        stage.process([MaskedPart(heartbeats=[Heartbeat(wall_ms, ENDS)])], batch, ENDS)
    return store


def as_they_are(_store: str, _collection: str, documents: list[Fields]) -> Iterable[Fields]:
    """Change nothing."""
    return documents


def faults_in(store: Store, change: Change = as_they_are, known: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return the sentences of each check of the auditor that found something."""
    kinds: dict[str, Kind[Any]] = {"transactions": TRANSACTIONS, "releases": RELEASES, "groups": GROUPS, "sample": SAMPLES}
    found: list[StoredDocument] = []
    for name, held in (("mongodb", store.documents), ("elasticsearch", store.searched)):
        for kind, shape in kinds.items():
            records: list[Any] = [one for (of, _), one in held.items() if of == kind]
            documents = change(name, shape.name, [to_document(shape, one) for one in records])
            found += [StoredDocument(name, shape.name, fields, place, place) for place, fields in enumerate(documents)]
    assert store.progress is not None
    found.append(StoredDocument("mongodb", PROGRESS.name, to_document(PROGRESS, store.progress)))
    identifiers = KnownIdentifiers(known) if known else None
    report = audit(lambda: found, Limits(), rng=np.random.default_rng(7), now_ms=START_MS, known=identifiers)
    return {check.name: [fault.sentence() for fault in check.faults] for check in report.checks if not check.passed}


def classes(store: Store) -> list[ReleaseDocument]:
    """Return the released classes."""
    return [one for one in store.documents.values() if isinstance(one, ReleaseDocument)]
