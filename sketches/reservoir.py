"""A uniform sample of the distinct items of a stream: bottom-k.

Theory: every item gets a priority, the first 64 bits of a keyed BLAKE2b of the item. Priorities are as good as independent uniform numbers,
so the `capacity` items with the smallest priorities ("bottom-k") are a uniform sample without replacement of the distinct items seen.

Guarantee: with n distinct items seen and n > capacity, every item is in the sample with probability capacity / n, over the choice of the
key. The sample depends on the set of items only: any order, any batch split, any tree of merges and any repetition give the same bytes.
An attacker who does not know the key cannot choose items that get in. How many of the members have a property is hypergeometric, and
`bounds` is Clopper and Pearson's interval for its share of the distinct items: it does not need to know n, and is wider than need be where
n is not much larger than the sample.

References: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007; Aumasson and others, "BLAKE2", ACNS 2013; Vitter,
"Random sampling with a reservoir", ACM TOMS 11 (1985), for samples in which a repeated item counts again (`sketches.reservoir_r`).
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, NamedTuple, Self

import msgspec

from sketches.contract import Bounds, Parameters, Repeats, Sketch, encode_raw
from sketches.frame import pack, unpack
from sketches.hashing import Column, Item, as_items
from sketches.intervals import share_bounds
from sketches.reservoir_r import item_bytes, plain_item, saved_items
from veilocity.errors import SketchMismatchError, StateError

__all__ = ["BottomKSample", "Reservoir"]

_LAST = b"\xff" * 8
_double = struct.Struct(">d")


class _Entry(NamedTuple):
    """A member, in the order in which members leave: the largest priority first."""

    turned: int
    """The priority with its sign turned, for a heap with the largest on top."""
    label: tuple[str, bytes]
    """Kind and bytes: tells 1, 1.0, "1" and b"1" apart, and sorts."""
    item: Item


class BottomKParameters(Parameters, frozen=True, kw_only=True):
    """What two bottom-k samples must share."""

    capacity: int
    seed: bytes


class _FirstLayout(msgspec.Struct, array_like=True):
    capacity: int
    seed: bytes
    members: list[bytes]


class BottomKSample(Sketch):
    """A mergeable uniform sample of `capacity` distinct items.

    The number of items seen is the caller's to count, because a sketch that repetition cannot change cannot tell a repetition from news.

    >>> sample = BottomKSample(capacity=3, seed=b"seven")
    >>> sample.update_batch(f"payment-{number}".encode() for number in range(1000))
    >>> len(sample), sample.members() == sorted(sample.members())
    (3, True)
    >>> again = BottomKSample.from_bytes(sample.to_bytes())
    >>> again.update_batch([b"payment-7", b"payment-7"])
    >>> again.to_bytes() == sample.to_bytes()
    True
    """

    __slots__ = ("_heap", "_labels")

    kind = b"RSVR"
    layout = 2
    repeats = Repeats.HARMLESS
    hash_name = "blake2b-64"
    parameter_type = BottomKParameters

    def __init__(self, capacity: int, seed: bytes) -> None:
        """Start empty.

        Args:
            capacity: most items kept, at least 1.
            seed: key of the priorities, up to 64 bytes; samples merge only if they share it.
        """
        if capacity < 1:
            raise SketchMismatchError("a reservoir holds at least one item: give a capacity of 1 or more")
        if len(seed) > 64:
            raise SketchMismatchError("a reservoir's seed has at most 64 bytes: give a shorter one")
        super().__init__(BottomKParameters(capacity=capacity, seed=bytes(seed)))
        self._heap: list[_Entry] = []
        self._labels: set[tuple[str, bytes]] = set()

    @property
    def capacity(self) -> int:
        """Most items kept."""
        return int(self.parameters.capacity)

    def __len__(self) -> int:
        return len(self._heap)

    def members(self) -> list[Any]:
        """Return the sampled items, of the kind that was offered; sorted within their kind, so that their order tells nothing."""
        return [entry.item for entry in sorted(self._heap, key=lambda entry: entry.label)]

    def without(self, items: Iterable[Item]) -> Self:
        """Return the sample as if some items had never come, smaller by those that were members.

        Guarantee: it is a uniform sample of the other distinct items, and stays one of those that come: the bottom k - r priorities of the
        rest are known, where the r next ones are not. Its capacity is at least 1.

        >>> sample = BottomKSample(capacity=3, seed=b"seven")
        >>> sample.update_batch([b"a", b"b", b"c", b"d", b"e"])
        >>> rest = sample.without(sample.members()[:1])
        >>> rest.capacity, rest.members() == sample.members()[1:]
        (2, True)
        """
        gone = {_label(plain_item(item)) for item in items} & self._labels
        is_all = len(self._heap) < self.capacity
        rest = type(self)(self.capacity if is_all else max(1, self.capacity - len(gone)), self.parameters.seed)
        rest.update_batch([entry.item for entry in self._heap if entry.label not in gone])
        return rest

    def estimate(self) -> list[Item]:
        """Return the members: the same as `members`."""
        return self.members()

    def share(self, has: Callable[[Item], bool]) -> float:
        """Return the share of the members that have a property: unbiased for its share of the distinct items. 0 for an empty stream."""
        return sum(1 for entry in self._heap if has(entry.item)) / max(1, len(self._heap))

    def bounds(self, share: float, confidence: float = 0.95) -> Bounds:
        """Return the interval for a property's share of the distinct items, given its share of the members."""
        is_all = len(self._heap) < self.capacity
        return share_bounds(share, len(self._heap), len(self._heap) if is_all else None, confidence)

    def priority(self, item: Item) -> int:
        """Return the priority of an item, 0 to 2^64 - 1; the smallest are kept."""
        kind, data = _label(plain_item(item))
        return int.from_bytes(self._digest(kind, data), "big")

    def _digest(self, kind: str, data: bytes) -> bytes:
        return blake2b(data, digest_size=8, key=self.parameters.seed, person=kind.encode()).digest()

    def update(self, item: Item) -> None:
        """Take one item.

        Raises:
            SketchMismatchError: not text, bytes or a number of 64 bits.
        """
        self.update_batch((item,))

    def update_batch(self, column: Column) -> None:
        """Offer items to the sample; O(1) for one that does not get in."""
        items: Iterable[Any] = as_items(column) if hasattr(column, "__len__") else column
        ceiling, key = self._ceiling(), self.parameters.seed
        for item in items:
            # Most items are bytes or text, and do not get in: they are told by one hash, without a look at anything else.
            if type(item) is bytes:
                digest = blake2b(item, digest_size=8, key=key).digest()
            elif type(item) is str:
                digest = blake2b(item.encode("utf-8", "surrogatepass"), digest_size=8, key=key, person=b"text").digest()
            else:
                digest = b""
            if digest > ceiling:
                continue
            known = plain_item(item)
            label = _label(known)
            digest = self._digest(*label)
            if digest <= ceiling and label not in self._labels:
                self._offer(_Entry(-int.from_bytes(digest, "big"), label, known))
                ceiling = self._ceiling()

    def _ceiling(self) -> bytes:
        """Return the largest priority that still gets in, big endian, so that bytes compare as numbers."""
        return (-self._heap[0].turned).to_bytes(8, "big") if len(self._heap) >= self.capacity else _LAST

    def _offer(self, entry: _Entry) -> None:
        # Equal priorities of two items (2^-64) are settled by the item, so that order still does not matter.
        if len(self._heap) < self.capacity:
            heapq.heappush(self._heap, entry)
            self._labels.add(entry.label)
        elif entry > self._heap[0]:
            self._labels.discard(heapq.heapreplace(self._heap, entry).label)
            self._labels.add(entry.label)

    def _join(self, other: Self) -> None:
        self.update_batch([entry.item for entry in other._heap])

    @property
    def memory_bytes(self) -> int:
        """Bytes of the members and their priorities."""
        return 8 + sum(8 + item_bytes(entry.item) for entry in self._heap)

    def _content(self) -> object:
        return self.members()

    @classmethod
    def _restore(cls, parameters: BottomKParameters, content: msgspec.Raw) -> Self:
        sample = cls(parameters.capacity, parameters.seed)
        members = saved_items(msgspec.msgpack.decode(content, type=list[Any]))
        sample.update_batch(members)
        if len(sample) != len(members):
            raise ValueError("more members than a sample holds")
        return sample

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the sample that `to_bytes` wrote, in this layout or in the first, which held bytes alone and did not name its hash."""
        try:
            first = msgspec.msgpack.decode(unpack(data, cls.kind, cls.layout), type=_FirstLayout)
        except (msgspec.MsgspecError, StateError):
            return super().from_bytes(data)
        saved = [cls.hash_name, BottomKParameters(capacity=first.capacity, seed=first.seed), encode_raw(first.members)]
        return super().from_bytes(pack(cls.kind, cls.layout, msgspec.msgpack.encode(saved)))


def _label(item: Item) -> tuple[str, bytes]:
    if isinstance(item, bytes):
        return "", item
    if isinstance(item, str):
        return "text", item.encode()
    if isinstance(item, int):
        return "integer", (item + 2**63).to_bytes(9, "big")
    return "real", _double.pack(float("nan") if item != item else item + 0.0)  # noqa: PLR0124  # only NaN differs from itself


Reservoir = BottomKSample
"""The name by which the sample of distinct items is known to those who need no other."""
