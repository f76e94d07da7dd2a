"""Files that are whole or not there: written under another name, flushed to the disk, then renamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from veilocity.errors import StateError

__all__ = ["read_whole", "write_whole"]

_T = TypeVar("_T")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_whole(path: Path, kind: type[_T]) -> _T:
    """Read a MessagePack file.

    Raises:
        StateError: not there, or not what it should be.
    """
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as cause:
        message = f"{path.name} of the privacy stage is missing or damaged: restore its whole folder, or remove it to begin anew"
        raise StateError(message) from cause
