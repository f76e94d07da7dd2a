"""Locality-sensitive hashing of MinHash signatures: the sets that may be alike, without comparing all pairs.

Theory: cut into b bands of r places, the signatures of two sets of Jaccard similarity s agree in at least one band with probability

    recall(s) = 1 - (1 - s^r)^b

`solve_bands` takes the largest r whose recall at the wanted similarity is still at least the wanted recall, with every whole band that
fits: larger r means fewer pairs compared in vain, and a pair above the similarity is found more often still. Two bands agree when a 64-bit
hash of band number and places, in their order, is equal (a sum of the places would also be equal for each of their orders).

Guarantee: a pair of similarity s shares a bucket with probability recall(s), which is stated (`Bands.expected_recall`) and can be measured
on planted pairs (`sketches.similarity.measure_recall`). What shares no band shares a bucket with a probability of about b / 2^64. Work is
bounded in a bucket of m sets too: a join looks at each set with at most k earlier ones of its bucket, so at m k pairs a band and not at
m^2 / 2, and says how many it left out; a query looks at no more than the first k keys of each bucket. The formula wants independent
places, so signatures are classical ones: with one permutation a small set fills many places with the same value.

References: Indyk and Motwani, "Approximate nearest neighbors", STOC 1998; Broder, "On the resemblance and containment of documents" (1997);
Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sketches.contract import Bounds, Parameters, Repeats, Sketch
from sketches.hashing import HASH_NAME, Hashes, Item, hash_column
from sketches.intervals import binomial_bounds
from sketches.minhash import Bands, MinHash, MinHashParameters, Signatures, estimate, recall, signatures, solve_bands
from veilocity.errors import SketchMismatchError

__all__ = ["Bands", "Candidates", "LshIndex", "LshParameters", "Match", "band_keys", "candidate_pairs", "recall", "solve_bands"]

_MOST_PENDING = 4_000_000
"""Pairs gathered before repetitions are removed."""


class Candidates(NamedTuple):
    """Pairs of rows that agree in a band, each once, sorted."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    """The larger row of each pair."""
    left_out: int
    """Pairs not looked at because their bucket was too large; counted in each band anew, so an upper bound."""


class Match(NamedTuple):
    """A set of the index that may be alike."""

    key: str
    estimate: float
    """Estimated Jaccard similarity."""


def band_keys(rows: Signatures, bands: Bands) -> Hashes:
    """Return the keys of the buckets of each signature: one row per signature, one 64-bit key per band.

    >>> keys = band_keys(signatures([["a", "b"], ["b", "a"]], places=8), Bands(4, 2, 1.0))
    >>> keys.shape, bool((keys[0] == keys[1]).all())
    ((2, 4), True)
    """
    cut = rows[:, : bands.bands * bands.rows].reshape(len(rows), bands.bands, bands.rows)
    return _folded(cut, np.arange(bands.bands, dtype=np.uint64))


def _folded(places: Signatures, band: Any) -> Hashes:
    """Return one key for the last axis."""
    keys: Hashes = np.broadcast_to(band, places.shape[:-1])
    for place in range(places.shape[-1]):
        # The order counts: each place is mixed into a hash of those before it.
        keys = hash_column(keys ^ places[..., place].astype(np.uint64) << np.uint64(32), place)
    return keys


def candidate_pairs(rows: Signatures, bands: Bands, most_neighbours: int) -> Candidates:
    """Return the pairs of signatures that agree in at least one band.

    Args:
        rows: one signature per row; equal input, equal answer.
        bands: how they are cut.
        most_neighbours: a row is paired with at most so many earlier rows of its bucket, the nearest ones.

    >>> rows = signatures([["a", "b"], ["c"], ["a", "b"]])
    >>> found = candidate_pairs(rows, solve_bands(0.7, 128), most_neighbours=100)
    >>> found.first.tolist(), found.second.tolist(), found.left_out
    ([0], [2], 0)
    """
    size = max(1, len(rows))
    known = np.empty(0, dtype=np.int64)
    pending: list[NDArray[np.int64]] = []
    waiting = left_out = 0
    for band in range(bands.bands):
        places = rows[:, band * bands.rows : (band + 1) * bands.rows]
        codes, missed = _pairs_of_band(_folded(places, np.uint64(band)), size, most_neighbours)
        pending.append(codes)
        waiting += codes.size
        left_out += missed
        if waiting > max(_MOST_PENDING, known.size):
            known = np.unique(np.concatenate([known, *pending]))
            pending, waiting = [], 0
    known = np.unique(np.concatenate([known, *pending]))
    return Candidates(known // size, known % size, left_out)


def _pairs_of_band(keys: Hashes, size: int, most_neighbours: int) -> tuple[NDArray[np.int64], int]:
    """Return first * size + second of each pair in a bucket, and how many pairs were left out."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    # A place whose successor at the present distance is in the same bucket; once it is not, it never is again.
    alive = np.flatnonzero(ordered[1:] == ordered[:-1])
    found: list[NDArray[np.int64]] = []
    distance = 1
    while alive.size and distance <= most_neighbours:
        found.append(order[alive] * size + order[alive + distance])
        distance += 1
        alive = alive[: np.searchsorted(alive, ordered.size - distance)]
        alive = alive[ordered[alive] == ordered[alive + distance]]
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64), _left_out(ordered, alive, most_neighbours)


