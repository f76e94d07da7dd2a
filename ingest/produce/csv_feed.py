"""Plays a CSV file batch by batch: every so many seconds a batch of rows, stamped with seconds spread evenly over the time before.

A batch goes when its time is over, so that nothing is sent before it happened. It is answered before the next one goes and before the
position is saved: an interrupted play sends the batch under way again, with the same rows and ids, and payments that come twice are dropped
by their ids.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ingest.produce.batching import Sizes, batches, spread_s
from ingest.produce.csv_rows import header_of, rows_of
from ingest.produce.mapping import Mapping, mapping_for
from ingest.produce.pairing import Batch, Beside, Row, paired, time_ns
from ingest.produce.position import Position, read_position, save_position
from ingest.push import Answer, Pusher
from ingest.simulator.clock import Clock

__all__ = ["CsvPlay", "play_csv"]

_ROWS_PER_REQUEST = 500
_BYTES_PER_REQUEST = 1_000_000
Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CsvPlay:
    """What to play, and how."""

    file: Path
    sizes: Sizes
    every_s: int = 5
    mapping: Mapping | None = None
    """None for the one that knows the file's columns."""
    keep_times: bool = False
    """Keep the rows' own times instead of stamping them with the time of the play."""
    time_column: str = "event_time"
    beside: Path | None = None
    """A second file, whose rows go with the batch between whose times they lie."""
    beside_mapping: Mapping | None = None
    beside_time_column: str = "created_at"
    position: Path | None = None
    limit: int | None = None
    """Batches to play at most."""


def play_csv(
    play: CsvPlay,
    pusher: Pusher,
    clock: Clock,
    stopped: threading.Event,
    *,
    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    report: Callable[[Position, Answer], object] = lambda _, __: None,
) -> Answer:
    """Play the file to its end, its limit or a stop; return what the gateway answered.

    Args:
        play: what to play.
        pusher: connections to the gateway.
        clock: the times of the batches: the first one is due at its beginning.
        stopped: set to end the play after the batch under way.
        wall_ms: the wall clock.
        report: told after every batch how far the play has come.

    Raises:
        InvalidInputError: the file cannot be read, or there is no gateway.
        SettingsError: no mapping fits, the position belongs to another play, or the gateway refuses the token.
        ServiceUnavailableError: the gateway does not answer.
    """
    mapping = play.mapping or mapping_for(header_of(play.file))
    place = Position(str(play.file.resolve()), *play.sizes)
    if play.position is not None:
        place = read_position(play.position, place)
    first = place.batches
    sender = _Sender(pusher, mapping, _beside_mapping(play))
    beside = Beside(rows_of(play.beside, place.beside), lambda row: time_ns(row.get(play.beside_time_column))) if play.beside else None
    found = paired(batches(rows_of(play.file, place.rows), play.sizes, first), lambda row: time_ns(row.get(play.time_column)))
    for batch in found:
        if stopped.is_set() or (play.limit is not None and place.batches - first >= play.limit):
            break
        due_ms = clock.start_ms + (place.batches - first) * play.every_s * 1000
        if not _wait(clock, due_ms, stopped, wall_ms):
            break
        start_s = due_ms // 1000 - play.every_s
        stamps = None if play.keep_times else spread_s(len(batch.rows), play.every_s, start_s)
        sender.rows(batch.rows, place.rows, stamps)
        others = sender.beside(beside, batch, place.beside, None if play.keep_times else start_s, play) if beside is not None else 0
        place = msgspec.structs.replace(place, batches=place.batches + 1, rows=place.rows + len(batch.rows), beside=place.beside + others)
        if play.position is not None:
            save_position(play.position, place)
        report(place, sender.answer)
    return sender.answer


def _beside_mapping(play: CsvPlay) -> Mapping | None:
    if play.beside is None:
        return None
    return play.beside_mapping or mapping_for(header_of(play.beside))


def _wait(clock: Clock, due_ms: int, stopped: threading.Event, wall_ms: Callable[[], int]) -> bool:
    """Wait until a moment of the play; say whether it came before the stop."""
    while (left_ms := clock.wall_ms(due_ms) - wall_ms()) > 0:
        if stopped.wait(left_ms / 1000):
            return False
    return True


class _Sender:
    """Sends rows as items of their doors, in order, several to a request."""

    def __init__(self, pusher: Pusher, mapping: Mapping, beside: Mapping | None) -> None:
        self.answer = Answer()
        self._pusher, self._mapping, self._beside = pusher, mapping, beside

    def rows(self, rows: list[Row], before: int, stamps: list[int] | None) -> None:
        """Send the rows of a batch; `before` rows of the file went before it."""
        mapping = self._mapping
        items = (
            mapping.item(row, before + number, None if stamps is None else stamps[number - 1]) for number, row in enumerate(rows, start=1)
        )
        self._send(mapping.door, items)

    def beside(self, rows: Beside, batch: Batch, before: int, start_s: int | None, play: CsvPlay) -> int:
        """Send the rows of the second file that belong to a batch; return how many."""
        mapping, sent = self._beside, 0
        if mapping is None:
            return 0

        def items() -> Iterator[Item]:
            nonlocal sent
            for row in rows.before(batch.until_ns):
                sent += 1
                at_ns = time_ns(row.get(play.beside_time_column))
                yield mapping.item(row, before + sent, None if start_s is None else start_s + _second_of(at_ns, batch, play.every_s))

        self._send(mapping.door, items())
        return sent

    def _send(self, door: str, items: Iterable[Item]) -> None:
        group: list[bytes] = []
        size = 0
        for item in items:
            encoded = msgspec.json.encode(item)
            if group and (len(group) == _ROWS_PER_REQUEST or size + len(encoded) > _BYTES_PER_REQUEST):
                self._push(door, group)
                group, size = [], 0
            group.append(encoded)
            size += len(encoded)
        if group:
            self._push(door, group)

    def _push(self, door: str, group: list[bytes]) -> None:
        self.answer += self._pusher.send(door, b"[" + b",".join(group) + b"]")


def _second_of(at_ns: int | None, batch: Batch, every_s: int) -> int:
    """Return the second of a batch for a time of the second file: as far into the batch as the time lies between its boundaries."""
    if at_ns is None or batch.from_ns is None or batch.until_ns is None or batch.until_ns <= batch.from_ns:
        return 0
    share = (at_ns - batch.from_ns) * every_s // (batch.until_ns - batch.from_ns)
    return min(every_s - 1, max(0, share))
