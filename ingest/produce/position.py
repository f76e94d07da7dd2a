"""How far a play of a CSV file has come, kept in a file: an interrupted play goes on with the batch that was not answered."""

from __future__ import annotations

from pathlib import Path

import msgspec

from veilocity.errors import SettingsError, StateError

__all__ = ["Position", "read_position", "save_position"]


class Position(msgspec.Struct, frozen=True):
    """What was answered. The sizes belong to it: with others the batches would be cut elsewhere."""

    file: str
    low: int
    high: int
    seed: int
    batches: int = 0
    rows: int = 0
    beside: int = 0
    """Rows of the second file."""


def read_position(path: Path, begin: Position) -> Position:
    """Return the position in the file, or `begin` where there is none yet.

    Raises:
        SettingsError: the position belongs to another play.
        StateError: it cannot be read.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Position)
    except FileNotFoundError:
        return begin
    except (OSError, msgspec.MsgspecError) as cause:
        raise StateError("the file of --position cannot be read: remove it to play from the beginning") from cause
    if (found.file, found.low, found.high, found.seed) != (begin.file, begin.low, begin.high, begin.seed):
        raise SettingsError("the file of --position belongs to a play of another file, --rows or --seed: name another one")
    return found


def save_position(path: Path, position: Position) -> None:
    """Replace the file at once, so that a kill leaves the old position or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(msgspec.json.encode(position))
    fresh.replace(path)
