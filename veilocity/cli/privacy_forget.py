"""`veilocity privacy forget`: erases a person from the stores, from what the privacy stage holds back, and from sealed evidence."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare
from veilocity.errors import SettingsError
from veilocity.eventtime import ms_from_ns, ns_from_iso

if TYPE_CHECKING:
    from privacy.erasure import Erasure

__all__ = ["forget"]

_STDIN = "-"


def forget(
    subject: Annotated[str, typer.Argument(help="The person, as the directory names one; `-` reads it from standard input.")],
    from_time: Annotated[
        str | None,
        typer.Option("--from", help="Look for pseudonyms from this event time on (ISO 8601), where it is before the oldest document."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="And to this one, where it is after the newest.")] = None,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for the privacy stage.")] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Erase a person: key, documents, pending payments; exit code 1 where it must be run again."""
    from privacy import erasure  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("privacy-forget"))
    # An argument is in the shell's history and in the list of processes; standard input is in neither.
    person = sys.stdin.readline().strip() if subject == _STDIN else subject
    if not person:
        raise SettingsError("nobody was named: give the person as an argument, or - and the person on standard input")
    from_ms, until_ms = (None if text is None else ms_from_ns(ns_from_iso(text)) for text in (from_time, until))
    done = erasure.forget(settings, person, from_ms=from_ms, until_ms=until_ms, wait_s=wait)
    if settings.postgres_dsn.get_secret_value():
        from privacy.history.erasure import forget as forget_history  # noqa: PLC0415  # needs the extra

        readings = forget_history(settings, person)
        done = replace(done, history=readings, found=done.found or readings > 0)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(done)).decode() + "\n")
    else:
        _show(done, Console())
    raise typer.Exit(0 if done.complete else 1)


def _show(done: Erasure, console: Console) -> None:
    table = Table("store", "collection", "erased", "left", title="Documents", title_justify="left")
    for column in table.columns[2:]:
        column.justify = "right"
    for store, one in done.stores.items():
        for name in sorted({*one.erased, *one.left}):
            table.add_row(store, name, f"{one.erased.get(name, 0):,}", f"{one.left.get(name, 0):,}")
    if table.row_count:
        console.print(table)
    typer.echo(f"Key of sealed evidence: {done.key}.")
    typer.echo(f"Payments that waited for a window: {done.pending:,}.")
    if done.history is not None:
        typer.echo(f"Readings of the sensor history: {done.history:,}.")
    for store, one in done.stores.items():
        if one.payments_of_others:
            typer.echo(f"{one.payments_of_others:,} payments of others in {store} name a card, device or user of the person: they stay.")
    for sentence in done.stays:
        typer.echo(sentence)
    typer.echo(_verdict(done))


def _verdict(done: Erasure) -> str:
    if done.complete:
        return "The person is forgotten." if done.found else "Nothing of the person was found."
    if done.waiting:
        return "Not done: the privacy stage has not yet carried out its part. Start it if it does not run, and run this again."
    return "Not done: documents of a micro-batch that is not finished, or that came meanwhile, are left. Run this again."
