"""What the page of streams shows, read when somebody looks: estimates, exact answers while the store is small, groups, the course.

The store is asked every two seconds at most, and only after a new batch for more than how far it is. Exact answers are asked up to 50,000
payments: above, one would cost what sketches are there to save, and the page says so. Below, a twentieth of the time at most is spent on
them; what stands beside them is kept as long as they are, so that both are always of one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from dashboard.desk import Desk, wall_clock_ms
from dashboard.scraping import EMPTY, Scrape
from dashboard.streams_course import Course
from dashboard.streams_picture import (
    Estimate,
    FilterPicture,
    GroupsPicture,
    SamplePicture,
    SampleRow,
    picture_distinct,
    picture_filter,
    picture_groups,
    picture_row,
    picture_sample,
)
from storage.documents import MaskedTransaction, Progress, Sample, SimilarGroup, StreamSketches
from storage.streams_queries import ExactAnswers

__all__ = ["EXACT_MOST", "Counts", "GroupMembers", "StreamsDesk", "StreamsSource", "StreamsState"]

EXACT_MOST = 50_000
_EXACT_SHARE = 20
_EXACT_PAUSE_MS = 60_000
_READ_EVERY_S = 2.0
_GROUPS_READ = 240
_GROUPS_SHOWN = 48
_MEMBERS = 100


class StreamsSource(Protocol):
    """Where the picture comes from: `storage.streams_queries.StreamsReader`, or a test's own."""

    def progress(self) -> Progress | None:
        """Return how far the privacy stage came."""
        ...

    def sketches(self) -> StreamSketches | None:
        """Return what the sketches say."""
        ...

    def sample(self) -> Sample | None:
        """Return the uniform sample."""
        ...

    def payments(self, ids: Sequence[str]) -> Sequence[MaskedTransaction]:
        """Return payments by their ids."""
        ...

    def groups(self, limit: int) -> Sequence[SimilarGroup]:
        """Return the newest groups."""
        ...

    def group(self, identity: str) -> SimilarGroup | None:
        """Return one group."""
        ...

    def exact(self, up_to_seq: int) -> ExactAnswers:
        """Return what is true of all payments."""
        ...


class Counts(msgspec.Struct, frozen=True):
    """What k-anonymity made of the payments; the page of privacy tells more."""

    payments: int
    released: int
    suppressed: int
    pending: int
    classes: int


class StreamsState(msgspec.Struct, frozen=True):
    """One answer: everything that the page shows."""

    store: str
    """`up`, `down`, or `unknown` before the first answer."""
    now_ms: int
    stale_s: float
    loaded: bool
    written_ms: int = 0
    event_ms: int = 0
    counts: Counts | None = None
    exact_most: int = EXACT_MOST
    sample: SamplePicture | None = None
    filter: FilterPicture | None = None
    distinct: tuple[Estimate, ...] = ()
    groups: GroupsPicture | None = None
    course: Course | None = None


class GroupMembers(msgspec.Struct, frozen=True):
    """The payments of one group that the store still holds."""

    id: str
    named: int
    rows: tuple[SampleRow, ...]
    """Newest first, at most a hundred."""


class _Beside(msgspec.Struct, frozen=True):
    """Estimates, and what is true, of one batch."""

    sample: SamplePicture | None
    filter: FilterPicture | None
    distinct: tuple[Estimate, ...]
    again_ms: int = 0
    """Not read again before, so that exact answers cost a small share of the time."""


class _Read(msgspec.Struct, frozen=True):
    progress: Progress | None
    beside: _Beside | None = None
    groups: GroupsPicture | None = None


class StreamsDesk:
    """Answers at once from what was read last. Safe with threads."""

    def __init__(
        self,
        connect: Callable[[], StreamsSource],
        *,
        scrape: Callable[[], Scrape] = lambda: EMPTY,
        course: Callable[[], Course | None] = lambda: None,
        stale_s: float = 15.0,
        read_every_s: float = _READ_EVERY_S,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Nothing is connected before somebody looks.

        Args:
            connect: makes the source.
            scrape: metrics of the privacy stage; empty where it does not answer.
            course: figures of the course's run.
            stale_s: silence after which the page says that what it shows is old.
            read_every_s: pause between two questions to the store.
            clock_ms: a clock.
        """
        self._connect = connect
        self._scrape = scrape
        self._course = course
        self._stale_s = stale_s
        self._clock_ms = clock_ms
        self._source: StreamsSource | None = None
        self._desk: Desk[_Read] = Desk(self._ask, read_every_s=read_every_s, clock_ms=clock_ms, page="streams")

    def state(self) -> StreamsState:
        """Return what the page shows now."""
        store, read = self._desk.look()
        base = StreamsState(store=store, now_ms=self._clock_ms(), stale_s=self._stale_s, loaded=read is not None, course=self._course())
        if read is None or read.progress is None:
            return base
        progress = read.progress
        return msgspec.structs.replace(
            base,
            written_ms=progress.written_ms,
            event_ms=progress.event_ms,
            counts=Counts(progress.transactions, progress.released, progress.suppressed, progress.pending, progress.classes),
            sample=read.beside.sample if read.beside else None,
            filter=read.beside.filter if read.beside else None,
            distinct=read.beside.distinct if read.beside else (),
            groups=read.groups,
        )

    def members(self, identity: str) -> GroupMembers | None:
        """Return the payments of one group, or None where there is no such group.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        source = self._connected()
        group = source.group(identity)
        if group is None:
            return None
        found = sorted(source.payments(group.members[:_MEMBERS]), key=lambda one: (-one.minute_ms, one.id))
        return GroupMembers(group.id, len(group.members), tuple(map(picture_row, found)))

    def _connected(self) -> StreamsSource:
        if self._source is None:
            self._source = self._connect()
        return self._source

    def _ask(self, before: _Read | None) -> _Read:
        source = self._connected()
        progress = source.progress()
        if progress is None:
            return _Read(None)
        if before is not None and before.progress is not None and before.progress.seq == progress.seq:
            return msgspec.structs.replace(before, progress=progress)
        beside = before.beside if before is not None else None
        # Fewer batches are a store that began anew.
        anew = before is None or before.progress is None or progress.seq < before.progress.seq
        if beside is None or anew or self._clock_ms() >= beside.again_ms:
            beside = self._beside(source, progress)
        return _Read(progress, beside, picture_groups(source.groups(_GROUPS_READ), _GROUPS_SHOWN))

    def _beside(self, source: StreamsSource, progress: Progress) -> _Beside:
        began_ms = self._clock_ms()
        exact = source.exact(progress.seq) if progress.transactions <= EXACT_MOST else None
        cost_ms = self._clock_ms() - began_ms
        sketches, sample, scrape = source.sketches(), source.sample(), self._scrape()
        return _Beside(
            sample=None if sample is None else picture_sample(sample, source.payments(sample.members), exact, scrape),
            filter=None if sketches is None else picture_filter(sketches, scrape),
            distinct=() if sketches is None else picture_distinct(sketches, exact, scrape),
            again_ms=self._clock_ms() + min(_EXACT_PAUSE_MS, _EXACT_SHARE * cost_ms),
        )
