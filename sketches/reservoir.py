"""A uniform sample of fixed size from a stream of unknown length.

Theory: every id gets a priority, the first 64 bits of a keyed BLAKE2b of the id. Priorities are as good as independent uniform numbers, so
the `capacity` ids with the smallest priorities ("bottom-k") are a uniform sample without replacement of the distinct ids seen.

Guarantee: with n distinct ids seen and n > capacity, every id is in the sample with probability capacity / n, over the choice of the
key. The sample depends on the set of ids only: any order, any batch split, any tree of merges and any repetition give the same bytes.
An attacker who does not know the key cannot choose ids that get in.

References: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007; Vitter, "Random sampling with a reservoir", ACM TOMS 11
(1985), which is what this replaces: algorithm R counts a replayed record twice and its merge needs weights.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from sketches.frame import pack, unpack
from veilocity.errors import SketchMismatchError, StateError

__all__ = ["Reservoir"]

_KIND = b"RSVR"
_VERSION = 1
_LARGEST_PRIORITY = 2**64


class _Saved(msgspec.Struct, array_like=True):
    capacity: int
    seed: bytes
    members: list[bytes]


class Reservoir:
    """A mergeable uniform sample of `capacity` distinct ids.

    The number of ids seen is the caller's to count, because a sketch that repetition cannot change cannot tell a repetition from news.

    >>> sample = Reservoir(capacity=3, seed=b"seven")
    >>> sample.update_batch(f"payment-{number}".encode() for number in range(1000))
    >>> len(sample), sample.members() == sorted(sample.members())
    (3, True)
    >>> again = Reservoir.from_bytes(sample.to_bytes())
    >>> again.update_batch([b"payment-7", b"payment-7"])
    >>> again.to_bytes() == sample.to_bytes()
    True
    """

    __slots__ = ("_capacity", "_heap", "_members", "_seed")

    def __init__(self, capacity: int, seed: bytes) -> None:
        """Start empty.

        Args:
            capacity: most ids kept, at least 1.
            seed: key of the priorities, up to 64 bytes; samples merge only if they share it.
        """
        if capacity < 1:
            raise SketchMismatchError("a reservoir holds at least one id: give a capacity of 1 or more")
        if len(seed) > 64:
            raise SketchMismatchError("a reservoir's seed has at most 64 bytes")
        self._capacity = capacity
        self._seed = seed
        # Largest priority on top, so that the next to leave is at hand: heapq is a min-heap, hence the negation.
        self._heap: list[tuple[int, bytes]] = []
        self._members: set[bytes] = set()

    @property
    def capacity(self) -> int:
        """Most ids kept."""
        return self._capacity

    def __len__(self) -> int:
        return len(self._heap)

    def members(self) -> list[bytes]:
        """Return the sampled ids, sorted, so that their order tells nothing."""
        return sorted(self._members)

    def priority(self, identity: bytes) -> int:
        """Return the priority of an id, 0 to 2^64 - 1; the smallest are kept."""
        return int.from_bytes(blake2b(identity, digest_size=8, key=self._seed).digest(), "big")

    def update_batch(self, identities: Iterable[bytes]) -> None:
        """Offer ids to the sample; O(1) for an id that does not get in."""
        ceiling = -self._heap[0][0] if len(self._heap) >= self._capacity else _LARGEST_PRIORITY
        for identity in identities:
            priority = self.priority(identity)
            if priority > ceiling or identity in self._members:
                continue
            self._offer(priority, identity)
            if len(self._heap) >= self._capacity:
                ceiling = -self._heap[0][0]

    def _offer(self, priority: int, identity: bytes) -> None:
        # Equal priorities of two ids (2^-64) are settled by the id, so that order still does not matter.
        entry = (-priority, identity)
        if len(self._heap) < self._capacity:
            heapq.heappush(self._heap, entry)
            self._members.add(identity)
        elif entry > self._heap[0]:
            _, left = heapq.heapreplace(self._heap, entry)
            self._members.discard(left)
            self._members.add(identity)

    def merge(self, other: Reservoir) -> None:
        """Take in another sample; the result is the sample of both streams together, exactly.

        Raises:
            SketchMismatchError: another capacity or seed.
        """
        if (self._capacity, self._seed) != (other._capacity, other._seed):
            raise SketchMismatchError("two reservoirs merge only with the same capacity and seed")
        self.update_batch(other._members)

    def to_bytes(self) -> bytes:
        """Return the sample as bytes: equal samples, equal bytes."""
        return pack(_KIND, _VERSION, msgspec.msgpack.encode(_Saved(self._capacity, self._seed, self.members())))

    @classmethod
    def from_bytes(cls, data: bytes) -> Reservoir:
        """Read a sample that `to_bytes` wrote.

        Raises:
            StateError: damaged, newer, or not a reservoir.
        """
        try:
            saved = msgspec.msgpack.decode(unpack(data, _KIND, _VERSION), type=_Saved)
        except msgspec.MsgspecError as cause:
            raise StateError("a saved reservoir does not decode: restore it from its last snapshot") from cause
        sample = cls(saved.capacity, saved.seed)
        sample.update_batch(saved.members)
        return sample
