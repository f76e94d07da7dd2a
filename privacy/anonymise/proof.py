"""The proof of an anonymised table: made from the rows before anything is returned, and made again by anyone from the output alone.

Nothing of the search is used here: groups are counted in plain Python, distances follow their definitions, and what a printed value covers
is read from the hierarchy.

What is proven: every printed combination has rows of at least k distinct people, at least l distinct sensitive values, and a distribution
of them within t of that of all released rows (earth mover's distance: half the sum of absolute differences where values are categories, the
mean absolute difference of the cumulated shares where they are numbers); every printed value covers the true one; no row is lost.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import pandas as pd
import pyarrow as pa

from privacy.anonymise.hierarchies import text_of
from privacy.hierarchies import EVERYTHING
from veilocity.errors import UnsafeReleaseError

__all__ = ["ClassProof", "Group", "Proof", "check_classes", "checksum", "groups_of", "keys", "measure", "to_frame", "verify"]

_TOLERANCE = 1e-12

Printed = tuple[str, ...]
Key = tuple[bool, float, str]
"""A value by which values are counted and sorted: present or missing, its size, its text."""


class ClassProof(msgspec.Struct, frozen=True):
    """One class as it can be counted in the output."""

    printed: Printed
    rows: int
    people: int
    l: int | None  # noqa: E741  # the field's own name for it
    """Distinct sensitive values; None without a sensitive column."""
    t: float | None
    """Distance of the class's distribution from that of all released rows."""
    loss: float
    """Mean loss of a row, 0 exact to 1 everything hidden."""


class Proof(msgspec.Struct, frozen=True):
    """What was promised, and the figures that prove it; `msgspec.json.encode` writes it."""

    quasi: tuple[str, ...]
    sensitive: str | None
    k: int
    l: int  # noqa: E741  # the field's own name for it
    t: float
    distinct_people: bool
    """Whether people were told apart by a column; otherwise every row is a person."""
    ordered: bool
    """Whether the sensitive values are numbers, and their distance that of their ranks."""
    effort: str
    rows: int
    released: int
    suppressed: int
    starred: bool
    """Suppressed rows stand in the output as rows of which everything is hidden."""
    loss: float
    value_loss: dict[str, dict[str, float]]
    """Per quasi-identifier and printed value: (values under it - 1) / (values of the domain - 1)."""
    classes: tuple[ClassProof, ...]
    checksum: str
    """SHA-256 of the output's column names and rows, the rows sorted."""

    def to_json(self) -> bytes:
        """Return the proof as JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> Proof:
        """Read what `to_json` wrote."""
        return msgspec.json.decode(data, type=cls)


class Group(NamedTuple):
    """Rows that are printed alike."""

    people: list[Hashable]
    sensitive: list[Key]


def to_frame(table: pd.DataFrame | pa.Table) -> pd.DataFrame:
    """Return a table as a data frame without its index."""
    frame = table.to_pandas() if isinstance(table, pa.Table) else table
    return frame.reset_index(drop=True)


def keys(column: pd.Series) -> list[Key]:
    """Return what each value of a column is counted and sorted by."""
    codes, values = pd.factorize(column, use_na_sentinel=True)
    found = [*map(_key, values.tolist()), _key(None)]
    return [found[code] for code in codes.tolist()]


def groups_of(printed: Iterable[Printed], people: Iterable[Hashable], sensitive: Iterable[Key]) -> dict[Printed, Group]:
    """Gather rows by what is printed."""
    groups: dict[Printed, Group] = {}
    for shown, person, value in zip(printed, people, sensitive, strict=True):
        if (group := groups.get(shown)) is None:
            group = groups[shown] = Group([], [])
        group.people.append(person)
        group.sensitive.append(value)
    return groups


def measure(groups: Mapping[Printed, Group], value_loss: Sequence[Mapping[str, float]], sensitive: bool, ordered: bool) -> list[ClassProof]:
    """Count every class, sorted by what it prints."""
    everyone = Counter(chain.from_iterable(group.sensitive for group in groups.values()))
    values = sorted(everyone)
    proofs = []
    for printed in sorted(groups):
        group = groups[printed]
        counts = Counter(group.sensitive)
        distance = _distance([counts[value] for value in values], [everyone[value] for value in values], ordered)
        loss = sum(losses[shown] for losses, shown in zip(value_loss, printed, strict=True)) / max(1, len(printed))
        people = len(set(group.people))
        proofs.append(
            ClassProof(printed, len(group.people), people, len(counts) if sensitive else None, distance if sensitive else None, loss)
        )
    return proofs


def check_classes(classes: Iterable[ClassProof], k: int, l: int, t: float) -> None:  # noqa: E741  # the field's own name for it
    """Refuse a class that breaks a promise.

    Raises:
        UnsafeReleaseError: which promise, and by how much.
    """
    for one in classes:
        if one.people < k:
            raise UnsafeReleaseError(
                f"a class holds {one.people} people and {k} were promised: nothing may be released, report this as a fault"
            )
        if one.l is not None and one.l < l:
            raise UnsafeReleaseError(f"a class holds {one.l} sensitive values and {l} were promised: nothing may be released")
        if one.t is not None and one.t > t + _TOLERANCE:
            raise UnsafeReleaseError(f"a class is {one.t:.6f} from the whole table and {t} was promised: nothing may be released")


def checksum(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a table's column names and rows, whatever the order of its rows and its kind."""
    columns = [[key[2] for key in keys(frame[name])] for name in frame.columns]
    rows = sorted(zip(*columns, strict=True))
    return hashlib.sha256(msgspec.json.encode([[str(name) for name in frame.columns], rows])).hexdigest()


