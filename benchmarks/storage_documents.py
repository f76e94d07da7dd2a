"""Masked batches by the thousand, as the privacy stage makes them, and what the stores must hold after them; nothing here is random.

A batch is a pure function of its plan, its number and the store: the two stores get the same documents with tokens of their own. Some
payments get later answers, some alerts later revisions, and people move, so everything that a store must compare is compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from storage.documents import (
    AggregateDocument,
    DistinctCount,
    MaskedAlert,
    MaskedAmendment,
    MaskedBatch,
    MaskedEpisode,
    MaskedObservation,
    MaskedTransaction,
    NoiseTerms,
    NoisyCount,
    Place,
    Position,
    Progress,
    ReleaseDocument,
    Sample,
    SimilarGroup,
    StreamSketches,
)
from storage.kinds import KINDS, PROGRESS, Document, amended_fields, to_document
from veilocity.contracts import AlertState, Channel, Check, ObservationKind, Release, Severity, Verdict
from veilocity.geo import Interval

__all__ = ["BatchPlan", "batch", "expected", "token"]

_START_MS = 1_795_305_600_000
"""2026-11-22T00:00Z."""
_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
_CATEGORIES = ("groceries", "cafe", "travel", "online", "fuel")
_AMENDED_EVERY, _REVISED_EVERY = 15, 5
"""Of the payments and alerts of the batch before."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What is in every batch."""

    payments: int = 300
    alerts: int = 10
    people: int = 160
    """How many have moved, each once."""
    releases: int = 5
    batches_per_minute: int = 20
    """Of event time."""

    @property
    def records(self) -> int:
        """Records of one batch, without amendments and revisions."""
        return self.payments + self.alerts + self.people + 2 * self.releases


def token(store: str, kind: str, number: int) -> str:
    """Return 128 bits in hexadecimal, another one in each store."""
    return hashlib.blake2b(f"{store}/{kind}/{number}".encode(), digest_size=16).hexdigest()


def _place(number: int) -> Place:
    return Place(f"8728308{number % 97:02x}ffffff", 37.0 + number % 97 / 100.0, -122.0 - number % 89 / 100.0)


def _minute(plan: BatchPlan, seq: int) -> int:
    return _START_MS + seq // plan.batches_per_minute * _MINUTE_MS


def _payment(store: str, number: int, seq: int, minute_ms: int) -> MaskedTransaction:
    channel = (Channel.CARD_PRESENT, Channel.ECOMMERCE, Channel.ATM)[number % 3]
    placed = channel is not Channel.ECOMMERCE
    return MaskedTransaction(
        id=token(store, "transaction", number),
        seq=seq,
        revision=1,
        subject=token(store, "subject", number % 2_000),
        card=token(store, "card", number % 2_500),
        device=token(store, "device", number % 2_000) if number % 2 else None,
        user=token(store, "user", number % 2_000) if number % 4 == 0 else None,
        device_type="mobile" if number % 2 else None,
        minute_ms=minute_ms,
        amount=float(number % 90 + 10),
        currency="EUR",
        amount_band="10-100",
        merchant=f"merchant {number % 500}",
        category=_CATEGORIES[number % len(_CATEGORIES)],
        channel=channel,
        country="US" if placed else None,
        place=_place(number) if placed else None,
        verdict=Verdict.FLAGGED if number % 50 == 0 else Verdict.CLEAR,
        score=0.9 if number % 50 == 0 else 0.05,
        reasons=("impossible_travel",) if number % 50 == 0 else ("no_neighbour",),
        alert=token(store, "alert", number) if number % 50 == 0 else None,
        severity=Severity.HIGH if number % 50 == 0 else None,
        place_seen_before=bool(number % 3) if placed else None,
    )


def _amendment(store: str, plan: BatchPlan, number: int, seq: int) -> MaskedAmendment:
    written = number // plan.payments
    return MaskedAmendment(
        id=token(store, "transaction", number),
        seq=seq,
        revision=2 + seq - written,
        minute_ms=_minute(plan, written),
        verdict=Verdict.FLAGGED,
        score=0.75,
        reasons=("impossible_travel", f"seen in batch {seq}"),
        alert=token(store, "alert", number),
        severity=Severity.MEDIUM,
    )


def _alert(store: str, number: int, seq: int, revision: int, minute_ms: int) -> MaskedAlert:
    return MaskedAlert(
        id=token(store, "alert", number),
        seq=seq,
        revision=revision,
        rule="impossible-travel",
        rule_version="1",
        cause="impossible_travel",
        severity=Severity.HIGH,
        state=AlertState.OPEN if revision == 1 else AlertState.AMENDED,
        subject=token(store, "subject", number % 2_000),
        score=0.9,
        probability=0.01,
        first=MaskedObservation(ObservationKind.FIX, minute_ms - _HOUR_MS, _place(number), 30.0),
        second=MaskedObservation(ObservationKind.ATM, minute_ms, _place(number + 40), 1000.0),
        distance_m=Interval(8.9e6, 9.0e6, 9.1e6),
        elapsed_s=3600.0,
        speed_kmh=Interval(8800.0, 9000.0, 9200.0),
        speed_limit_kmh=1000.0,
        minimum_distance_m=50_000.0,
        fine_with_s=32_000.0,
        sentence=f"9,000 km in 1 h 00 min; seen {revision} times.",
        checks=(Check("mock", False), Check("cached", True)),
        episode=MaskedEpisode(minute_ms - _HOUR_MS, minute_ms, revision),
        sealed="c2VhbGVk" * 40 if store == "mongodb" else None,
    )


