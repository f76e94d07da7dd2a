"""A row of the table, and what of it is not there."""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Row", "missing"]

_COMMAND = "veilocity "


class Row(NamedTuple):
    """Where one capability of the reference systems lives; its title is that of its stop in the tour."""

    number: int
    where: tuple[str, ...]
    """Paths below the checkout, and commands such as `veilocity doctor`."""
    tests: tuple[str, ...]
    """`path::name`."""
    better: str


def missing(row: Row, root: Path, commands: Collection[str]) -> list[str]:
    """Return the paths, tests and commands of a row that do not exist.

    Args:
        row: of the table.
        root: the checkout.
        commands: names of the command line's commands.
    """
    return [*(one for one in row.where if not _is_there(one, root, commands)), *(one for one in row.tests if not _is_test(one, root))]


def _is_there(where: str, root: Path, commands: Collection[str]) -> bool:
    if where.startswith(_COMMAND):
        return where.removeprefix(_COMMAND) in commands
    path = root / where
    # A folder that holds nothing but what an interpreter left behind is none.
    return any(path.glob("[!_]*")) if path.is_dir() else path.is_file()


def _is_test(test: str, root: Path) -> bool:
    path, _, name = test.partition("::")
    return name in _tests_of(root / path)


@cache  # a file is named by several rows
def _tests_of(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))
