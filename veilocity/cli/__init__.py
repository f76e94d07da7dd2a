"""The command line: the one place that may import every room, and does so only when a command needs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from veilocity import logs, settings
from veilocity.cli import accounts as accounts_commands
from veilocity.cli import cases as cases_commands
from veilocity.cli import feeds as feeds_commands
from veilocity.cli import keys as keys_commands
from veilocity.cli import kibana as kibana_commands
from veilocity.cli import models as models_commands
from veilocity.cli import notify as notify_commands
from veilocity.cli import privacy as privacy_commands
from veilocity.cli import produce as produce_commands
from veilocity.cli import rubric as course_command
from veilocity.cli import rules as rules_commands
from veilocity.cli import segments as segments_command
from veilocity.cli import sinks as sinks_commands
from veilocity.cli import storage as storage_commands
from veilocity.cli import tour as tour_command
from veilocity.cli.start import prepare
from veilocity.errors import FatalError, VeilocityError

__all__ = ["app", "main"]

app = typer.Typer(name="veilocity", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(kibana_commands.app, name="kibana")
app.add_typer(notify_commands.app, name="notify")
app.add_typer(accounts_commands.app, name="accounts")
app.add_typer(cases_commands.app, name="cases")
app.add_typer(privacy_commands.app, name="privacy")
app.add_typer(produce_commands.app, name="produce")
app.add_typer(keys_commands.app, name="keys")
app.add_typer(rules_commands.app, name="rules")
app.add_typer(models_commands.app, name="models")
app.add_typer(storage_commands.app, name="storage")
app.add_typer(sinks_commands.app, name="sinks")
app.add_typer(feeds_commands.app, name="feeds")
app.command()(course_command.rubric)
app.command()(segments_command.segments)
app.command()(tour_command.tour)


@app.command()
def up(
    feed: Annotated[bool, typer.Option(help="Feed the running system with the simulated city.")] = True,
    fresh: Annotated[bool, typer.Option(help="Start with empty data.")] = False,
    people: Annotated[int, typer.Option(min=1, help="People in the simulated city.")] = 400,
    speed: Annotated[float, typer.Option(min=0.1, help="Simulated seconds per second.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated city.")] = 7,
    extras: Annotated[bool, typer.Option("--extras", help="Start PostgreSQL, Cassandra and a schema registry, too.")] = False,
) -> None:
    """Start everything on this machine and print one address; Ctrl-C stops it."""
    from devstack import launcher  # noqa: PLC0415  # a room, imported when needed

    loaded = prepare("up")
    greet = accounts_commands.first_account
    raise typer.Exit(launcher.run(loaded, feed=feed, fresh=fresh, people=people, speed=speed, seed=seed, extras=extras, greet=greet))


@app.command()
def simulate(
    url: Annotated[str, typer.Option(help="Address of the gateway.")] = "http://127.0.0.1:8088",
    people: Annotated[int, typer.Option(min=1, help="People in the city.")] = 400,
    speed: Annotated[float, typer.Option(min=0.1, help="Simulated seconds per second.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 7,
    start: Annotated[str, typer.Option(help="First moment (ISO 8601), or `-24h` before now.")] = "-24h",
    hours: Annotated[float | None, typer.Option(help="Simulated hours; without it, until stopped.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write pushes, payments, directory and truth into this folder instead.")] = None,
) -> None:
    """Play a city of people, phones, cards and fraud into the gateway."""
    from ingest.simulator import feed as player  # noqa: PLC0415  # a room, imported when needed

    loaded = prepare("simulate")
    raise typer.Exit(
        player.run(loaded, url=url, people=people, speed=speed, seed=seed, start=start, hours=hours, output=output),
    )


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Sensor Logger export, GPX, PLT, or card CSV.")],
    url: Annotated[str, typer.Option(help="Address of the gateway.")] = "http://127.0.0.1:8088",
    speed: Annotated[float, typer.Option(min=0.0, help="Recorded seconds per second; 0 for as fast as the gateway takes it.")] = 1.0,
    device: Annotated[str, typer.Option(help="Device id to push as; by default the file's own.")] = "",
    rebase: Annotated[bool, typer.Option(help="Shift times so that the recording starts now.")] = False,
    noise: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share of fake readings to mix in.")] = 0.0,
    noise_seed: Annotated[int, typer.Option(help="Same seed, same fakes.")] = 7,
    noise_labels: Annotated[Path | None, typer.Option(help="Write which readings are fakes into this CSV file.")] = None,
) -> None:
    """Push a recording to the gateway exactly as a phone or a card feed would."""
    from ingest import replay as player  # noqa: PLC0415  # a room, imported when needed

    loaded = prepare("replay")
    fakes = player.Noise(noise, noise_seed, noise_labels) if noise else None
    raise typer.Exit(player.run(loaded, file, url=url, speed=speed, device=device, rebase=rebase, noise=fakes))


@app.command()
def ingest() -> None:
    """Run the HTTP gateway."""
    from ingest import service  # noqa: PLC0415  # a room, imported when needed

    service.run(prepare("ingest"))


@app.command()
def mqtt() -> None:
    """Run the MQTT bridge."""
    from ingest.mqtt import service  # noqa: PLC0415  # a room, imported when needed

    service.run(prepare("mqtt"))


@app.command()
def dashboard() -> None:
    """Run the dashboard."""
    from dashboard import service  # noqa: PLC0415  # a room, imported when needed

    loaded = prepare("dashboard")

    def unmask(alert: str, actor: Any, reason: str, written_ms: int) -> Any:
        # The dashboard itself knows nothing of keys; what does is loaded when somebody asks.
        from privacy.unsealing import unmask as opened  # noqa: PLC0415  # a room, imported when needed

        return opened(loaded, alert, actor, reason, written_ms)

    service.run(loaded, unmask)


@app.command()
def reports() -> None:
    """Run the streaming reports."""
    from privacy.reports import service  # noqa: PLC0415  # a room, imported when needed

    service.run(prepare("reports"))


@app.command()
def topics(
    check: Annotated[bool, typer.Option("--check", help="Only say whether they are there.")] = False,
) -> None:
    """Create the Kafka topics that are missing."""
    from veilocity import kafka  # noqa: PLC0415  # only this command needs the Kafka client

    loaded = prepare("topics")
    if not check:
        kafka.ensure_topics(loaded)
    kafka.wait_for_topics(loaded, timeout_s=10.0)
    typer.echo("All topics are there.")


@app.command("secrets")
def make_secrets(
    directory: Annotated[Path, typer.Option(help="Folder of the secret files.")] = Path("secrets"),
) -> None:
    """Make the secret files that docker-compose.yml reads; a file that is there stays as it is."""
    from veilocity.cli import compose_secrets  # noqa: PLC0415  # only this command needs it

    made = compose_secrets.write(directory)
    typer.echo(f"Made {', '.join(made)} in {directory}." if made else f"All secrets are in {directory} already.")


@app.command("doctor")
def examine(
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Say of every service whether it answers, and whether every event is accounted for."""
    from veilocity.cli import doctor as examination  # noqa: PLC0415  # imports storage

    raise typer.Exit(examination.run(prepare("doctor"), as_json=json))


@app.command("settings")
def show_settings(
    markdown: Annotated[bool, typer.Option(help="As the table of docs/settings.md.")] = False,
) -> None:
    """Print every setting, its value in force and its meaning."""
    if markdown:
        typer.echo(settings.markdown(), nl=False)
        return
    loaded = settings.load()
    for name, info in settings.Settings.model_fields.items():
        # Secrets print as stars: SecretStr sees to it.
        typer.echo(f"{settings.PREFIX}{name.upper()}={getattr(loaded, name)}  # {info.description}")


def main() -> None:
    """Run the command line; an expected error is one sentence on standard error and exit code 2 (fatal) or 1 (may pass).

    An error that nobody expected is told with its place, scrubbed as a log line is, and exits with 3.
    """
    logs.guard_crashes()
    try:
        app()
    except VeilocityError as error:
        _end(logs.scrub(str(error)), 2 if isinstance(error, FatalError) else 1)
    except Exception as error:
        _end(f"a fault of this program, please report it: {logs.describe(error)}", 3)


def _end(sentence: str, code: int) -> None:
    sys.stderr.write(f"veilocity: {sentence}\n")
    sys.stderr.flush()
    # Threads of client libraries may hang on a dead server; nothing of ours is left to do.
    os._exit(code)
