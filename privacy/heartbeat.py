"""When a stream counts as fallen silent: by heartbeats, which are records of Kafka and so are repeated with everything else.

A stage that has read everything and still holds payments back writes a heartbeat now and then: the wall clock, and where each partition
of `decisions` ends. It reads them back with its micro-batches. Then

    drain   when two heartbeats tell the same ends, are at least `drain` apart by their own wall clocks, with no others between,
            and the micro-batch that reads the second ends exactly there

closes all windows of all tiers (`privacy.windows`). Which records a micro-batch has and where it ends is in Spark's own log before it runs,
so a repeated one drains just as the first did. Payments that come later for a closed window are late, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from veilocity.contracts import SCHEMA_VERSION
from veilocity.errors import StateError

__all__ = ["Heartbeat", "Silence", "newest_batch", "read_positions"]


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """A stage has read everything up to these ends, at this time."""

    wall_ms: int
    ends: dict[int, int]
    """Partition of `decisions` to the offset at which it ended, marks of transactions included."""
    schema: int = SCHEMA_VERSION


class Silence(msgspec.Struct, frozen=True):
    """Since when nothing came, as far as heartbeats tell.

    >>> silence, _ = Silence().after([Heartbeat(5_000, {0: 7})], drain_ms=60_000, positions={0: 7})
    >>> silence.after([Heartbeat(65_000, {0: 7})], drain_ms=60_000, positions={0: 7})[1]
    True
    >>> silence.after([Heartbeat(65_000, {0: 9})], drain_ms=60_000, positions={0: 9})[1]
    False
    """

    ends: dict[int, int] = {}
    since_ms: int = 0

    def after(self, heartbeats: Sequence[Heartbeat], drain_ms: int, positions: Mapping[int, int]) -> tuple[Silence, bool]:
        """Return what is known after these heartbeats, and whether windows are to be drained.

        Args:
            heartbeats: of one micro-batch, in offset order.
            drain_ms: how long silence must last; 0 for ever.
            positions: where the micro-batch ends on each partition of `decisions`.
        """
        ends, since_ms, drain = self.ends, self.since_ms, False
        for heartbeat in heartbeats:
            # A clock that was set back begins anew: better later than too soon.
            if heartbeat.ends != ends or heartbeat.wall_ms < since_ms:
                ends, since_ms = heartbeat.ends, heartbeat.wall_ms
            drain = 0 < drain_ms <= heartbeat.wall_ms - since_ms and heartbeat.ends == positions
        return Silence(ends, since_ms), drain


def read_positions(checkpoint: Path, batch: int, topic: str) -> dict[int, int]:
    """Return where a micro-batch ends on each partition of a topic, from the entry that Spark writes before it runs.

    Args:
        checkpoint: Spark's folder; its entries are JSON lines of a fixed format: a version, the batch's metadata, a line for each source.
        batch: number of the micro-batch.
        topic: full name on this cluster.

    Raises:
        StateError: the entry is missing or has another format.
    """
    try:
        lines = (checkpoint / "offsets" / str(batch)).read_text(encoding="utf-8").splitlines()
        places = json.loads(lines[2]).get(topic, {})
        return {int(partition): int(offset) for partition, offset in places.items()}
    except (OSError, ValueError, IndexError, AttributeError) as cause:
        raise StateError("the checkpoint of the privacy stage is damaged: restore its whole folder, or remove it to begin anew") from cause


def newest_batch(folder: Path) -> int:
    """Return the highest micro-batch number in a folder of Spark's checkpoint, -1 for none."""
    return max((int(path.name) for path in folder.glob("*") if path.name.isdecimal()), default=-1)
