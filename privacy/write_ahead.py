"""Where the noise drawn for a window is kept before anybody sees anything of it, so that a repeated micro-batch finds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from privacy.differential.counts import Window
from privacy.files import write_whole
from veilocity.errors import StateError

__all__ = ["FileAhead", "WriteAhead"]


class WriteAhead(Protocol):
    """Where a draw is kept before anybody sees anything of it."""

    def load(self, window: Window) -> bytes | None:
        """Return what was saved for a window, None where nothing was.

        Raises:
            StateError: it cannot be read; nothing may be drawn in its place.
        """

    def save(self, window: Window, data: bytes) -> None:
        """Keep the draw of a window; when this returns it outlives a loss of power."""


class FileAhead:
    """Draws as files of one folder. One process at a time.

    >>> from tempfile import TemporaryDirectory
    >>> from privacy.differential.counts import HOUR_MS
    >>> with TemporaryDirectory() as folder:
    ...     ahead = FileAhead(Path(folder) / "drawn")
    ...     ahead.save(Window(0, HOUR_MS), b"noise")
    ...     ahead.load(Window(0, HOUR_MS)), ahead.load(Window(HOUR_MS, 2 * HOUR_MS))
    (b'noise', None)
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder; it is made when missing, for its owner only, as exact sums are in it."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder

    def load(self, window: Window) -> bytes | None:
        """Return what was saved for a window; see `WriteAhead`."""
        try:
            return self._path(window).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise StateError("what was drawn for a window cannot be read: restore the whole folder of the privacy stage") from cause

    def save(self, window: Window, data: bytes) -> None:
        """Keep the draw of a window."""
        write_whole(self._path(window), data)
        # The file is on the disk; its name in the folder must be as well.
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def forget(self, before_ms: int) -> None:
        """Remove the draws of windows that end at or before a time; no micro-batch that closes one of them may be repeated any more."""
        for path in self._folder.glob("*.drawn"):
            if int(path.stem.partition("-")[2]) <= before_ms:
                path.unlink(missing_ok=True)

    def _path(self, window: Window) -> Path:
        return self._folder / f"{window.start_ms}-{window.end_ms}.drawn"
