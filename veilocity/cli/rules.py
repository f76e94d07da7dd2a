"""`veilocity rules`: runs the rules service, and tests, lists and explains rules."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from veilocity import settings
from veilocity.cli.backtest import backtest, spark
from veilocity.cli.start import prepare
from veilocity.contracts import Alert, decode
from veilocity.errors import SettingsError

if TYPE_CHECKING:
    from rules.library import Library

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)
app.command()(backtest)
app.command()(spark)

Folder = Annotated[Path | None, typer.Argument(help="Folder of rule files; by default the one in force.", show_default=False)]


@app.callback(invoke_without_command=True)
def rules(context: typer.Context) -> None:
    """Run the rules service, or test, list and explain rules."""
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve() -> None:
    """Run the rules service; so does `veilocity rules` alone."""
    from rules import service  # noqa: PLC0415  # a room, imported when needed

    service.run(prepare("rules"))


@app.command()
def test(folder: Folder = None) -> None:
    """Run the tests inside the rule files; exit code 1 where one is red."""
    from rules.library import run_tests  # noqa: PLC0415  # a room, imported when needed

    counts: Counter[str] = Counter()
    red: Counter[str] = Counter()
    faults = []
    for file, report in run_tests(_library(folder)):
        counts[file] += 1
        red[file] += bool(report.faults)
        faults += [f"{file}, test '{report.name}': {fault}" for fault in report.faults]
    table = Table("file", "tests", "green", "red")
    for file, count in counts.items():
        table.add_row(file, str(count), str(count - red[file]), Text(str(red[file]), "bold red" if red[file] else ""))
    Console().print(table)
    for fault in faults:
        typer.echo(fault)
    typer.echo(f"{counts.total()} tests, {red.total()} red.")
    raise typer.Exit(1 if red.total() else 0)


@app.command("list")
def show(folder: Folder = None) -> None:
    """List the rules: version, whether in force, severity cap, reasons."""
    table = Table(Column("rule", no_wrap=True), "version", "in force", "cap", Column("reasons", no_wrap=True))
    for file in _library(folder).rules:
        rule, cap = file.entry.rule, file.entry.severity_cap
        table.add_row(rule.id, rule.version, "yes" if file.enabled else "no", cap.value if cap else "", "\n".join(rule.reasons))
    Console().print(table)


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(help="Id of a rule.")] = "",
    alert: Annotated[str, typer.Option(help="File with one alert as JSON, `-` for standard input: explain it instead.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Folder of rule files; by default the one in force.", show_default=False)] = None,
) -> None:
    """Explain a rule with its values in force, or how an alert follows from what it holds; exit code 1 where it does not."""
    if bool(rule) == bool(alert):
        raise SettingsError("name a rule, as in `veilocity rules explain impossible-travel`, or an alert with --alert FILE")
    if alert:
        _explain_alert(alert)
        return
    from rules.explain import explain_rule  # noqa: PLC0415  # a room, imported when needed

    files = {file.entry.rule.id: file for file in _library(folder).rules}
    if rule not in files:
        raise SettingsError(f"no file sets such a rule; there are {', '.join(files)}")
    typer.echo(explain_rule(files[rule]))


def _explain_alert(name: str) -> None:
    from rules.explain import explain_alert  # noqa: PLC0415  # a room, imported when needed

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as cause:
        raise SettingsError(f"--alert: the file cannot be read ({type(cause).__name__})") from cause
    explanation = explain_alert(decode(data, Alert))
    for line in explanation.lines:
        typer.echo(line)
    raise typer.Exit(0 if explanation.recomputes else 1)


def _library(folder: Path | None) -> Library:
    from rules.library import DEFAULT_FOLDER, read_library  # noqa: PLC0415  # a room, imported when needed

    if folder is None:
        in_force = settings.load().rules_folder
        folder = Path(in_force) if in_force else DEFAULT_FOLDER
    return read_library(folder)
