"""`veilocity feeds avro`: reads payments and writes decisions in Avro."""

from __future__ import annotations

from typing import Annotated

import typer

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare

__all__ = ["avro"]


def avro(
    payments: Annotated[bool, typer.Option(help="Read payments from `payments-avro`.")] = True,
    decisions: Annotated[bool, typer.Option(help="Write decisions to `decisions-avro`.")] = True,
) -> None:
    """Read payments and write decisions in Avro, under schemas that a registry keeps."""
    from ingest.avro import service  # noqa: PLC0415  # a room, imported when needed

    service.run(in_force(prepare("feeds-avro")), payments=payments, decisions=decisions)
