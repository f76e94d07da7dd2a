"""`veilocity storage`: brings both stores up to date, says what they hold, deletes what is too old, and proves that both hold the same."""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare
from veilocity.eventtime import ms_from_ns, ns_from_iso

if TYPE_CHECKING:
    from storage.status import Holding, StoreStatus
    from storage.verify import Verification

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


@app.callback()
def storage() -> None:
    """Look after MongoDB and Elasticsearch: schema, size, age, and whether both hold the same."""


@app.command()
def migrate() -> None:
    """Bring both stores up to date; doing it again changes nothing."""
    from storage import status  # noqa: PLC0415  # a room, imported when needed

    for store, steps in status.migrate_stores(in_force(prepare("storage-migrate"))).items():
        typer.echo(f"{store}: {', '.join(steps) if steps else 'was up to date'}")


@app.command("status")
def show_status(json: _Json = False) -> None:
    """Say what is applied and pending, how much each store holds and how old it is; exit code 1 where steps are pending."""
    from storage import status  # noqa: PLC0415  # a room, imported when needed

    told = status.status_of(in_force(prepare("storage-status")))
    if json:
        _print_json(told)
    else:
        _show_status(told, Console())
    raise typer.Exit(1 if any(told.pending.values()) else 0)


@app.command()
def verify(
    from_time: Annotated[str | None, typer.Option("--from", help="Only documents of this time and later (ISO 8601).")] = None,
    until: Annotated[str | None, typer.Option(help="Only documents before this time.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Differences to name; all are counted.")] = 100,
    json: _Json = False,
) -> None:
    """Prove that both stores hold the same documents, tokens apart; exit code 2 where they do not."""
    from storage import status  # noqa: PLC0415  # a room, imported when needed
    from storage.verify import Terms  # noqa: PLC0415  # a room, imported when needed

    from_ms, until_ms = (None if text is None else ms_from_ns(ns_from_iso(text, assume_utc=True)) for text in (from_time, until))
    terms = Terms(from_ms=from_ms or 0, until_ms=until_ms or Terms().until_ms, most_differences=most)
    found = status.verify_stores(in_force(prepare("storage-verify")), terms, time.sleep)
    if json:
        _print_json(found)
    else:
        _show_verification(found, Console())
    raise typer.Exit(found.exit_code)


@app.command()
def retain() -> None:
    """Delete documents that are older than `VEILOCITY_STORAGE_KEEP_..._DAYS`; the privacy stage does it by itself on a schedule."""
    from storage import retention  # noqa: PLC0415  # a room, imported when needed

    done = retention.retain(in_force(prepare("storage-retain")), time.time_ns() // 1_000_000, threading.Event())
    for store, kinds in done.deleted.items():
        for kind, count in kinds.items():
            typer.echo(f"{store}: {count:,} {kind} deleted")
    if not any(map(len, done.deleted.values())):
        typer.echo("Nothing is too old.")


def _print_json(found: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")


def _show_status(told: StoreStatus, console: Console) -> None:
    for store, steps in told.pending.items():
        typer.echo(f"{store}: " + (f"pending: {', '.join(steps)}" if steps else f"schema {told.version}, up to date"))
    can = told.elasticsearch
    deleter = "a lifecycle policy of the cluster" if can.lifecycle else "Veilocity"
    typer.echo(f"elasticsearch {can.version}: old indices are deleted by {deleter}")
    for store, kinds in told.holdings.items():
        table = Table(
            "kind", "documents", "MB", "oldest", "newest", "indices", "kept", "deleted for age", title=store, title_justify="left"
        )
        for kind, held in kinds.items():
            table.add_row(kind, *_cells(held, told.keep_days.get(kind), told.deleted.get(store, {}).get(kind, 0)))
        console.print(table)


def _cells(held: Holding, days: int | None, deleted: int) -> tuple[str, ...]:
    kept = "" if days is None else f"{days} days" if days else "for ever"
    times = (_day(held.oldest_ms), _day(held.newest_ms))
    return f"{held.documents:,}", f"{held.bytes / 1e6:,.1f}", *times, str(held.indices), kept, f"{deleted:,}"


def _day(time_ms: int | None) -> str:
    return "" if time_ms is None else f"{datetime.fromtimestamp(time_ms // 1000, tz=UTC):%Y-%m-%d %H:%M}"


def _show_verification(found: Verification, console: Console) -> None:
    table = Table("kind", "mongodb", "elasticsearch", "days", "hours that differ", "accounted for", title="Compared", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, count in found.kinds.items():
        figures = (count.mongodb, count.elasticsearch, len(count.by_day), count.hours_that_differ, count.accounted_for)
        table.add_row(kind, *(f"{figure:,}" for figure in figures))
    console.print(table)
    for one in found.differences:
        ids = ", ".join(f"{store} {identity}" for store, identity in one.ids.items())
        typer.echo(f"{one.kind} {one.minute}: {one.what} ({ids})")
    if found.difference_count > len(found.differences):
        typer.echo(f"and {found.difference_count - len(found.differences):,} more")
    if found.in_flight:
        typer.echo(f"{found.in_flight:,} documents are being written: look again.")
    typer.echo(
        f"Both stores hold the same, up to batch {found.up_to_seq}."
        if found.equal
        else f"{found.difference_count:,} documents differ: keep data and logs, and see docs/operations.md."
    )
