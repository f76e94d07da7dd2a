"""`veilocity doctor`: says of every service whether it answers, and whether every event is accounted for."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from veilocity import settings as kernel_settings
from veilocity.cli.conservation import Conservation, Equation, Figures, State, conservation
from veilocity.cli.figures import read_figures
from veilocity.cli.health import Health, ask_all
from veilocity.errors import SettingsError
from veilocity.settings import Settings

__all__ = ["Examination", "examine", "in_force", "run"]

_LOOKS = 3
_PAUSE_S = 1.0
_STYLES = {State.HOLDS: "green", State.IN_FLIGHT: "yellow", State.VIOLATED: "bold red", State.UNKNOWN: "dim"}


class Examination(msgspec.Struct, frozen=True):
    """What the doctor found."""

    services: tuple[Health, ...]
    counters: dict[str, int]
    conservation: Conservation

    @property
    def exit_code(self) -> int:
        """0: all answer and nothing is lost or doubled; 1: something does not answer; 2: something is lost or doubled."""
        if self.conservation.violated:
            return 2
        return 0 if all(service.answers for service in self.services) else 1


def run(settings: Settings, *, as_json: bool) -> int:
    """Print the examination of the running system; return `Examination.exit_code`.

    Args:
        settings: as loaded; what the environment leaves open is taken from the system that `veilocity up` runs in the state folder.
        as_json: for a program.

    Raises:
        SettingsError: the record of the running system cannot be read.
    """
    found = examine(in_force(settings))
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(_as_data(found))).decode() + "\n")
    else:
        _show(found, Console())
    return found.exit_code


def in_force(settings: Settings) -> Settings:
    """Return the settings of the system that runs in the state folder: its launcher may have chosen other ports.

    The environment of this process wins, so that a doctor can be sent to another system.

    Raises:
        SettingsError: the record cannot be read.
    """
    file = settings.state_dir / "run" / "environment.json"
    try:
        recorded: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return settings
    except (OSError, ValueError) as cause:
        message = f"{file} cannot be read ({type(cause).__name__}): run the doctor as the user who runs `veilocity up`"
        raise SettingsError(message) from cause
    return kernel_settings.load({**recorded, **_ours()})


def examine(settings: Settings) -> Examination:
    """Ask every service and add everything up.

    A violation counts only when it is seen again: the figures are read one after the other, and a look takes a moment.
    """
    services = ask_all(settings)
    figures = read_figures(settings)
    result = conservation(figures)
    for _ in range(_LOOKS - 1):
        if not result.violated:
            break
        time.sleep(_PAUSE_S)
        figures = read_figures(settings)
        result = conservation(figures)
    return Examination(services, dict(_counters(figures)), result)


def _ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(kernel_settings.PREFIX)}


def _counters(figures: Figures) -> Iterator[tuple[str, int]]:
    """Give the figures that are known, in the order of the stream, with the names that `--json` has."""
    if figures.acknowledged is not None:
        yield "acknowledged_since_gateway_start", figures.acknowledged
    if figures.rules is not None:
        done = figures.rules.done
        yield "fixes_in_kafka", figures.rules.fixes.end
        yield "transactions_in_kafka", figures.rules.transactions.end
        yield "rules_behind", figures.rules.fixes.behind + figures.rules.transactions.behind
        yield "rejected_by_rules", done.fixes_rejected + done.transactions_rejected
        for name in ("decided", "flagged", "clear", "not_scorable", "decisions_amended"):
            yield name, getattr(done, name)
        for name in ("alerts_opened", "alerts_amended", "alerts_retracted"):
            yield name, getattr(done, name)
    if figures.spark_read is not None and figures.ends is not None:
        yield "privacy_behind", sum(max(0, end - figures.spark_read.get(topic, 0)) for topic, end in figures.ends.items())
    if figures.census is not None:
        progress = figures.census.progress
        for name in (
            "decisions",
            "amendments",
            "fixes",
            "rejected",
            "alerts",
            "released",
            "suppressed",
            "late",
            "pending",
            "erased",
            "classes",
        ):
            yield f"privacy_{name}", getattr(progress, name) if progress is not None else 0
        for store in ("mongodb", "elasticsearch"):
            for name, value in msgspec.structs.asdict(getattr(figures.census, store)).items():
                if value or not name.startswith(("refused", "erased")):
                    yield f"{store}_{name}", value


def _as_data(found: Examination) -> dict[str, Any]:
    return {
        "exit_code": found.exit_code,
        "complete": found.conservation.complete,
        "violated": found.conservation.violated,
        **msgspec.to_builtins(found),
    }


def _show(found: Examination, console: Console) -> None:
    services = Table("service", "", "", title="Services", title_justify="left")
    for service in found.services:
        services.add_row(service.service, _mark(service.answers), service.sentence)
    console.print(services)
    counters = Table("counter", "", title="Counters", title_justify="left")
    counters.columns[1].justify = "right"
    for name, value in found.counters.items():
        counters.add_row(name.replace("_", " "), f"{value:,}")
    console.print(counters)
    equations = Table("equation", "left", "right", "", "", title="Conservation", title_justify="left")
    for equation in found.conservation.equations:
        equations.add_row(*_row(equation))
    console.print(equations)
    console.print(_verdict(found))


def _mark(answers: bool) -> Text:
    return Text("answers", "green") if answers else Text("silent", "bold red")


def _row(equation: Equation) -> tuple[str, str, str, Text, str]:
    left, right = ("?" if side is None else f"{side:,}" for side in (equation.left, equation.right))
    return equation.name, left, right, Text(equation.state.value, _STYLES[equation.state]), equation.sentence


def _verdict(found: Examination) -> str:
    if found.conservation.violated:
        return "Something was lost or doubled: keep the state folder and the logs, and see docs/operations.md."
    if found.exit_code:
        return "Not everything answers: see the sentences above."
    if found.conservation.complete:
        return "Everything answers, and every event is accounted for."
    return "Everything answers; some events are still on their way. Ask again."
