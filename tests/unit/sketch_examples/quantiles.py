"""Sketches of ranks and quantiles."""

from __future__ import annotations

from sketches.quantiles import KllQuantiles
from tests.unit.sketch_examples.example import Example

DELAYS_S = [(number * 7919 % 4001) / 8.0 - 100.0 for number in range(4000)]


def as_good(merged: KllQuantiles, whole: KllQuantiles) -> bool:
    """Say whether merged parts count all and differ by no more than both promise, each with a confidence of 1 - 1e-9."""
    error = merged.rank_error(confidence=1 - 1e-9) + whole.rank_error(confidence=1 - 1e-9)
    ranks = [rank / 20 for rank in range(1, 20)]
    return (
        len(merged) == len(whole)
        and (merged.estimate(0.0), merged.estimate(1.0)) == (whole.estimate(0.0), whole.estimate(1.0))
        and all(abs(merged.rank(whole.estimate(rank)) - rank) <= error + 1 / len(whole) for rank in ranks)
    )


EXAMPLES = [
    Example(
        "kll", lambda: KllQuantiles(k=64, seed=3), lambda: KllQuantiles(k=64, seed=4), DELAYS_S, as_good, most_bytes=8 * (5 * 64 + 9 * 20)
    ),
    Example("kll-small", lambda: KllQuantiles(k=8), lambda: KllQuantiles(k=9), DELAYS_S, as_good, most_bytes=8 * (5 * 8 + 9 * 20)),
]
