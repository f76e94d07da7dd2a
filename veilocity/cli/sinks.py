"""`veilocity sinks`: other stores that are kept equal to ours. Each is an extra; its command imports it when it is asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def sinks() -> None:
    """Keep another store equal to what Veilocity holds (docs/extras.md)."""


@app.command()
def cassandra(
    once: Annotated[bool, typer.Option("--once", help="End when Cassandra holds all that MongoDB does.")] = False,
) -> None:
    """Keep masked payments in Cassandra, one row each."""
    from storage.cassandra import service  # noqa: PLC0415  # a room, imported when needed

    service.run(in_force(prepare("sinks-cassandra")), once=once)
