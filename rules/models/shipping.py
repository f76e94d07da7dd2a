"""The example models that Veilocity brings, and how a folder of versions gets into another one.

They were trained on simulated weeks by `veilocity models train --weeks 4 --seed 7`, so that a fresh system shows what learned rules do.
They are no models for real payments, and their cards say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rules.models.registry import Registry
from veilocity.errors import SettingsError

__all__ = ["SHIPPED", "Installed", "install"]

SHIPPED = Path(__file__).parent / "shipped"
"""Folder of the versions that Veilocity brings."""


class Installed(NamedTuple):
    """What became of one version."""

    name: str
    version: str
    """In the folder that it went to; numbers go on there."""
    promoted: bool


def install(source: Path, folder: Path, at_ms: int) -> list[Installed]:
    """Copy every version of one folder into another, and put the newest of each name in force where nobody has decided yet.

    Guarantee: done again it changes nothing. A name that was ever promoted or rolled back there stays as people left it.

    Args:
        source: with versions as `veilocity models train` stores them.
        folder: where they go; made where it is missing.
        at_ms: now.

    Raises:
        SettingsError: the source holds no version, or one to promote was trained on other features.
        StateError: a file is not the one that its card tells of.
    """
    given, registry = Registry(source), Registry(folder)
    stored = [(entry.name, registry.add(given.data(entry.name, entry.version), entry.card)) for entry in given.entries()]
    if not stored:
        raise SettingsError("the folder holds no models: give one that `veilocity models train --folder` wrote")
    decided = {change.name for change in registry.history()}
    newest = {name: version for name, version in stored if name not in decided}
    for name, version in newest.items():
        registry.promote(name, version, at_ms)
    return [Installed(name, version, newest.get(name) == version) for name, version in stored]