def _left_out(ordered: Hashes, alive: NDArray[np.int64], most_neighbours: int) -> int:
    if not alive.size:
        return 0
    ends = np.searchsorted(ordered, ordered[alive], side="right")
    return int((ends - alive - 1 - most_neighbours).sum())


class LshParameters(Parameters, frozen=True, kw_only=True):
    """What two indexes must share."""

    places: int
    seed: int
    similarity: float
    bands: int
    rows: int


class LshIndex(Sketch):
    """Sets by key, found again by any set that is alike.

    The same set under the same key may be inserted again; another set under a known key is refused until the key is removed. A merge brings
    back a key that only one of the two indexes has removed.

    >>> index = LshIndex(similarity=0.7)
    >>> index.insert("first", "the quick brown fox jumps over the lazy dog".split())
    >>> index.insert("other", "pack my box with five dozen liquor jugs".split())
    >>> [match.key for match in index.query("the quick brown fox jumps over a lazy dog".split())]
    ['first']
    >>> index.bands.rows, round(index.bands.expected_recall, 4)
    (4, 0.9998)
    """

    __slots__ = ("_buckets", "_rows", "bands")

    kind = b"LSHI"
    repeats = Repeats.HARMLESS
    hash_name = HASH_NAME
    parameter_type = LshParameters

    parameters: LshParameters
    bands: Bands
    """The cut of the signatures, with its expected recall at the wanted similarity."""

    def __init__(
        self,
        similarity: float = 0.7,
        places: int = 128,
        wanted_recall: float = 0.99,
        seed: int = 1,
        cut: tuple[int, int] | None = None,
    ) -> None:
        """Start empty.

        Args:
            similarity: Jaccard similarity from which two sets shall meet.
            places: of a signature.
            wanted_recall: chance with which two sets exactly at `similarity` must meet.
            seed: of the hash.
            cut: bands and rows of each, in place of those that `wanted_recall` asks for; `bands` says what recall they have.
        """
        MinHashParameters(places=places, seed=seed)
        bands, rows = solve_bands(similarity, places, wanted_recall)[:2] if cut is None else cut
        if not 0.0 < similarity <= 1.0 or bands < 1 or rows < 1 or bands * rows > places:
            raise SketchMismatchError("a similarity lies in (0, 1], and a cut takes no more than all places")
        super().__init__(LshParameters(places=places, seed=seed, similarity=similarity, bands=bands, rows=rows))
        self.bands = Bands(bands, rows, recall(similarity, bands, rows))
        self._rows: dict[str, Signatures] = {}
        self._buckets: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def insert(self, key: str, features: Collection[Item] | MinHash) -> None:
        """Put a set, or the MinHash of one, under a key.

        Raises:
            SketchMismatchError: an empty set, a MinHash of other parameters, or the key stands for another set.
        """
        self._insert([key], self._signature(features)[np.newaxis])

    def update(self, item: tuple[str, Collection[Item]]) -> None:
        """Take one key with its set, as `insert` does."""
        self.insert(*item)

    def update_batch(self, column: Any) -> None:
        """Take a sequence of (key, set); all of them or, where one is refused, none."""
        pairs: list[tuple[str, Collection[Item]]] = list(column)
        sets = [features for _, features in pairs]
        self._insert([key for key, _ in pairs], signatures(sets, self.parameters.places, self.parameters.seed))

    def remove(self, key: str) -> bool:
        """Take a key out; return whether it was there."""
        row = self._rows.pop(key, None)
        if row is None:
            return False
        for bucket in band_keys(row[np.newaxis], self.bands)[0].tolist():
            members = self._buckets[bucket]
            del members[bisect_left(members, key)]
            if not members:
                del self._buckets[bucket]
        return True

    def query(self, features: Collection[Item] | MinHash, most_per_bucket: int = 1000) -> list[Match]:
        """Return the keys whose signature agrees in at least one band, the most alike first, then by key.

        Args:
            features: a set, or the MinHash of one.
            most_per_bucket: only so many keys of a bucket, the first in their order, are looked at.

        Raises:
            SketchMismatchError: an empty set, or a MinHash of other parameters.
        """
        row = self._signature(features)
        found: set[str] = set()
        for bucket in band_keys(row[np.newaxis], self.bands)[0].tolist():
            found.update(islice(self._buckets.get(bucket, ()), most_per_bucket))
        matches = [Match(key, estimate(row, self._rows[key])) for key in found]
        return sorted(matches, key=lambda match: (-match.estimate, match.key))

    def estimate(self, first: str, second: str) -> float:
        """Return the estimated Jaccard similarity of the sets under two keys.

        Raises:
            SketchMismatchError: there is no such key.
        """
        return estimate(self._row(first), self._row(second))

    def bounds(self, first: str, second: str, confidence: float = 0.95) -> Bounds:
        """Return the interval that holds the Jaccard similarity of the sets under two keys with at least this confidence.

        Raises:
            SketchMismatchError: there is no such key, or no confidence between 0 and 1.
        """
        matched = int(np.count_nonzero(self._row(first) == self._row(second)))
        return binomial_bounds(matched, self.parameters.places, confidence)

    def _row(self, key: str) -> Signatures:
        if key not in self._rows:
            raise SketchMismatchError("no set is under this key: insert it first")
        return self._rows[key]

    def _signature(self, features: Collection[Item] | MinHash) -> Signatures:
        own = MinHashParameters(places=self.parameters.places, seed=self.parameters.seed)
        if isinstance(features, MinHash):
            if features.parameters != own:
                raise SketchMismatchError("an index takes MinHashes of its own places and seed, with classical permutations")
            return features.signature
        sketch = MinHash(own.places, own.seed)
        sketch.update_batch(features if isinstance(features, np.ndarray) else list(features))
        return sketch.signature

    def _insert(self, keys: Sequence[str], rows: Signatures) -> None:
        fresh: dict[str, Signatures] = {}
        for key, row in zip(keys, rows, strict=True):
            if not isinstance(key, str):
                raise SketchMismatchError("a key of an index is text: hand in str(key)")
            known = self._rows.get(key, fresh.get(key))
            if known is None:
                fresh[key] = row
            elif not np.array_equal(known, row):
                raise SketchMismatchError("a key stands for two different sets: remove it first")
        self._put(fresh)

    def _put(self, fresh: dict[str, Signatures]) -> None:
        if not fresh:
            return
        buckets = band_keys(np.stack(list(fresh.values())), self.bands)
        for (key, row), mine in zip(fresh.items(), buckets.tolist(), strict=True):
            # A copy: a row of a matrix would keep the whole matrix alive.
            self._rows[key] = row.copy()
            for bucket in mine:
                members = self._buckets.get(bucket)
                if members is None:
                    self._buckets[bucket] = [key]
                else:
                    insort(members, key)

    def _join(self, other: Self) -> None:
        self._insert(list(other._rows), np.array(list(other._rows.values()), dtype=np.uint32).reshape(-1, self.parameters.places))

    def _content(self) -> object:
        keys = sorted(self._rows)
        return [keys, b"".join(self._rows[key].astype("<u4").tobytes() for key in keys)]

    @classmethod
    def _restore(cls, parameters: LshParameters, content: msgspec.Raw) -> Self:
        keys, rows = msgspec.msgpack.decode(content, type=tuple[list[str], bytes])
        restored = cls(parameters.similarity, parameters.places, seed=parameters.seed, cut=(parameters.bands, parameters.rows))
        minima = np.frombuffer(rows, dtype="<u4").astype(np.uint32).reshape(len(keys), parameters.places)
        restored._put(dict(zip(keys, minima, strict=True)))
        return restored

    @property
    def memory_bytes(self) -> int:
        """Bytes of keys, signatures and buckets."""
        p = self.parameters
        return 16 * len(self._buckets) + sum(len(key.encode()) + 4 * p.places + 8 * p.bands for key in self._rows) + 8
