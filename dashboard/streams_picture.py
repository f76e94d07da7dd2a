"""What the page of streams shows of each sketch: the estimate, its bounds, what is true where that is known, and the memory of both. Pure.

A uniform sample of n of N payments is judged without knowing more than itself. Of the mean of amounts with deviation s, and of a share p:

    mean   m +- 1.96 s / sqrt(n) sqrt((N - n) / (N - 1))                 (finite population, Cochran 1977, 2.6)
    share  Wilson's interval with n' = n (N - 1) / (N - n) in place of n

both hold the truth in about 95 of 100 samples. What an exact answer would remember is 16 bytes for each thing that it must tell apart,
without the overhead of any language: the least that anybody could do with.

References: Cochran, "Sampling Techniques", 3rd edition, 1977; Wilson, JASA 22 (1927).
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

import h3
import msgspec

from dashboard.scraping import Scrape
from storage.documents import MaskedTransaction, Sample, SimilarGroup, StreamSketches
from storage.streams_queries import ExactAnswers
from veilocity.contracts import Verdict

__all__ = [
    "Estimate",
    "FilterPicture",
    "GroupPicture",
    "GroupsPicture",
    "SamplePicture",
    "SampleRow",
    "picture_distinct",
    "picture_filter",
    "picture_groups",
    "picture_row",
    "picture_sample",
]

_Z = 1.959963984540054
_KEY_BYTES = 16
_ROWS = 60
_CELL = "cell="
_SHARED_LEAST = 4
"""Groups that share so many features are joined by a line: with fewer nearly all of a city's groups would be."""
_LINES_MOST = 3

"""Lines from one group to others, the most shared first: more are a ball of wool."""


class Estimate(msgspec.Struct, frozen=True):
    """One answer of a sketch."""

    what: str
    unit: str
    """`count`, `share`, or a currency."""
    estimate: float
    low: float
    high: float
    exact: float | None
    """None where nobody knows: then `why` says so."""
    memory_bytes: int | None
    """Of the sketch; None where the privacy stage does not tell."""
    exact_bytes: int
    why: str = ""


class SampleRow(msgspec.Struct, frozen=True):
    """One payment as the stores hold it."""

    minute_ms: int
    amount: float
    currency: str
    merchant: str
    category: str
    channel: str
    verdict: str


class SamplePicture(msgspec.Struct, frozen=True):
    """The reservoir."""

    size: int
    """Payments that it names."""
    found: int
    """Those of them that the store still holds."""
    seen: int
    estimates: tuple[Estimate, ...]
    rows: tuple[SampleRow, ...]
    """Some of them, newest first."""


class FilterPicture(msgspec.Struct, frozen=True):
    """The `seen before` filter."""

    visits: int
    error_rate: float
    capacity: int | None
    fill: float | None
    memory_bytes: int | None
    exact_bytes: int


class GroupPicture(msgspec.Struct, frozen=True):
    """Payments that behave alike."""

    id: str
    window_start_ms: int
    payments: int
    people: int
    similarity: float
    features: tuple[str, ...]
    members: int
    """How many of them the store names."""
    lat: float | None = None
    """Middle of the cell that all share, in degrees; None where they share none."""
    lon: float | None = None


class GroupsPicture(msgspec.Struct, frozen=True):
    """The graph: groups, and which of them are nearly alike."""

    groups: tuple[GroupPicture, ...]
    """Largest first."""
    lines: tuple[tuple[int, int, int], ...]
    """Places of two groups in `groups`, and how many features they share."""
    payments: int
    complete: bool
    """Whether all groups that were read are shown."""


def picture_sample(sample: Sample, payments: Sequence[MaskedTransaction], exact: ExactAnswers | None, scrape: Scrape) -> SamplePicture:
    """Return what the page shows of the reservoir.

    Args:
        sample: as stored.
        payments: those of its members that the store holds.
        exact: what is true of all payments, where it was asked.
        scrape: metrics of the privacy stage.
    """
    newest = sorted(payments, key=lambda one: (-one.minute_ms, one.id))
    rows = tuple(picture_row(one) for one in newest[:_ROWS])
    memory = _memory(scrape, "sample")
    estimates = []
    if payments:
        estimates = [_flagged(payments, sample.seen, exact, memory), *_mean(payments, sample.seen, exact, memory)]
    return SamplePicture(len(sample.members), len(payments), sample.seen, tuple(estimates), rows)


def picture_row(payment: MaskedTransaction) -> SampleRow:
    """Return what the page shows of one payment."""
    return SampleRow(
        payment.minute_ms,
        payment.amount,
        payment.currency,
        payment.merchant,
        payment.category,
        payment.channel.value,
        payment.verdict.value,
    )


def _flagged(payments: Sequence[MaskedTransaction], seen: int, exact: ExactAnswers | None, memory: int | None) -> Estimate:
    size = len(payments)
    share = sum(one.verdict is Verdict.FLAGGED for one in payments) / size
    low, high = _wilson(share, size, seen)
    truth = exact.flagged / exact.payments if exact is not None and exact.payments else None
    return Estimate("Flagged share", "share", share, low, high, truth, memory, seen * _KEY_BYTES, _why(truth))


