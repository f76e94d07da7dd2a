"""`veilocity sinks`: stores beside MongoDB and Elasticsearch, each an extra; one module for each."""

from __future__ import annotations

import typer

from veilocity.cli import sinks_cassandra

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Write to other stores, and ask them.")
app.command("cassandra")(sinks_cassandra.cassandra)


@app.callback()
def sinks() -> None:
    """Write to other stores, and ask them."""
