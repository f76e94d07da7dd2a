"""Masked batches of a small made-up town, and what the stores hold afterwards, for the tests of the storage room."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson import encode as to_bson
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from pymongo import MongoClient

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
    NoisyShare,
    Place,
    Position,
    Progress,
    ReleaseDocument,
    RunningTotal,
    Sample,
    SimilarGroup,
    StreamSketches,
)
from storage.elastic import ELASTICSEARCH
from storage.kinds import KINDS, SEARCHABLE, Document
from storage.mappings import alias
from storage.mongo import MONGODB
from storage.writers import StoreWriter
from veilocity.contracts import AlertState, Channel, Check, ObservationKind, Release, Severity, Verdict
from veilocity.geo import Interval
from veilocity.settings import Settings

START_MS = 1_795_305_600_000
"""2026-11-22T00:00Z."""
HOUR_MS = 3_600_000
PLACE = Place("87283082affffff", 37.77, -122.41)
FAR = Place("871fb4662ffffff", 48.85, 2.35)


def token(*parts: object) -> str:
    """Return a token as the privacy stage makes them: 128 bits in hexadecimal."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def minute(seq: int) -> int:
    return START_MS + 60_000 * seq


def transaction(number: int, seq: int, minute_ms: int | None = None) -> MaskedTransaction:
    has_place = number % 3 > 0
    return MaskedTransaction(
        id=token("transaction", number),
        seq=seq,
        revision=1,
        subject=token("subject", number % 40),
        card=token("card", number % 50),
        device=None if number % 2 else token("device", number % 40),
        user=None,
        device_type="mobile" if number % 2 else None,
        minute_ms=minute(seq) if minute_ms is None else minute_ms,
        amount=12.0,
        currency="EUR",
        amount_band="10-20",
        merchant=f"merchant {number % 7}",
        category="groceries",
        channel=Channel.CARD_PRESENT if has_place else Channel.ECOMMERCE,
        country="US" if has_place else None,
        place=PLACE if has_place else None,
        verdict=Verdict.CLEAR,
        score=0.25,
        reasons=("no_neighbour",),
        alert=None,
        severity=None,
        place_seen_before=True if has_place else None,
    )


def amendment(number: int, seq: int, revision: int = 2, minute_ms: int | None = None) -> MaskedAmendment:
    """Return a later answer to `transaction(number, ...)`, whose minute must be told if it was written by another batch."""
    return MaskedAmendment(
        id=token("transaction", number),
        seq=seq,
        revision=revision,
        minute_ms=minute(seq) if minute_ms is None else minute_ms,
        verdict=Verdict.FLAGGED,
        score=0.75,
        reasons=("impossible_travel", f"revision {revision}"),
        alert=token("alert", number),
        severity=Severity.HIGH,
    )


def alert(number: int, seq: int, revision: int = 1, *, minute_ms: int | None = None) -> MaskedAlert:
    later_ms = minute(seq) if minute_ms is None else minute_ms
    if number % 5 == 4:
        return alert_without_places(number, seq, revision, later_ms)
    return MaskedAlert(
        id=token("alert", number),
        seq=seq,
        revision=revision,
        rule="impossible-travel",
        rule_version="1",
        cause="impossible_travel",
        severity=Severity.HIGH,
        state=AlertState.OPEN if revision == 1 else AlertState.AMENDED,
        subject=token("subject", number),
        score=0.9,
        probability=0.01,
        first=MaskedObservation(ObservationKind.FIX, later_ms - HOUR_MS, PLACE, 30.0),
        second=MaskedObservation(ObservationKind.ATM, later_ms, FAR, 1000.0),
        distance_m=Interval(8.9e6, 9.0e6, 9.1e6),
        elapsed_s=3600.0,
        speed_kmh=Interval(8800.0, 9000.0, 9200.0) if number % 2 else None,
        speed_limit_kmh=1000.0,
        minimum_distance_m=50_000.0,
        fine_with_s=32_000.0,
        sentence="9,000 km in 1 h 00 min.",
        checks=(Check("mock", False), Check("cached", True)),
        episode=MaskedEpisode(START_MS, minute(seq), 2),
    )


def alert_without_places(number: int, seq: int, revision: int, minute_ms: int) -> MaskedAlert:
    end = MaskedObservation(ObservationKind.ECOMMERCE, minute_ms, None, 0.0)
    return MaskedAlert(
        id=token("alert", number),
        seq=seq,
        revision=revision,
        rule="payments-count",
        rule_version="1",
        cause="many_payments",
        severity=Severity.MEDIUM,
        state=AlertState.OPEN if revision == 1 else AlertState.AMENDED,
        subject=token("subject", number),
        score=0.6,
        probability=None,
        first=end,
        second=end,
        distance_m=None,
        elapsed_s=0.0,
        speed_kmh=None,
        speed_limit_kmh=None,
        minimum_distance_m=None,
        fine_with_s=None,
        sentence="Payments count: many payments.",
        checks=(),
        episode=MaskedEpisode(START_MS, minute_ms, 1),
    )


def position(person: int, seq: int, minute_ms: int | None = None, place: Place = PLACE) -> Position:
    return Position(token("subject", person), seq, minute(seq) if minute_ms is None else minute_ms, place)


