"""Locks between processes: a file that one process at a time holds, and that the operating system frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.cancellation import Cancellation

__all__ = ["FileLock", "hold"]


class FileLock:
    """An exclusive lock on a file. The file stays: removing it would let two holders in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether the lock is ours now."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Take the lock if nobody holds it; return whether it is ours."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """Return the process number that the last holder wrote, or an empty string."""
        try:
            return self._path.read_text(encoding="utf-8")
        except OSError:
            return ""


@contextmanager
def hold(path: Path, cancellation: Cancellation) -> Iterator[None]:
    """Wait for the lock on `path`, hold it, give it back.

    Raises:
        Cancelled: somebody asked to stop while we waited.
    """
    lock = FileLock(path)
    while not lock.acquire():
        cancellation.wait(0.1)
        cancellation.check()
    try:
        yield
    finally:
        lock.release()