def _release(number: int, seq: int) -> ReleaseDocument:
    identity = token("both", "class", number)
    window_ms = _START_MS + number % 6 * _HOUR_MS
    release = Release(
        class_id=identity,
        policy="default-1",
        window_start_ms=window_ms,
        window_end_ms=window_ms + _HOUR_MS,
        k=5,
        people=6,
        payments=9,
        loss=0.25,
        cell=_place(number).cell,
        cell_resolution=7,
        hour="2026-11-22T00",
        amount_band="10-100",
        category="[everyday]",
        flagged=1,
        l=2,
        t=0.0417,
        sensitive={Verdict.FLAGGED: 1, Verdict.CLEAR: 8, Verdict.NOT_SCORABLE: 0},
        members=tuple(sorted(token("both", "member", number * 6 + person) for person in range(6))),
    )
    return ReleaseDocument(identity, seq, release)


def _group(store: str, number: int, seq: int) -> SimilarGroup:
    members = tuple(token(store, "transaction", number * 3 + place) for place in range(3))
    return SimilarGroup(token(store, "group", number), seq, _START_MS, 3, 2, 0.875, ("category=groceries", "channel=atm"), members)


def _aggregate(number: int, seq: int) -> AggregateDocument:
    count = NoisyCount(40, 1.5, 37, 43)
    terms = NoiseTerms(1.0, 1e-6, 3, 0.95, 20, 24.0, 1e-5, 30)
    window_ms = _START_MS + number * _HOUR_MS
    identity = token("both", "aggregate", number)
    return AggregateDocument(
        identity, seq, "default-1", window_ms, window_ms + _HOUR_MS, _place(number).cell, "*", count, None, None, None, terms, False, None
    )


def batch(plan: BatchPlan, seq: int, store: str) -> MaskedBatch:
    """Return what micro-batch `seq` writes into a store."""
    first, minute_ms = seq * plan.payments, _minute(plan, seq)
    earlier = range(max(0, first - plan.payments), first, _AMENDED_EVERY)
    opened = range(seq * plan.alerts, (seq + 1) * plan.alerts)
    revised = range(max(0, (seq - 1) * plan.alerts), seq * plan.alerts, _REVISED_EVERY)
    classes = range(seq * plan.releases, (seq + 1) * plan.releases)
    total = (seq + 1) * plan.payments
    return MaskedBatch(
        progress=Progress("privacy", seq, decisions=total, transactions=total, suppressed=total, event_ms=minute_ms, written_ms=minute_ms),
        transactions=tuple(_payment(store, number, seq, minute_ms) for number in range(first, first + plan.payments)),
        amendments=tuple(_amendment(store, plan, number, seq) for number in earlier),
        alerts=(
            *(_alert(store, number, seq, 1, minute_ms) for number in opened),
            *(_alert(store, number, seq, 2, minute_ms) for number in revised),
        ),
        positions=tuple(_position(plan, number, seq) for number in range(plan.people)) if store == "mongodb" else (),
        releases=tuple(_release(number, seq) for number in classes),
        groups=tuple(_group(store, number, seq) for number in classes),
        aggregates=(_aggregate(seq, seq),),
        sample=Sample("sample", seq, total, (token(store, "transaction", seq),)) if store == "mongodb" else None,
        sketches=StreamSketches("stream", seq, total, (DistinctCount("people", 9, 8, 10),), 9, 0.0) if store == "mongodb" else None,
    )


def _position(plan: BatchPlan, number: int, seq: int) -> Position:
    """Return where somebody is: two of three stay in their cell."""
    person = (seq * plan.people + number) % (5 * plan.people)
    return Position(token("mongodb", "subject", person), seq, _minute(plan, seq), _place(person + (seq if person % 3 == 0 else 0)))


def expected(plan: BatchPlan, batches: int, store: str) -> dict[str, dict[str, Document]]:
    """Return by kind and id all that a store must hold after so many batches: docs/stores.md in few lines, without the writers."""
    held: dict[str, dict[str, Document]] = {kind.name: {} for kind in KINDS}
    for seq in range(batches):
        one = batch(plan, seq, store)
        for kind, record in _records(one):
            document: Document = msgspec.json.decode(msgspec.json.encode(to_document(kind, record)))
            if store != "mongodb":
                for name in kind.unsearched:
                    del document[name]
            known = held[kind.name].get(record.id)
            if known is None or _replaces(kind.name, document, known):
                held[kind.name][record.id] = document
        for amendment in one.amendments:
            payment = held["transactions"][amendment.id]
            if payment["revision"] < amendment.revision:
                payment.update(msgspec.json.decode(msgspec.json.encode(amended_fields(amendment))))
    return held


def _records(one: MaskedBatch) -> Iterator[tuple[Any, Any]]:
    for kind in KINDS:
        if kind is PROGRESS:
            yield kind, one.progress
            continue
        records = getattr(one, {"samples": "sample"}.get(kind.name, kind.name))
        for record in records if isinstance(records, tuple) else [records] if records else []:
            yield kind, record


def _replaces(kind: str, document: Document, known: Document) -> bool:
    version = {"alerts": "revision", "positions": "version", "samples": "seq", "sketches": "seq", "progress": "seq"}.get(kind)
    if version is None or document[version] <= known[version]:
        return False
    return kind != "positions" or any(document[name] != known[name] for name in ("minute_ms", "place"))
