"""What a rule is: pure functions of an ordered history.

The engine keeps the history, drops repeats, thins and forgets; a rule only says which observations contradict each other. As it never sees
the order of arrival, its alerts cannot depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rules.entries import Entry
from rules.parameters import EngineParameters

__all__ = ["Contradiction", "Rule"]


class Contradiction(NamedTuple):
    """Two neighbours that cannot both be true, and the one that is held to be the odd one."""

    first: Entry
    second: Entry
    anchor: Entry


class Rule(Protocol):
    """One rule of the catalogue."""

    @property
    def id(self) -> str:
        """Name in alerts, decisions and metrics."""

    @property
    def version(self) -> str:
        """Raised whenever the same input would be judged differently."""

    def is_unaffected(self, before: Entry | None, entry: Entry, after: Entry | None, parameters: EngineParameters) -> bool:
        """Say whether putting `entry` between its two neighbours leaves all contradictions as they were.

        A rule that cannot tell from these three says no; then the whole history is judged again.
        """

    def contradictions(self, history: Sequence[Entry], carried: int, parameters: EngineParameters) -> list[Contradiction]:
        """Return every contradiction of the history, in order.

        Args:
            history: observations in event-time order, none doubtful.
            carried: what `carry` returned for the past before the first entry; 0 when there is none.
            parameters: thresholds.
        """

    def carry(self, history: Sequence[Entry], carried: int, parameters: EngineParameters) -> int:
        """Sum up the past: what must be known of the last entry of `history` once all before it is forgotten."""

    def strength(self, contradiction: Contradiction, parameters: EngineParameters) -> tuple[float, float]:
        """Return how strong the evidence is, for comparing two contradictions of one anchor."""

    def score(self, before: Entry | None, entry: Entry, after: Entry | None, parameters: EngineParameters) -> float:
        """Return 0 (surely fine) to 1 (surely not) for a payment between its neighbours; above 0.5 exactly when it is contradicted."""
