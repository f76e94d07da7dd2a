"""`veilocity sinks cassandra`: keeps masked payments in Cassandra, one row each."""

from __future__ import annotations

from typing import Annotated

import typer

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare

__all__ = ["cassandra"]


def cassandra(
    once: Annotated[bool, typer.Option("--once", help="End when Cassandra holds all that MongoDB does.")] = False,
) -> None:
    """Keep masked payments in Cassandra, one row each."""
    from storage.cassandra import service  # noqa: PLC0415  # a room, imported when needed

    service.run(in_force(prepare("sinks-cassandra")), once=once)
