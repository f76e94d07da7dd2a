"""Where settings come from: environment, file of settings, defaults. They are declared in `veilocity.setting_fields`.

A setting `speed_limit` is read from `VEILOCITY_SPEED_LIMIT`, else from the TOML file named by `VEILOCITY_SETTINGS_FILE`, else its default
holds. A name nobody declared is refused, so that a typing error cannot silently leave a default in force. Secrets come from the environment
or from a file named by the same variable with `_FILE` appended, and never from the TOML file.

docs/settings.md is rendered from them by `veilocity settings --markdown`; a test holds it to that.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from veilocity.errors import SettingsError
from veilocity.setting_fields import Settings

__all__ = ["PREFIX", "SECRETS", "Settings", "load", "markdown"]

PREFIX = "VEILOCITY_"
_FILE_VARIABLE = f"{PREFIX}SETTINGS_FILE"
SECRETS = tuple(sorted(name for name, info in Settings.model_fields.items() if info.annotation is SecretStr))


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Return the settings in force.

    Args:
        environment: where the variables are; by default the environment of this process.
        overrides: settings that win over all sources (command-line options).

    Raises:
        SettingsError: an unknown name, a value out of range, a secret in the TOML file, or a file that cannot be read.

    >>> load({"VEILOCITY_PRIVACY_K": "12"}).privacy_k
    12
    """
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = _from_file(variables.get(_FILE_VARIABLE))
    values.update(_from_environment(variables))
    values.update(overrides)
    try:
        return Settings(**values)
    except ValidationError as cause:
        # The message of pydantic shows the value, which may be a secret: name the setting and the fault only.
        faults = "; ".join(f"{PREFIX}{str(error['loc'][0]).upper()}: {error['msg']}" for error in cause.errors())
        raise SettingsError(f"{faults}. See docs/settings.md.") from None


def _from_file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:  # not there, not UTF-8, or not TOML
        raise SettingsError(f"{_FILE_VARIABLE}: the settings file cannot be read ({type(cause).__name__})") from cause
    for name in values:
        if name not in Settings.model_fields:
            raise SettingsError(f"unknown setting {name!r} in the settings file. See docs/settings.md.")
        if name in SECRETS:
            raise SettingsError(f"{name} is a secret: set {PREFIX}{name.upper()} or {PREFIX}{name.upper()}_FILE, not the settings file.")
    return values


def _from_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in variables.items():
        if not variable.startswith(PREFIX) or variable == _FILE_VARIABLE:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in Settings.model_fields:
            values[name] = value
        elif name.removesuffix("_file") in SECRETS:
            if variable.removesuffix("_FILE") in variables:
                raise SettingsError(f"{variable.removesuffix('_FILE')} and {variable} are both set: unset one of them.")
            values[name.removesuffix("_file")] = _secret_file(variable, value)
        else:
            raise SettingsError(f"unknown setting {variable}. See docs/settings.md, or `veilocity settings`.")
    return values


def _secret_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as cause:
        raise SettingsError(f"{variable}: the secret's file cannot be read ({type(cause).__name__})") from cause


def markdown() -> str:
    """Return the table of all settings for docs/settings.md."""
    lines = ["| variable | default | what |", "|---|---|---|"]
    for name, info in Settings.model_fields.items():
        secret = name in SECRETS
        default = info.default.get_secret_value() if secret else info.default
        shown = f"`{default}`" if default not in (None, "") else "none"
        note = f" Secret: also `{PREFIX}{name.upper()}_FILE`." if secret else ""
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {info.description}{note} |")
    return "\n".join(lines) + "\n"
