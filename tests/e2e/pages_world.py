"""What the pages of streams, phone and health could be told, made up: a good day, trouble, and nothing at all."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.phone_room import Room
from dashboard.streams_course import Course, CourseFile
from sketches.course.chapter import Chapter, Figure
from sketches.course.report import figures_json
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
