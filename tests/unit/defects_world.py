"""The table of the fourteen defects of other tools, and what their tests share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from privacy.anonymity import Classes
from privacy.hierarchies import QuasiIdentifiers
from privacy.policies import DEFAULT_FILE
from privacy.table import Row, RowTable
from tests.unit import pipeline_world
from tests.unit.pipeline_world import DECISIONS, classes, faults_in, masked, play
from tests.unit.privacy_world import Store
from veilocity.errors import UnsafeReleaseError


class Defect(NamedTuple):
    """A row of the table."""

    what: str
    peer: str
    shown: str
    """What of ours stops or shows it."""


DEFECTS = {
    11: Defect("row numbers or the order of input leave with the table", "ANJANA", "audit `classes`"),
    12: Defect(
        "a missing value drops its row, or fits everything", "pyCANON, sdcMicro", "conservation before writing; the proof; audit `linkage`"
    ),
    13: Defect("a value on a boundary lies outside its printed interval", "ANJANA", "the proof; audit `linkage`"),
    14: Defect("a class below k is emitted and checked afterwards", "CASTLEGUARD", "the proof; audit `classes`, `unicity`"),
    15: Defect("payments are counted as people", "Mondrian on Spark, ARX", "the proof, twice; audit `classes`"),
    16: Defect("a person is known again in another window", "releases that are anonymised one by one", "the proof; audit `intersection`"),
    17: Defect("a stream that falls silent keeps what it holds for ever", "Prink", "`pending` of the progress; the test of the drain"),
    18: Defect("payments are dropped and nobody counts them", "Prink", "ledger; audit `conservation`"),
    19: Defect("a class that was released is used again", "CASTLE", "the proof; audit `classes`, `intersection`, `conservation`"),
    20: Defect("an exact value stands beside a class as an example", "CASTLEGUARD", "audit `classes`"),
    21: Defect("a hash has no key, or a salt of its own each time", "Presidio", "policy; audit `identifiers`, `tokens`, `conservation`"),
    22: Defect(
        "encryption that keeps the format keeps too much: a valid check digit, one tweak for all, few enough values to list",
        "ff3, libraries of FF3-1",
        "FF1 refuses; audit `identifiers`; tests of the cipher",
    ),
    23: Defect("noise stands in place of a cell, or is drawn anew for each question", "PrivKit", "audit `exactness`, `conservation`"),
    24: Defect("one card is told by a token here and a truncation there", "stores masked apart", "policy; audit `cards`"),
}


class Proposed(NamedTuple):
    """A class as the search proposes it, row by row."""

    printed: QuasiIdentifiers
    rows: tuple[Row, ...]


def proposed(table: RowTable, classes: Classes) -> list[Proposed]:
    """Return the classes of a window with their rows."""
    rows = table.rows()
    return [
        Proposed(printed, tuple(row for row, label in zip(rows, classes.labels.tolist(), strict=True) if label == number))
        for number, printed in enumerate(classes.printed)
    ]


def as_classes(table: RowTable, found: list[Proposed]) -> Classes:
    """Return classes as the search gives them; rows that are in none are left."""
    labels = {row.id: number for number, one in enumerate(found) for row in one.rows}
    return Classes(np.array([labels.get(row.id, -1) for row in table.rows()], dtype=np.int64), [one.printed for one in found])


def blamed(found: dict[str, list[str]], check: str, reason: str) -> set[str]:
    """Return the ids of the documents that a check of the auditor blames for a reason."""
    ids = {word for sentence in found.get(check, []) if reason in sentence for word in re.findall(r"\b[0-9a-f]{32}\b|#\d+", sentence)}
    assert ids, found
    return ids


def it_stops(folder: Path, sentence: str, error: type[Exception] = UnsafeReleaseError) -> None:
    """The stage ends with an error, and what it has written until then is whole and clean."""
    written: list[Store] = []

    def kept() -> Store:
        written.append(Store())
        return written[-1]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(error, match=sentence):
        patch.setattr(pipeline_world, "Store", kept)
        play(folder)
    (store,) = written
    assert faults_in(store) == {} if store.progress else not classes(store)


def without_loss(one: Proposed, keep: int) -> list[Proposed]:
    """Split a class in two that are printed differently: of `keep` people, and of all others, whose place is hidden."""
    people = sorted({row.subject for row in one.rows})[:keep]
    rows = [tuple(row for row in one.rows if (row.subject in people) is few) for few in (True, False)]
    return [Proposed(one.printed, rows[0]), Proposed(one.printed._replace(cell="*", hour="*", category="*"), rows[1])]


def waiting(store: Store) -> int:
    """Return how many payments wait for a window."""
    assert store.progress is not None
    return store.progress.pending


def policy_file(folder: Path, before: str, after: str) -> Path:
    """Return the built-in policy with one change."""
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    assert before in text
    file = folder / "policy.yaml"
    file.write_text(text.replace(before, after), encoding="utf-8")
    return file


def card_numbers(found: dict[str, list[str]]) -> list[str]:
    """Return what the auditor takes for an identifier, but for telephone numbers."""
    # Sixteen digits may also read like a telephone number, where they begin with 00.
    return [sentence for sentence in found.get("identifiers", []) if "telephone" not in sentence]


def cards_in_both(compiled: Any) -> set[str | None]:
    """Return the cards that both stores tell alike."""
    payments = masked(DECISIONS, compiled=compiled).payments
    sides = [{payment.documents[store].card for payment in payments} for store in ("mongodb", "elasticsearch")]
    return sides[0] & sides[1]
