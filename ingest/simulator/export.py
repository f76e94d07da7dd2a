"""Writing a city into files instead of sending it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ingest.simulator.events import Browsing, Payment, Push
from ingest.simulator.people import directory
from ingest.simulator.plan import CityPlan
from ingest.simulator.stream import simulate, truth
from veilocity.contracts import encode

__all__ = ["export"]

_FILES = {Push: "pushes", Payment: "transactions", Browsing: "sessions"}


def export(plan: CityPlan, start_ms: int, hours: float, folder: Path, report: Callable[[int], object] = lambda _: None) -> dict[str, int]:
    """Write a file `NAME.jsonl` each of pushes, transactions, sessions, directory and truth, in order of sending; return the lines of each.

    Args:
        plan: the city.
        start_ms: its first moment.
        hours: how long.
        folder: made if it is missing; files of these names in it are replaced.
        report: told the time of sending now and then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = dict.fromkeys(("pushes", "transactions", "sessions", "directory", "truth"), 0)
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.jsonl").open("wb")) for name in lines}

        def write(name: str, line: bytes) -> None:
            files[name].write(line + b"\n")
            lines[name] += 1

        for entry in directory(plan):
            write("directory", encode(entry))
        for label in truth(plan, start_ms, hours):
            write("truth", encode(label))
        for event in simulate(plan, start_ms, hours):
            write(_FILES[type(event)], event.body)
            report(event.due_ms)
    return lines
