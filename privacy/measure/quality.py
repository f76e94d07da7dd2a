"""What anonymity cost: information loss, discernibility and average class size.

Promises: each measure is computed from the released table alone, with the number of suppressed rows where it needs it; a loss of 0 is none
and of 1 everything. A printed value counts for the most values that it may stand for, so loss is never under-stated.

Source: loss (ILoss, GCP): Iyengar, "Transforming data to satisfy privacy constraints", KDD 2002, and Xu, Wang, Pei, Wang, Shi & Fu,
"Utility-based anonymization using local recoding", KDD 2006; discernibility: Bayardo & Agrawal, "Data privacy through optimal
k-anonymization", ICDE 2005; average class size: LeFevre, DeWitt & Ramakrishnan, "Mondrian multidimensional k-anonymity", ICDE 2006.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from privacy.measure.classes import Classes, group
from privacy.measure.closeness import Paths
from privacy.measure.tables import Column, Table, column_of, names, row_count
from veilocity.errors import SettingsError

__all__ = [
    "Domain",
    "Domains",
    "Loss",
    "average_class_size",
    "average_of",
    "discernibility",
    "discernibility_of",
    "information_loss",
    "loss_of",
    "printed",
]

Domain: TypeAlias = tuple[float, float] | Paths
"""What a column could hold: the range of its numbers (low, high), or a hierarchy with the path of every value."""
Domains: TypeAlias = Mapping[str, Domain]
EVERYTHING = "*"
MISSING = "none"
_INTERVAL = re.compile(r"[\[(]\s*(-?[\d.eE+]+)\s*,\s*(-?[\d.eE+]+)\s*[\])]")


class Loss(msgspec.Struct, frozen=True):
    """Loss of a table, 0 (exact) to 1 (everything hidden)."""

    mean: float
    """Mean of all cells of all quasi-identifiers."""
    columns: dict[str, float]
    """Mean of the cells of each quasi-identifier."""


def average_class_size(table: Table, quasi: str | Sequence[str], k: int = 1, person: str | None = None) -> float:
    """Return C_avg: the mean people of a class divided by k, so 1 is the best that a table of this k could have.

    Args:
        table: n rows.
        quasi: names of the quasi-identifiers.
        k: what the table was anonymised for; 1 gives the plain mean.
        person: name of the column that says whose row it is.

    Raises:
        SettingsError: k is below 1, a column is not there or has two roles, or the table is empty.

    >>> import pandas as pd
    >>> average_class_size(pd.DataFrame({"age": ["2*", "2*", "3*", "3*", "3*", "3*"]}), "age", k=2)
    1.5
    """
    if k < 1:
        raise SettingsError("k is at least 1")
    return average_of(group(table, quasi, person), k)


def average_of(classes: Classes, k: int = 1) -> float:
    """Return the mean people of a class divided by k."""
    return float(classes.people.mean() / k)


def discernibility(table: Table, quasi: str | Sequence[str], suppressed: int = 0, k: int = 1) -> int:
    """Return C_DM: the sum over all rows of the rows that cannot be told apart from each.

    Formula: sum of |E|^2 over classes with |E| >= k, plus n |E| over the smaller ones and n for each suppressed row, where n counts all
    rows that there were; k = 1 without suppressed rows gives the plain sum of |E|^2.

    Args:
        table: rows that were released.
        quasi: names of the quasi-identifiers.
        suppressed: rows that were not.
        k: rows below which a class counts as suppressed.

    Raises:
        SettingsError: a negative number of rows, a column is not there, or the table is empty.

    >>> import pandas as pd
    >>> released = pd.DataFrame({"age": ["2*", "2*", "3*", "3*", "3*"]})
    >>> discernibility(released, "age"), discernibility(released, "age", suppressed=1), discernibility(released, "age", k=3)
    (13, 19, 19)
    """
    if suppressed < 0:
        raise SettingsError("the number of suppressed rows is not negative")
    return discernibility_of(group(table, quasi), suppressed, k)


def discernibility_of(classes: Classes, suppressed: int = 0, k: int = 1) -> int:
    """Return C_DM of these classes, in rows."""
    everything = len(classes.labels) + suppressed
    rows = classes.rows
    return int(np.where(rows >= k, rows * rows, rows * everything).sum()) + suppressed * everything


def information_loss(table: Table, domains: Domains, suppressed: int = 0) -> Loss:
    """Return the normalised certainty penalty of a released table.

    Formula: mean over cells of (leaves under the printed value - 1) / (leaves of the domain - 1) for a hierarchy and of
    width of the printed interval / width of the range for numbers; `*` and suppressed cells count 1, a missing value (printed `none` or
    null) is exact and counts 0.

    Args:
        table: rows that were released, with printed values: values, `[low, high)`, labels of the hierarchy or `*`.
        domains: for each quasi-identifier its hierarchy or the range of its numbers.
        suppressed: rows that were not released.

    Raises:
        SettingsError: a printed value is not in its domain, a range is empty, a column is not there, or the table is empty.

    >>> import pandas as pd
    >>> city = {"Lyon": ("Lyon", "FR", "*"), "Nice": ("Nice", "FR", "*"), "Bonn": ("Bonn", "DE", "*")}
    >>> released = pd.DataFrame({"city": ["FR", "FR", "*"], "age": ["[20, 30)", "31", "*"]})
    >>> information_loss(released, {"city": city, "age": (0, 100)}).columns
    {'city': 0.6666666666666666, 'age': 0.3666666666666667}
    """
    row_count(table)
    return loss_of({name: column_of(table, name) for name in names(list(domains), "quasi-identifier")}, domains, suppressed)


def loss_of(columns: Mapping[str, Column], domains: Domains, suppressed: int = 0) -> Loss:
    """Return the loss of columns that are codes already; arguments and errors as in `information_loss`."""
    if suppressed < 0:
        raise SettingsError("the number of suppressed rows is not negative")
    unknown = sorted(set(domains) - set(columns))
    if unknown:
        raise SettingsError(f"a domain is given for {', '.join(unknown)}, which is no quasi-identifier here: take it away")
    losses: dict[str, float] = {}
    for name, domain in domains.items():
        codes, values = columns[name]
        costs = np.array([*_costs(values, domain, name), 0.0])
        counts = np.bincount(columns[name].whole, minlength=len(costs))
        # In order of cost, so that the order of rows does not change the last bit.
        order = np.argsort(costs, kind="stable")
        lost = float((costs[order] * counts[order]).cumsum()[-1]) + suppressed
        losses[name] = lost / (len(codes) + suppressed)
    return Loss(sum(losses.values()) / len(losses), losses)


def _costs(values: Sequence[Any] | Any, domain: Domain, name: str) -> list[float]:
    known = _range_costs(domain) if isinstance(domain, tuple) else _label_costs(domain)
    costs = []
    for value in values:
        text = printed(value)
        cost = 1.0 if text == EVERYTHING else known(text) if callable(known) else known.get(text, 0.0 if text == MISSING else None)
        if cost is None:
            raise SettingsError(f"column '{name}' holds a value that is not in its domain: mend the hierarchy or the range")
        costs.append(cost)
    return costs


def printed(value: object) -> str:
    """Return a value as it is printed: a whole number without a fraction, whatever the column's type.

    >>> printed(39.0), printed(39), printed(2.5), printed("39")
    ('39', '39', '2.5', '39')
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _range_costs(domain: tuple[float, float]) -> Any:
    low, high = domain
    if not low < high:
        raise SettingsError("the range of a column's numbers is empty: give (low, high) with low < high")

    def cost(text: str) -> float | None:
        found = _INTERVAL.fullmatch(text)
        try:
            first, last = (float(part) for part in (found.groups() if found else (text, text)))
        except ValueError:
            return 0.0 if text == MISSING else None
        return (last - first) / (high - low) if low <= first <= last <= high else None

    return cost


def _label_costs(paths: Paths) -> dict[str, float]:
    leaves: dict[tuple[str, ...], int] = {}
    for path in paths.values():
        for level in range(len(path)):
            node = tuple(printed(label) for label in path[level:])
            leaves[node] = leaves.get(node, 0) + 1
    costs: dict[str, float] = {}
    for node, count in leaves.items():
        cost = (count - 1) / max(1, len(paths) - 1)
        # A label that stands at two places of the tree counts for the larger one, unless it is printed with its path from above.
        costs[node[0]] = max(cost, costs.get(node[0], 0.0))
        costs.setdefault("/".join(reversed(node[:-1])), cost)
    return costs
