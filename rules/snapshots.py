"""How a bucket of states is written down: parts small enough for a Kafka record, and how often.

A snapshot is all parts of one bucket with the same sequence. Kafka's own compression (lz4, per batch of records) packs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from rules.journal import CYCLE_ENTRIES
from veilocity.errors import StateError

__all__ = ["BUCKETS", "Pace", "Snapshot", "join", "parts", "read_key", "tombstones"]

BUCKETS = 256
"""Never changed: the number decides where a subject's state is saved."""
FORMAT = 1
PART_BYTES = 400_000
"""A part is closed once it is larger. With the longest state it still fits into a record of 1 MB."""
_PREFIX = b"bucket/"


class _Part(msgspec.Struct, array_like=True, frozen=True):
    format: int
    sequence: int
    parts: int
    oldest_ns: int
    states: dict[bytes, bytes]


class Snapshot(msgspec.Struct, frozen=True):
    """One bucket as it was after a transaction."""

    sequence: int
    oldest_ns: int
    """The least of the subjects' newest event times: when the first of them may be forgotten."""
    parts: int
    states: dict[str, bytes]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Part)


def parts(bucket: int, sequence: int, oldest_ns: int, states: Iterable[tuple[str, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return key and value of every part; there is at least one.

    Args:
        bucket: its number.
        sequence: of the transaction that writes it.
        oldest_ns: see `Snapshot`.
        states: subject and written state.
    """
    groups: list[dict[bytes, bytes]] = [{}]
    size = 0
    for subject, data in states:
        if size > PART_BYTES:
            groups.append({})
            size = 0
        groups[-1][subject.encode()] = data
        size += len(subject) + len(data)
    encode = _encoder.encode
    return [
        (b"%s%d/%d" % (_PREFIX, bucket, number), encode(_Part(FORMAT, sequence, len(groups), oldest_ns, group)))
        for number, group in enumerate(groups)
    ]


def tombstones(bucket: int, written: int, before: int) -> Iterator[bytes]:
    """Yield the keys of parts that a smaller snapshot leaves behind."""
    for number in range(written, before):
        yield b"%s%d/%d" % (_PREFIX, bucket, number)


def read_key(key: bytes) -> tuple[int, int] | None:
    """Return the numbers of bucket and part; None when the key is not that of a part.

    >>> read_key(b"bucket/17/0"), read_key(b"journal/5")
    ((17, 0), None)
    """
    if not key.startswith(_PREFIX):
        return None
    bucket, _, part = key.removeprefix(_PREFIX).partition(b"/")
    return int(bucket), int(part)


def join(written: Mapping[int, bytes]) -> Snapshot:
    """Put the newest parts of one bucket together.

    Raises:
        StateError: of a newer format, damaged or incomplete.
    """
    first = _decode(written.get(0, b""))
    states: dict[str, bytes] = {}
    for number in range(first.parts):
        part = first if number == 0 else _decode(written.get(number, b""))
        if part.sequence != first.sequence:
            raise _damaged()
        states.update((subject.decode(), data) for subject, data in part.states.items())
    return Snapshot(first.sequence, first.oldest_ns, first.parts, states)


def _decode(data: bytes) -> _Part:
    if data[1:2] > bytes((FORMAT,)):
        raise StateError("rules-state has a newer format: upgrade the rules service")
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as cause:
        raise _damaged() from cause


def _damaged() -> StateError:
    return StateError("rules-state holds a damaged or incomplete snapshot: restore the topic, or begin anew (docs/operations.md)")


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon every bucket is saved again.

    A cycle takes at most `events` events (4 per subject where that is more), `seconds` seconds (longer where more than `bytes_per_s`
    would be written) and `CYCLE_ENTRIES` transactions, whichever comes first.
    """

    events: int = 150_000
    events_per_subject: int = 4
    seconds: float = 30.0
    bytes_per_s: int = 2_000_000

    def buckets(self, events: int, seconds: float, subjects: int, size_bytes: int) -> float:
        """Return how many buckets are due after one transaction.

        Args:
            events: that it processed.
            seconds: since the last one.
            subjects: remembered by the partition.
            size_bytes: of their written states.

        >>> Pace().buckets(events=3_000, seconds=0.05, subjects=10_000, size_bytes=20_000_000)
        5.12
        """
        by_events = events / max(self.events, self.events_per_subject * subjects)
        by_time = seconds / max(self.seconds, size_bytes / self.bytes_per_s)
        return BUCKETS * min(1.0, max(by_events, by_time, 1.0 / CYCLE_ENTRIES))
