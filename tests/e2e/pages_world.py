"""What the pages of streams, phone and health could be told, made up: a good day, trouble, and nothing at all."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.health_services import Answers, Service
from dashboard.phone_room import Room
from dashboard.scraping import Scrape, parse
from dashboard.streams_course import Course, CourseFile
from sketches.course.chapter import Chapter, Figure
from sketches.course.report import figures_json
from storage.census import Census, StoreCount
from storage.documents import DistinctCount, MaskedTransaction, Place, Progress, Sample, SimilarGroup, StreamSketches
from storage.streams_queries import CurrencyMean, ExactAnswers
from tests.e2e.privacy_world import HOUR_MS, START_MS, progress
from veilocity.contracts import Channel, DeviceId, Fix, FixFlag, SubjectId, Verdict
from veilocity.errors import StoreUnavailableError

CELLS = ("87195da49ffffff", "87195da4dffffff", "871fb4662ffffff", "871f1d489ffffff")
CATEGORIES = ("groceries", "restaurant", "fuel", "clothes", "electronics")
MERCHANTS = ("Corner Shop", "Noodle Bar", "Filling Station", "Two Sleeves", "Bytes & Bits")


def payment(number: int, draw: random.Random) -> MaskedTransaction:
    kind = draw.randrange(len(CATEGORIES))
    return MaskedTransaction(
        id=f"payment{number:05d}",
        seq=1 + number // 100,
        revision=1,
        subject=f"subject{number % 311}",
        card=None,
        device=None,
        user=None,
        device_type="terminal",
        minute_ms=START_MS + number * 60_000,
        amount=round(draw.lognormvariate(3.2, 0.8), 1),
        currency="GBP" if number % 9 else "EUR",
        amount_band="10-20",
        merchant=MERCHANTS[kind],
        category=CATEGORIES[kind],
        channel=Channel.CARD_PRESENT,
        country="GB",
        place=Place(CELLS[number % 4], 51.5, -0.1),
        verdict=Verdict.FLAGGED if number % 40 == 7 else Verdict.CLEAR,
        score=0.1,
        reasons=(),
        alert=None,
        severity=None,
        place_seen_before=True,
    )


def group(number: int, draw: random.Random, first: int) -> SimilarGroup:
    kind = number % len(CATEGORIES)
    size = 2 + int(draw.expovariate(0.09))
    features = (
        f"amount={(5, 10, 20, 50)[number % 4]}-{(10, 20, 50, 100)[number % 4]}",
        f"category={CATEGORIES[kind]}",
        f"cell={CELLS[number % 3]}",
        "channel=card-present",
        "device=terminal",
        f"merchant={MERCHANTS[kind]}",
        f"quarter=2026-11-22T{9 + number % 4:02d}:{15 * (number % 4):02d}",
    )
    return SimilarGroup(
        id=f"group{number:03d}",
        seq=30 + number // 9,
        window_start_ms=START_MS + (9 + number % 4) * HOUR_MS,
        payments=size,
        people=max(2, size - size // 4),
        similarity=0.75 if number % 3 else 1.0,
        features=features[: 7 - number % 2],
        members=tuple(f"payment{(first + one) % 900:05d}" for one in range(min(100, size))),
    )


@dataclass
class StreamsWorld:
    """A store that tells what a test gives it. `down` makes every question fail."""

    progress_document: Progress | None = None
    sketches_document: StreamSketches | None = None
    sample_document: Sample | None = None
    payment_documents: dict[str, MaskedTransaction] = field(default_factory=dict)
    group_documents: list[SimilarGroup] = field(default_factory=list)
    truth: ExactAnswers | None = None
    down: bool = False
    questions: dict[str, int] = field(default_factory=dict)
    """How often each was asked."""

    def _answer(self, name: str) -> None:
        self.questions[name] = self.questions.get(name, 0) + 1
        if self.down:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")

    def progress(self) -> Progress | None:
        self._answer("progress")
        return self.progress_document

    def sketches(self) -> StreamSketches | None:
        self._answer("sketches")
        return self.sketches_document

    def sample(self) -> Sample | None:
        self._answer("sample")
        return self.sample_document

    def payments(self, ids: Sequence[str]) -> list[MaskedTransaction]:
        self._answer("payments")
        return [self.payment_documents[one] for one in ids if one in self.payment_documents]

    def groups(self, limit: int) -> list[SimilarGroup]:
        self._answer("groups")
        return self.group_documents[:limit]

    def group(self, identity: str) -> SimilarGroup | None:
        self._answer("group")
        return next((one for one in self.group_documents if one.id == identity), None)

    def exact(self, up_to_seq: int) -> ExactAnswers:
        self._answer("exact")
        assert self.truth is not None
        return self.truth


def streams_day(now_ms: int, groups: int = 44, seed: int = 11) -> StreamsWorld:
    """Return a day with a sample of 500, three counters, a filter and groups."""
    draw = random.Random(seed)  # noqa: S311  # a made-up day
    made = {one.id: one for one in (payment(number, draw) for number in range(900))}
    distinct = (
        DistinctCount("people", 1_204, 1_167, 1_242),
        DistinctCount("merchants", 262, 254, 271),
        DistinctCount("places", 411, 398, 424),
    )
    whole = progress(now_ms)
    return StreamsWorld(
        progress_document=whole,
        sketches_document=StreamSketches("stream", whole.seq, whole.transactions, distinct, 5_311, 0.000_000_21),
        sample_document=Sample("sample", whole.seq, whole.transactions, tuple(sorted(made)[:500])),
        payment_documents=made,
        group_documents=[group(number, draw, 20 * number) for number in range(groups)][::-1],
        truth=ExactAnswers(
            whole.seq, whole.transactions, 158, 265, 409, (CurrencyMean("GBP", 5_700, 33.1), CurrencyMean("EUR", 712, 34.0))
        ),
    )


PRIVACY_METRICS = """# TYPE veilocity_privacy_filter_capacity gauge
veilocity_privacy_filter_capacity 1000000
# TYPE veilocity_privacy_filter_fill_ratio gauge
veilocity_privacy_filter_fill_ratio 0.00369
# TYPE veilocity_privacy_sketch_bytes gauge
veilocity_privacy_sketch_bytes{kind="sample"} 36000
veilocity_privacy_sketch_bytes{kind="visits"} 1797200
veilocity_privacy_sketch_bytes{kind="people"} 4096
veilocity_privacy_sketch_bytes{kind="merchants"} 4096
veilocity_privacy_sketch_bytes{kind="places"} 4096
# TYPE veilocity_privacy_lag_records gauge
veilocity_privacy_lag_records{topic="decisions"} %(behind)d
veilocity_privacy_lag_records{topic="alerts"} 4
veilocity_privacy_lag_records{topic="fixes"} 211
# TYPE veilocity_privacy_documents counter
veilocity_privacy_documents_total{kind="transactions"} %(payments)d
# TYPE veilocity_privacy_rejected counter
veilocity_privacy_rejected_total{reason="undecodable"} 0
# TYPE veilocity_privacy_batch_seconds histogram
veilocity_privacy_batch_seconds_bucket{le="0.5",stage="mask"} 3
veilocity_privacy_batch_seconds_bucket{le="1.0",stage="mask"} 40
veilocity_privacy_batch_seconds_bucket{le="2.0",stage="mask"} 52
veilocity_privacy_batch_seconds_bucket{le="+Inf",stage="mask"} 52
veilocity_privacy_batch_seconds_bucket{le="0.5",stage="write"} 20
veilocity_privacy_batch_seconds_bucket{le="1.0",stage="write"} 49
veilocity_privacy_batch_seconds_bucket{le="2.0",stage="write"} 52
veilocity_privacy_batch_seconds_bucket{le="+Inf",stage="write"} 52
# TYPE veilocity_store_write_seconds histogram
veilocity_store_write_seconds_bucket{le="0.05",store="mongodb"} 41
veilocity_store_write_seconds_bucket{le="0.1",store="mongodb"} 52
veilocity_store_write_seconds_bucket{le="+Inf",store="mongodb"} 52
veilocity_store_write_seconds_bucket{le="0.05",store="elasticsearch"} 22
veilocity_store_write_seconds_bucket{le="0.1",store="elasticsearch"} 44
veilocity_store_write_seconds_bucket{le="0.3",store="elasticsearch"} 52
veilocity_store_write_seconds_bucket{le="+Inf",store="elasticsearch"} 52
# TYPE veilocity_privacy_release_delay_seconds histogram
veilocity_privacy_release_delay_seconds_bucket{le="600.0"} 4
veilocity_privacy_release_delay_seconds_bucket{le="900.0"} 30
veilocity_privacy_release_delay_seconds_bucket{le="1800.0"} 36
veilocity_privacy_release_delay_seconds_bucket{le="+Inf"} 36
# TYPE veilocity_store_retries counter
veilocity_store_retries_total{store="elasticsearch"} 3
# TYPE veilocity_privacy_state_items gauge
veilocity_privacy_state_items{kind="open_windows"} 958
veilocity_privacy_state_items{kind="held"} 61
# TYPE veilocity_privacy_disk_free_ratio gauge
veilocity_privacy_disk_free_ratio 0.61
"""
RULES_METRICS = """# TYPE veilocity_rules_lag_records gauge
veilocity_rules_lag_records{partition="0",topic="fixes"} 12
veilocity_rules_lag_records{partition="1",topic="fixes"} 9
veilocity_rules_lag_records{partition="0",topic="transactions"} 1
# TYPE veilocity_rules_decisions counter
veilocity_rules_decisions_total{verdict="clear"} %(payments)d
veilocity_rules_decisions_total{verdict="flagged"} 88
# TYPE veilocity_rules_events counter
veilocity_rules_events_total{outcome="decided"} %(payments)d
veilocity_rules_events_total{outcome="fixes_kept"} 91000
veilocity_rules_events_total{outcome="fixes_late"} 12
veilocity_rules_events_total{outcome="fixes_duplicate"} 340
# TYPE veilocity_rules_latency_seconds histogram
veilocity_rules_latency_seconds_bucket{le="0.05"} %(quick)d
veilocity_rules_latency_seconds_bucket{le="0.1"} %(payments)d
veilocity_rules_latency_seconds_bucket{le="0.3"} %(payments)d
veilocity_rules_latency_seconds_bucket{le="+Inf"} %(payments)d
# TYPE veilocity_rules_commit_seconds histogram
veilocity_rules_commit_seconds_bucket{le="0.01"} %(quick)d
veilocity_rules_commit_seconds_bucket{le="0.05"} %(payments)d
veilocity_rules_commit_seconds_bucket{le="+Inf"} %(payments)d
# TYPE veilocity_rules_subjects gauge
veilocity_rules_subjects{partition="0"} 201
veilocity_rules_subjects{partition="1"} 199
# TYPE veilocity_rules_state_bytes gauge
veilocity_rules_state_bytes{partition="0"} 1820000
veilocity_rules_state_bytes{partition="1"} 1795000
# TYPE veilocity_rules_largest_state_bytes gauge
veilocity_rules_largest_state_bytes{partition="0"} 12800
"""
INGEST_METRICS = """# TYPE veilocity_ingest_items counter
veilocity_ingest_items_total{kind="sensor-logger",outcome="accepted"} %(fixes)d
veilocity_ingest_items_total{kind="transactions",outcome="accepted"} %(payments)d
veilocity_ingest_items_total{kind="sensor-logger",outcome="ignored"} 4411
# TYPE veilocity_ingest_rejects counter
veilocity_ingest_rejects_total{kind="sensor-logger",reason="invalid_time"} 7
veilocity_ingest_rejects_total{kind="transactions",reason="damaged_identifier"} %(damaged)d
# TYPE veilocity_ingest_requests counter
veilocity_ingest_requests_total{kind="sensor-logger",outcome="ok"} 8210
veilocity_ingest_requests_total{kind="sensor-logger",outcome="unauthorised"} 2
# TYPE veilocity_ingest_request_seconds histogram
veilocity_ingest_request_seconds_bucket{kind="sensor-logger",le="0.005"} %(quick)d
veilocity_ingest_request_seconds_bucket{kind="sensor-logger",le="0.01"} %(fixes)d
veilocity_ingest_request_seconds_bucket{kind="sensor-logger",le="+Inf"} %(fixes)d
# TYPE veilocity_ingest_directory_entries gauge
veilocity_ingest_directory_entries 800
"""


def scrapes(step: int, missing: Sequence[str] = ()) -> dict[str, Scrape]:
    """Return what the services tell at the n-th question: everything has grown by about as much each time."""
    values = {
        "payments": 6_412 + 41 * step,
        "fixes": 92_000 + 700 * step + 90 * (step % 5),
        "quick": 5_000 + 32 * step,
        "behind": 31 + 9 * (step % 4),
        "damaged": 3 + step // 2,
    }
    texts = {"ingest": INGEST_METRICS, "rules": RULES_METRICS, "privacy": PRIVACY_METRICS}
    found = {name: parse(text % values) for name, text in texts.items() if name not in missing}
    return {
        **found,
        "dashboard": parse('# TYPE veilocity_dashboard_polls counter\nveilocity_dashboard_polls_total{outcome="answered"} 9\n'),
    }


@dataclass
class HealthWorld:
    """Everybody who can be asked. What is in `silent` does not answer."""

    progress_document: Progress | None = None
    silent: set[str] = field(default_factory=set)
    step: int = 0
    lost: int = 0

    def ask(self) -> Answers:
        self.step += 1
        known = {"kafka": "127.0.0.1:9092", "mongodb": "127.0.0.1:27017", "elasticsearch": "127.0.0.1:9200"}
        known |= {
            name: f"http://127.0.0.1:{port}" for name, port in (("ingest", 8088), ("rules", 9101), ("privacy", 9102), ("dashboard", 8050))
        }
        titles = {"kafka": "Kafka", "mongodb": "MongoDB", "elasticsearch": "Elasticsearch", "ingest": "Gateway", "privacy": "Privacy stage"}
        services = [
            Service(
                name,
                titles.get(name, name.capitalize()),
                "silent",
                where,
                f"start `veilocity {name}`; `veilocity up` starts everything",
                "docs/runbooks/service-down.md",
            )
            if name in self.silent
            else Service(name, titles.get(name, name.capitalize()), "answers", where)
            for name, where in known.items()
        ]
        told = {name: scrape for name, scrape in scrapes(self.step, tuple(self.silent)).items() if name not in self.silent}
        return Answers(tuple(services), told, None if "mongodb" in self.silent else self.progress_document)

    def count(self) -> Census:
        if {"mongodb", "elasticsearch"} & self.silent:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")
        found = self.progress_document or Progress("privacy", 0)
        held = found.transactions - self.lost
        store = StoreCount(
            transactions=held,
            transactions_with_unfinished=held,
            alerts=found.alerts,
            alerts_with_unfinished=found.alerts,
            releases=found.classes,
        )
        return Census(found, store, store, found.released, 0, 0)


def health_day(now_ms: int) -> HealthWorld:
    return HealthWorld(progress(now_ms))


class PhoneWorld:
    """A topic that a test writes to: what reads it gives each fix to the room while a page looks."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.store = "unknown"
        self.down = False
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1
        self.store = "down" if self.down else "up"

    def stop(self, timeout_s: float = 2.0) -> None:
        self.store = "unknown"

    def send(self, *fixes: Fix) -> None:
        for fix in fixes:
            self.room.take(fix)


