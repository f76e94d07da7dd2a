"""What is no part of every system: reports, learned rules, other stores. One question for all: is it configured, and does it answer?"""

from __future__ import annotations

from typing import Any

import httpx

from devstack.services import host
from veilocity.cli.tour.stops import Found, absent, failed, ok
from veilocity.cli.tour.visit import Visit
from veilocity.settings import Settings

__all__ = ["asked", "learned", "reported", "setting"]


def setting(settings: Settings, name: str) -> str:
    """Return a setting as text; empty where it is not set, or not known to this version."""
    value: Any = getattr(settings, name, "")
    secret = getattr(value, "get_secret_value", None)
    return str(secret() if secret is not None else value or "")


def asked(visit: Visit, wanted: str, port: str, what: str, command: str) -> Found:
    """Say whether an extra that a setting turns on answers.

    Args:
        visit: the running system.
        wanted: setting without which it is not there.
        port: setting of its metrics' port.
        what: its name in a sentence.
        command: that runs it.
    """
    settings = visit.settings
    if not setting(settings, wanted):
        name = f"VEILOCITY_{wanted.upper()}"
        return absent(f"not here because {name} is not set: {what} is an extra that `{command}` runs, as does `veilocity up --extras`.")
    where = f"http://{host('rules', settings)}:{setting(settings, port)}"
    try:
        status = httpx.get(f"{where}/healthz", timeout=3.0).status_code
    except httpx.TransportError:
        return failed(f"{what} is configured and does not answer at {where}: `{command}` runs it.")
    return ok(f"{what} answers at {where}.") if status == 200 else failed(f"{what} answers {status} at {where}.")


def reported(visit: Visit, report: str, told: str) -> Found:
    """Say what the newest window of a report holds; `told` is a sentence with `{count}` and `{windows}`."""
    found = visit.documents("reports", {"report": report})
    if found:
        newest = max(found, key=lambda one: one["start_ms"])
        count = "withheld, as it is of too few people" if newest["count"] is None else newest["count"]
        return ok(told.format(count=count, windows=len(found)))
    if setting(visit.settings, "reports") == "on":
        return absent("not here yet: the reports run, and no window of this one has closed. Ask again in two minutes.")
    return absent("not here because the reports do not run: VEILOCITY_REPORTS=on, or `veilocity reports` beside the system.")


def learned(visit: Visit, kind: str) -> Found:
    """Say which learned rule of a kind is in force."""
    folder = setting(visit.settings, "rules_models_dir")
    if not folder:
        return absent("not here because no learned rule is in force: `veilocity models train`, then VEILOCITY_RULES_MODELS_DIR.")
    from importlib import import_module  # noqa: PLC0415  # this version may not have it
    from pathlib import Path  # noqa: PLC0415  # as above

    active = import_module("rules.models.registry").Registry(Path(folder)).active()
    found = [model for model in active if kind in ("", model.kind)]
    if not found:
        return absent(f"not here because no {kind or 'model'} is promoted: `veilocity models list`, `veilocity models promote`.")
    return ok("; ".join(f"{model.name} version {model.version} scores every payment" for model in found) + ".")
