"""Intervals for a share: what a sample, or a number of trials, says of the whole.

Theory: an exact interval holds every share under which the number that was found, or one more extreme, is likelier than half of what the
confidence leaves, on either side. That number is hypergeometric in a sample without replacement, and binomial in independent trials (or in
a sample of a population so large that drawing does not exhaust it): Clopper and Pearson's interval. Where members have unequal weights
there is no such law, and Wilson's interval solves |s - p| = z sqrt(p (1 - p) / m) for p.

Guarantee:

    P(low <= truth <= high) >= confidence       `share_bounds` and `binomial_bounds`; ends are right to about 10^-13
    P(low <= truth <= high) ~ confidence        `wilson_bounds`, for m of about 30 draws or more

References: Clopper and Pearson, Biometrika 26 (1934); Wang, "Exact optimal confidence intervals for hypergeometric parameters", JASA 110
(2015); Wilson, JASA 22 (1927).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, normal_quantile, require_confidence
from veilocity.errors import SketchMismatchError

__all__ = ["binomial_bounds", "share_bounds", "wilson_bounds"]


def share_bounds(share: float, size: int, population: int | None, confidence: float) -> Bounds:
    """Return the interval for the share of a population with a property, by inverting the law of a sample without replacement.

    Args:
        share: of the members of the sample that have it.
        size: members of the sample.
        population: how many it was drawn from; None for unknown and large, which gives Clopper and Pearson's interval.
        confidence: least probability that the interval holds the truth.

    Raises:
        SketchMismatchError: a share or confidence that is none.

    >>> share_bounds(0.5, 10, 10, 0.95), share_bounds(0.0, 0, 0, 0.95)
    (Bounds(low=0.5, high=0.5), Bounds(low=0.0, high=1.0))
    >>> low, high = share_bounds(0.5, 10, None, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.187, 0.813)
    """
    if not 0.0 <= share <= 1.0:
        raise SketchMismatchError("a share lies from 0 to 1: divide the members that have the property by all members")
    require_confidence(confidence)
    if not size:
        return Bounds(0.0, 1.0)
    # A share that is no whole number of members is widened to both neighbours; 1e-9 forgives the rounding of the division.
    fewest, most = math.floor(share * size + 1e-9), math.ceil(share * size - 1e-9)
    tail = (1.0 - confidence) / 2.0
    if population is None:
        return Bounds(_lowest_probability(fewest, size, tail), _largest_probability(most, size, tail))
    having, lacking = _fewest(fewest, size, population, tail), _fewest(size - most, size, population, tail)
    return Bounds(having / population, (population - lacking) / population)


def binomial_bounds(successes: int, trials: int, confidence: float) -> Bounds:
    """Return the Clopper-Pearson interval of a probability.

    Raises:
        SketchMismatchError: no trials, or no confidence between 0 and 1.

    >>> low, high = binomial_bounds(64, 128, 0.95)
    >>> round(low, 4), round(high, 4)
    (0.4104, 0.5896)
    """
    require_confidence(confidence)
    if not 0 <= successes <= trials or not trials:
        raise SketchMismatchError("an interval of a probability needs one trial or more, and no more successes than trials")
    tail = (1.0 - confidence) / 2.0
    return Bounds(_lowest_probability(successes, trials, tail), _largest_probability(successes, trials, tail))


def wilson_bounds(share: float, members: int, is_all: bool, confidence: float) -> Bounds:
    """Return Wilson's interval for a share that was found from members of unequal weight.

    Args:
        share: what was found.
        members: of the sample, two more than there are draws to count on.
        is_all: whether the sample holds all there is, so that the share is exact.
        confidence: least probability, about, that the interval holds the truth.

    Raises:
        SketchMismatchError: a share or confidence that is none.

    >>> wilson_bounds(0.5, 2, True, 0.95), wilson_bounds(0.5, 2, False, 0.95)
    (Bounds(low=0.5, high=0.5), Bounds(low=0.0, high=1.0))
    """
    if not 0.0 <= share <= 1.0:
        raise SketchMismatchError("a share lies from 0 to 1: take what `share` returned")
    deviations = normal_quantile(confidence)
    if is_all:
        return Bounds(share, share)
    if members < 3:
        return Bounds(0.0, 1.0)
    added = deviations * deviations / (members - 2)
    middle = share + added / 2.0
    half = deviations * math.sqrt((share * (1.0 - share) + added / 4.0) / (members - 2))
    return Bounds(max(0.0, (middle - half) / (1.0 + added)), min(1.0, (middle + half) / (1.0 + added)))


def _fewest(hits: int, size: int, population: int, tail: float) -> int:
    """Return the smallest number with the property under which `hits` or more in the sample are likelier than `tail`."""
    low, high = hits, population - (size - hits)
    while low < high:
        middle = (low + high) // 2
        if _probability_of_at_least(hits, size, middle, population) > tail:
            high = middle
        else:
            low = middle + 1
    return low


def _probability_of_at_least(hits: int, size: int, having: int, population: int) -> float:
    """Return P(X >= hits) for X hypergeometric."""
    drawn = np.arange(size, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_having = _logs_of_products(np.maximum(having - drawn, 0.0) / population)
        of_lacking = _logs_of_products(np.maximum(population - having - drawn, 0.0) / population)
        count = np.arange(1, size + 1)
        of_all = _logs_of_products(1.0 - drawn / population)[-1]
        logs = _logs_of_products((size + 1.0 - count) / count) + of_having + of_lacking[::-1] - of_all
    return float(np.exp(logs[hits:]).sum())


def _logs_of_products(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms of the products of the first 0, 1, 2, ... factors."""
    return np.concatenate([[0.0], np.cumsum(np.log(factors))])


def _lowest_probability(successes: int, trials: int, tail: float) -> float:
    """Return the probability under which so many successes, or more, have the chance `tail`: that of so few failures."""
    return 1.0 - _largest_probability(trials - successes, trials, tail)


def _largest_probability(successes: int, trials: int, tail: float) -> float:
    """Return the probability under which so few successes, or fewer, still have the chance `tail`."""
    if successes == trials:
        return 1.0
    counts = np.arange(successes + 1)
    log_ways = _logs_of_products((trials - counts[:-1]) / (counts[:-1] + 1.0))
    low, high = successes / trials, 1.0
    for _ in range(50):
        middle = (low + high) / 2.0
        chance = float(np.exp(log_ways + counts * np.log(middle) + (trials - counts) * np.log1p(-middle)).sum())
        low, high = (middle, high) if chance > tail else (low, middle)
    return high