def walk(
    device: str, now_ms: int, count: int, *, session: str = "s1", first: int = 1, gap: tuple[int, int] = (0, 0), flagged: bool = False
) -> list[Fix]:
    """Return readings of a phone that is carried through a city, one each second, the newest of now.

    Args:
        device: its id.
        now_ms: of the newest.
        count: of readings.
        session: its recording.
        first: number of the first message.
        gap: seconds of silence after a reading of this number.
        flagged: whether the last is doubtful.
    """
    draw = random.Random(device)  # noqa: S311  # a made-up walk
    lat, lon, turn, found = 51.5079, -0.1281, 0.3, []
    for number in range(count):
        turn += draw.gauss(0, 0.22)
        speed = max(0.0, 1.5 + 4.0 * math.sin(number / 90) ** 2 + draw.gauss(0, 0.2))
        lat += speed * math.cos(turn) / 111_320
        lon += speed * math.sin(turn) / 69_000
        late = count - 1 - number + (gap[1] if number < gap[0] else 0)
        found.append(
            Fix(
                SubjectId(device),
                DeviceId(device),
                "sensor-logger",
                (now_ms - late * 1_000) * 1_000_000,
                now_ms - late * 1_000,
                round(lat, 7),
                round(lon, 7),
                accuracy_m=round(abs(draw.gauss(7, 2)) + 3, 1),
                speed_mps=None if number % 50 == 3 else round(speed, 2),
                bearing_deg=round(math.degrees(turn) % 360, 1),
                altitude_m=round(32 + 14 * math.sin(number / 140) + draw.gauss(0, 0.4), 1),
                flags=(FixFlag.CLOAKED,) if flagged and number == count - 1 else (),
                session=session,
                sequence=first + number,
            )
        )
    return found


