"""What a class adds to what was known before: basic and enhanced beta-likeness, and delta-disclosure.

With p the share of a value in the whole table and q its share in a class:

    basic beta-likeness      (q - p) / p <= beta                     for every value with q > p
    enhanced beta-likeness   (q - p) / p <= min(beta, -ln p)         for every value with q > p
    delta-disclosure         |ln(q / p)| < delta                     for every value of the table

Promises: each function returns the least bound that a table satisfies, infinite where none does. For enhanced likeness that is so where
one value breaks the bound -ln p, which beta cannot move; for delta where a class lacks a value of the table, because then q = 0 and
whoever is in that class is known not to have it.

Source: Cao & Karras, "Publishing microdata with a robust privacy guarantee", PVLDB 5(11), 2012; Brickell & Shmatikov, "The cost of privacy:
destruction of data-mining utility in anonymized data publishing", KDD 2008 (with natural logarithms here).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from privacy.measure.spread import Spread, spread
from privacy.measure.tables import Table

__all__ = ["beta_likeness", "beta_of", "delta_disclosure", "delta_of", "enhanced_beta_likeness", "enhanced_beta_of"]


def beta_likeness(table: Table, quasi: str | Sequence[str], sensitive: str, person: str | None = None) -> float:
    """Return the least beta for which the table has basic beta-likeness; arguments and errors as in `spread`.

    Guarantee: no class makes a value more than 1 + beta times as likely as the whole table does.

    >>> import pandas as pd
    >>> beta_likeness(pd.DataFrame({"zip": [1, 1, 2, 2], "illness": ["flu", "flu", "flu", "cold"]}), "zip", "illness")
    1.0
    """
    return beta_of(spread(table, quasi, sensitive, person))


def enhanced_beta_likeness(table: Table, quasi: str | Sequence[str], sensitive: str, person: str | None = None) -> float:
    """Return the least beta for which the table has enhanced beta-likeness, infinite where none is enough; as in `spread`.

    Guarantee: as basic, and a frequent value gains by at most -ln p, so none ever becomes certain.

    >>> import pandas as pd
    >>> enhanced_beta_likeness(pd.DataFrame({"zip": [1, 1, 2, 2], "illness": ["flu", "flu", "flu", "cold"]}), "zip", "illness")
    inf
    """
    return enhanced_beta_of(spread(table, quasi, sensitive, person))


def delta_disclosure(
    table: Table, quasi: str | Sequence[str], sensitive: str, person: str | None = None, *, present_only: bool = False
) -> float:
    """Return the largest |ln(q / p)|: the table has delta-disclosure privacy for every delta above it.

    Args:
        table: n rows.
        quasi: names of the quasi-identifiers.
        sensitive: name of the sensitive column.
        person: name of the column that says whose row it is: each person has one vote per class and value.
        present_only: leave out the values that a class lacks. Other tools do so; the bound is then not what the definition says.

    Returns:
        delta, infinite where a class lacks a value of the table.

    Raises:
        SettingsError: as in `spread`.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"zip": [1, 1, 2, 2], "illness": ["flu", "flu", "flu", "cold"]})
    >>> delta_disclosure(table, "zip", "illness"), round(delta_disclosure(table, "zip", "illness", present_only=True), 4)
    (inf, 0.6931)
    """
    return delta_of(spread(table, quasi, sensitive, person), present_only=present_only)


def beta_of(found: Spread) -> float:
    """Return the least beta of basic likeness."""
    return float(np.max(_gains(found)))


def enhanced_beta_of(found: Spread) -> float:
    """Return the least beta of enhanced likeness."""
    gains = _gains(found)
    if np.any((gains > 0.0) & (gains > -np.log(found.table_shares))):
        return math.inf
    return float(np.max(gains))


def delta_of(found: Spread, *, present_only: bool = False) -> float:
    """Return the largest |ln(q / p)|."""
    if not present_only and int(found.distinct.min()) < np.count_nonzero(found.table):
        return math.inf
    return float(np.max(np.abs(np.log(found.shares / found.table_shares))))


def _gains(found: Spread) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return (q - p) / p of each pair, not below 0: what a class lacks gains nothing."""
    whole = int(found.table.sum())
    before = found.table[found.values] * found.totals[found.owners].astype(np.float64)
    gains: np.ndarray[tuple[int], np.dtype[np.float64]] = np.maximum(found.counts * float(whole) - before, 0.0) / before
    return gains
