"""MinHash signatures of feature sets, and the bands that find similar ones without comparing all pairs.

Theory: for a random permutation the chance that two sets share their minimum is their Jaccard similarity s, so the share of equal places
in two signatures of n places estimates s with standard deviation sqrt(s (1 - s) / n) <= 1 / (2 sqrt(n)). Cut into b bands of r places,
two signatures agree in at least one band with probability

    recall(s) = 1 - (1 - s^r)^b

`solve_bands` takes the largest r whose recall at the wanted similarity is still at least the wanted recall: larger r means fewer pairs
compared in vain, and a pair above the similarity is found more often still.

The permutations are datasketch's `affine32`. The signature of a set is the place-by-place minimum of its features' signatures, so each
distinct feature is permuted once however many sets hold it.

References: Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman and Ullman, "Mining of Massive
Datasets", chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veilocity.errors import SketchMismatchError

__all__ = ["Bands", "estimate", "recall", "signatures", "solve_bands"]


class Bands(NamedTuple):
    """How signatures are cut, and what that finds."""

    bands: int
    rows: int
    expected_recall: float
    """Chance that a pair exactly at the wanted similarity is found; higher above it."""


def recall(similarity: float, bands: int, rows: int) -> float:
    """Return the chance that two sets of this Jaccard similarity agree in at least one band.

    >>> round(recall(0.7, bands=32, rows=4), 5)
    0.99985
    """
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def solve_bands(similarity: float, places: int, wanted_recall: float = 0.99) -> Bands:
    """Return the cut of `places` with the longest rows that still finds pairs of `similarity` with `wanted_recall`.

    Raises:
        SketchMismatchError: no cut does: more places are needed.

    >>> solve_bands(0.7, places=128)[:2]
    (32, 4)
    """
    for rows in range(places, 0, -1):
        found = recall(similarity, places // rows, rows)
        if found >= wanted_recall:
            return Bands(places // rows, rows, found)
    raise SketchMismatchError("no cut into bands reaches this recall: use longer signatures or a higher similarity")


def signatures(sets: Sequence[frozenset[str]], places: int = 128, seed: int = 1) -> NDArray[np.uint32]:
    """Return one row of `places` minima per set; equal sets give equal rows, on every machine.

    Raises:
        SketchMismatchError: a set is empty. Two empty signatures would claim a similarity of 1.

    >>> rows = signatures([frozenset("abcdef"), frozenset("abcdeg")])
    >>> rows.shape, bool(0.4 < estimate(rows[0], rows[1]) < 0.95)
    ((2, 128), True)
    """
    from datasketch import MinHash  # noqa: PLC0415  # brings SciPy along: a second that whoever only samples or filters need not wait

    if not all(sets):
        raise SketchMismatchError("an empty feature set resembles nothing: leave it out")
    vocabulary = {feature: index for index, feature in enumerate(sorted(set().union(*sets)))} if sets else {}
    permuted = np.empty((len(vocabulary), places), dtype=np.uint32)
    hasher = MinHash(num_perm=places, seed=seed, scheme="affine32")
    for feature, index in vocabulary.items():
        hasher.clear()
        hasher.update(feature.encode())
        permuted[index] = hasher.hashvalues
    rows = np.empty((len(sets), places), dtype=np.uint32)
    for row, features in enumerate(sets):
        np.minimum.reduce(permuted[[vocabulary[feature] for feature in features]], axis=0, out=rows[row])
    return rows


def estimate(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> float:
    """Return the Jaccard similarity estimated from two signatures; standard deviation at most 1 / (2 sqrt(places)).

    Raises:
        SketchMismatchError: the signatures differ in length.
    """
    if first.shape != second.shape:
        raise SketchMismatchError("two signatures compare only with the same number of places")
    return float(np.mean(first == second))
