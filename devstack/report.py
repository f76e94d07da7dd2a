"""How work is told while it goes on: a bar or a table on a terminal, plain lines elsewhere, nothing in tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

__all__ = ["LineReporter", "Reporter", "SilentReporter", "TerminalReporter"]


class Reporter(Protocol):
    """Whom the long work tells what it does."""

    def say(self, sentence: str) -> None:
        """Tell one sentence."""

    def downloading(self, what: str, total_bytes: int) -> AbstractContextManager[Callable[[int], None]]:
        """Tell that a download runs; what is returned is called with the bytes that arrived, from any thread."""


class SilentReporter:
    """Tells nothing."""

    def say(self, sentence: str) -> None:
        """Drop the sentence."""

    @contextmanager
    def downloading(self, what: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
        """Count nothing."""
        yield lambda _size_bytes: None


class LineReporter:
    """Writes one line per sentence, for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def say(self, sentence: str) -> None:
        """Write the sentence at once."""
        with suppress(OSError):  # nobody reads it any more; what runs must still be stopped in order
            self._stream.write(f"{sentence}\n")
            self._stream.flush()

    @contextmanager
    def downloading(self, what: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
        """Tell the size before and that it is done after; no bar."""
        self.say(f"Downloading {what} ({total_bytes / 1e6:.0f} MB).")
        yield lambda _size_bytes: None
        self.say(f"Downloaded and verified {what}.")


class TerminalReporter:
    """Draws on a terminal by rich."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, sentence: str) -> None:
        """Print the sentence above whatever is drawn."""
        with suppress(OSError):  # the terminal was closed; what runs must still be stopped in order
            self._console.print(sentence, highlight=False, markup=False)

    @contextmanager
    def downloading(self, what: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
        """Draw a bar that goes away when it is full."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(f"Downloading {what}", total=total_bytes)
            yield lambda size_bytes: progress.advance(task, size_bytes)
        self.say(f"Downloaded and verified {what}.")
