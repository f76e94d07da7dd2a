"""Does the order in which classes were inserted tell what they print?

Theory: Kendall's S of a window counts the pairs that stand in the same order by insertion and by a printed value, less those that do not.
Where the order of insertion tells nothing, S has mean 0 and, without ties, variance n (n - 1) (2 n + 5) / 18; ties only lower it. So the
sum of S over windows divided by the root of the sum of variances is at most about a standard normal score.

Source: Kendall, "A new measure of rank correlation", Biometrika 30, 1938.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["kendall_s", "order_score"]

_MOST = 1_000
"""Classes of one window that are compared; more say no more."""


def order_score(windows: Sequence[Sequence[Sequence[str]]]) -> float:
    """Return how far the order of insertion agrees with a printed value, in standard deviations: the largest over the printed values.

    Args:
        windows: for each window the printed values of its classes, in the order of insertion.

    >>> order_score([[("a", str(place)) for place in range(9)]]) > 3.0
    True
    >>> order_score([])
    0.0
    """
    windows = [window[:_MOST] for window in windows if len(window) > 1]
    if not windows:
        return 0.0
    variance = sum(len(window) * (len(window) - 1) * (2 * len(window) + 5) / 18 for window in windows)
    columns = len(windows[0][0])
    sums = (sum(kendall_s([values[column] for values in window]) for window in windows) for column in range(columns))
    return max(abs(total) for total in sums) / math.sqrt(variance)


def kendall_s(values: Sequence[str]) -> int:
    """Return how many pairs stand in ascending order, less those in descending order.

    >>> kendall_s("abc"), kendall_s("cba"), kendall_s("aaa")
    (3, -3, 0)
    """
    ranks: NDArray[np.int64] = np.unique(np.array(list(values), dtype=object), return_inverse=True)[1].astype(np.int64)
    return int(np.triu(np.sign(ranks[None, :] - ranks[:, None]), 1).sum())