def verify(table: pd.DataFrame | pa.Table, proof: Proof) -> None:
    """Prove an anonymised table again from nothing but itself and its proof.

    Where people were told apart by a column, that column is not in the output: then a class is known to have at least k rows, and the
    number of its people is the proof's word. Everything else is counted anew.

    Raises:
        UnsafeReleaseError: the table is not the one that was proven, or breaks what the proof promises.
    """
    frame = to_frame(table)
    if not set(proof.quasi) <= set(frame.columns) or checksum(frame) != proof.checksum:
        raise UnsafeReleaseError("the table is not the one that was proven: take the table and the proof of one run")
    frame = _without_stars(frame, proof)
    printed = zip(*(frame[name].tolist() for name in proof.quasi), strict=True)
    sensitive = keys(frame[proof.sensitive] if proof.sensitive is not None else pd.Series([None] * len(frame), dtype=object))
    groups = groups_of(printed, range(len(frame)), sensitive)
    if any(shown not in losses for group in groups for shown, losses in zip(group, _losses(proof), strict=True)):
        raise UnsafeReleaseError("the table prints a value of which the proof knows nothing: take the table and the proof of one run")
    counted = measure(groups, _losses(proof), proof.sensitive is not None, proof.ordered)
    if proof.distinct_people:
        stated = {one.printed: one.people for one in proof.classes}
        counted = [msgspec.structs.replace(one, people=min(one.rows, stated.get(one.printed, 0))) for one in counted]
    check_classes(counted, proof.k, proof.l, proof.t)
    loss = (sum(one.rows * one.loss for one in counted) + proof.suppressed) / max(1, proof.rows)
    if tuple(counted) != proof.classes or len(frame) != proof.released or abs(loss - proof.loss) > _TOLERANCE:
        raise UnsafeReleaseError("the proof states other classes than the table holds: do not trust it, make the release again")
    if proof.released + proof.suppressed != proof.rows:
        raise UnsafeReleaseError("rows were lost on the way: released and suppressed do not make all; make the release again")


def _without_stars(frame: pd.DataFrame, proof: Proof) -> pd.DataFrame:
    if not proof.starred or not proof.suppressed:
        return frame
    others = [name for name in frame.columns if name not in proof.quasi]
    hidden = (frame[list(proof.quasi)] == EVERYTHING).all(axis=1) & frame[others].isna().all(axis=1)
    return frame.drop(index=frame.index[hidden][: proof.suppressed])


def _losses(proof: Proof) -> list[dict[str, float]]:
    return [proof.value_loss[name] for name in proof.quasi]


def _key(value: Any) -> Key:
    # Missing first, numbers by size, all else by text; a whole number is the same in a column of fractions.
    if pd.isna(value):
        return (False, 0.0, "")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (True, float(value) if number else 0.0, f"={text_of(value)}")


def _distance(counts: Sequence[int], everyone: Sequence[int], ordered: bool) -> float:
    total, whole = sum(counts), sum(everyone)
    # In whole numbers until the end: a distance of exactly t must not fail for a rounding error.
    differences = [count * whole - all_of_it * total for count, all_of_it in zip(counts, everyone, strict=True)]
    if ordered:
        cumulated = [sum(differences[: at + 1]) for at in range(len(differences))]
        return sum(map(abs, cumulated)) / (total * whole * max(1, len(counts) - 1))
    return sum(map(abs, differences)) / (2 * total * whole)
