"""`veilocity models`: trains, judges, lists, installs and puts in force what scores payments beside the written rules."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from veilocity import settings
from veilocity.cli.models_data import recorded, simulated
from veilocity.errors import SettingsError

if TYPE_CHECKING:
    from rules.models.labelled import Labelled
    from rules.models.registry import Registry

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Train, judge, list, install, promote and roll back learned rules.")

DEFAULT_FOLDER = "models"

Files = Annotated[list[str] | None, typer.Argument(help="Recorded events (JSON lines, CSV, Parquet); without them weeks are simulated.")]
Labels = Annotated[
    Path | None, typer.Option(help="JSON lines with `transaction` and `kind` of each fraud in the files.", show_default=False)
]
Weeks = Annotated[int, typer.Option(min=1, help="Weeks to simulate.")]
People = Annotated[int, typer.Option(min=1, help="People to simulate.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the simulation, the training and the intervals: same seed, same model.")]
Budget = Annotated[float, typer.Option(min=0.1, help="How many payments a day people can look at.")]
Folder = Annotated[
    Path | None, typer.Option(help="Folder of the models; by default that of the settings, else `models`.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Name = Annotated[str, typer.Argument(help="Of the model: `boosting` or `autoencoder`.")]


@app.command()
def train(
    files: Files = None,
    labels: Labels = None,
    weeks: Weeks = 4,
    people: People = 50,
    seed: Seed = 7,
    alerts_per_day: Budget = 10.0,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Train both models, judge them on the newest payments, and store them; nothing is in force before `promote`."""
    from rules.models.making import SIMULATED, make  # noqa: PLC0415  # a room, imported when needed
    from rules.models.training import TrainingPlan  # noqa: PLC0415

    registry = _registry(folder)
    data, source = _data(files, labels, weeks, people, seed)
    limits = () if files else (SIMULATED,)
    made, written, as_many = make(data, TrainingPlan(seed=seed, alerts_per_day=alerts_per_day), source, _now_ms(), limits)
    stored = [(registry.add(one.data, one.card), one.card) for one in made]
    if as_json:
        _print(
            {
                "models": [{"version": version, **_plain(card)} for version, card in stored],
                "written_rules": _plain(written),
                "boosting_with_as_many": _plain(as_many),
            }
        )
        return
    from rules.models.judging import tables  # noqa: PLC0415

    for version, card in stored:
        typer.echo(f"\n{card.name} {version}\n\n{tables(card.quality)}")
    for who, flagged in (("The written rules flag", written), ("With as many alerts boosting flags", as_many)):
        typer.echo(f"\n{who} {flagged.frauds_flagged} frauds and {flagged.honest_flagged} honest payments of the same test.")
    typer.echo("PR-AUC on the same payments:")
    for name, value in made[0].card.baselines.items():
        typer.echo(f"  {name}: {value:.3f}")
    typer.echo(f"\nStored in {registry.folder}. `veilocity models promote {stored[0][1].name} {stored[0][0]}` puts one in force.")


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="`boosting`, or `boosting@VERSION`; by default the version in force, else the newest.")],
    files: Annotated[list[str] | None, typer.Argument(help="As for `train`.", show_default=False)] = None,
    labels: Labels = None,
    weeks: Weeks = 1,
    people: People = 50,
    seed: Seed = 8,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Judge a stored version on other payments than those it was made of, at the budget of its card."""
    from rules.models.judging import tables  # noqa: PLC0415  # a room, imported when needed
    from rules.models.making import beside, settled  # noqa: PLC0415
    from rules.models.making import evaluate as judge  # noqa: PLC0415
    from rules.models.training import TrainingPlan  # noqa: PLC0415

    registry = _registry(folder)
    name, _, wanted = model.partition("@")
    version = wanted or _default_version(registry, name)
    loaded, card = registry.load(name, version), registry.card(name, version)
    every, source = _data(files, labels, weeks, people, seed)
    data = settled(every)
    quality = judge(loaded, data, TrainingPlan(seed=seed, alerts_per_day=card.alerts_per_day))
    others = beside(data)
    if as_json:
        _print({"name": name, "version": version, "data": source, "quality": _plain(quality), "baselines": others})
        return
    typer.echo(f"{name} {version} on other payments. {source}\n\n{tables(quality)}\n\nPR-AUC on the same payments:")
    for other, value in others.items():
        typer.echo(f"  {other}: {value:.3f}")


@app.command("list")
def show(folder: Folder = None, as_json: AsJson = False) -> None:
    """List all versions, which are in force, and what each was worth on its own test."""
    registry = _registry(folder)
    entries = registry.entries()
    if as_json:
        _print({"models": _plain(entries), "history": _plain(registry.history())})
        return
    heads = ("model", "version", "in force", "PR-AUC", "precision", "recall", "made")
    table = Table(*(Column(head, no_wrap=True) for head in heads), box=SIMPLE, padding=(0, 1, 0, 0))
    for entry in entries:
        quality, at = entry.card.quality, entry.card.quality.at_threshold
        made = f"{datetime.fromtimestamp(entry.card.created_ms / 1000.0, tz=UTC):%Y-%m-%d}"
        figures = (f"{quality.pr_auc:.3f}", f"{100 * at.precision:.0f} %", f"{100 * at.recall:.0f} %")
        table.add_row(entry.name, entry.version, "yes" if entry.active else "no", *figures, made)
    Console().print(table)
    typer.echo(f"{len(entries)} versions in {registry.folder}.")


@app.command()
def install(
    source: Annotated[
        Path | None, typer.Argument(help="Folder of versions; without it the examples that Veilocity brings.", show_default=False)
    ] = None,
    folder: Folder = None,
) -> None:
    """Copy versions of another folder, and put the newest in force where nobody has promoted or rolled back that model yet."""
    from rules.models.shipping import SHIPPED  # noqa: PLC0415  # a room, imported when needed
    from rules.models.shipping import install as copy  # noqa: PLC0415

    registry = _registry(folder)
    for one in copy(source or SHIPPED, registry.folder, _now_ms()):
        typer.echo(f"{one.name} {one.version} is {'in force' if one.promoted else 'stored'}.")


@app.command()
def promote(
    name: Name, version: Annotated[str, typer.Argument(help="As `veilocity models list` names it.")], folder: Folder = None
) -> None:
    """Put a version in force: a running rules service takes it up between two batches."""
    _registry(folder).promote(name, version, _now_ms())
    typer.echo(f"{name} {version} is in force.")


@app.command()
def rollback(name: Name, folder: Folder = None) -> None:
    """Put in force again what was before the last promotion; before the first one that is nothing."""
    version = _registry(folder).rollback(name, _now_ms())
    typer.echo(f"{name} {version} is in force again." if version else f"No version of {name} is in force.")


def _registry(folder: Path | None) -> Registry:
    from rules.models.registry import Registry  # noqa: PLC0415  # a room, imported when needed

    return Registry(folder or Path(settings.load().rules_models_dir or DEFAULT_FOLDER))


def _default_version(registry: Registry, name: str) -> str:
    versions = registry.versions(name)
    if not versions:
        raise SettingsError("there is no such model: `veilocity models list` shows which there are")
    active = {entry.name: entry.version for entry in registry.entries() if entry.active}
    return active.get(name, versions[-1])


def _data(files: list[str] | None, labels: Path | None, weeks: int, people: int, seed: int) -> tuple[Labelled, str]:
    if bool(files) != (labels is not None):
        raise SettingsError("files of events and --labels belong together: give both, or neither to simulate weeks")
    if files and labels is not None:
        return recorded(files, labels)
    typer.echo(f"Simulating {weeks} weeks of {people} people: about a minute for every ten of them and four weeks.", err=True)
    return simulated(weeks, people, seed)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _plain(record: Any) -> Any:
    return msgspec.to_builtins(record)


def _print(record: dict[str, Any]) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(record), indent=2).decode())
