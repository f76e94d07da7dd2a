"""What a person sees while the system starts and runs: a small live table on a terminal, one line per change elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from devstack import extras
from devstack.process import State
from devstack.report import LineReporter, Reporter, TerminalReporter

__all__ = ["LABELS", "LineStatus", "Status", "TableStatus", "for_console"]

LABELS = {
    "kafka": "Kafka",
    "elasticsearch": "Elasticsearch",
    "mongodb": "MongoDB (SecantusDB)",
    "ingest": "gateway",
    "rules": "rules",
    "privacy": "privacy (Spark)",
    "dashboard": "dashboard",
    "mosquitto": "Mosquitto (MQTT)",
    "cassandra": "Cassandra",
    "apicurio": "Apicurio (schemas)",
    "mqtt": "MQTT bridge",
    "reports": "reports (Spark)",
    "simulate": "simulated city",
    **extras.LABELS,
}
_STYLES = {State.READY: "green", State.FAILED: "red", State.RESTARTING: "yellow", State.STOPPED: "dim", State.FINISHED: "green"}


class Status:
    """Tells every change of a process that a person wants to know of. Called from many threads."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self._began_s = time.monotonic()
        self._lock = threading.Lock()

    def changed(self, name: str, state: State, sentence: str) -> None:
        """Take note of a change."""
        with self._lock:
            self._tell(LABELS.get(name, name), state, sentence, time.monotonic() - self._began_s)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the start while the block runs."""
        yield

    def _tell(self, label: str, state: State, sentence: str, passed_s: float) -> None:
        if state is State.READY:
            self.reporter.say(f"{label}: ready after {passed_s:.1f} s")
        elif state is not State.STARTING:
            self.reporter.say(f"{label}: {sentence}")


class LineStatus(Status):
    """One line per change."""

    def __init__(self) -> None:
        super().__init__(LineReporter())


class TableStatus(Status):
    """A table that is redrawn while the system starts, and lines once it runs."""

    def __init__(self, console: Console) -> None:
        super().__init__(TerminalReporter(console))
        self._console = console
        self._live: Live | None = None
        self._rows: dict[str, tuple[State, str, float]] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the table while the block runs; its last picture stays."""
        with Live(get_renderable=self._table, console=self._console, refresh_per_second=4) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def _tell(self, label: str, state: State, sentence: str, passed_s: float) -> None:
        self._rows[label] = (state, sentence, passed_s)
        if self._live is None:
            super()._tell(label, state, sentence, passed_s)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for label, (state, sentence, passed_s) in list(self._rows.items()):
            mark = Spinner("dots") if state in (State.STARTING, State.RESTARTING) else Text("●", style=_STYLES.get(state, ""))
            words = f"ready after {passed_s:.1f} s" if state is State.READY else sentence
            table.add_row(mark, Text(label), Text(words, style=_STYLES.get(state, "")))
        return table


def for_console(console: Console) -> Status:
    """Return what fits: a table for a person at a terminal, lines for a file or a pipe."""
    return TableStatus(console) if console.is_terminal else LineStatus()
