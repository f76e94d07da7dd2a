"""Counts with noise in the stage: which windows of tier 0 a micro-batch closes, and what is published of each.

The aggregator draws; this keeps the order that makes a repeated micro-batch publish the same (see `privacy.aggregates`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from privacy.aggregates import AggregateState, Aggregator
from privacy.identifiers.keyring import KeyRing
from privacy.policies.model import Aggregates
from privacy.table import RowTable
from privacy.write_ahead import FileAhead
from storage.documents import AggregateDocument

__all__ = ["Counting"]

_PURPOSE = "differential bounding"


class Counting:
    """What is published of closed windows under a policy, and where its draws are kept."""

    def __init__(self, aggregator: Aggregator, folder: Path) -> None:
        """Take the aggregator, and the folder of draws, which is made when missing."""
        self._aggregator = aggregator
        self._ahead = FileAhead(folder)

    @classmethod
    def of(cls, policy: Aggregates | Literal["off"], name: str, ring: KeyRing, directory: Path, width_ms: int) -> Counting | None:
        """Return what a policy asks for; None where it publishes no counts.

        Args:
            policy: the section of the policy.
            name: of the policy.
            ring: its oldest version gives the key that decides which payments of a person count.
            directory: folder of the stage.
            width_ms: of a window of tier 0.

        Raises:
            UnsafePolicyError: a figure out of its range.
        """
        if policy == "off":
            return None
        key = ring.key(_PURPOSE, version=ring.versions[0])
        return cls(Aggregator(policy, name, key, window_ms=width_ms), directory / "drawn")

    def closed(
        self, before: AggregateState | None, entered: Mapping[int, RowTable], closed_ms: int, seq: int
    ) -> tuple[AggregateState | None, tuple[AggregateDocument, ...]]:
        """Return the state after the windows that a micro-batch closed, and what is published of them.

        Args:
            before: state after the micro-batch before; None while no window was closed.
            entered: start of each window of tier 0 that has closed now to its payments.
            closed_ms: every window that ends at or before this is closed.
            seq: number of the micro-batch.

        Raises:
            StateError: what was drawn belongs to another ledger, or cannot be read.
            UnsafePolicyError: the counts began under other figures.
        """
        state = before
        if state is None:
            if not entered:
                return None, ()
            state = self._aggregator.begin(min(entered))
        documents: list[AggregateDocument] = []
        for window in self._aggregator.due(state, closed_ms, entered):
            state = self._aggregator.after_silence(state, window.start_ms)
            rows = entered[window.start_ms].rows() if window.start_ms in entered else []
            state, published = self._aggregator.closed(state, rows, window, seq, self._ahead)
            documents.extend(published)
        # What is in no window any more is settled now, so that a restart finds the same beginning.
        return self._aggregator.after_silence(state, closed_ms), tuple(documents)

    def forget(self, before: AggregateState | None) -> None:
        """Remove the draws that no repetition can ask for, once the ledger has the micro-batch.

        Args:
            before: state before that micro-batch.
        """
        if before is not None:
            self._ahead.forget(before.next_start_ms)
