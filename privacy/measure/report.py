"""Everything about a table in one value: classes once, one spread per sensitive column, all measures from them.

Promises: each figure equals what the function of the same name returns alone; the report holds no value of the table, only counts and
shares, so it may be published wherever the table may; as JSON it is the same for the same rows in any order. A bound that no number
satisfies (see each measure) is null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from privacy.measure.anonymity import Missing, row_people
from privacy.measure.classes import Classes, ClassSizes, classes_in, sizes_of
from privacy.measure.closeness import Distance, closeness_of, distance_name
from privacy.measure.diversity import alpha_of, distinct_of, entropy_of, people_alpha_of, recursive_of
from privacy.measure.likeness import beta_of, delta_of, enhanced_beta_of
from privacy.measure.quality import Domains, Loss, average_of, discernibility_of, loss_of
from privacy.measure.risk import Risk, risk_of
from privacy.measure.spread import Spread, spread_of
from privacy.measure.tables import Table, column_of, names
from privacy.measure.traces import Unicity
from veilocity.errors import SettingsError

__all__ = ["Disclosure", "Report", "measure"]


class Disclosure(msgspec.Struct, frozen=True):
    """What a class tells of one sensitive column, at worst."""

    distinct_l: int
    entropy_l: float
    recursive_c: float | None
    """For l = 2."""
    alpha: float
    t: float
    distance: str
    """Ground distance of t: equal, ordered or hierarchical."""
    beta: float
    enhanced_beta: float | None
    delta: float | None
    delta_present_only: float
    """Without the values that a class lacks."""


class Report(msgspec.Struct, frozen=True):
    """What a table of n rows gives away, and what it cost."""

    rows: int
    people: int | None
    """Distinct people of the table; null where no column names the person."""
    quasi: tuple[str, ...]
    missing: str
    """How a missing quasi-identifier was read for k and risk: category or wildcard."""
    k: int
    """Distinct people among whom every person hides."""
    k_rows: int
    """Rows of the smallest class: what k would seem to be if rows were people."""
    classes: ClassSizes
    """Classes by people; a missing value is a category."""
    average_class_size: float
    discernibility: int
    """In rows, each suppressed one counting all."""
    suppressed: int
    prosecutor: Risk
    uniqueness: float
    """Share of rows whose person hides among nobody else."""
    loss: Loss | None
    """Null where no domain is given."""
    sensitive: dict[str, Disclosure]
    """By sensitive column, counted in rows."""
    sensitive_people: dict[str, Disclosure] | None
    """The same counted in votes of people; null where no column names the person."""
    unicity: Unicity | None = None


def measure(
    table: Table,
    quasi: str | Sequence[str],
    sensitive: str | Sequence[str] = (),
    person: str | None = None,
    *,
    missing: Missing = "category",
    domains: Domains | None = None,
    distances: Mapping[str, Distance] | None = None,
    suppressed: int = 0,
) -> Report:
    """Measure a table.

    Args:
        table: n rows of a pandas DataFrame or a pyarrow Table.
        quasi: names of the quasi-identifiers.
        sensitive: names of the sensitive columns; each is measured alone.
        person: name of the column that says whose row it is; without it every row counts as another person.
        missing: how a missing quasi-identifier is read for k, risk and uniqueness; the measures of sensitive columns and of cost take it as
            a category.
        domains: hierarchies or ranges of the quasi-identifiers: of these the loss is measured.
        distances: ground distances of sensitive columns, `auto` where none is given.
        suppressed: rows that were not released.

    Raises:
        SettingsError: a column is not there or has two roles, the table is empty, or as in the measures.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"zip": ["1", "1", "2", "2"], "illness": ["flu", "cold", "flu", "flu"], "who": list("abcc")})
    >>> found = measure(table, "zip", "illness", "who")
    >>> found.k, found.k_rows, found.people, found.sensitive["illness"].distinct_l, found.sensitive["illness"].t
    (1, 2, 3, 1, 0.25)
    """
    classes, columns = classes_in(table, quasi, person)
    wanted = names(quasi, "quasi-identifier")
    secrets = names(sensitive, "sensitive column") if sensitive else []
    doubled = sorted({*wanted, person} & set(secrets), key=str)
    if doubled:
        raise SettingsError(f"column '{doubled[0]}' has two roles: a sensitive column is neither a quasi-identifier nor the person")
    if suppressed < 0:
        raise SettingsError("the number of suppressed rows is not negative")
    people = row_people(classes, columns, missing)
    by_rows, by_people = _disclosures(table, classes, secrets, distances or {})
    return Report(
        rows=len(classes.labels),
        people=None if classes.person is None else len(np.unique(classes.person[classes.person >= 0])),
        quasi=tuple(wanted),
        missing=missing,
        k=int(people.min()),
        k_rows=int(classes.rows.min()),
        classes=sizes_of(classes),
        average_class_size=average_of(classes),
        discernibility=discernibility_of(classes, suppressed),
        suppressed=suppressed,
        prosecutor=risk_of(people, 0.2),
        uniqueness=float(np.mean(people == 1)),
        loss=loss_of(dict(zip(wanted, columns, strict=True)), domains, suppressed) if domains else None,
        sensitive=by_rows,
        sensitive_people=by_people if person is not None else None,
    )


def _disclosures(
    table: Table, classes: Classes, secrets: Sequence[str], distances: Mapping[str, Distance]
) -> tuple[dict[str, Disclosure], dict[str, Disclosure]]:
    strangers = sorted(set(distances) - set(secrets))
    if strangers:
        raise SettingsError(f"a distance is given for {', '.join(strangers)}, which is no sensitive column here: take it away")
    by_rows, by_people = {}, {}
    for name in secrets:
        column, distance = column_of(table, name), distances.get(name, "auto")
        rows = spread_of(classes, column)
        by_rows[name] = _disclosure(rows, alpha_of(rows), distance)
        if classes.person is not None:
            votes = spread_of(classes, column, by_person=True)
            by_people[name] = _disclosure(votes, people_alpha_of(classes, votes), distance)
    return by_rows, by_people


def _disclosure(found: Spread, alpha: float, distance: Distance) -> Disclosure:
    return Disclosure(
        distinct_l=distinct_of(found),
        entropy_l=entropy_of(found),
        recursive_c=_finite(recursive_of(found, 2)),
        alpha=alpha,
        t=closeness_of(found, distance),
        distance=distance_name(found, distance),
        beta=beta_of(found),
        enhanced_beta=_finite(enhanced_beta_of(found)),
        delta=_finite(delta_of(found)),
        delta_present_only=delta_of(found, present_only=True),
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
