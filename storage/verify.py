"""Proof that both stores hold the same documents, tokens apart; and where they do not, which hour, what, and which documents.

Everything up to the last complete batch is held against each other: for each kind and hour the number of documents and the sum of their
digests (`storage.canonical`). An hour whose sums differ is read again by the minute, and a minute that differs document by document. So
memory is bounded by one minute's documents, however many there are. A difference counts only when it is seen in three looks, because a
batch under way is in one store before it is in the other. What was refused or deleted on purpose is allowed for (`storage.allowances`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from storage.allowances import Allowances
from storage.canonical import Digest, digest, same_document
from storage.kinds import SEARCHABLE, Document, Kind
from storage.patience import delay_s
from storage.reading import DAY_MS, Pages
from veilocity.errors import StoreUnavailableError
from veilocity.eventtime import window_start_ms

__all__ = ["Difference", "KindCount", "Terms", "Verification", "verify"]

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_LOOKS = 3
_BETWEEN_LOOKS_S = 1.0
_ATTEMPTS = 6
_T = TypeVar("_T")


class Difference(msgspec.Struct, frozen=True):
    """One document that is not the same in both stores."""

    kind: str
    minute: str
    """Its time in UTC, as `2026-11-22T14:07`."""
    what: str
    """`only in STORE`, `more often in STORE`, or `differs`."""
    ids: dict[str, str]
    """By store that has it."""


class KindCount(msgspec.Struct, frozen=True):
    """What was compared of one kind."""

    mongodb: int
    elasticsearch: int
    by_day: dict[str, tuple[int, int]]
    """Documents of both stores on each day in UTC, as `2026-11-22`."""
    hours_that_differ: int
    accounted_for: int
    """Documents that are in one store only, as the other refused them or they were deleted there on purpose."""


class Verification(msgspec.Struct, frozen=True):
    """What was found."""

    up_to_seq: int
    """The last complete batch when reading began."""
    kinds: dict[str, KindCount]
    differences: tuple[Difference, ...]
    """The first of them."""
    difference_count: int
    in_flight: int
    """Documents that differ while a batch that touches their minute is being written: look again."""

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.difference_count

    @property
    def exit_code(self) -> int:
        """0: equal; 2: something differs."""
        return 0 if self.equal else 2


class Terms(msgspec.Struct, frozen=True):
    """What to compare."""

    from_ms: int = 0
    until_ms: int = 1 << 62
    most_differences: int = 100


class _Held(NamedTuple):
    """One document, taken apart."""

    id: str
    seq: int
    digest: int
    same: bytes
    was_amended: bool


class _Side(NamedTuple):
    found: list[_Held]
    unfinished: bool


class _Findings:
    """What was found so far; the first differences are kept and all are counted."""

    def __init__(self, most: int) -> None:
        self.differences: list[Difference] = []
        self.count = 0
        self.accounted = 0
        self.in_flight = 0
        self._most = most

    def add(self, difference: Difference) -> None:
        self.count += 1
        if len(self.differences) < self._most:
            self.differences.append(difference)


def verify(
    stores: Sequence[Pages],
    last_seq: Callable[[], int],
    allowances: Allowances,
    pause: Callable[[float], object],
    terms: Terms | None = None,
    kinds: Iterable[Kind[Any]] = SEARCHABLE,
) -> Verification:
    """Compare two stores.

    Args:
        stores: MongoDB and Elasticsearch.
        last_seq: gives the last complete batch, -1 before the first.
        allowances: what may be missing; used up.
        pause: waits so many seconds.
        terms: which documents, and how many differences are kept.
        kinds: which kinds.

    Raises:
        StoreUnavailableError: a store did not answer for a while; the message names the day to go on from.
    """
    terms = terms or Terms()
    comparison = _Comparison(stores, last_seq, allowances, pause, terms)
    up_to_seq = comparison.insist(last_seq, 0)
    counts = {kind.name: comparison.of_kind(kind) for kind in kinds}
    found = comparison.findings
    return Verification(up_to_seq, counts, tuple(found.differences), found.count, found.in_flight)


class _Comparison:
    def __init__(
        self,
        stores: Sequence[Pages],
        last_seq: Callable[[], int],
        allowances: Allowances,
        pause: Callable[[float], object],
        terms: Terms,
    ) -> None:
        self._stores = stores
        self._last_seq = last_seq
        self._allowances = allowances
        self._pause = pause
        self._terms = terms
        self.findings = _Findings(terms.most_differences)

    def of_kind(self, kind: Kind[Any]) -> KindCount:
        """Compare all documents of one kind, day by day."""
        accounted = self.findings.accounted
        days = {day for store in self._stores for day in self.insist(lambda store=store: store.days(kind), 0)}  # type: ignore[misc]  # a default
        inside = sorted(day for day in days if day + DAY_MS > self._terms.from_ms and day < self._terms.until_ms)
        by_day: dict[str, tuple[int, int]] = {}
        differing = 0
        for day_ms in inside:
            sums = [self._sums(store, kind, day_ms, DAY_MS, _HOUR_MS) for store in self._stores]
            first, second = (sum(one.documents for one in sides.values()) for sides in sums)
            by_day[_text(day_ms)[: len("2026-11-22")]] = first, second
            for hour_ms in sorted(start for start in sums[0].keys() | sums[1].keys() if sums[0].get(start) != sums[1].get(start)):
                differing += self._hour_differs(kind, hour_ms)
        first, second = (sum(counts[side] for counts in by_day.values()) for side in (0, 1))
        return KindCount(first, second, by_day, differing, self.findings.accounted - accounted)

    def _hour_differs(self, kind: Kind[Any], hour_ms: int) -> bool:
        before = self.findings.count
        sums = [self._sums(store, kind, hour_ms, _HOUR_MS, _MINUTE_MS) for store in self._stores]
        for minute_ms in sorted(sums[0].keys() | sums[1].keys()):
            if sums[0].get(minute_ms) != sums[1].get(minute_ms):
                self._minute(kind, minute_ms)
        return self.findings.count > before

    def _sums(self, store: Pages, kind: Kind[Any], from_ms: int, span_ms: int, width_ms: int) -> dict[int, Digest]:
        """Return the digest of each part of a stretch, `width_ms` wide, that holds complete documents."""

        def read() -> dict[int, Digest]:
            last_seq = self._last_seq()
            sums: dict[int, Digest] = defaultdict(Digest)
            for document in store.between(kind, *self._within(from_ms, span_ms)):
                if document["seq"] <= last_seq:
                    start_ms = window_start_ms(document["minute_ms"], width_ms)
                    sums[start_ms] = sums[start_ms].plus(digest(kind.name, document))
            return dict(sums)

        return self.insist(read, from_ms)

    def _minute(self, kind: Kind[Any], minute_ms: int) -> None:
        """Hold the documents of one minute against each other, again and again while they differ."""
        for look in range(_LOOKS):
            if look:
                self._pause(_BETWEEN_LOOKS_S)
            last_seq = self.insist(self._last_seq, minute_ms)
            sides = [self._side(store, kind, minute_ms, last_seq) for store in self._stores]
            left = _unlike(sides[0].found, sides[1].found)
            if not any(left):
                return
        self._judge(kind, minute_ms, sides, left)

    def _side(self, store: Pages, kind: Kind[Any], minute_ms: int, last_seq: int) -> _Side:
        def read() -> _Side:
            documents = list(store.between(kind, *self._within(minute_ms, _MINUTE_MS)))
            complete = [one for one in documents if one["seq"] <= last_seq]
            return _Side([_held(kind.name, one) for one in complete], len(complete) < len(documents))

        return self.insist(read, minute_ms)

    def _judge(self, kind: Kind[Any], minute_ms: int, sides: Sequence[_Side], left: tuple[list[_Held], list[_Held]]) -> None:
        names = [store.name for store in self._stores]
        minute = _text(minute_ms)
        unfinished = any(side.unfinished for side in sides)
        pairs, alone = _paired(*left)
        for pair in pairs:
            if self._allowances.differing(kind.name, {name: one.seq for name, one in zip(names, pair, strict=True)}):
                self.findings.accounted += 1
            elif unfinished:
                self.findings.in_flight += 1
            else:
                self.findings.add(Difference(kind.name, minute, "differs", {name: one.id for name, one in zip(names, pair, strict=True)}))
        for place, some in enumerate(alone):
            in_other = {one.digest for one in sides[1 - place].found}
            for one in some:
                day_ms = window_start_ms(minute_ms, DAY_MS)
                doubled = one.digest in in_other
                if not doubled and self._allowances.missing(names[1 - place], kind.name, day_ms, one.seq, was_amended=one.was_amended):
                    self.findings.accounted += 1
                elif unfinished:
                    self.findings.in_flight += 1
                else:
                    what = f"{'more often' if doubled else 'only'} in {names[place]}"
                    self.findings.add(Difference(kind.name, minute, what, {names[place]: one.id}))

    def insist(self, call: Callable[[], _T], at_ms: int) -> _T:
        """Return what a call returns, repeating it a few times while the store does not answer."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return call()
            except StoreUnavailableError:
                self._pause(delay_s(attempt))
        try:
            return call()
        except StoreUnavailableError as cause:
            place = f"; everything before {_text(at_ms)[:10]} was read, so go on with --from {_text(at_ms)[:10]}" if at_ms else ""
            raise StoreUnavailableError(f"{cause}{place}") from cause

    def _within(self, from_ms: int, span_ms: int) -> tuple[int, int]:
        return max(from_ms, self._terms.from_ms), min(from_ms + span_ms, self._terms.until_ms)


