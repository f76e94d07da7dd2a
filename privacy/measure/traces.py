"""Unicity: how many people are told apart from all others by a few points of their trace, such as places and hours of payments.

Theory: draw p random points of a person. If nobody else's trace has them all, whoever learns those p points from elsewhere finds the whole
trace. A table may be k-anonymous row by row and still be like this, because a person has many rows.

Promises: each drawn set is compared with every trace, so a drawn set is called unique exactly when it is; draws come from the generator
that is passed in and depend on the table's content but not on its order; the interval is Wilson's for the share of people, with the
confidence asked for.

Source: de Montjoye, Hidalgo, Verleysen & Blondel, "Unique in the crowd", Scientific Reports 3:1376, 2013; de Montjoye, Radaelli, Singh &
Pentland, "Unique in the shopping mall", Science 347, 2015; interval: Wilson, JASA 22, 1927.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import msgspec
import numpy as np

from privacy.measure.classes import combined
from privacy.measure.tables import Codes, Column, Table, column_of, columns_of, names, row_count
from veilocity.errors import SettingsError

__all__ = ["Unicity", "unicity"]

_CHUNK = 2_000_000
"""Candidates that are compared together: some 50 MB."""


class Unicity(msgspec.Struct, frozen=True):
    """Share of people who are unique by a few points."""

    points: int
    """Points drawn of each trace."""
    people: int
    """People with at least so many distinct points: the others are not drawn."""
    short: int
    """People with fewer."""
    unique: int
    """Drawn people whom nobody else resembles."""
    share: float
    """unique / people."""
    low: float
    high: float
    """Interval of the share over other draws and other people of the same kind."""


class _Traces(NamedTuple):
    """Who was at which point: j distinct pairs, sorted by person, then by point."""

    keys: Codes
    """person x size + point."""
    size: int
    starts: Codes
    counts: Codes
    """First pair and pairs of each person."""


def unicity(
    table: Table,
    trace: str | Sequence[str],
    person: str,
    points: int = 4,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Unicity:
    """Return the share of people whose drawn points are in nobody else's trace.

    Args:
        table: n rows; several rows of one person at one point are one point.
        trace: names of the columns that together are a point.
        person: name of the column that says whose row it is; rows that name nobody are left out.
        points: points drawn of each person, without replacement.
        rng: where randomness comes from.
        confidence: of the interval.

    Raises:
        SettingsError: points below 1, nobody has so many, a column is not there, or the table is empty.

    >>> import pandas as pd
    >>> walks = pd.DataFrame({"card": list("aabbcc"), "cell": ["x", "y", "x", "y", "x", "z"], "hour": [1, 2, 1, 2, 1, 2]})
    >>> found = unicity(walks, ["cell", "hour"], "card", points=2, rng=np.random.default_rng(1))
    >>> found.unique, found.people, round(found.share, 3)
    (1, 3, 0.333)
    """
    if points < 1 or not 0.0 < confidence < 1.0:
        raise SettingsError("unicity needs at least one point, and a confidence between 0 and 1")
    traces = _traces(table, names(trace, "column of a point"), person)
    drawn = np.flatnonzero(traces.counts >= points)
    if not len(drawn):
        raise SettingsError(f"nobody has {points} distinct points: draw fewer")
    known = _draw(traces, drawn, points, rng)
    unique = int((_holders(traces, known) == 1).sum())
    low, high = _wilson(unique, len(drawn), confidence)
    return Unicity(points, len(drawn), len(traces.counts) - len(drawn), unique, unique / len(drawn), low, high)


def _traces(table: Table, trace: list[str], person: str) -> _Traces:
    count = row_count(table)
    who = column_of(table, person)
    if person in trace:
        raise SettingsError(f"column '{person}' names the person: it cannot be part of a point too")
    parts = [_ranked(column) for column in columns_of(table, trace)]
    where = combined(parts, count)
    _, firsts = np.unique(where, return_index=True)
    # Points are numbered by their content, so that the draws do not hang on the order of rows.
    ranks = np.empty(len(firsts), dtype=np.int64)
    ranks[np.lexsort([part[firsts] for part in reversed(parts)])] = np.arange(len(firsts))
    named = who.codes >= 0
    keys = np.unique(_ranked(who)[named] * len(firsts) + ranks[where[named]])
    people, starts, counts = np.unique(keys // len(firsts), return_index=True, return_counts=True)
    dense = np.repeat(np.arange(len(people)), counts)
    return _Traces(dense * len(firsts) + keys % len(firsts), len(firsts), starts, counts)


def _ranked(column: Column) -> Codes:
    """Return codes that follow the order of the printed values, what is missing last."""
    order = np.argsort(np.array([f"{type(value).__name__} {value}" for value in column.values], dtype=object), kind="stable")
    ranks = np.empty(len(order) + 1, dtype=np.int64)
    ranks[order] = np.arange(len(order))
    ranks[-1] = len(order)
    ranked: Codes = ranks[column.codes]
    return ranked


def _draw(traces: _Traces, drawn: Codes, points: int, rng: np.random.Generator) -> Codes:
    """Return the drawn points of each drawn person, shape (people, points)."""
    owners = np.repeat(np.arange(len(traces.counts)), traces.counts)
    shuffled = np.lexsort([rng.random(len(owners)), owners])
    places = traces.starts[drawn][:, None] + np.arange(points)
    chosen: Codes = traces.keys[shuffled[places]] % traces.size
    return chosen


def _holders(traces: _Traces, known: Codes) -> Codes:
    """Return for each set of points how many traces have them all; the set's own is one of them."""
    points, people = traces.keys % traces.size, traces.keys // traces.size
    by_point = np.argsort(points, kind="stable")
    popularity = np.bincount(points, minlength=traces.size)
    starts = np.cumsum(popularity) - popularity
    # Whoever has them all has the rarest: only those are looked at.
    known = np.take_along_axis(known, np.argsort(popularity[known], axis=1, kind="stable"), axis=1)
    lengths = popularity[known[:, 0]]
    work = np.cumsum(lengths)
    holders = np.empty(len(known), dtype=np.int64)
    begin = 0
    while begin < len(known):
        end = max(begin + 1, int(np.searchsorted(work, (work[begin - 1] if begin else 0) + _CHUNK, side="right")))
        sets = np.repeat(np.arange(begin, end), lengths[begin:end])
        offset = np.arange(len(sets)) - np.repeat(work[begin:end] - lengths[begin:end] - (work[begin] - lengths[begin]), lengths[begin:end])
        candidates = people[by_point[starts[known[sets, 0]] + offset]]
        for column in range(1, known.shape[1]):
            wanted = candidates * traces.size + known[sets, column]
            places = np.minimum(np.searchsorted(traces.keys, wanted), len(traces.keys) - 1)
            kept = traces.keys[places] == wanted
            sets, candidates = sets[kept], candidates[kept]
        holders[begin:end] = np.bincount(sets - begin, minlength=end - begin)
        begin = end
    return holders


def _wilson(hits: int, trials: int, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, room = hits / trials, z * z / trials
    middle = (share + room / 2) / (1 + room)
    half = z * math.sqrt(share * (1 - share) / trials + room / (4 * trials)) / (1 + room)
    return max(0.0, middle - half), min(1.0, middle + half)