def release(number: int, seq: int) -> ReleaseDocument:
    identity = token("class", number)
    window_ms = START_MS + number % 3 * HOUR_MS
    return ReleaseDocument(
        identity,
        seq,
        Release(
            class_id=identity,
            policy="default-1",
            window_start_ms=window_ms,
            window_end_ms=window_ms + HOUR_MS,
            k=5,
            people=6,
            payments=9,
            loss=0.25,
            cell=PLACE.cell,
            cell_resolution=7,
            hour="2026-11-22T00",
            amount_band="10-20",
            category="groceries",
            flagged=1,
            l=2,
            t=0.0417,
            sensitive={Verdict.FLAGGED: 1, Verdict.CLEAR: 8, Verdict.NOT_SCORABLE: 0},
            members=tuple(sorted(token("member", number, person) for person in range(6))),
        ),
    )


def aggregate(number: int, seq: int, *, refused: bool = False) -> AggregateDocument:
    count = NoisyCount(40, 1.5, 37, 43)
    return AggregateDocument(
        id=token("aggregate", number),
        seq=seq,
        policy="default-1",
        window_start_ms=START_MS,
        window_end_ms=START_MS + HOUR_MS,
        cell="*",
        hour="*",
        payments=None if refused else count,
        flagged=None if refused else count,
        fraud_rate=None if refused else NoisyShare(0.1, 0.0, 0.2),
        total=None if refused else RunningTotal(400, 4.5, 390, 410, START_MS, 0),
        terms=NoiseTerms(0.0 if refused else 1.0, 1e-6, 3, 0.95, None if refused else 20, 24.0, 1e-5, 30),
        refused=refused,
        epsilon_left=0.5 if refused else None,
    )


def group(number: int, seq: int) -> SimilarGroup:
    return SimilarGroup(token("group", number), seq, START_MS, 3, 2, 0.875, ("category=groceries",), (token("transaction", number),))


def batch(seq: int, *, payments: int = 20, people: int = 10, alerts: int = 2) -> MaskedBatch:
    """Return batch number `seq`; the same number gives the same batch."""
    return MaskedBatch(
        progress=Progress(
            id="privacy",
            seq=seq,
            decisions=payments * (seq + 1),
            transactions=payments * (seq + 1),
            released=9 * (seq + 1),
            pending=(payments - 9) * (seq + 1),
            classes=seq + 1,
            alerts=alerts * (seq + 1),
            event_ms=minute(seq),
            written_ms=minute(seq) + 5,
        ),
        transactions=tuple(transaction(seq * payments + number, seq) for number in range(payments)),
        alerts=tuple(alert(seq * alerts + number, seq) for number in range(alerts)),
        positions=tuple(position(person, seq) for person in range(people)),
        releases=(release(seq, seq),),
        groups=(group(seq, seq),),
        sample=Sample("sample", seq, payments * (seq + 1), (token("transaction", seq),)),
        sketches=StreamSketches(
            "stream", seq, payments * (seq + 1), (DistinctCount("people", people, people - 1, people + 1),), people, 0.0
        ),
    )


def both(one: MaskedBatch) -> dict[str, MaskedBatch]:
    """Return what a writer takes: the same for both stores, although the privacy stage gives each its own tokens."""
    return {MONGODB: one, ELASTICSEARCH: one}


@contextmanager
def writing(settings: Settings) -> Iterator[StoreWriter]:
    """Give a writer whose stores are ready."""
    writer = StoreWriter(settings)
    try:
        writer.ensure_schema()
        yield writer
    finally:
        writer.close()


def mongodb_dump(settings: Settings) -> dict[str, dict[str, bytes]]:
    """Return every document of every kind as bytes, by collection and id."""
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    try:
        database = client[settings.mongodb_database]
        return {kind.name: {row["_id"]: to_bson(row) for row in database[kind.name].find()} for kind in KINDS}
    finally:
        client.close()


def elasticsearch_dump(settings: Settings) -> dict[str, dict[str, tuple[int, Document]]]:
    """Return version and content of every document, by kind and id."""
    held: dict[str, dict[str, tuple[int, Document]]] = {}
    with Elasticsearch(settings.elasticsearch_url) as client:
        for kind in SEARCHABLE:
            name = alias(settings.elasticsearch_index_prefix, kind)
            client.indices.refresh(index=name, ignore_unavailable=True)
            question: dict[str, Any] = {"query": {"match_all": {}}, "version": True}
            hits = scan(client, query=question, index=name, ignore_unavailable=True)
            held[kind.name] = {hit["_id"]: (hit["_version"], hit["_source"]) for hit in hits}
    return held


def mongodb_contents(settings: Settings) -> dict[str, dict[str, Document]]:
    """Return the searchable kinds of MongoDB in the shape of `elasticsearch_dump`'s contents, without what it does not get."""
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    try:
        database = client[settings.mongodb_database]
        hidden = {kind.name: dict.fromkeys(kind.unsearched, 0) for kind in SEARCHABLE}
        return {kind.name: {row.pop("_id"): row for row in database[kind.name].find({}, hidden[kind.name] or None)} for kind in SEARCHABLE}
    finally:
        client.close()