def _mean(payments: Sequence[MaskedTransaction], seen: int, exact: ExactAnswers | None, memory: int | None) -> list[Estimate]:
    currency, count = Counter(one.currency for one in payments).most_common(1)[0]
    amounts = [one.amount for one in payments if one.currency == currency]
    if count < 2:
        return []
    mean = statistics.fmean(amounts)
    # How many payments have the currency is itself known from the sample alone.
    whole = max(count, round(seen * count / len(payments)))
    width = _Z * statistics.stdev(amounts) / math.sqrt(count) * math.sqrt(max(0, whole - count) / max(1, whole - 1))
    truth = next((one.mean for one in exact.means if one.currency == currency), None) if exact is not None else None
    return [Estimate("Mean amount", currency, mean, mean - width, mean + width, truth, memory, seen * _KEY_BYTES, _why(truth))]


def _wilson(share: float, size: int, whole: int) -> tuple[float, float]:
    """Return the interval of a share; the share itself where everything was drawn.

    >>> [round(bound, 3) for bound in _wilson(0.0, 100, 10**9)], _wilson(0.5, 10, 10)
    ([0.0, 0.037], (0.5, 0.5))
    """
    if size >= whole:
        return share, share
    drawn = size * (whole - 1) / (whole - size)
    middle = (share + _Z * _Z / (2 * drawn)) / (1 + _Z * _Z / drawn)
    width = _Z / (1 + _Z * _Z / drawn) * math.sqrt(share * (1 - share) / drawn + _Z * _Z / (4 * drawn * drawn))
    return max(0.0, middle - width), min(1.0, middle + width)


def picture_distinct(sketches: StreamSketches, exact: ExactAnswers | None, scrape: Scrape) -> tuple[Estimate, ...]:
    """Return what the page shows of the distinct counters."""
    truths: Mapping[str, int] = {"merchants": exact.merchants, "places": exact.places} if exact is not None else {}
    return tuple(
        Estimate(
            one.of.capitalize(),
            "count",
            one.estimate,
            one.low,
            one.high,
            truths.get(one.of),
            _memory(scrape, one.of),
            one.estimate * _KEY_BYTES,
            _PEOPLE if one.of == "people" else _why(truths.get(one.of)),
        )
        for one in sketches.distinct
    )


def picture_filter(sketches: StreamSketches, scrape: Scrape) -> FilterPicture:
    """Return what the page shows of the filter."""
    capacity = scrape.value("veilocity_privacy_filter_capacity")
    return FilterPicture(
        visits=sketches.visits,
        error_rate=sketches.visits_error_rate,
        capacity=None if capacity is None else int(capacity),
        fill=scrape.value("veilocity_privacy_filter_fill_ratio"),
        memory_bytes=_memory(scrape, "visits"),
        # A person and a place.
        exact_bytes=sketches.visits * 2 * _KEY_BYTES,
    )


def picture_groups(groups: Sequence[SimilarGroup], most: int) -> GroupsPicture:
    """Return the graph of the largest groups.

    Args:
        groups: newest batch first.
        most: how many are drawn.
    """
    largest = sorted(groups, key=lambda one: (-one.payments, one.id))[:most]
    shown = tuple(map(_group, largest))
    return GroupsPicture(shown, _lines(shown), sum(one.payments for one in groups), len(groups) <= most)


def _group(group: SimilarGroup) -> GroupPicture:
    cell = next((feature.removeprefix(_CELL) for feature in group.features if feature.startswith(_CELL)), "")
    lat, lon = h3.cell_to_latlng(cell) if h3.is_valid_cell(cell) else (None, None)
    return GroupPicture(
        id=group.id,
        window_start_ms=group.window_start_ms,
        payments=group.payments,
        people=group.people,
        similarity=group.similarity,
        features=group.features,
        members=len(group.members),
        lat=lat,
        lon=lon,
    )


def _lines(groups: Sequence[GroupPicture]) -> tuple[tuple[int, int, int], ...]:
    features = [frozenset(one.features) for one in groups]
    pairs = [
        (-shared, first, second)
        for first in range(len(groups))
        for second in range(first + 1, len(groups))
        if (shared := len(features[first] & features[second])) >= _SHARED_LEAST
    ]
    drawn: Counter[int] = Counter()
    lines = []
    for shared, first, second in sorted(pairs):
        if drawn[first] < _LINES_MOST and drawn[second] < _LINES_MOST:
            drawn.update((first, second))
            lines.append((first, second, -shared))
    return tuple(lines)


_PEOPLE = "nobody knows: the stores' tokens of a person change, so the people in them cannot be counted"


def _why(truth: float | None) -> str:
    return "" if truth is not None else "not counted: it would read every payment"


def _memory(scrape: Scrape, kind: str) -> int | None:
    size = scrape.value("veilocity_privacy_sketch_bytes", kind=kind)
    return None if size is None else int(size)
