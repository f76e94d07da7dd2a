"""The text of docs/reference-coverage.md."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.core import TyperGroup

from benchmarks.coverage.catalogue import GROUPS
from benchmarks.coverage.model import Row, missing
from veilocity.cli import app
from veilocity.cli.tour.catalogue import STOPS

__all__ = ["DOCUMENT", "ROOT", "commands", "render"]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "reference-coverage.md"
_HEAD = """# Coverage of the five reference systems

Five public systems were the starting point: a bank project with sensors and a privacy course, a fraud stream with a learned model, a
notebook with an autoencoder, a card stream into Cassandra and Elasticsearch, and a shop with streaming reports. Together they name 55
capabilities. Each has a row here: where it lives, which test shows it, and what is better than in the original.
`python -m benchmarks.coverage` writes this table and counts its rows (`coverage.rows_working`). A test holds it to the code: every path,
test and command exists.

`veilocity tour` walks through the rows on a running system (`make demo`). It says of each what it saw, or why it is not there.
`--rows 1-10` visits a part, `--json` is for a program, `--yes` does not ask before made-up events are sent.
"""
_TABLE = "| # | capability | where | shown by | better than the original |\n|---|---|---|---|---|\n"
_ABSENT = "not in this version"


def commands() -> frozenset[str]:
    """Return the names of the command line's commands."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)  # noqa: S101  # an app with several commands is a group
    return frozenset(group.commands)


def render() -> str:
    """Return the document for this checkout."""
    known = commands()
    titles = {stop.number: stop.title for stop in STOPS}
    parts = [_HEAD]
    for name, rows in GROUPS.items():
        parts.append(f"\n## {name}\n\n{_TABLE}" + "".join(_line(row, titles[row.number], known) for row in rows))
    return "".join(parts)


def _line(row: Row, title: str, known: frozenset[str]) -> str:
    if missing(row, ROOT, known):
        return f"| {row.number} | {title} | {_ABSENT} | {_ABSENT} | {row.better} |\n"
    where, tests = (", ".join(f"`{one}`" for one in found) for found in (row.where, row.tests))
    return f"| {row.number} | {title} | {where} | {tests} | {row.better} |\n"
