"""A day of payments and browsing events drawn from a seed, and every window computed from Kafka's records by brute force."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import h3
import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from veilocity.contracts import (
    CardId,
    Channel,
    Decision,
    SessionEvent,
    SessionEventType,
    SubjectId,
    Transaction,
    Verdict,
    decode,
    encode,
)
from veilocity.kafka import consumer_config, end_offsets, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS, SESSIONS, Topic

START_MS = 1_790_000_000_000 // 86_400_000 * 86_400_000
SECOND_MS = 1_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DELAY_MS = 120 * SECOND_MS
JOIN_MS = 120 * SECOND_MS
K = 5
PEOPLE = 60
BANDS = {f"PERSON-{number:03d}": year for number, year in zip(range(40), [1950, 1970, 1980, 1995] * 10, strict=True)}
"""Person to year of birth; the others are unknown."""
DATELESS = "PERSON-059"
"""In the file of customers, without a date of birth."""
MERCHANTS = {"shop-0": ("The first shop", "books"), "shop-3": ("The third shop", "food")}
_LEVELS = {"AP": 1, "ATC": 1, "CO": 1, "SCR": 3, "HP": 3, "CL": 3}


def drawn(seed: int = 5) -> list[Decision | SessionEvent]:
    """Return everything in the order of its arrival: a thin day with three busy quarters of an hour."""
    dice = random.Random(seed)  # noqa: S311  # a seeded test, nothing secret
    times = [START_MS + dice.randrange(26 * HOUR_MS) for _ in range(450)]
    for begin_ms in (START_MS + 3 * HOUR_MS, START_MS + 11 * HOUR_MS, START_MS + 25 * HOUR_MS):
        times += [begin_ms + dice.randrange(15 * 60 * SECOND_MS) for _ in range(600)]
    found: list[tuple[int, Decision | SessionEvent]] = []
    for number, event_ms in enumerate(times):
        # Most come a little out of order, some far too late.
        arrives_ms = event_ms + (dice.randrange(20 * 60 * SECOND_MS) if number % 40 == 0 else dice.randrange(20 * SECOND_MS))
        found.append((arrives_ms, _decision(dice, number, event_ms)))
        if number % 100 == 0:
            found.append((arrives_ms + 1, _decision(dice, number, event_ms, revision=2)))
        if number % 3 == 0:
            visits = _visits(dice, number, event_ms)
            found += [(visit.event_ms + dice.randrange(30 * SECOND_MS), visit) for visit in visits]
            # Sent twice, as a sender does that got no answer.
            found.append((visits[0].event_ms + 31 * SECOND_MS, visits[0]))
    return [event for _, event in sorted(found, key=lambda pair: pair[0])]


def _decision(dice: random.Random, number: int, event_ms: int, revision: int = 1) -> Decision:
    person = dice.randrange(PEOPLE)
    placed = number % 5 != 0
    payment = Transaction(
        id=f"PAYMENT-{number:06d}",
        subject=SubjectId(f"PERSON-{person:03d}"),
        authorised_ms=event_ms,
        received_ms=event_ms,
        amount_minor=dice.randrange(100, 90_000),
        currency=dice.choice(["EUR", "EUR", "GBP"]),
        merchant=f"shop-{min(dice.randrange(30), dice.randrange(30))}",
        category=dice.choice(["groceries", "cafe"]),
        channel=Channel.CARD_PRESENT if placed else Channel.ECOMMERCE,
        card=CardId(f"45391488{person:08d}"),
        lat=51.5 + dice.gauss(0, 0.01) if placed else None,
        lon=-0.12 + dice.gauss(0, 0.01) if placed else None,
    )
    verdict = dice.choices([Verdict.FLAGGED, Verdict.CLEAR, Verdict.NOT_SCORABLE], [35, 60, 5])[0]
    return Decision(payment, verdict, 0.5, (), {}, revision=revision)


def _visits(dice: random.Random, number: int, event_ms: int) -> list[SessionEvent]:
    person = dice.randrange(PEOPLE)
    return [
        SessionEvent(
            session=f"SESSION-{number:05d}",
            subject=SubjectId(f"PERSON-{person:03d}"),
            type=dice.choice(list(SessionEventType)),
            event_ms=event_ms + dice.randrange(90 * SECOND_MS),
            received_ms=event_ms,
        )
        for _ in range(dice.randrange(1, 5))
    ]


def flagged_at(event_ms: int, people: list[str]) -> list[Decision]:
    """Return a flagged payment of each of these people."""
    dice = random.Random(2)  # noqa: S311  # a seeded test, nothing secret
    drawn_ones = [_decision(dice, 500_000 + event_ms % 1_000 * 100 + place, event_ms) for place in range(len(people))]
    return [
        msgspec.structs.replace(
            one, verdict=Verdict.FLAGGED, transaction=msgspec.structs.replace(one.transaction, subject=SubjectId(person))
        )
        for one, person in zip(drawn_ones, people, strict=True)
    ]


def feed(settings: Settings, records: Iterable[Decision | SessionEvent]) -> None:
    """Write records as the rules service and the gateway do."""
    producer = Producer(producer_config(settings))
    for record in records:
        topic, subject = (DECISIONS, record.transaction.subject) if isinstance(record, Decision) else (SESSIONS, record.subject)
        producer.produce(topic_name(settings, topic), encode(record), subject)
        producer.poll(0)
    producer.flush()


def close_all(settings: Settings) -> None:
    """Let every partition pass everything: what these records open themselves stays open."""
    producer = Producer(producer_config(settings))
    dice = random.Random(1)  # noqa: S311  # a seeded test, nothing secret
    for partition in range(settings.kafka_partitions):
        last_ms = START_MS + 60 * HOUR_MS
        producer.produce(topic_name(settings, DECISIONS), encode(_decision(dice, 999_999, last_ms)), partition=partition)
        producer.produce(topic_name(settings, SESSIONS), encode(_visits(dice, 999_999, last_ms)[0]), partition=partition)
    producer.flush()


def read(settings: Settings, topic: Topic) -> list[tuple[int, bytes]]:
    """Return partition and value of every committed record."""
    consumer = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}audit", **{"enable.partition.eof": True}))
    ends = end_offsets(settings, topic)
    consumer.assign([TopicPartition(topic_name(settings, topic), partition, 0) for partition in ends])
    found, over = [], 0
    while over < len(ends):
        message = consumer.poll(10.0)
        assert message is not None
        if message.error() is not None:
            over += 1
        else:
            found.append((message.partition() or 0, message.value() or b""))
    consumer.close()
    return found


class Truth:
    """What every report must say, computed window by window from all that is in Kafka."""

    def __init__(self, settings: Settings) -> None:
        decisions = [(place, decode(value, Decision)) for place, value in read(settings, DECISIONS)]
        visits = [(place, decode(value, SessionEvent)) for place, value in read(settings, SESSIONS)]
        first = [(place, one) for place, one in decisions if one.revision == 1]
        self.late: list[tuple[str, int]] = []
        self.payments = self._in_time("decisions", first, lambda one: one.transaction.authorised_ms)
        self.visits = self._in_time("sessions", visits, lambda one: one.event_ms)
        self.until_ms = START_MS + 60 * HOUR_MS - DELAY_MS
        self.cuts = self._pieces(10 * SECOND_MS, lambda one: one.verdict is Verdict.FLAGGED)
        self.day_cuts = self._pieces(HOUR_MS, lambda one: True)

    def _in_time(self, source: str, records: list[tuple[int, Any]], time_of: Callable[[Any], int]) -> list[Any]:
        newest: dict[int, int] = {}
        kept = []
        for partition, record in records:
            newest[partition] = max(newest.get(partition, 0), time_of(record))
            level = newest[partition] - DELAY_MS
            if time_of(record) < level:
                self.late.append((source, level))
            else:
                kept.append(record)
        return kept

    def _pieces(self, step_ms: int, wanted: Callable[[Decision], bool]) -> list[tuple[int, int]]:
        """Return where pieces of several steps begin and end."""
        steps: dict[int, set[str]] = {}
        for one in self.payments:
            if wanted(one):
                steps.setdefault(one.transaction.authorised_ms // step_ms * step_ms, set()).add(one.transaction.subject)
        pieces, begin, people = [], None, set[str]()
        for start in sorted(steps):
            begin = start if begin is None else begin
            people |= steps[start]
            if len(people) >= K:
                pieces.append((begin, start + step_ms))
                begin, people = None, set()
        return [*pieces, (begin, 2**62)] if begin is not None else pieces

    def documents(self) -> Iterator[dict[str, Any]]:
        """Give every window that must be told."""
        for end in self._ends(10 * SECOND_MS, 120 * SECOND_MS):
            yield self._frauds(end - 120 * SECOND_MS, end)
        for end in self._ends(30 * SECOND_MS, 30 * SECOND_MS, lambda one: one.verdict is not Verdict.FLAGGED):
            yield self._merchants(end - 30 * SECOND_MS, end)
        for end in self._ends(HOUR_MS, HOUR_MS):
            yield self._high_value(end - HOUR_MS, end)
        for end in self._ends(HOUR_MS, DAY_MS):
            yield self._day(end - DAY_MS, end)
        width = 120 * SECOND_MS
        for start in sorted({one.event_ms // width * width for one in self.visits}):
            if start + width + JOIN_MS <= self.until_ms:
                yield self._sessions(start, start + width)

    def _ends(self, step_ms: int, width_ms: int, wanted: Callable[[Decision], bool] = lambda one: True) -> list[int]:
        starts = {one.transaction.authorised_ms // step_ms * step_ms for one in self.payments if wanted(one)}
        ends = {start + step_ms + more for start in starts for more in range(0, width_ms, step_ms)}
        return sorted(end for end in ends if end <= self.until_ms)

    def _inside(self, start: int, end: int) -> list[Decision]:
        return [one for one in self.payments if start <= one.transaction.authorised_ms < end]

    def _base(self, report: str, start: int, end: int, count: int | None) -> dict[str, Any]:
        sources = ("decisions", "sessions") if report == "sessions" else ("decisions",)
        return {
            "_id": f"{report}:{start}",
            "report": report,
            "version": 1,
            "start_ms": start,
            "end_ms": end,
            "count": count,
            "suppressed": 1 if count is None else 0,
            "late": sum(1 for source, level in self.late if source in sources and level < end),
            "rows": [],
            "cells": [],
            "bands": [],
        }

    def _frauds(self, start: int, end: int) -> dict[str, Any]:
        inside = [one for one in self._inside(start, end) if one.verdict is Verdict.FLAGGED]
        told = not inside or not any(begin < edge < over for edge in (start, end) for begin, over in self.cuts)
        document = self._base("frauds", start, end, len(inside) if told else None)
        if told and start % (120 * SECOND_MS) == 0:
            cells, few_cells = _told([(_cell(one), one.transaction.subject) for one in inside])
            bands, few_bands = _told([(_band(one), one.transaction.subject) for one in inside])
            places = {cell: h3.cell_to_latlng(cell) for cell in cells if cell}
            ranked = sorted((-count, cell) for cell, count in cells.items() if cell)
            document["cells"] = [
                {"cell": cell, "lat": round(places[cell][0], 5), "lon": round(places[cell][1], 5), "count": -count}
                for count, cell in ranked
            ]
            document["bands"] = [{"band": band, "count": bands[band]} for band in sorted(bands)]
            document["suppressed"] = few_cells + few_bands
        return document

    def _merchants(self, start: int, end: int) -> dict[str, Any]:
        inside = [one.transaction for one in self._inside(start, end) if one.verdict is not Verdict.FLAGGED]
        if len({one.subject for one in inside}) < K:
            return self._base("merchants", start, end, None)
        document = self._base("merchants", start, end, len(inside))
        sums = Counter[str]()
        for one in inside:
            sums[one.merchant] += one.amount_minor
        ranks, few = _told([(one.merchant, one.subject) for one in inside], most=20, tie=lambda name: (-sums[name], name))
        for rank, (merchant, count) in enumerate(ranks.items(), start=1):
            sales = [one for one in inside if one.merchant == merchant]
            name, category = MERCHANTS.get(merchant, (merchant, min(one.category for one in sales)))
            crowds = [c for c in ("EUR", "GBP") if len({one.subject for one in sales if one.currency == c}) >= K]
            amounts = {c: sum(one.amount_minor for one in sales if one.currency == c) for c in crowds}
            row = {"rank": rank, "id": merchant, "name": name, "category": category, "count": count, "amounts": amounts}
            document["rows"].append(row)
        document["suppressed"] = few
        return document

    def _high_value(self, start: int, end: int) -> dict[str, Any]:
        inside = [one for one in self._inside(start, end) if one.verdict is Verdict.FLAGGED]
        people = {one.transaction.subject: _band(one) for one in inside if one.transaction.amount_minor >= 60_000}
        if 0 < len(people) < K:
            return self._base("high_value", start, end, None)
        document = self._base("high_value", start, end, len(people))
        bands, document["suppressed"] = _told([(band, person) for person, band in people.items()])
        document["bands"] = [{"band": band, "count": bands[band]} for band in sorted(bands)]
        return document

    def _day(self, start: int, end: int) -> dict[str, Any]:
        inside = [one.transaction.subject for one in self._inside(start, end)]
        told = not any(begin < edge < over for edge in (start, end) for begin, over in self.day_cuts)
        document = self._base("day_counts", start, end, len(inside) if told else None)
        times: dict[str, int] = {**dict.fromkeys([*BANDS, DATELESS], 0), **Counter(inside)}
        for band, low, high in (("0-3", 0, 3), ("4-6", 4, 6), ("7+", 7, 10**9)):
            size = sum(1 for count in times.values() if low <= count <= high)
            if size >= K:
                document["bands"].append({"band": band, "count": (size + K // 2) // K * K})
            elif size:
                document["suppressed"] += 1
        return document

    def _sessions(self, start: int, end: int) -> dict[str, Any]:
        inside = {(one.session, one.subject, one.type, one.event_ms) for one in self.visits if start <= one.event_ms < end}
        sessions = {(session, person) for session, person, _, _ in inside}
        if len({person for _, person in sessions}) < K:
            return self._base("sessions", start, end, None)
        document = self._base("sessions", start, end, len(sessions))
        bought = {
            (session, person)
            for session, person, _, at in inside
            for one in self.payments
            if one.transaction.subject == person and at <= one.transaction.authorised_ms <= at + JOIN_MS
        }
        crowds = [len({person for _, person in some}) for some in (bought, sessions - bought)]
        if all(size == 0 or size >= K for size in crowds):
            document["bands"].append({"band": "bought", "count": len(bought)})
        else:
            document["suppressed"] += 1
        for level in (1, 2, 3):
            events = [one for one in inside if _LEVELS.get(one[2].value, 2) == level]
            if len({one[1] for one in events}) >= K:
                document["bands"].append({"band": f"L{level}", "count": len(events)})
            elif events:
                document["suppressed"] += 1
        return document


def _cell(one: Decision) -> str:
    lat, lon = one.transaction.lat, one.transaction.lon
    return "" if lat is None or lon is None else h3.latlng_to_cell(lat, lon, 7)


def _band(one: Decision) -> str:
    year = BANDS.get(one.transaction.subject)
    # 2026 less the year of birth; everybody is born on the first of January.
    return "unknown" if year is None else {1950: "65-plus", 1970: "50-64", 1980: "35-49", 1995: "25-34"}[year]


def _told(pairs: list[tuple[str, str]], most: int = 10**9, tie: Callable[[str], Any] = lambda name: name) -> tuple[dict[str, int], int]:
    counts = Counter(name for name, _ in pairs)
    people = {name: {person for other, person in pairs if other == name} for name in counts}
    ranked = sorted(counts, key=lambda name: (-counts[name], tie(name)))
    crowds = [name for name in ranked if len(people[name]) >= K]
    shown, few = crowds[:most], len(ranked) - len(crowds)
    while shown and 0 < len({person for name in ranked if name not in shown for person in people[name]}) < K:
        shown.pop()
        few += 1
    return {name: counts[name] for name in shown}, few
