"""The table of MongoDB's collections says which indexes there are, and docs/investigations.md which roles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from storage.accounts.model import ACCOUNT_INDEXES, ACCOUNT_KINDS
from storage.cases.collections import CASE_INDEXES, CASE_KINDS
from storage.roles import Role
from storage.schema import INDEXES, PARTIAL_INDEXES

DOCS = Path(__file__).resolve().parents[2] / "docs"
ALL_INDEXES = {**INDEXES, **CASE_INDEXES, **ACCOUNT_INDEXES}


def rows(file: str) -> dict[str, list[str]]:
    """Return the cells of every table row that begins with a name in code, by that name."""
    lines = (DOCS / file).read_text(encoding="utf-8").splitlines()
    found = (re.split(r" *\| *", line.strip("| ")) for line in lines if line.startswith("| `"))
    return {cells[0].strip("`"): cells for cells in found}


@pytest.mark.parametrize("name", sorted(ALL_INDEXES))
def test_the_indexes_of_a_collection_are_told(name: str) -> None:
    told = [f"`{', '.join(fields)}`" for fields in ALL_INDEXES[name]]
    told += [
        f"`{', '.join(fields)}` of those that have a `{'`, `'.join(condition)}`" for fields, condition in PARTIAL_INDEXES.get(name, ())
    ]
    assert rows("stores.md")[name][2] == "; ".join(told)


def test_every_collection_of_cases_and_accounts_is_told() -> None:
    assert {kind.name for kind in (*CASE_KINDS, *ACCOUNT_KINDS)} <= rows("stores.md").keys()


def test_every_role_is_told() -> None:
    assert [name for name in rows("investigations.md") if name in set(Role)] == list(Role)
