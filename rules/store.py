"""Where the states of one partition's subjects are kept: all in memory, in buckets by a hash of the subject, each saved as a whole.

A state is an object while its subject is busy. One that was restored, or that was silent for a while, is kept as its bytes until the
subject's next event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from rules.hosting import SubjectState, dump, load, newest_ns
from rules.snapshots import BUCKETS, Snapshot, parts, tombstones

__all__ = ["NEVER_NS", "Limits", "StateStore", "bucket_of"]

_BUSY_NS = 600 * 1_000_000_000
"""A subject whose newest event is older than this, in event time, is kept as bytes."""
NEVER_NS = -(2**62)
"""Before all time."""
FAR_NS = 2**62


def bucket_of(subject: str) -> int:
    """Return the number of the bucket that a subject belongs to, for ever.

    >>> bucket_of("anna")
    183
    """
    return crc32(subject.encode()) % BUCKETS


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the memory of a partition."""

    time_to_live_ns: int
    """A subject is forgotten when its newest event is so much older than the partition's newest."""
    subjects: int
    """Most subjects; beyond it those silent for longest are forgotten."""

    @property
    def per_bucket(self) -> int:
        """Most subjects of one bucket."""
        return -(-self.subjects // BUCKETS)


class StateStore:
    """The states of one partition."""

    def __init__(self, limits: Limits) -> None:
        """Start empty."""
        self._limits = limits
        self._buckets: list[dict[str, SubjectState | bytes]] = [{} for _ in range(BUCKETS)]
        self._changed = bytearray(BUCKETS)
        self._saved_at = [0] * BUCKETS
        self._oldest_ns = [FAR_NS] * BUCKETS
        self._parts = [0] * BUCKETS
        self._bytes = [0] * BUCKETS
        self._largest = [0] * BUCKETS
        self.newest_ns = NEVER_NS
        """Newest event time that a snapshot has seen."""
        self.forgotten = 0
        """Subjects forgotten since the beginning."""

    @property
    def subjects(self) -> int:
        """How many subjects are remembered."""
        return sum(map(len, self._buckets))

    @property
    def size_bytes(self) -> int:
        """How many bytes the states took when they were last saved."""
        return sum(self._bytes)

    @property
    def largest_bytes(self) -> int:
        """How many bytes the largest of them took."""
        return max(self._largest)

    @property
    def is_saved(self) -> bool:
        """Whether nothing changed since it was saved."""
        return not any(self._changed)

    def load(self, subject: str, bucket: int) -> SubjectState | None:
        """Return the state of a subject, None when it was never seen; changes to it last.

        Raises:
            StateError: what was restored cannot be read.
        """
        states = self._buckets[bucket]
        state = states.get(subject)
        if type(state) is bytes:
            state = states[subject] = load(state)
        return state  # type: ignore[return-value]  # bytes never subclass: the line above has replaced them

    def keep(self, subject: str, bucket: int, state: SubjectState) -> None:
        """Keep a state that was changed."""
        self._buckets[bucket][subject] = state
        self._changed[bucket] = 1

    def behind(self) -> dict[int, int]:
        """Return the buckets that changed since they were saved, and the sequence of their snapshot."""
        return {bucket: self._saved_at[bucket] for bucket in range(BUCKETS) if self._changed[bucket]}

    def saved_at(self, bucket: int) -> int:
        """Return the sequence of a bucket's snapshot, 0 when there is none."""
        return self._saved_at[bucket]

    def must_save(self, bucket: int) -> bool:
        """Say whether a bucket changed, or holds a subject that is to be forgotten."""
        return bool(self._changed[bucket]) or self._oldest_ns[bucket] < self.newest_ns - self._limits.time_to_live_ns

    def save(self, bucket: int, sequence: int, latest_ns: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Forget what is to be forgotten and yield key and value of the snapshot's records; None deletes.

        Args:
            bucket: its number.
            sequence: of the transaction that this becomes part of.
            latest_ns: no event counts as newer than this: one wrong clock must not make everybody look old.
        """
        states = self._buckets[bucket]
        times = {subject: newest_ns(state) for subject, state in states.items()}
        self.newest_ns = max(self.newest_ns, min(latest_ns, max(times.values(), default=NEVER_NS)))
        for subject in self._to_forget(times):
            del states[subject], times[subject]
            self.forgotten += 1
        written = self._write(states, times)
        found = parts(bucket, sequence, min(times.values(), default=FAR_NS), written.items())
        yield from found
        for key in tombstones(bucket, len(found), self._parts[bucket]):
            yield key, None
        self._note(bucket, sequence, min(times.values(), default=FAR_NS), len(found), written)
        self._changed[bucket] = 0

    def _to_forget(self, times: dict[str, int]) -> list[str]:
        horizon_ns = self.newest_ns - self._limits.time_to_live_ns
        forgotten = [subject for subject, at_ns in times.items() if at_ns < horizon_ns]
        surplus = len(times) - len(forgotten) - self._limits.per_bucket
        if surplus > 0:
            kept = times.keys() - set(forgotten)
            forgotten += sorted(kept, key=lambda subject: (times[subject], subject))[:surplus]
        return forgotten

    def _write(self, states: dict[str, SubjectState | bytes], times: dict[str, int]) -> dict[str, bytes]:
        written: dict[str, bytes] = {}
        for subject in sorted(states):
            state = states[subject]
            data = state if isinstance(state, bytes) else dump(state)
            written[subject] = data
            if times[subject] < self.newest_ns - _BUSY_NS:
                states[subject] = data
        return written

    def restore(self, bucket: int, snapshot: Snapshot) -> None:
        """Take back one bucket."""
        self._buckets[bucket] = dict(snapshot.states)
        self._note(bucket, snapshot.sequence, snapshot.oldest_ns, snapshot.parts, snapshot.states)

    def _note(self, bucket: int, sequence: int, oldest_ns: int, count: int, written: dict[str, bytes]) -> None:
        self._saved_at[bucket] = sequence
        self._oldest_ns[bucket] = oldest_ns
        self._parts[bucket] = count
        self._bytes[bucket] = sum(map(len, written.values()))
        self._largest[bucket] = max(map(len, written.values()), default=0)
