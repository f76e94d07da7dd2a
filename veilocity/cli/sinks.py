"""`veilocity sinks`: stores beside MongoDB and Elasticsearch, each an extra; one module for each."""

from __future__ import annotations

import typer

from veilocity.cli import sinks_cassandra, sinks_postgres

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Write to other stores, and ask them.")
app.command("postgres")(sinks_postgres.postgres)
app.add_typer(sinks_postgres.history, name="postgres-history")
app.command("cassandra")(sinks_cassandra.cassandra)


@app.callback()
def sinks() -> None:
    """Write to other stores, and ask them."""
