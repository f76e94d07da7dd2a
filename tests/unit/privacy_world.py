"""Masked payments of eleven people, stores that keep documents by id, and the stage that writes into them, without Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h3
import msgspec

from privacy.counting import Counting
from privacy.heartbeat import Heartbeat
from privacy.ledger import Ledger
from privacy.masking import ELASTICSEARCH, MONGODB
from privacy.parts import MaskedPart, MaskedPayment
from privacy.policy import Policy
from privacy.stage import Stage
from privacy.telemetry import Telemetry
from privacy.windows import WindowPolicy
from storage.documents import MaskedBatch, MaskedTransaction, Place, Progress, ReleaseDocument
from veilocity.contracts import Channel, Release, Verdict
from veilocity.errors import StoreUnavailableError

MINUTE = 60_000
WIDTH = 60 * MINUTE
POLICY = Policy(
    name="p",
    k=3,
    windows=WindowPolicy(WIDTH, 10 * MINUTE, 24 * WIDTH, later_ms=(2 * WIDTH, 4 * WIDTH), drain_ms=1_000),
    cell_resolution=7,
    sample_size=5,
    bloom_capacity=1000,
    bloom_error_rate=0.001,
    similarity=0.7,
    key_checks=("abcd",),
    digest="0123",
    period_ms=7 * 24 * WIDTH,
    t=0.5,
    hold_loss=0.15,
    region_rows=25,
)
CELLS = [h3.latlng_to_cell(51.5 + 0.03 * step, -0.12, 7) for step in range(4)]


def pseudonym(person: int) -> str:
    """Return what the stage calls a person: no row of zeros, which may stand in any file."""
    return f"{person + 1:02x}" * 16


DIGITS = {MONGODB: "a", ELASTICSEARCH: "b"}
"""What each store's tokens begin with."""


def in_store(store: str, number: int) -> str:
    """Return a payment's token in a store; those of the two stores are sorted differently."""
    return f"{DIGITS[store]}{number * (481_517 if store == MONGODB else 623_423) % 1_000_003:07x}{number:024x}"


def payment(number: int) -> MaskedPayment:
    person = number * 7 % 11
    cell = CELLS[person % 4]
    lat, lon = h3.cell_to_latlng(cell)
    # Every ninth comes two hours late.
    minute_ms = (number - (120 if number % 9 == 8 else 0)) * MINUTE + 100 * WIDTH
    return MaskedPayment(
        partition=person % 2,
        offset=number,
        id=f"{number:032x}",
        person=pseudonym(person),
        minute_ms=minute_ms,
        documents={
            store: MaskedTransaction(
                id=in_store(store, number),
                seq=0,
                revision=1,
                subject=f"{digit}{person:031x}",
                card=None,
                device=None,
                user=None,
                device_type="terminal",
                minute_ms=minute_ms,
                amount=12.0,
                currency="EUR",
                amount_band=("EUR 10-20", "EUR 20-50")[number % 2],
                merchant=f"shop-{number % 3}",
                category=("cafe", "groceries", "fuel", "pharmacy")[number // 3 % 4],
                channel=Channel.CARD_PRESENT,
                country=None,
                place=Place(cell, lat, lon) if number % 5 else None,
                verdict=Verdict.FLAGGED if number % 6 == 0 else Verdict.CLEAR,
                score=0.0,
                reasons=(),
                alert=None,
                severity=None,
                place_seen_before=None,
            )
            for store, digit in DIGITS.items()
        },
    )


def renamed(one: MaskedPayment, number: int, later_ms: int = 0) -> MaskedPayment:
    """Return the payment under another number, and later."""
    documents = {
        store: msgspec.structs.replace(document, id=in_store(store, number), minute_ms=document.minute_ms + later_ms)
        for store, document in one.documents.items()
    }
    return MaskedPayment(one.partition, one.offset, f"{number:032x}", one.person, one.minute_ms + later_ms, documents)


PAYMENTS = [payment(number) for number in range(400)]


class Store:
    """Keeps documents by id as the stores would: the first of an id stays, progress is replaced."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], object] = {}
        """What MongoDB holds."""
        self.searched: dict[tuple[str, str], object] = {}
        """What Elasticsearch holds."""
        self.progress: Progress | None = None
        self.fail_before = -1
        self.fail_after = -1

    def write(self, batches: Mapping[str, MaskedBatch]) -> None:
        batch = batches[MONGODB]
        if batch.progress.seq == self.fail_before:
            self.fail_before = -1
            raise StoreUnavailableError("down")
        for one, held in ((batch, self.documents), (batches[ELASTICSEARCH], self.searched)):
            for kind in ("transactions", "releases", "groups", "aggregates"):
                for document in getattr(one, kind):
                    known = held.setdefault((kind, document.id), document)
                    assert known == document, "a repeated micro-batch wrote something else"
        if batch.sample:
            self.documents["sample", "sample"] = batch.sample
        if batch.sketches:
            self.documents["sketches", batch.sketches.id] = batch.sketches
        self.progress = msgspec.structs.replace(batch.progress, written_ms=0)
        if batch.progress.seq == self.fail_after:
            self.fail_after = -1
            raise StoreUnavailableError("down")

    def told(self) -> dict[tuple[str, str], object]:
        """Return what MongoDB holds, but members: they are of one run's salts."""
        return {key: _without_members(document) for key, document in self.documents.items()}

    def without_seq(self) -> dict[tuple[str, str], object]:
        return {key: msgspec.structs.replace(document, seq=0) for key, document in self.told().items()}  # type: ignore[type-var]  # structs


def _without_members(document: object) -> object:
    if not isinstance(document, ReleaseDocument):
        return document
    return msgspec.structs.replace(document, release=msgspec.structs.replace(document.release, members=()))


def part(payments: list[MaskedPayment]) -> MaskedPart:
    return MaskedPart(payments=payments, decisions=len(payments))


def stage(folder: Path, store: Store, snapshot_batches: int = 3, policy: Policy = POLICY, counting: Counting | None = None) -> Stage:
    return Stage(policy, Ledger(folder, policy, snapshot_batches), store, Telemetry(policy.k), clock_ms=lambda: 1, counting=counting)


def batches(size: int) -> list[list[MaskedPayment]]:
    return [PAYMENTS[start : start + size] for start in range(0, len(PAYMENTS), size)]


def play(folder: Path, size: int, snapshot_batches: int = 3) -> Store:
    store = Store()
    running = stage(folder, store, snapshot_batches)
    for number, chunk in enumerate(batches(size)):
        running.process([part(chunk[::2]), part(chunk[1::2])], number, {})
    return store


def released(store: Store) -> list[Release]:
    return [document.release for document in store.documents.values() if isinstance(document, ReleaseDocument)]


def beat(wall_ms: int, ends: dict[int, int], payments: Sequence[MaskedPayment] = ()) -> MaskedPart:
    return MaskedPart(payments=list(payments), decisions=len(payments), heartbeats=[Heartbeat(wall_ms, ends)])


ENDS = {0: 500, 1: 501}


def drained(folder: Path) -> Store:
    """Play all payments, then silence of a second by heartbeats."""
    store = play(folder, 25)
    running = stage(folder, store)
    running.process([beat(5_000, ENDS)], 16, ENDS)
    running.process([beat(5_999, ENDS)], 17, ENDS)
    assert store.progress is not None
    assert store.progress.pending > 0, "a millisecond too early"
    running.process([beat(6_000, ENDS)], 18, ENDS)
    return store
