"""What waits for a window: the rows that may be released, and where payments are stored, by what they are compared."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from privacy.table import PackedTable, RowTable

__all__ = ["Likeness", "PackedStaged", "Staged"]


class Likeness(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a payment is found alike, and told in a group."""

    features: tuple[str, ...]
    tokens: dict[str, str]
    """Its id in each store."""


class PackedStaged(msgspec.Struct, frozen=True, array_like=True):
    """Staged payments as they are kept."""

    table: PackedTable
    likeness: list[Likeness]


@dataclass(frozen=True, slots=True, eq=False)
class Staged:
    """Payments of one window."""

    table: RowTable
    likeness: tuple[Likeness, ...] = ()
    """One for each row; none where payments are not stored, or are held for a later tier."""

    @property
    def count(self) -> int:
        """Payments."""
        return self.table.count

    def take(self, rows: NDArray[np.intp]) -> Staged:
        """Return some payments."""
        return Staged(self.table.take(rows), tuple(self.likeness[row] for row in rows.tolist()) if self.likeness else ())

    def without(self, people: Collection[str]) -> Staged:
        """Return the payments of everybody else."""
        if not people or not self.count:
            return self
        stays = np.array([person not in people for person in self.table.people.values.tolist()], dtype=np.bool_)
        return self.take(np.flatnonzero(stays[self.table.people.codes]))

    def ordered(self) -> Staged:
        """Return the payments by id."""
        return self.take(np.argsort(self.table.ids, kind="stable"))

    @classmethod
    def joined(cls, several: Sequence[Staged]) -> Staged:
        """Return several as one."""
        return cls(RowTable.joined([one.table for one in several]), tuple(each for one in several for each in one.likeness))

    def packed(self) -> PackedStaged:
        """Return them as they are kept."""
        return PackedStaged(self.table.packed(), list(self.likeness))

    @classmethod
    def unpacked(cls, packed: PackedStaged) -> Staged:
        """Return what was packed.

        Raises:
            StateError: its columns do not belong together.
        """
        return cls(RowTable.unpacked(packed.table), tuple(packed.likeness))
