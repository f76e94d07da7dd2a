"""Which records are late, and how far every partition has come: the same whichever way Kafka's records are cut into micro-batches.

With m[p] the newest event time on partition p up to a record, in offset order, and every mark that p has passed:

    a record is late      when its event time lies before  m[p] - delay;  it then has the level  m[p] - delay
    a window is closed    when its end is at or before     min over p of m[p]  -  delay

So no record that is not late can belong to a closed window, and "late" depends on the record's own partition alone. A window that ends at
e tells the late records with a level below e: when it closes, every partition has passed e, and so all of them have been read.

A partition that falls silent would hold every window open. So a mark is put into a topic of its own: "this partition ended here, and from
here on its time is at least this" (`privacy.reports.pulse`). A mark stands before the first record at or after the offset it names, and is
in Kafka before that record is processed; a replay from an empty checkpoint knows all marks from its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from veilocity.contracts import SCHEMA_VERSION

__all__ = ["Clock", "Late", "Mark", "known_before"]


class Mark(msgspec.Struct, frozen=True, gc=False):
    """From these ends on, these partitions have at least this time."""

    ends: dict[str, int]
    """Partition, as `source_of` names it, to the offset that its next record will have or pass."""
    clock_ms: int
    schema: int = SCHEMA_VERSION


class Late(msgspec.Struct):
    """Records that came too late, by source and level.

    >>> late = Late()
    >>> late.add("decisions", [5, 17, 17], step_ms=10)
    >>> late.before("decisions", 10), late.before("decisions", 20)
    (1, 3)
    """

    folded: dict[str, int] = {}
    """Of levels that every window to come lies behind."""
    levels: dict[str, dict[int, int]] = {}

    def add(self, source: str, levels_ms: Iterable[int], step_ms: int) -> None:
        """Count late records.

        Args:
            source: topic that they are of.
            levels_ms: of each.
            step_ms: ends of windows are multiples of it.
        """
        counts = self.levels.setdefault(source, {})
        for level_ms in levels_ms:
            start_ms = level_ms - level_ms % step_ms
            counts[start_ms] = counts.get(start_ms, 0) + 1

    def before(self, source: str, end_ms: int) -> int:
        """Return how many records of a source had a level below a window's end."""
        open_levels = self.levels.get(source, {})
        return self.folded.get(source, 0) + sum(count for level, count in open_levels.items() if level < end_ms)

    def fold(self, end_ms: int) -> None:
        """Add up what lies before every window that is still to come."""
        for source, counts in self.levels.items():
            for level in [level for level in counts if level < end_ms]:
                self.folded[source] = self.folded.get(source, 0) + counts.pop(level)

    def total(self) -> int:
        """Return all of them."""
        return sum(self.folded.values()) + sum(sum(counts.values()) for counts in self.levels.values())


class Clock(msgspec.Struct):
    """How far each partition has come; changed in place.

    >>> clock = Clock()
    >>> clock.passed("decisions/0", [(0, 100), (1, 300), (2, 150), (3, 260)], end=4, marks=(), delay_ms=100)
    [None, None, 200, None]
    >>> clock.watermark_ms(["decisions/0"], delay_ms=100), clock.watermark_ms(["decisions/0", "decisions/1"], delay_ms=100)
    (200, None)
    >>> clock.passed("decisions/1", [], end=0, marks=[Mark({"decisions/1": 0}, 290)], delay_ms=100)
    []
    >>> clock.watermark_ms(["decisions/0", "decisions/1"], delay_ms=100)
    190
    """

    newest_ms: dict[str, int] = {}
    positions: dict[str, int] = {}
    """Where the last micro-batch ended."""
    event_ms: int = 0
    """Newest time of a record; marks do not count."""

    def passed(
        self, partition: str, records: Sequence[tuple[int, int]], end: int, marks: Iterable[Mark], delay_ms: int
    ) -> list[int | None]:
        """Take the records of one partition; return the level of each late one, and None for each in time.

        Args:
            partition: as `source_of` names it.
            records: offset and event time, in offset order.
            end: where the micro-batch ends on this partition.
            marks: all that are known.
            delay_ms: how late a record may be.
        """
        due = sorted((mark.ends[partition], mark.clock_ms) for mark in marks if mark.ends.get(partition, end + 1) <= end)
        newest, place, levels = self.newest_ms.get(partition), 0, list[int | None]()
        for offset, event_ms in records:
            while place < len(due) and due[place][0] <= offset:
                newest = due[place][1] if newest is None else max(newest, due[place][1])
                place += 1
            newest = event_ms if newest is None else max(newest, event_ms)
            levels.append(newest - delay_ms if event_ms < newest - delay_ms else None)
        for _, clock_ms in due[place:]:
            newest = clock_ms if newest is None else max(newest, clock_ms)
        if newest is not None:
            self.newest_ms[partition] = newest
        self.positions[partition] = end
        self.event_ms = max([self.event_ms, *(event_ms for _, event_ms in records)])
        return levels

    def watermark_ms(self, partitions: Iterable[str], delay_ms: int) -> int | None:
        """Return up to where windows are closed, or None while a partition has no time at all."""
        times = [self.newest_ms.get(partition) for partition in partitions]
        known = [time for time in times if time is not None]
        return min(known) - delay_ms if known and len(known) == len(times) else None


def known_before(marks: Iterable[Mark], positions: Mapping[str, int]) -> list[Mark]:
    """Return the marks that some partition has not passed yet."""
    return [mark for mark in marks if any(end >= positions.get(partition, 0) for partition, end in mark.ends.items())]
