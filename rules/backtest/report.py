"""A backtest as a person asks for it: files in, files and tables out."""

from __future__ import annotations

import glob
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from rules.backtest.difference import Difference, compare
from rules.backtest.judging import Judgement, judge
from rules.backtest.reading import Order, Recording, survey
from rules.backtest.summary import Summary, summarise
from rules.book import RuleBook
from rules.engine import Engine, Outcome
from veilocity.contracts import Alert, Fix, Transaction, encode
from veilocity.errors import SettingsError

__all__ = ["Request", "expand", "run"]

_TELL_EVERY = 2_000
"""Events between two moves of the progress bar."""
_SHOWN = 20
"""Alerts of each list of the difference on the screen; the file has all."""


@dataclass(frozen=True)
class Request:
    """What to judge, by which rules, and where the results go."""

    files: Sequence[str]
    """Names or patterns."""
    output: Path
    """Folder; files of the results' names in it are replaced."""
    book: RuleBook
    against: RuleBook | None = None
    order: Order = Order.ARRIVAL
    revisions: bool = False
    """Write every revision, not the final ones only."""


def run(request: Request) -> None:
    """Judge the events of files; write and show the results, with the progress on standard error.

    Raises:
        SettingsError: a pattern stands for no file, or a file cannot be read.
    """
    paths, output = expand(request.files), request.output
    output.mkdir(parents=True, exist_ok=True)
    console = Console()
    with _progress() as progress:
        looking = progress.add_task("Looking through the files", total=len(paths))
        recording = Recording([survey(path, request.order) for path in progress.track(paths, task_id=looking)], request.order)
        judgement, summary = _judge(recording, request.book, progress, "Judging", output if request.revisions else None)
        other = None if request.against is None else _judge(recording, request.against, progress, "Judging by the other rules", None)[0]
    if not request.revisions:
        _write_final(judgement, output)
    (output / "summary.json").write_bytes(_pretty(summary))
    _show_summary(console, summary)
    if other is not None:
        difference = compare(judgement, other)
        (output / "difference.json").write_bytes(_pretty(difference))
        _show_difference(console, difference)


def expand(patterns: Sequence[str]) -> list[Path]:
    """Return the files of all patterns, each once.

    Raises:
        SettingsError: a pattern stands for no file.
    """
    paths: dict[Path, None] = {}
    for pattern in patterns:
        found = sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise SettingsError(f"no file is named {pattern}")
        paths.update((Path(name), None) for name in found)
    return list(paths)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(file=sys.stderr))


def _judge(recording: Recording, book: RuleBook, progress: Progress, title: str, revisions: Path | None) -> tuple[Judgement, Summary]:
    """Judge the events; write every revision into the folder `revisions`, if there is one."""
    task = progress.add_task(title, total=recording.rows)
    began = time.perf_counter()
    with ExitStack() as stack:
        tell = _Revisions(revisions, stack) if revisions is not None else _ignore
        judgement = judge(_told(recording, progress, task), Engine(book), tell)
    summary = summarise(judgement, recording.rejects, book.version, time.perf_counter() - began)
    progress.update(task, completed=recording.rows)
    return judgement, summary


def _told(events: Iterable[Fix | Transaction], progress: Progress, task: TaskID) -> Iterator[Fix | Transaction]:
    """Pass events on and move the bar now and then."""
    for number, event in enumerate(events, 1):
        yield event
        if number % _TELL_EVERY == 0:
            progress.update(task, completed=number)


def _ignore(_outcome: Outcome) -> None:
    return


class _Revisions:
    """Writes decisions and alerts as they are told."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._decisions = stack.enter_context((folder / "decisions.jsonl").open("wb"))
        self._alerts = stack.enter_context((folder / "alerts.jsonl").open("wb"))

    def __call__(self, outcome: Outcome) -> None:
        self._decisions.writelines(encode(decision) + b"\n" for decision in outcome.decisions)
        self._alerts.writelines(encode(alert) + b"\n" for alert in outcome.alerts)


def _write_final(judgement: Judgement, folder: Path) -> None:
    for name, records in (("decisions", judgement.decisions.values()), ("alerts", judgement.alerts.values())):
        with (folder / f"{name}.jsonl").open("wb") as lines:
            lines.writelines(encode(record) + b"\n" for record in records)


def _pretty(record: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def _show_summary(console: Console, summary: Summary) -> None:
    table = Table(title=f"Backtest by rules {summary.rules_version}", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    lines = [("rows", summary.rows), ("fixes", summary.fixes), ("payments", summary.transactions), ("subjects", summary.subjects)]
    lines += [(f"rejected: {reason}", count) for reason, count in summary.rejects.items()]
    lines += [(f"decisions: {verdict}", count) for verdict, count in summary.decisions.items()]
    lines += [(f"alerts: {one.rule}, {one.severity.value}", one.count) for one in summary.alerts]
    lines += [("alerts that were retracted", summary.alerts_retracted), ("events per second", round(summary.events_per_s))]
    for name, count in lines:
        table.add_row(name, f"{count:,}")
    console.print(table)


def _show_difference(console: Console, difference: Difference) -> None:
    console.print(
        f"{difference.alike:,} alerts alike, {len(difference.changed):,} changed,"
        f" {len(difference.only_one):,} only by --rules, {len(difference.only_other):,} only by --against"
    )
    table = Table(title="Alerts that differ", caption=f"At most {_SHOWN} of each kind; difference.json has all.")
    for head in ("", "rule", "subject", "by --rules", "by --against"):
        table.add_column(head)
    for change in difference.changed[:_SHOWN]:
        table.add_row("changed", change.one.rule, Text(change.one.subject), _grade(change.one), _grade(change.other))
    for alert in difference.only_one[:_SHOWN]:
        table.add_row("only --rules", alert.rule, Text(alert.subject), _grade(alert), "")
    for alert in difference.only_other[:_SHOWN]:
        table.add_row("only --against", alert.rule, Text(alert.subject), "", _grade(alert))
    if table.row_count:
        console.print(table)


def _grade(alert: Alert) -> str:
    return f"{alert.severity.value}: {alert.cause}"
