"""`veilocity notify`: runs the notifier, and checks and tries out its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from veilocity.cli.start import prepare
from veilocity.errors import SettingsError

if TYPE_CHECKING:
    from storage.notifications.file import Notifications

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def notify(context: typer.Context) -> None:
    """Run the notifier, which tells people of alerts; or check its file, or send a test message."""
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve() -> None:
    """Run the notifier; so does `veilocity notify` alone."""
    from storage.notifications import service  # noqa: PLC0415  # a room, imported when needed

    service.run(prepare("notify"))


@app.command()
def check(file: Annotated[Path, typer.Argument(help="Notifications file.", show_default=False)]) -> None:
    """Say what a notifications file does, or what is wrong with it; sends nothing and asks nobody."""
    from rules.catalogue import RULE_TYPES  # noqa: PLC0415  # a room, imported when needed
    from storage.notifications.file import read_notifications  # noqa: PLC0415  # a room, imported when needed

    found = read_notifications(file, os.environ)
    for route in found.routes:
        unknown = [rule for rule in route.rules if rule not in RULE_TYPES and not rule.startswith("learned-")]
        if unknown:
            raise SettingsError(f"{file.name}: routes, {route.name}: rules: there is no rule '{unknown[0]}'; see `veilocity rules list`")
    _show(found, Console())


@app.command()
def test(receiver: Annotated[str, typer.Argument(help="Name of a receiver in the notifications file.", show_default=False)]) -> None:
    """Send a test message to one receiver now; exit code 1 where it does not arrive."""
    from storage.notifications.service import file_in_force, try_out  # noqa: PLC0415  # a room, imported when needed

    outcome = try_out(file_in_force(prepare("notify")), receiver)
    if outcome.result != "sent":
        typer.echo(f"The test message did not arrive: {outcome.reason}.", err=True)
        raise typer.Exit(1)
    typer.echo("The receiver has the test message.")


def _show(found: Notifications, console: Console) -> None:
    table = Table("route", "alerts", "to", "one message for", "at most")
    for route in found.routes:
        rules = ", ".join(route.rules) or "all rules"
        case = " and ".join(route.group_by)
        limit = f"{route.storm_cases} cases in {route.group_interval}, else one message"
        table.add_row(route.name, f"{route.severity.value} and above, {rules}", ", ".join(route.receivers), f"a {case}", limit)
    console.print(table)
    told = {receiver for route in found.routes for receiver in route.receivers}
    for name in found.receivers:
        if name not in told:
            console.print(f"No route leads to the receiver {name}.")
    console.print("The file is in order. `veilocity notify test RECEIVER` sends a test message.")
