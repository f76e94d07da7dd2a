"""`veilocity feeds`: topics in the formats of other systems. Each is an extra; its command imports it when it is asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def feeds() -> None:
    """Speak with other systems in their formats (docs/extras.md)."""


@app.command()
def avro(
    payments: Annotated[bool, typer.Option(help="Read payments from `payments-avro`.")] = True,
    decisions: Annotated[bool, typer.Option(help="Write decisions to `decisions-avro`.")] = True,
) -> None:
    """Read payments and write decisions in Avro, under schemas that a registry keeps."""
    from ingest.avro import service  # noqa: PLC0415  # a room, imported when needed

    service.run(in_force(prepare("feeds-avro")), payments=payments, decisions=decisions)
