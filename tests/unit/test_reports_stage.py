"""The order in which a micro-batch of the reports is given out, and what happens when a store is away."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from privacy.reports.clock import Clock, Mark
from privacy.reports.events import Payment, Widths
from privacy.reports.ledger import ReportLedger
from privacy.reports.stage import Sinks, Stage
from privacy.reports.state import ReportTerms
from privacy.reports.taking import Taken
from storage.reports import ReportDocument
from veilocity.errors import StoreUnavailableError

TERMS = ReportTerms(1, Widths(), {"*": 1}, 7, "")
END = {"decisions/0": 2, "sessions/0": 0}


class Told:
    """Sinks, ledger's folder and marks that keep what they are told; the store is away for a while."""

    def __init__(self, folder: Path, away: int, stop: threading.Event) -> None:
        self.calls: list[tuple[str, int]] = []
        self.away = away
        self.clocks: list[Clock] = []
        self.ledger = ReportLedger(folder, TERMS)
        told = self

        class Files:
            def write(self, _batch: int, documents: Sequence[ReportDocument]) -> None:
                told.calls.append(("files", len(documents)))

        class Store:
            def write(self, documents: Sequence[ReportDocument]) -> None:
                told.calls.append(("store", len(documents)))
                if told.away:
                    told.away -= 1
                    raise StoreUnavailableError("away")

        class Publisher:
            def publish(self, documents: Sequence[ReportDocument]) -> int:
                told.calls.append(("kafka", len(documents)))
                return len(documents)

        class Marks:
            def known(self) -> list[Mark]:
                return []

            def at(self, clock: Clock, waits: bool) -> None:
                told.calls.append(("done", waits))

        sinks: Any = Sinks(Files(), Store(), Publisher())  # type: ignore[arg-type]  # what the stage asks of them
        marks: Any = Marks()
        self.stage = Stage(TERMS, self.ledger, sinks, marks, {}, frozenset(), stop)


def read() -> Taken:
    # The second closes the windows of the first.
    payments = [Payment(at, "p", "clear", "shop", "food", "EUR", 100, "unknown") for at in (1_000, 400_000)]
    return Taken({"decisions/0": list(enumerate(payments))})


def test_windows_are_in_every_sink_before_the_ledger_says_so_and_a_store_that_is_away_is_waited_for(
    tmp_path: Path,
) -> None:
    told = Told(tmp_path, away=2, stop=threading.Event())
    told.stage.process(read(), 0, END, 0.1)
    windows = told.calls[0][1]
    assert windows == 13
    assert told.calls == [("files", windows), *[("store", windows)] * 3, ("kafka", windows), ("done", True)]
    assert told.ledger.load(0).clock.positions == END


def test_a_stop_ends_the_waiting_and_leaves_the_batch_to_be_repeated(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    told = Told(tmp_path, away=1, stop=stop)
    with pytest.raises(StoreUnavailableError):
        told.stage.process(read(), 0, END, 0.1)
    assert [name for name, _ in told.calls] == ["files", "store"]
    told.ledger.check(committed=-1, begun=0)
    # The same process may try again: it begins from the saved past, not from what it had counted.
    told.stage.process(read(), 0, END, 0.1)
    assert told.calls[-1] == ("done", True)
    assert told.ledger.load(0).day_counts.hours == {0: {"p": 2}}
