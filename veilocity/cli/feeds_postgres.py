"""`veilocity feeds postgres`: payments from a table of PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import typer

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare

__all__ = ["postgres"]


def postgres(
    dsn: Annotated[
        str,
        typer.Option(help="Connection string; a password is safer in VEILOCITY_FEED_POSTGRES_DSN, or in ~/.pgpass.", show_default=False),
    ] = "",
    table: Annotated[str, typer.Option(help="Table of payments, NAME or SCHEMA.NAME.")] = "payments",
    mapping: Annotated[
        str, typer.Option(help="FIELD=COLUMN or FIELD='TEXT', separated by commas; by default columns are called as the fields.")
    ] = "",
    slot: Annotated[str, typer.Option(help="Name of the replication slot and of the publication.")] = "veilocity_payments",
    utc: Annotated[bool, typer.Option("--utc", help="Times without a zone are UTC.")] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Remove slot and publication instead, so that the server keeps no log for them.")
    ] = False,
) -> None:
    """Read payments from a table of PostgreSQL: the rows that are there, then every change."""
    from ingest.cdc import service  # noqa: PLC0415  # a room, imported when needed
    from ingest.cdc.mapping import Mapping  # noqa: PLC0415  # a room, imported when needed

    settings = in_force(prepare("feeds-postgres"))
    address = dsn or settings.feed_postgres_dsn.get_secret_value()
    if drop:
        service.drop(settings, address, table, slot)
        typer.echo("Slot and publication are gone.")
        return
    service.run(settings, address, table, slot, Mapping(mapping, utc=utc))
