"""The command `veilocity tour`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from veilocity.cli.start import prepare

if TYPE_CHECKING:
    from rich.console import Console

    from veilocity.cli.tour.walk import Visited

__all__ = ["tour"]

_STYLES = {"ok": "green", "not here": "yellow", "failed": "bold red"}
_QUESTION = "The tour sends a few hundred made-up payments and places to the running system. Go on?"


def tour(
    rows: Annotated[str, typer.Option(help="Rows to visit, such as 1-10,14; all by default.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before made-up events are sent.")] = False,
) -> None:
    """Walk through every capability of the reference systems on the running system; exit code 1 where one fails."""
    from rich.console import Console  # noqa: PLC0415  # only this command needs it
    from rich.progress import Progress, SpinnerColumn, TextColumn  # noqa: PLC0415  # as above

    from veilocity.cli.doctor import in_force  # noqa: PLC0415  # imports rooms
    from veilocity.cli.tour.catalogue import STOPS  # noqa: PLC0415  # as above
    from veilocity.cli.tour.stops import chosen  # noqa: PLC0415  # as above
    from veilocity.cli.tour.visit import Visit  # noqa: PLC0415  # as above
    from veilocity.cli.tour.walk import walk  # noqa: PLC0415  # as above

    settings = in_force(prepare("tour"))
    stops = chosen(STOPS, rows)
    if not yes and not json:
        typer.confirm(_QUESTION, default=True, abort=True)
    visited: list[Visited] = []
    errors = Console(stderr=True)
    console = Console(highlight=False)
    with Visit(settings) as visit, Progress(SpinnerColumn(), TextColumn("{task.description}"), console=errors, transient=True) as progress:
        task = progress.add_task("", total=None)
        for one in walk(stops, visit, lambda stop: progress.update(task, description=f"{stop.number}/{stops[-1].number} {stop.title}")):
            visited.append(one)
            if not json:
                _show(console, one)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode([_as_data(one) for one in visited])).decode() + "\n")
    else:
        _total(console, visited)
    raise typer.Exit(1 if any(one.found.state.value == "failed" for one in visited) else 0)


def _show(console: Console, one: Visited) -> None:
    from rich.text import Text  # noqa: PLC0415  # only this command needs it

    state = one.found.state.value
    console.print(Text.assemble(f"{one.stop.number:>2} ", (f"{state:<8} ", _STYLES[state]), (one.stop.title, "bold")))
    console.print(f"   {one.stop.sentence}", markup=False)
    console.print(f"   {one.found.sentence}", style="dim", markup=False)


def _total(console: Console, visited: list[Visited]) -> None:
    counts = {state: sum(one.found.state.value == state for one in visited) for state in _STYLES}
    took_s = sum(one.took_s for one in visited)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    console.print(f"{len(visited)} rows in {took_s:.0f} s: {told}. docs/reference-coverage.md says where each lives.")


def _as_data(one: Visited) -> dict[str, object]:
    return {
        "row": one.stop.number,
        "capability": one.stop.title,
        "state": one.found.state.value,
        "sentence": one.found.sentence,
        "took_s": round(one.took_s, 3),
    }
