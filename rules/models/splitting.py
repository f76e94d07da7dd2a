"""Splits of labelled payments in time: what is judged is always later than what was learned from.

A feature looks back up to a day (`GAP_MS`), so the payments of one day between two slices belong to neither: otherwise a payment of the
later slice would be described by payments of the earlier one, whose labels were learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilocity.errors import SettingsError

__all__ = ["GAP_MS", "WARM_UP_MS", "Fold", "Split", "folds", "split_in_time"]

DAY_MS = 86_400_000
GAP_MS = DAY_MS
"""As long as the longest window of a feature."""
WARM_UP_MS = 2 * DAY_MS
"""What is left out at the beginning, while nobody's habits are known."""
_TRAIN, _CALIBRATION = 0.5, 0.7
"""Shares of the time at which training and calibration end; fixed before anything was judged."""

Indices = NDArray[np.intp]
Times = NDArray[np.int64]


class Split(NamedTuple):
    """Row numbers of the three slices, each in order of time."""

    train: Indices
    calibration: Indices
    test: Indices


class Fold(NamedTuple):
    """Row numbers to learn from, and later ones to choose by."""

    train: Indices
    judge: Indices


def split_in_time(event_ms: Times, warm_up_ms: int = WARM_UP_MS, gap_ms: int = GAP_MS) -> Split:
    """Split payments into training, calibration and test.

    Guarantee: each slice begins more than `gap_ms` after the last payment of the one before it; every payment is in one slice at most.

    Args:
        event_ms: int64[n], when each payment happened, in any order.
        warm_up_ms: what to leave out at the beginning, while nobody's habits are known.
        gap_ms: what to leave out between two slices.

    Raises:
        SettingsError: some slice would be empty.

    >>> hours = np.arange(0, 40 * 24) * 3_600_000
    >>> [len(part) for part in split_in_time(hours)]
    [456, 158, 250]
    """
    if not len(event_ms):
        raise SettingsError("there is no payment to learn from: give more data")
    first, last = int(event_ms.min()) + warm_up_ms, int(event_ms.max())
    first_cut, second_cut = (int(first + share * (last - first)) for share in (_TRAIN, _CALIBRATION))
    split = Split(
        _between(event_ms, first, first_cut),
        _between(event_ms, first_cut + gap_ms, second_cut),
        _between(event_ms, second_cut + gap_ms, last + 1),
    )
    if not all(len(part) for part in split):
        raise SettingsError("the payments span too short a time to be split with a day between the slices: give at least two weeks")
    return split


def folds(event_ms: Times, rows: Indices, count: int = 3, gap_ms: int = GAP_MS) -> Iterator[Fold]:
    """Yield folds within some rows: each learns from the beginning and is judged on the next stretch after the gap.

    Args:
        event_ms: int64[n] of all payments.
        rows: those to take folds of.
        count: of folds.
        gap_ms: between learning and judging.

    >>> hours = np.arange(0, 40 * 24) * 3_600_000
    >>> [(len(fold.train), len(fold.judge)) for fold in folds(hours, np.arange(len(hours)))]
    [(240, 216), (480, 216), (720, 216)]
    """
    times = event_ms[rows]
    first, last = int(times.min()), int(times.max())
    cuts = [int(first + (last - first) * number / (count + 1)) for number in range(count + 2)]
    for number in range(1, count + 1):
        end = cuts[number + 1] + (number == count)
        yield Fold(rows[_between(times, first, cuts[number])], rows[_between(times, cuts[number] + gap_ms, end)])


def _between(event_ms: Times, from_ms: int, until_ms: int) -> Indices:
    found = np.flatnonzero((event_ms >= from_ms) & (event_ms < until_ms))
    ordered: Indices = found[np.argsort(event_ms[found], kind="stable")]
    return ordered
