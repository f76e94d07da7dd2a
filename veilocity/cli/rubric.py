"""`veilocity rubric`: the course. Runs every algorithm over a stream and writes what came out beside what is true, as one HTML file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from veilocity.cli.start import prepare
from veilocity.errors import SettingsError

if TYPE_CHECKING:
    from sketches.course import Chapter, Stream
    from veilocity.settings import Settings

__all__ = ["rubric"]

_EVENTS = 40_000
_PRIVACY = "privacy.course"
_NO_PRIVACY = "The chapter “k against privacy” is left out: the privacy stage of this version offers none."


def rubric(
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same report.")] = 7,
    events: Annotated[int, typer.Option(help="Events of the stream, simulated or read.")] = _EVENTS,
    file: Annotated[Path | None, typer.Option(help="CSV file to take the stream from.", show_default=False)] = None,
    column: Annotated[str, typer.Option(help="Its column; frequent values of it are shown in the report.")] = "",
    output: Annotated[Path | None, typer.Option(help="File of the report; by default rubric.html.", show_default=False)] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Show it at /rubric of the dashboard, until Ctrl-C if none runs.")] = False,
) -> None:
    """Run every streaming algorithm beside the exact answer and write one HTML report of plots."""
    from sketches.course import read_csv, simulate, write  # noqa: PLC0415  # a room, imported when needed

    loaded = prepare("rubric")
    if (file is None) != (not column):
        raise SettingsError("--file and --column belong together: give the file and the name of its column")
    stream = simulate(events, seed) if file is None else read_csv(file, column, events)
    chapters, extra, missing = _chapters(stream, seed)
    places = [] if output is None and serve else [output or Path("rubric.html")]
    if serve:
        from dashboard.course import course_file  # noqa: PLC0415  # a room, imported when needed

        places.append(course_file(loaded))
    for place in places:
        write(place, stream.source, chapters, extra, missing)
        typer.echo(f"The report is {place}.")
    if serve:
        _serve(loaded)


def _chapters(stream: Stream, seed: int) -> tuple[list[Chapter], list[Chapter], list[str]]:
    """Return the chapters, those of other rooms, and why some are missing."""
    from sketches.course import contents  # noqa: PLC0415  # imports every algorithm

    bar = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # On standard error, so that the path on standard output stays alone.
    with Progress(*bar, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("starting", total=len(contents.COURSE) + 1)
        found = []
        for chapter in contents.chapters(stream, seed):
            found.append(chapter)
            progress.update(task, advance=1, description=chapter.title)
        privacy = _privacy()
        if privacy is None:
            return found, [], [_NO_PRIVACY]
        extra = [privacy.chapter(stream, seed)]
        progress.update(task, advance=1, description=extra[0].title)
    return found, extra, []


def _privacy() -> Any:
    """Return the module whose `chapter(stream, seed)` tells of k against privacy, or None where there is none."""
    return importlib.import_module(_PRIVACY) if importlib.util.find_spec(_PRIVACY) is not None else None


def _serve(loaded: Settings) -> None:
    from dashboard import course_service  # noqa: PLC0415  # a room, imported when needed
    from dashboard.course import PATH, course_file  # noqa: PLC0415  # a room, imported when needed
    from devstack.services import address  # noqa: PLC0415  # a room, imported when needed

    where = f"{address('dashboard', loaded)}{PATH}"
    if _shows(where, course_file(loaded).read_bytes()):
        typer.echo(f"The dashboard that runs shows it: {where}")
        return
    typer.echo(f"{where} shows it; Ctrl-C ends that.")
    course_service.serve(loaded)


def _shows(where: str, page: bytes) -> bool:
    """Say whether something answers there with this very page."""
    import httpx  # noqa: PLC0415  # only this option asks a server

    try:
        return httpx.get(where, timeout=5.0, trust_env=False).content == page
    except httpx.HTTPError:
        return False
