"""`veilocity feeds`: ways in and out beside the gateway, each an extra; one module for each."""

from __future__ import annotations

import typer

from veilocity.cli import feeds_avro, feeds_postgres

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Exchange payments and decisions with other systems.")
app.command("postgres")(feeds_postgres.postgres)
app.command("avro")(feeds_avro.avro)


@app.callback()
def feeds() -> None:
    """Exchange payments and decisions with other systems."""
