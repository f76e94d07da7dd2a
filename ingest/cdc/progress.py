"""How far a feed is inside of what its slot cannot divide: the rows of before, and one transaction. A small file in the data folder.

The slot remembers whole transactions alone. The rules service finds a repeat among the last 512 payments of a person, so a feed that is
killed must not begin a table, or a bulk load, from its front again: it goes on behind the batch that Kafka acknowledged last.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from veilocity.errors import StateError

__all__ = ["Progress", "ProgressFile"]


class Progress(msgspec.Struct, frozen=True):
    """A place in the table and its log."""

    is_snapshot_read: bool = False
    """All rows of before were written."""
    after: str | None = None
    """Otherwise those up to this id."""
    commit_lsn: int = 0
    """A transaction of the log, by the place of its commit,"""
    changes: int = 0
    """of which so many changes were written."""


class ProgressFile:
    """Reads and writes the file of one slot."""

    def __init__(self, data: Path, slot: str) -> None:
        """Name the file; nothing is read yet.

        Args:
            data: the folder of what must survive a restart.
            slot: name of the slot.
        """
        self._path = data / "feeds" / f"{slot}.json"

    def read(self) -> Progress:
        """Return what was written last, or the beginning.

        Raises:
            StateError: the file is damaged.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Progress)
        except FileNotFoundError:
            return Progress()
        except (OSError, msgspec.MsgspecError) as cause:
            raise StateError(f"{self._path} cannot be read: remove it, and all rows of the table are read anew") from cause

    def write(self, progress: Progress) -> None:
        """Replace the file in one step; after a loss of power it is the old or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        with beside.open("wb") as stream:
            stream.write(msgspec.json.encode(progress))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(self._path)

    def remove(self) -> None:
        """Forget: a new slot begins with all rows."""
        self._path.unlink(missing_ok=True)
