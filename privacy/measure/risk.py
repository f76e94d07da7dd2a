"""How likely it is that somebody is found again: prosecutor, journalist and marketer risk, and uniqueness.

    prosecutor   knows that the person is in the table: 1 / f for a row whose class has f people
    journalist   knows that the person is in a larger population: 1 / F for a row whose combination F people of the population have
    marketer     wants as many as possible: the expected share of rows that are matched rightly

Promises: averages are over ROWS, as in ARX: the chance that a row drawn at random is matched rightly. (An average over classes, as pyCANON
has it, weighs a class of one as much as a class of a thousand; with many small classes it is about twice as large.) Sums are taken in order
of class size, so the order of rows changes not one bit.

Source: El Emam & Dankar, "Protecting privacy using k-anonymity", JAMIA 15(5), 2008; El Emam, "Guide to the de-identification of personal
health information", 2013, chapter 16; uniqueness: Skinner & Elliot, "A measure of disclosure risk for microdata", JRSS B 64(4), 2002.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from privacy.measure.anonymity import Missing, matching_people
from privacy.measure.classes import combined, people_in
from privacy.measure.tables import Codes, Column, Table, column_of, names, row_count
from veilocity.errors import SettingsError

__all__ = ["Risk", "journalist_risk", "marketer_risk", "population_people", "prosecutor_risk", "risk_of", "uniqueness"]


class Risk(msgspec.Struct, frozen=True):
    """The risk that a row is matched with its person, 0 to 1."""

    highest: float
    """Of the row that is easiest to match."""
    average: float
    """Mean over rows."""
    threshold: float
    at_risk: float
    """Share of rows whose risk is above the threshold."""


def prosecutor_risk(
    table: Table, quasi: str | Sequence[str], person: str | None = None, threshold: float = 0.2, missing: Missing = "category"
) -> Risk:
    """Return the risk of a person who is known to be in the table.

    Formula: highest = 1 / min f; average = mean over rows of 1 / f, which is classes / rows where every row is another person;
    at_risk = share of rows with 1 / f > threshold.

    Args:
        table: n rows.
        quasi: names of the quasi-identifiers.
        person: name of the column that says whose row it is; without it every row counts as another person.
        threshold: risk above which a row counts as at risk.
        missing: what a missing quasi-identifier means.

    Raises:
        SettingsError: a column is not there or has two roles, or the table is empty.

    >>> import pandas as pd
    >>> prosecutor_risk(pd.DataFrame({"age": ["2*", "2*", "3*"]}), "age", threshold=0.5)
    Risk(highest=1.0, average=0.6666666666666666, threshold=0.5, at_risk=0.3333333333333333)
    """
    return risk_of(matching_people(table, quasi, person, missing), threshold)


def journalist_risk(table: Table, population: Table, quasi: str | Sequence[str], person: str | None = None, threshold: float = 0.2) -> Risk:
    """Return the risk of a person who is known to be in the population that the table was drawn from.

    Formula: as the prosecutor's with F, the people of the population with the row's combination, in place of f.

    Args:
        table: n rows, a sample of the population.
        population: the larger table, generalised in the same way.
        quasi: names of the quasi-identifiers, in both tables.
        person: name of the column, in both tables, that says whose row it is.
        threshold: risk above which a row counts as at risk.

    Raises:
        SettingsError: the population lacks a combination of the table, or as in `prosecutor_risk`.

    >>> import pandas as pd
    >>> sample = pd.DataFrame({"age": ["2*", "2*", "3*"]})
    >>> journalist_risk(sample, pd.DataFrame({"age": ["2*"] * 4 + ["3*"] * 5}), "age").highest
    0.25
    """
    return risk_of(population_people(table, population, quasi, person), threshold)


def marketer_risk(table: Table, quasi: str | Sequence[str], population: Table | None = None, person: str | None = None) -> float:
    """Return the expected share of rows that are matched rightly when all are tried.

    Formula: mean over rows of 1 / F; without a population of 1 / f, which is classes / rows where every row is another person. Arguments
    and errors as in `journalist_risk`.

    >>> import pandas as pd
    >>> round(marketer_risk(pd.DataFrame({"age": ["2*", "2*", "3*"]}), "age"), 4)
    0.6667
    """
    if population is None:
        return prosecutor_risk(table, quasi, person).average
    return journalist_risk(table, population, quasi, person).average


def uniqueness(table: Table, quasi: str | Sequence[str], person: str | None = None, missing: Missing = "category") -> float:
    """Return the share of rows whose person hides among nobody else; arguments and errors as in `prosecutor_risk`.

    >>> import pandas as pd
    >>> uniqueness(pd.DataFrame({"age": ["2*", "2*", "3*", "4*"]}), "age")
    0.5
    """
    return float(np.mean(matching_people(table, quasi, person, missing) == 1))


def risk_of(people: Codes, threshold: float) -> Risk:
    """Return the risk of rows.

    Args:
        people: for each of n rows the people among whom its person hides, at least 1.
        threshold: risk above which a row counts as at risk.

    Raises:
        SettingsError: the threshold is not between 0 and 1.
    """
    if not 0.0 <= threshold <= 1.0:
        raise SettingsError("a threshold of risk lies between 0 and 1")
    sizes, rows = np.unique(people, return_counts=True)
    risks = 1.0 / sizes
    at_risk = float(rows[risks > threshold].sum() / len(people))
    return Risk(float(risks[0]), float((rows / sizes).sum() / len(people)), threshold, at_risk)


def population_people(table: Table, population: Table, quasi: str | Sequence[str], person: str | None = None) -> Codes:
    """Return for each row of the table the people of the population with its combination; arguments and errors as in `journalist_risk`."""
    wanted, here, there = names(quasi, "quasi-identifier"), row_count(table), row_count(population)
    both = combined([_together(column_of(table, name), column_of(population, name)) for name in wanted], here + there)
    outside = both[here:]
    people = np.bincount(outside, minlength=int(both.max()) + 1)
    if (people[both[:here]] == 0).any():
        raise SettingsError("the population lacks a combination of the table: it must hold everybody of the table, generalised alike")
    if person is not None:
        people = people_in(outside, column_of(population, person).codes, len(people))
    return people[both[:here]]


def _together(left: Column, right: Column) -> Codes:
    """Return one code per row of two columns, the left one's rows first."""
    places = {value: place for place, value in enumerate(left.values)}
    new = [places.setdefault(value, len(places)) for value in right.values]
    return np.concatenate([left.codes, np.array([*new, -1], dtype=np.int64)[right.codes]]) + 1
