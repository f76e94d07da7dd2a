"""The command `veilocity simulate`: play the city into a gateway, faster than life until the wall clock is reached, or write it into files.

Nothing is lost: a request that is not answered is repeated with the same bytes. Nothing is sent before it happened. Where the feed stopped
is kept in the data folder, and the next one goes on from there: the same day told twice would only be late the second time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ingest.push import Answer, Pusher
from ingest.simulator.clock import Clock, start_ms
from ingest.simulator.export import export
from ingest.simulator.plan import CityPlan
from ingest.simulator.player import Player, load_directory, read_position
from ingest.simulator.stream import simulate
from ingest.stopping import stop_signals
from veilocity.errors import ServiceUnavailableError
from veilocity.eventtime import format_ms
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["run"]

_READY_WITHIN_S = 120.0
_ASK_AGAIN_S = 0.5
_LOOK_EVERY_S = 0.5
_HOUR_MS = 3_600_000
_logger = get_logger(__name__)


def run(  # noqa: PLR0913  # every one is an option of the command
    settings: Settings,
    *,
    url: str,
    people: int,
    speed: float,
    seed: int,
    start: str,
    hours: float | None,
    output: Path | None,
    lively: bool = False,
) -> int:
    """Play or write a city; return the exit code.

    Args:
        settings: token of the gateway, and the folder where the position is kept.
        url: address of the gateway.
        people: size of the city.
        speed: simulated seconds per second.
        seed: of all randomness.
        start: first moment, ISO 8601 or relative to now; a relative one begins no earlier than where the last feed stopped.
        hours: simulated hours; None for until stopped, and with `output` for until now.
        output: folder to write into instead.
        lively: with large shops, browsing and more fraud, as in the demo.

    Raises:
        SettingsError: a start or a city that cannot be, or the gateway refuses the token.
        ServiceUnavailableError: no gateway within two minutes.
    """
    plan = CityPlan.lively(seed, people) if lively else CityPlan(seed=seed, people=people)
    now_ms = _wall_ms()
    first_ms, relative = start_ms(start, now_ms)
    if output is not None:
        return _write(plan, first_ms, (now_ms - first_ms) / _HOUR_MS if hours is None else hours, output)
    position = settings.data_dir / "simulator.json"
    if relative:
        first_ms = max(first_ms, min(now_ms, read_position(position) or 0))
    with stop_signals() as stopped, Pusher(url, settings.ingest_token.get_secret_value(), patience_s=float("inf")) as pusher:
        _wait_for_gateway(pusher, stopped)
        if not stopped.is_set():
            entries = load_directory(plan, pusher)
            _logger.info("The directory knows the city.", count=entries)
            _play(plan, pusher, stopped, position, first_ms=first_ms, speed=speed, hours=hours)
    return 0


def _play(
    plan: CityPlan, pusher: Pusher, stopped: threading.Event, position: Path, *, first_ms: int, speed: float, hours: float | None
) -> None:
    clock = Clock(first_ms, _wall_ms(), speed)
    _logger.info("The city is awake.", position=format_ms(first_ms), expected=round(plan.events_per_s * speed))
    with _progress(None if hours is None else first_ms + int(hours * _HOUR_MS), first_ms) as report:
        answers = Player(pusher, stopped, position, report=report).play(simulate(plan, first_ms, hours), clock)
    tell = _logger.warning if answers.rejected else _logger.info
    tell("The city sleeps.", events=answers.accepted, rejected=answers.rejected)


def _wait_for_gateway(pusher: Pusher, stopped: threading.Event) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not stopped.is_set():
        try:
            pusher.wait_until_ready(_ASK_AGAIN_S)
        except ServiceUnavailableError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def _write(plan: CityPlan, first_ms: int, hours: float, folder: Path) -> int:
    with _progress(first_ms + int(hours * _HOUR_MS), first_ms) as report:
        lines = export(plan, first_ms, hours, folder, report=lambda at_ms: report(at_ms, Answer()))
    for name, count in lines.items():
        print(f"{folder / name}.jsonl: {count:,} lines")
    return 0


class _Report:
    """Shows simulated time on a terminal; silent elsewhere."""

    def __init__(self, progress: Progress, first_ms: int, last_ms: int | None) -> None:
        self._progress, self._first_ms = progress, first_ms
        self._shown_s = 0.0
        self._task = progress.add_task("city", total=None if last_ms is None else last_ms - first_ms, at="", events=0)

    def __call__(self, at_ms: int, answers: Answer) -> None:
        """Show where the play is."""
        if time.monotonic() - self._shown_s >= _LOOK_EVERY_S:
            self._shown_s = time.monotonic()
            at = format_ms(at_ms)[:19].replace("T", " ")
            self._progress.update(self._task, completed=at_ms - self._first_ms, at=at, events=answers.accepted)


@contextmanager
def _progress(last_ms: int | None, first_ms: int) -> Iterator[_Report]:
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.fields[at]} UTC"), BarColumn(), TextColumn("{task.fields[events]:,} events")
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        yield _Report(progress, first_ms, last_ms)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
