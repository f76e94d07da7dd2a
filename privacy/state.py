"""What the stage carries from one micro-batch to the next. All of it is masked; all of it is bounded."""

from __future__ import annotations

import msgspec

from privacy.aggregates import AggregateState
from privacy.anonymity import Row
from privacy.distinct import DistinctCounts
from privacy.heartbeat import Silence
from privacy.policy import Policy
from privacy.windows import Clock
from sketches import BloomFilter, Reservoir
from storage.documents import Progress

__all__ = ["PROGRESS_ID", "StageState", "StagedRow", "sequence_of"]

PROGRESS_ID = "privacy"
_SAMPLE_SEED = b"veilocity sample"


class StagedRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A payment that waits for its window to close."""

    row: Row
    features: tuple[str, ...]
    """What it is compared by when alike payments are grouped; nothing once it is held for a later tier."""
    tokens: dict[str, str]
    """Its id in each store, by which groups name it; nothing once it is held for a later tier."""


class StageState(msgspec.Struct):
    """The stage after some micro-batch. The sketches are changed in place; everything else is replaced."""

    progress: Progress
    clock: Clock
    open_windows: list[dict[int, int]]
    """Per tier, start of each open window to the payments staged for it."""
    sample: Reservoir
    """Ids of all decided payments; fixed size."""
    places: BloomFilter
    """Which person was seen at which cell; fixed size."""
    distinct: DistinctCounts
    """How many different people, merchants and places were seen; fixed size."""
    silence: Silence
    """Since when nothing came."""
    counts: AggregateState | None = None
    """What counts with noise have spent; None before the first closed window, and where the policy publishes none."""
    requested: tuple[str, ...] = ()
    """Requests (`privacy.erasure_requests`) that the next micro-batch carries out."""
    applied: tuple[str, ...] = ()
    """Requests that this micro-batch carried out: the next removes what they left on the disk."""

    @property
    def pending(self) -> int:
        """Payments that wait for a window of any tier to close."""
        return sum(sum(windows.values()) for windows in self.open_windows)

    @classmethod
    def fresh(cls, policy: Policy) -> StageState:
        """Return the state before the first micro-batch."""
        return cls(
            progress=Progress(id=PROGRESS_ID, seq=0),
            clock=Clock(),
            open_windows=[{} for _ in policy.windows.widths_ms],
            sample=Reservoir(policy.sample_size, _SAMPLE_SEED),
            places=BloomFilter(policy.bloom_capacity, policy.bloom_error_rate),
            distinct=DistinctCounts(),
            silence=Silence(),
        )


def sequence_of(batch: int) -> int:
    """Return the number that documents of a micro-batch carry: Spark counts from 0, and `seq` 0 means nothing yet."""
    return batch + 1
