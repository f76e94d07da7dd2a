"""The journal: one entry per transaction, which tells exactly what was processed and in which order.

Inputs are still in Kafka, so an entry holds no data: where the transaction began in both topics, where each run of records ended, and
which parts of the state were not saved by then. With the entries since the oldest snapshot everything can be processed again in the same
order. Entries are kept in a ring of keys in a compacted topic, so that they take a bounded space.
"""

from __future__ import annotations

import msgspec

from veilocity.errors import StateError

__all__ = ["CYCLE_ENTRIES", "RING", "Entry", "entry_key", "is_entry", "pack", "unpack"]

FORMAT = 1
RING = 16_384
CYCLE_ENTRIES = RING // 4
"""Every part of the state is saved again within so many transactions, so the ring never overwrites an entry that is needed."""
_PREFIX = b"journal/"


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One transaction."""

    format: int
    sequence: int
    """From 1, without gaps."""
    engine: str
    """Version of the engine that processed it."""
    starts: tuple[int, int]
    """Offsets of fixes and payments at which it began."""
    runs: list[tuple[int, int]]
    """Where each run ended in both topics, -1 where it held none of one."""
    newest_ns: int
    """Newest event time of the partition, as far as snapshots have seen it."""
    forgotten: int
    """Subjects dropped since the beginning: silent for too long, or too many."""
    saved: list[int]
    """Buckets whose snapshot is part of this transaction."""
    behind: dict[int, int]
    """Buckets changed since their snapshot, and the sequence of that snapshot. All others are saved as they are now."""

    @property
    def ends(self) -> tuple[int, int]:
        """Offsets at which the next transaction begins."""
        return max((self.starts[0], *(run[0] for run in self.runs))), max((self.starts[1], *(run[1] for run in self.runs)))

    @property
    def oldest_saved(self) -> int:
        """Sequence after which transactions must be processed again to have this state."""
        return min(self.behind.values(), default=self.sequence)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def entry_key(sequence: int) -> bytes:
    """Return the key of an entry in the ring.

    >>> entry_key(RING + 3)
    b'journal/3'
    """
    return b"%s%d" % (_PREFIX, sequence % RING)


def is_entry(key: bytes) -> bool:
    """Say whether a record with this key is an entry."""
    return key.startswith(_PREFIX)


def pack(entry: Entry) -> bytes:
    """Return an entry as bytes."""
    return _encoder.encode(entry)


def unpack(data: bytes) -> Entry:
    """Read an entry.

    Raises:
        StateError: of a newer format, or damaged.
    """
    try:
        entry = _decoder.decode(data)
    except msgspec.MsgspecError as cause:
        if data[1:2] > bytes((FORMAT,)):
            raise StateError("rules-state has a newer format: upgrade the rules service") from cause
        raise StateError("rules-state holds a damaged journal entry: restore the topic, or begin anew (docs/operations.md)") from cause
    if entry.format > FORMAT:
        raise StateError("rules-state has a newer format: upgrade the rules service")
    return entry
