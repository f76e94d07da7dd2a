"""`veilocity segments`: releases groups of people who pay alike, window by window."""

from __future__ import annotations

from typing import Annotated

import typer

from veilocity.cli.start import prepare

__all__ = ["segments"]


def segments(
    once: Annotated[bool, typer.Option("--once", help="Release what is due, print it, and end: for a scheduler.")] = False,
) -> None:
    """Release the customer segments of every closed window."""
    from privacy.segments import service  # noqa: PLC0415  # a room, imported when needed

    settings = prepare("segments")
    if not once:
        service.run(settings)
        return
    released = service.run_once(settings)
    for document in released:
        told = ", ".join(f"{one.segment} {one.people} people ({one.words})" for one in document.segments) or "none"
        typer.echo(f"Segments: {told}; {document.suppressed_people} people in none.")
    typer.echo(f"{len(released)} windows were released." if released else "No window is due.")