def _held(kind: str, document: Document) -> _Held:
    was_amended = document.get("revision", 1) > 1
    return _Held(str(document["_id"]), document["seq"], digest(kind, document), same_document(kind, document), was_amended)


def _unlike(first: list[_Held], second: list[_Held]) -> tuple[list[_Held], list[_Held]]:
    """Return what is left of both when equal documents are struck out one against one."""
    common = Counter(one.digest for one in first) & Counter(one.digest for one in second)
    return _without(first, common.copy()), _without(second, common)


def _without(held: list[_Held], common: Counter[int]) -> list[_Held]:
    left = []
    for one in sorted(held):
        if common[one.digest]:
            common[one.digest] -= 1
        else:
            left.append(one)
    return left


def _paired(first: list[_Held], second: list[_Held]) -> tuple[list[tuple[_Held, _Held]], tuple[list[_Held], list[_Held]]]:
    """Return the pairs that are one document in two states, and what is alone."""
    waiting: dict[bytes, list[_Held]] = defaultdict(list)
    for one in second:
        waiting[one.same].append(one)
    pairs, alone = [], []
    for one in first:
        if waiting[one.same]:
            pairs.append((one, waiting[one.same].pop()))
        else:
            alone.append(one)
    return pairs, (alone, [one for some in waiting.values() for one in some])


def _text(minute_ms: int) -> str:
    return f"{datetime.fromtimestamp(minute_ms // 1000, tz=UTC):%Y-%m-%dT%H:%M}"