def course(folder: Path, algorithms: int = 25) -> Course | None:
    """Write figures as the course does and return what the page reads of them."""
    draw = random.Random(5)  # noqa: S311  # a made-up run
    parts = ("Sampling", "Membership", "Distinct counts", "Frequencies", "Windows", "Moments", "Graphs", "Likeness", "Quantiles")
    chapters = []
    for number in range(algorithms):
        truth = float(draw.choice((312, 9_840, 40_000, 0.31, 1_204)))
        off = draw.gauss(0, 0.02)
        bounded = number % 8 != 7
        figure = Figure(
            what=("share of one merchant", "payments seen before", "distinct merchants", "payments of the most frequent")[number % 4],
            estimate=truth * (1 + off),
            truth=truth,
            low=truth * (1 + off - 0.045) if bounded else None,
            high=(float("inf") if number == 6 else truth * (1 + off + 0.045)) if bounded else None,
            memory_bytes=1_024 * (1 + number),
            exact_bytes=640_000,
        )
        name = f"Algorithm {number + 1}" if number else "Reservoir sample"
        chapters.append(
            Chapter(
                id=f"algorithm-{number}",
                part=parts[number % 9],
                title=name,
                theory="",
                guarantee="error <= 0.01 n",
                reference="",
                plots=(),
                figures=(figure,),
            )
        )
    (folder / "rubric.json").write_bytes(figures_json("a simulated stream of 40,000 payments (seed 7)", chapters))
    return CourseFile(folder / "rubric.html").read()
