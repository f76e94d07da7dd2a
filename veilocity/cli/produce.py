"""The commands `veilocity produce ...`: feed a gateway as the reference systems' producers do."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilocity.cli.start import prepare
from veilocity.settings import Settings

if TYPE_CHECKING:
    from ingest.produce.sustained import Label, Source
    from ingest.push import Pusher

__all__ = ["app"]

app = typer.Typer(help="Feed a gateway: a CSV file in paced batches, profiles of payers, a persona among a crowd.", no_args_is_help=True)

Url = Annotated[str, typer.Option(help="Address of the gateway.")]
Seed = Annotated[int, typer.Option(help="Same seed, same people and amounts.")]
Rate = Annotated[float, typer.Option(min=0.001, help="Payments a second, sustained.")]
Count = Annotated[int | None, typer.Option(min=1, help="Payments to send; without it and --seconds until stopped.")]
Seconds = Annotated[float | None, typer.Option(min=0.1, help="How long to send.")]
Labels = Annotated[Path | None, typer.Option(help="CSV file for the truth about each payment; by default in the data folder.")]
_GATEWAY = "http://127.0.0.1:8088"


@app.command("csv")
def csv_file(  # noqa: PLR0913, PLR0917  # one argument for each option
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV file with a header; may be larger than the memory.")],
    url: Url = _GATEWAY,
    rows: Annotated[str, typer.Option(help="Rows in a batch: 500-1000, or 500.")] = "500-1000",
    every: Annotated[int, typer.Option(min=1, help="Seconds that a batch lasts; its rows are spread evenly over them.")] = 5,
    seed: Annotated[int, typer.Option(help="Same seed, same sizes of batches.")] = 1,
    mapping: Annotated[str, typer.Option(help="What a row becomes: a name or a YAML file; by default found by the columns.")] = "",
    keep_times: Annotated[bool, typer.Option("--keep-times", help="Keep the rows' own times instead of stamping them.")] = False,
    start: Annotated[str, typer.Option(help="When the first batch is over: ISO 8601, or -1h for so long before now.")] = "-0s",
    speed: Annotated[float, typer.Option(min=0.1, help="Played seconds per second, until the play has caught up with now.")] = 1.0,
    beside: Annotated[Path | None, typer.Option(exists=True, help="A second file, sent between the batches by its times.")] = None,
    beside_mapping: Annotated[str, typer.Option(help="What a row of the second file becomes.")] = "",
    time_column: Annotated[str, typer.Option(help="Column of the time in the first file.")] = "event_time",
    beside_time_column: Annotated[str, typer.Option(help="Column of the time in the second file.")] = "created_at",
    position: Annotated[Path | None, typer.Option(help="File that keeps how far the play has come: it goes on from there.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Batches to play at most.")] = None,
) -> None:
    """Play a CSV file in batches; every row once and in order, none lost between batches."""
    from ingest.produce import csv_feed  # noqa: PLC0415  # a room, imported when needed
    from ingest.produce.batching import sizes_of  # noqa: PLC0415  # as above
    from ingest.produce.mapping import mapping_named  # noqa: PLC0415  # as above
    from ingest.simulator.clock import Clock, start_ms  # noqa: PLC0415  # as above

    loaded = prepare("produce")
    now_ms = time.time_ns() // 1_000_000
    play = csv_feed.CsvPlay(
        file,
        sizes_of(rows, seed),
        every,
        mapping_named(mapping) if mapping else None,
        keep_times,
        time_column,
        beside,
        mapping_named(beside_mapping) if beside_mapping else None,
        beside_time_column,
        position,
        limit,
    )
    with _gateway(loaded, url) as (pusher, stopped):
        clock = Clock(start_ms(start, now_ms)[0], now_ms, speed)
        answer = csv_feed.play_csv(
            play, pusher, clock, stopped, report=lambda place, _: _tell(f"{place.batches} batches, {place.rows} rows")
        )
    typer.echo(f"{answer.accepted} accepted, {answer.rejected} rejected, {answer.ignored} ignored")
    raise typer.Exit(1 if answer.rejected and not answer.accepted else 0)


@app.command()
def profile(
    profile: Annotated[str, typer.Option(help="normal, hacker or mixed.")] = "mixed",
    url: Url = _GATEWAY,
    rate: Rate = 1.0,
    seed: Seed = 1,
    count: Count = None,
    seconds: Seconds = None,
    labels: Labels = None,
) -> None:
    """Pay as normal people and hackers do; who is which is written to a file and never sent."""
    from ingest.produce.profiles import Profile, Profiles  # noqa: PLC0415  # a room, imported when needed

    if profile not in list(Profile):
        raise typer.BadParameter(f"choose one of {', '.join(Profile)}")
    source = Profiles(Profile(profile), seed)
    _sustain(prepare("produce"), source, url, rate, _events(count, seconds, rate), labels, f"{profile}-{seed}")


@app.command()
def persona(
    url: Url = _GATEWAY,
    rate: Rate = 1.0,
    seed: Seed = 1,
    fraud_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of fraud in the persona's payments.")] = 0.1,
    count: Count = None,
    seconds: Seconds = None,
    labels: Labels = None,
) -> None:
    """Pay as one persona with a phone among a crowd, in the bank's own messages; what is fraud is written to a file and never sent."""
    from ingest.produce.persona import PersonaAmongCrowd  # noqa: PLC0415  # a room, imported when needed

    source = PersonaAmongCrowd(seed, fraud_share)
    _sustain(prepare("produce"), source, url, rate, _events(count, seconds, rate), labels, f"persona-{seed}")


def _events(count: int | None, seconds: float | None, rate: float) -> int | None:
    bounds = [bound for bound in (count, None if seconds is None else max(1, round(seconds * rate))) if bound is not None]
    return min(bounds, default=None)


def _sustain(loaded: Settings, source: Source, url: str, rate: float, count: int | None, labels: Path | None, name: str) -> None:
    from ingest.produce.sustained import sustain  # noqa: PLC0415  # a room, imported when needed

    file = labels or loaded.data_dir / "produced" / f"{name}.csv"
    with _gateway(loaded, url) as (pusher, stopped), _labels(file) as label:
        reached = sustain(source, rate, count, pusher, stopped, label=label, report=lambda sent: _tell(f"{sent} payments"))
    answer = reached.answer
    typer.echo(f"{reached.events} payments in {reached.elapsed_s:.1f} s: {reached.reached_per_s:.1f}/s of {rate:g}/s wanted.")
    typer.echo(f"{answer.accepted} accepted, {answer.rejected} rejected; at most {reached.latest_s:.2f} s late; the truth is in {file}.")
    raise typer.Exit(1 if answer.rejected and not answer.accepted else 0)


@contextmanager
def _labels(file: Path) -> Iterator[Callable[[Label], object]]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        if stream.tell() == 0:
            writer.writerow(("id", "label", "at_ms"))
        yield writer.writerow


@contextmanager
def _gateway(loaded: Settings, url: str) -> Iterator[tuple[Pusher, threading.Event]]:
    from ingest.push import Pusher  # noqa: PLC0415  # a room, imported when needed
    from ingest.stopping import stop_signals  # noqa: PLC0415  # as above

    with stop_signals() as stopped, Pusher(url, loaded.ingest_token.get_secret_value()) as pusher:
        pusher.wait_until_ready()
        yield pusher, stopped


def _tell(sentence: str) -> None:
    """Show progress on a terminal, on one line; silent elsewhere."""
    from rich.console import Console  # noqa: PLC0415  # only a terminal needs it

    console = Console(stderr=True)
    if console.is_terminal:
        console.print(sentence, end="\r")
