"""`veilocity rules backtest` and `veilocity rules spark`: the other hosts of the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from veilocity import settings
from veilocity.cli.start import prepare

if TYPE_CHECKING:
    from rules.book import RuleBook

__all__ = ["backtest", "spark"]

Rules = Annotated[Path | None, typer.Option(help="Folder of rule files; by default the one in force.", show_default=False)]


def backtest(
    files: Annotated[list[str], typer.Argument(help="JSON lines, CSV or Parquet files in the contract's fields; patterns are expanded.")],
    output: Annotated[Path, typer.Option(help="Folder of the results; files of their names in it are replaced.")] = Path("backtest"),
    rules: Rules = None,
    against: Annotated[Path | None, typer.Option(help="Another folder of rule files: tell how its alerts differ.")] = None,
    order: Annotated[Literal["arrival", "event"], typer.Option(help="Judge in order of arrival (received_ms), or event time.")] = "arrival",
    revisions: Annotated[bool, typer.Option("--revisions", help="Write every revision, not the final ones only.")] = False,
) -> None:
    """Judge recorded events: decisions.jsonl, alerts.jsonl and summary.json; with --against difference.json, too.

    A file whose rows are in order is streamed; one whose rows are not is sorted in memory.
    """
    from rules.backtest import Order, report  # noqa: PLC0415  # a room, imported when needed

    other = None if against is None else _book(against)
    report.run(report.Request(files, output, _book(rules), other, Order(order), revisions))


def spark(
    rules: Rules = None,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of the state; never changed later, as subjects would move.")] = 4,
    once: Annotated[bool, typer.Option("--once", help="End when everything that Kafka holds now is judged.")] = False,
) -> None:
    """Run the rules on Spark instead of as a service of their own: at least once, for those who outgrow one machine."""
    from rules.spark import service  # noqa: PLC0415  # a room, imported when needed

    service.run(prepare("rules-spark"), _book(rules), partitions=partitions, once=once)


def _book(folder: Path | None) -> RuleBook:
    from rules.library import load_rule_book, rule_book_of  # noqa: PLC0415  # a room, imported when needed

    return rule_book_of(settings.load()) if folder is None else load_rule_book(folder)
