"""l-diversity, three ways: how sure somebody is of a sensitive value who has found the right class.

Promises: distinct l is a whole number; entropy l and the c of recursive diversity are exact up to floating point and are not cut to whole
numbers; with `person`, each person has one vote per class and value (see `privacy.measure.spread`).

Source: Machanavajjhala, Kifer, Gehrke & Venkitasubramaniam, "l-diversity: privacy beyond k-anonymity", ACM TKDD 1(1), 2007; (alpha, k):
Wong, Li, Fu & Wang, "(alpha, k)-anonymity", KDD 2006.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from privacy.measure.classes import Classes, group
from privacy.measure.spread import Spread, spread
from privacy.measure.tables import Table
from veilocity.errors import SettingsError

__all__ = [
    "AlphaK",
    "alpha_k",
    "alpha_of",
    "distinct_of",
    "entropy_diversity",
    "entropy_of",
    "l_diversity",
    "people_alpha_of",
    "recursive_diversity",
    "recursive_of",
]


class AlphaK(NamedTuple):
    """What (alpha, k)-anonymity a table has."""

    alpha: float
    """Largest share of one value in one class."""
    k: int


def l_diversity(table: Table, quasi: str | Sequence[str], sensitive: str, person: str | None = None) -> int:
    """Return distinct l: the fewest distinct values of the sensitive column in one class; arguments and errors as in `spread`.

    Guarantee: whoever finds a class still has at least l values to choose from; nothing is said of how likely each is.

    >>> import pandas as pd
    >>> l_diversity(pd.DataFrame({"zip": [1, 1, 2, 2], "illness": ["flu", "cold", "flu", "flu"]}), "zip", "illness")
    1
    """
    return distinct_of(spread(table, quasi, sensitive, person))


def entropy_diversity(table: Table, quasi: str | Sequence[str], sensitive: str, person: str | None = None) -> float:
    """Return entropy l: e to the power of the smallest entropy of a class, so l equally likely values count as l.

    Formula: min over classes of exp(-sum of q ln q), q the share of each value; arguments and errors as in `spread`.

    >>> import pandas as pd
    >>> round(entropy_diversity(pd.DataFrame({"zip": [1, 1, 1, 1], "illness": ["flu", "cold", "flu", "flu"]}), "zip", "illness"), 4)
    1.7548
    """
    return entropy_of(spread(table, quasi, sensitive, person))


def recursive_diversity(table: Table, quasi: str | Sequence[str], sensitive: str, least: int = 2, person: str | None = None) -> float:
    """Return the c of recursive (c, l)-diversity: the table has it for every c above the returned one.

    Formula: max over classes of r_1 / (r_l + r_(l+1) + ... + r_m), where r_i is the count of the i-th most frequent value.

    Args:
        table: n rows.
        quasi: names of the quasi-identifiers.
        sensitive: name of the sensitive column.
        least: l.
        person: name of the column that says whose row it is.

    Returns:
        c, infinite where a class has fewer than l values: then no c is enough.

    Raises:
        SettingsError: l is below 1, or as in `spread`.

    >>> import pandas as pd
    >>> recursive_diversity(pd.DataFrame({"zip": [1, 1, 1, 1], "illness": ["flu", "cold", "flu", "flu"]}), "zip", "illness")
    3.0
    """
    if least < 1:
        raise SettingsError("recursive (c, l)-diversity needs an l of at least 1")
    return recursive_of(spread(table, quasi, sensitive, person), least)


def alpha_k(table: Table, quasi: str | Sequence[str], sensitive: str, person: str | None = None) -> AlphaK:
    """Return (alpha, k): no value is held by more than the share alpha of a class, and no class has fewer than k people.

    With `person`, alpha is the share of a class's people who hold the value; arguments and errors as in `spread`.

    >>> import pandas as pd
    >>> alpha_k(pd.DataFrame({"zip": [1, 1, 1, 1], "illness": ["flu", "cold", "flu", "flu"]}), "zip", "illness")
    AlphaK(alpha=0.75, k=4)
    """
    found, classes = spread(table, quasi, sensitive, person), group(table, quasi, person)
    return AlphaK(alpha_of(found) if person is None else people_alpha_of(classes, found), classes.k)


def distinct_of(found: Spread) -> int:
    """Return distinct l."""
    return int(found.distinct.min())


def entropy_of(found: Spread) -> float:
    """Return entropy l."""
    # ln n - (sum of c ln c) / n: exact where all values are equally frequent, as -sum of q ln q is not.
    sums = np.add.reduceat(found.counts * np.log(found.counts), found.starts)
    return float(np.exp(max(0.0, np.min(np.log(found.totals) - sums / found.totals))))


def recursive_of(found: Spread, least: int) -> float:
    """Return the c of recursive (c, l)-diversity."""
    if distinct_of(found) < least:
        return math.inf
    order = np.lexsort((-found.counts, found.owners))
    falling = found.counts[order]
    ranks = np.arange(len(falling)) - found.starts[found.owners]
    rest = np.add.reduceat(np.where(ranks >= least - 1, falling, 0), found.starts)
    return float(np.max(falling[found.starts] / rest))


def alpha_of(found: Spread) -> float:
    """Return the largest share of one value in one class."""
    return float(found.shares.max())


def people_alpha_of(classes: Classes, votes: Spread) -> float:
    """Return the largest share of a class's people who hold one value.

    Args:
        classes: with a column that names the person.
        votes: spread of the sensitive column in votes of people over these classes.
    """
    # Rows that name nobody vote once although they may add nobody to the class: a share is at most all.
    return float(np.minimum(1.0, votes.counts / classes.people[votes.owners]).max())
