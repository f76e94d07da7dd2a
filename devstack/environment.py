"""What a process of a run finds in its environment: the settings in force, spelt out, and nothing that could contradict them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from veilocity.settings import PREFIX, Settings

__all__ = ["base", "changed", "variables", "write_for_doctor"]


def variables(settings: Settings) -> dict[str, str]:
    """Return all settings as environment variables; those without a value are left out.

    >>> variables(Settings(privacy_k=7))["VEILOCITY_PRIVACY_K"]
    '7'
    """
    found: dict[str, str] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is not None:
            found[f"{PREFIX}{name.upper()}"] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return found


def changed(settings: Settings, **values: object) -> Settings:
    """Return the settings with some values replaced; which ones somebody chose stays known in `model_fields_set`."""
    chosen: dict[str, Any] = {name: getattr(settings, name) for name in settings.model_fields_set}
    return Settings(**(chosen | values))


def base(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without settings of ours, and with loopback reached directly even behind a proxy."""
    kept = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    for name in ("NO_PROXY", "no_proxy"):
        direct = [entry for entry in environment.get(name, "").split(",") if entry]
        kept[name] = ",".join([*direct, *(host for host in ("127.0.0.1", "localhost") if host not in direct)])
    return kept


def write_for_doctor(file: Path, settings: Settings) -> None:
    """Write the settings in force to a file that only its owner can read; `veilocity doctor` finds a running system by it."""
    temporary = file.with_name(f"{file.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(variables(settings), stream, indent=1, sort_keys=True)
    os.replace(temporary, file)
