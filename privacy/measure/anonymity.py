"""k-anonymity, and what becomes of it where quasi-identifiers are missing.

Two readings of a missing value, and both are sound:

    category    missing is a value like any other: rows without it are alike only among themselves
    wildcard    a row without the value may be anybody's, so it hides among all who agree with it elsewhere

Promises: neither reading over-states k. In the second, whoever looks for a person knows that person's values, also one that the table
lacks: a row counts for another row where in each column it has the same value or none; but a row that itself lacks a value may be of
somebody whose value stands nowhere else in the table, so there only rows help it that lack it too. Counting every pair of rows that do not
contradict each other, as other tools do, calls a table k-anonymous in which such a person is alone.

Source: Samarati & Sweeney 1998; the two readings in practice: github.com/sdcTools/sdcMicro, issue 225.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from privacy.measure.classes import Classes, classes_in, combined
from privacy.measure.tables import Codes, Column, Table
from veilocity.errors import SettingsError

__all__ = ["Missing", "k_anonymity", "matching_people", "row_people"]

Missing: TypeAlias = Literal["category", "wildcard"]
_CHUNK = 4_000_000
"""Pairs of class and person that are looked at together: 32 MB."""


def k_anonymity(table: Table, quasi: str | Sequence[str], person: str | None = None, missing: Missing = "category") -> int:
    """Return k: whoever knows only quasi-identifiers finds nobody among fewer than k people.

    Formula: min over rows of the distinct people whose rows cannot be told apart from it.

    Args:
        table: n rows.
        quasi: names of the quasi-identifiers.
        person: name of the column that says whose row it is; without it every row counts as another person.
        missing: what a missing quasi-identifier means.

    Raises:
        SettingsError: a column is not there or has two roles, or the table is empty.

    >>> table = pd.DataFrame({"age": ["2*", "2*", "2*"], "zip": ["1", "1", None]})
    >>> k_anonymity(table, ["age", "zip"]), k_anonymity(table.head(2), ["age", "zip"])
    (1, 2)
    """
    return int(matching_people(table, quasi, person, missing).min())


def matching_people(table: Table, quasi: str | Sequence[str], person: str | None = None, missing: Missing = "category") -> Codes:
    """Return for each row the distinct people among whom its person hides; arguments and errors as in `k_anonymity`.

    >>> table = pd.DataFrame({"age": ["2*", "2*", "2*"], "zip": ["1", "1", None]})
    >>> matching_people(table, ["age", "zip"]).tolist(), matching_people(table, ["age", "zip"], missing="wildcard").tolist()
    ([2, 2, 1], [3, 3, 1])
    """
    return row_people(*classes_in(table, quasi, person), missing)


def row_people(classes: Classes, columns: Sequence[Column], missing: Missing) -> Codes:
    """Return for each row the distinct people among whom its person hides.

    Args:
        classes: of these columns.
        columns: the quasi-identifiers.
        missing: what a missing one means.

    Raises:
        SettingsError: another word than the two for `missing`.
    """
    if missing not in get_args(Missing):
        raise SettingsError("a missing value is read as 'category' or as 'wildcard'")
    if missing == "category" or not any(column.has_missing for column in columns):
        return classes.row_people
    return _wildcard_people(classes, columns)[classes.labels]


def _wildcard_people(classes: Classes, columns: Sequence[Column]) -> Codes:
    count = len(classes.rows)
    pairs = list(_matches(classes, columns))
    if classes.person is None:
        people = np.zeros(count, dtype=np.int64)
        for targets, sources in pairs:
            people[targets] += classes.rows[sources]
        return people
    return _distinct(classes, classes.person, np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs]))


def _matches(classes: Classes, columns: Sequence[Column]) -> Iterator[tuple[Codes, Codes]]:
    """Yield pairs (class, class that counts for it), each pair once: one pass per combination of columns that some row lacks."""
    firsts = np.empty(len(classes.rows), dtype=np.int64)
    firsts[classes.labels[::-1]] = np.arange(len(classes.labels))[::-1]
    codes = [column.codes[firsts] for column in columns]
    lacks = np.array([column < 0 for column in codes])
    for pattern in np.unique(lacks, axis=1).T:
        sources = np.flatnonzero((lacks == pattern[:, None]).all(axis=0))
        targets = np.flatnonzero(~(lacks & ~pattern[:, None]).any(axis=0))
        both = np.concatenate([sources, targets])
        keys = combined([column[both] for column, lacking in zip(codes, pattern, strict=True) if not lacking], len(both))
        # Sources agree in what they lack, so no two of them have the same key.
        places = pd.Index(keys[: len(sources)]).get_indexer(pd.Index(keys[len(sources) :]))
        yield targets[places >= 0], sources[places[places >= 0]]


def _distinct(classes: Classes, person: Codes, targets: Codes, sources: Codes) -> Codes:
    """Return for each class the distinct people of all classes that count for it; each class counts for itself."""
    size = int(person.max()) + 1
    # Sorted: all people of a class stand together, and whether somebody is in a class is found by halving.
    members = np.unique(classes.labels[person >= 0] * size + person[person >= 0])
    counts = np.bincount(members // max(size, 1), minlength=len(classes.rows))
    # The largest class that counts is taken as a whole; of the others only who is not in it is added.
    order = np.lexsort([-counts[sources], targets])
    targets, sources = targets[order], sources[order]
    firsts = np.flatnonzero(np.diff(targets, prepend=-1))
    base = np.empty(len(classes.rows), dtype=np.int64)
    base[targets[firsts]] = sources[firsts]
    people = counts[base]
    others = np.delete(np.arange(len(targets)), firsts)
    for part in _parts(targets[others], counts[sources[others]]):
        owners, added = targets[others][part], sources[others][part]
        lengths = counts[added]
        places = np.arange(int(lengths.sum())) + np.repeat(np.cumsum(counts)[added] - np.cumsum(lengths), lengths)
        owners, who = np.repeat(owners, lengths), members[places] % max(size, 1)
        wanted = base[owners] * size + who
        new = members[np.minimum(np.searchsorted(members, wanted), len(members) - 1)] != wanted
        pairs = pd.unique(owners[new] * size + who[new])
        people += np.bincount(pairs // max(size, 1), minlength=len(people))
    return np.maximum(people, 1)


def _parts(targets: Codes, lengths: Codes) -> Iterator[slice]:
    """Yield parts of rising targets that hold some `_CHUNK` members each; the pairs of one target stay together."""
    work = np.cumsum(lengths)
    begin = 0
    while begin < len(targets):
        done = int(work[begin - 1]) if begin else 0
        last = targets[max(begin, int(np.searchsorted(work, done + _CHUNK, side="right")) - 1)]
        end = int(np.searchsorted(targets, last, side="right"))
        yield slice(begin, end)
        begin = end
