"""Equivalence classes: the rows that look alike to somebody who knows the quasi-identifiers, counted in rows and in distinct people.

Promises: every row is in exactly one class, also where quasi-identifiers are missing (missing is a category of its own); the order of rows
and columns, the index and the dtypes change nothing. Where a column names the person, a class counts each person once; rows that name
nobody are no person of their own, because they may all be of one who is counted already, so k is never over-stated.

Source: Samarati & Sweeney, "Protecting privacy when disclosing information: k-anonymity and its enforcement through generalization and
suppression", 1998; people instead of rows: Cao, Carminati, Ferrari & Tan, "CASTLE", IEEE TDSC 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd

from privacy.measure.tables import Codes, Column, Table, column_of, columns_of, names, row_count
from veilocity.errors import SettingsError

__all__ = ["ClassSizes", "Classes", "class_sizes", "classes_in", "classes_of", "combined", "group", "people_in", "sizes_of"]

_ROOM = 2**62
"""Largest number of combinations that are told apart by one 64-bit number."""


class Classes(NamedTuple):
    """The classes of a table of n rows."""

    labels: Codes
    """n class numbers, from 0 on; which class has which number says nothing."""
    rows: Codes
    """Rows of each class."""
    people: Codes
    """Distinct people of each class; the same as `rows` where no column names the person."""
    person: Codes | None = None
    """n codes of people, -1 where nobody is named."""

    @property
    def k(self) -> int:
        """People in the smallest class."""
        return int(self.people.min())

    @property
    def row_people(self) -> Codes:
        """For each row the people in its class."""
        return self.people[self.labels]


class ClassSizes(msgspec.Struct, frozen=True):
    """How large the classes are, in distinct people (in rows, where no column names the person)."""

    classes: int
    smallest: int
    mean: float
    median: float
    largest: int


def combined(columns: Sequence[Codes], count: int) -> Codes:
    """Return one code per row, dense from 0 on, that is equal where the codes of all columns are equal.

    Args:
        columns: codes, not negative.
        count: rows, for the case that there is no column: then all rows are alike.

    >>> combined([np.array([0, 1, 0, 1]), np.array([5, 5, 5, 7])], 4).tolist()
    [0, 1, 0, 2]
    """
    joined, sizes = np.zeros(count, dtype=np.int64), 1
    for codes in columns:
        size = int(codes.max()) + 1
        if sizes * size > _ROOM:
            joined, sizes = _dense(joined)
        joined, sizes = joined * size + codes, sizes * size
    return _dense(joined)[0]


def _dense(codes: Codes) -> tuple[Codes, int]:
    dense, values = pd.factorize(codes)
    return dense.astype(np.int64), len(values)


def group(table: Table, quasi: str | Sequence[str], person: str | None = None) -> Classes:
    """Return the classes of a table.

    Args:
        table: n rows.
        quasi: names of the quasi-identifiers.
        person: name of the column that says whose row it is; without it every row counts as another person.

    Raises:
        SettingsError: a column is not there or has two roles, or the table is empty.

    >>> table = pd.DataFrame({"zip": ["1", "1", None], "card": ["a", "a", "b"]})
    >>> group(table, "zip").rows.tolist(), group(table, "zip", person="card").people.tolist()
    ([2, 1], [1, 1])
    """
    return classes_in(table, quasi, person)[0]


def classes_in(table: Table, quasi: str | Sequence[str], person: str | None = None) -> tuple[Classes, list[Column]]:
    """Return the classes of a table with its quasi-identifiers as codes; arguments and errors as in `group`."""
    wanted = names(quasi, "quasi-identifier")
    if person in wanted:
        raise SettingsError(f"column '{person}' names the person: it cannot be a quasi-identifier too, every class would be one person")
    count = row_count(table)
    columns = columns_of(table, wanted)
    return classes_of(columns, count, None if person is None else column_of(table, person)), columns


def classes_of(columns: Sequence[Column], count: int, person: Column | None = None) -> Classes:
    """Return the classes of columns that are codes already."""
    labels = combined([column.whole for column in columns], count)
    rows = np.bincount(labels)
    if person is None:
        return Classes(labels, rows, rows)
    return Classes(labels, rows, people_in(labels, person.codes, len(rows)), person.codes)


def people_in(labels: Codes, person: Codes, classes: int) -> Codes:
    """Return for each class its distinct people, at least one; rows without a name (-1) add nobody."""
    named, size = person >= 0, int(person.max()) + 1
    if size == 0:
        return np.ones(classes, dtype=np.int64)
    pairs = pd.unique(labels[named] * size + person[named])
    return np.maximum(np.bincount(pairs // size, minlength=classes), 1)


def class_sizes(table: Table, quasi: str | Sequence[str], person: str | None = None) -> ClassSizes:
    """Return how large the classes are; arguments and errors as in `group`.

    >>> class_sizes(pd.DataFrame({"age": ["2*", "2*", "3*", "3*", "3*", "4*"]}), "age")
    ClassSizes(classes=3, smallest=1, mean=2.0, median=2.0, largest=3)
    """
    return sizes_of(group(table, quasi, person))


def sizes_of(classes: Classes) -> ClassSizes:
    """Return how large these classes are."""
    people = classes.people
    return ClassSizes(len(people), int(people.min()), float(people.mean()), float(np.median(people)), int(people.max()))
