"""The generated files: which, with what text, and how they are written."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from veilocity.monitoring.dashboards import DASHBOARDS
from veilocity.monitoring.panels import render
from veilocity.monitoring.rules import groups

__all__ = ["DASHBOARD_FOLDER", "RULE_FILE", "files", "write"]

DASHBOARD_FOLDER = "deploy/grafana/dashboards"
RULE_FILE = "deploy/prometheus/rules.yml"
_HEAD = "# Written by `make monitoring` from veilocity/monitoring/rules.py: change it there.\n"
_WIDTH = 1_000
"""An expression stays on its line."""


def files() -> dict[str, str]:
    """Return the text of each generated file, by its path in the checkout.

    >>> sorted(files())[0], files() == files()
    ('deploy/grafana/dashboards/fraud-pipeline.json', True)
    """
    made = {f"{DASHBOARD_FOLDER}/{one.name}.json": json.dumps(render(one), indent=1) + "\n" for one in DASHBOARDS}
    made[RULE_FILE] = _HEAD + yaml.safe_dump({"groups": groups()}, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return made


def write(root: Path) -> list[str]:
    """Write the files below a folder, and remove dashboards that are no more; return the paths of what changed."""
    made = files()
    folder = root / DASHBOARD_FOLDER
    gone = [f"{DASHBOARD_FOLDER}/{file.name}" for file in sorted(folder.glob("*.json")) if f"{DASHBOARD_FOLDER}/{file.name}" not in made]
    for path in gone:
        (root / path).unlink()
    changed = [path for path, text in made.items() if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text]
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(made[path], encoding="utf-8")
    return sorted([*gone, *changed])
