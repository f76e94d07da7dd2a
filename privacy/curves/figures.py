"""The figures of one division of a table into classes.

Promises: every figure is what `privacy.measure` says of the released table (with the same counting of people: a row that names nobody adds
no person); the journalist's population is the whole table, suppressed rows and the rows of other classes included.

    inference = max over classes E and sensitive values s of share(s, E) - share(s, all released rows)

is how much more certain of one value somebody becomes who finds the right class without finding the row. It is at most t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.anonymise.encoding import Encoded
from privacy.curves.model import THRESHOLD, TRACE_POINTS, Point
from privacy.curves.queries import Workload
from privacy.curves.shapes import Cover, Shapes, shapes_of
from privacy.measure.classes import Classes, people_in
from privacy.measure.closeness import closeness_of
from privacy.measure.quality import average_of, discernibility_of
from privacy.measure.risk import risk_of
from privacy.measure.spread import spread_of
from privacy.measure.tables import Column
from privacy.measure.traces import unicity
from veilocity.errors import SettingsError

__all__ = ["Subject", "figures"]

Ints = NDArray[np.int64]


class Subject(NamedTuple):
    """A table of N rows in canonical order, prepared once for all divisions."""

    table: Encoded
    person: Column | None
    sensitive: Column | None
    trace: tuple[int | Column, ...]
    """Columns of a point: the place of a quasi-identifier, printed as its class prints it, or a column that is released as it is."""
    cover: Cover
    workload: Workload
    seed: int


def figures(subject: Subject, k: int, labels: Ints) -> Point:
    """Return the figures of one division.

    Args:
        subject: the table.
        k: what the division is for.
        labels: (N,) class of each row, dense from 0 on, -1 for a suppressed one.
    """
    inside = labels >= 0
    shapes = shapes_of(subject.table, labels)
    suppressed = int((~inside).sum())
    error = subject.workload.error(labels, shapes.nodes)
    if not inside.any():
        return _nothing(subject, k, suppressed, error)
    classes = _classes(subject, labels, inside)
    prosecutor = risk_of(classes.row_people, THRESHOLD)
    journalist = risk_of(subject.cover.people(shapes.nodes)[classes.labels], THRESHOLD)
    point = Point(
        k=k,
        loss=(float(np.sort(shapes.losses[classes.labels]).cumsum()[-1]) + suppressed) / len(labels),
        suppressed=suppressed,
        classes=len(classes.rows),
        smallest=classes.k,
        average_class_size=average_of(classes),
        discernibility=discernibility_of(classes, suppressed),
        prosecutor=prosecutor.highest,
        prosecutor_at_risk=prosecutor.at_risk,
        journalist=journalist.highest,
        journalist_at_risk=journalist.at_risk,
        # Not above the highest by a rounding error of the mean.
        marketer=min(prosecutor.average, prosecutor.highest),
        unicity=_unicity(subject, shapes, labels, inside),
        query_error=error,
        score=0.0,
        **_disclosure(subject, classes, inside),
    )
    risks = [point.prosecutor, point.journalist, point.marketer, point.unicity or 0.0, point.inference or 0.0]
    return msgspec.structs.replace(point, score=1.0 - max(risks))


def _nothing(subject: Subject, k: int, suppressed: int, error: float) -> Point:
    return Point(
        k=k,
        loss=1.0,
        suppressed=suppressed,
        classes=0,
        smallest=0,
        average_class_size=0.0,
        discernibility=suppressed * suppressed,
        prosecutor=0.0,
        prosecutor_at_risk=0.0,
        journalist=0.0,
        journalist_at_risk=0.0,
        marketer=0.0,
        unicity=0.0 if subject.trace else None,
        inference=None if subject.sensitive is None else 0.0,
        t=None if subject.sensitive is None else 0.0,
        l=None if subject.sensitive is None else 0,
        query_error=error,
        score=1.0,
    )


def _classes(subject: Subject, labels: Ints, inside: NDArray[np.bool_]) -> Classes:
    released = labels[inside]
    rows = np.bincount(released)
    if subject.person is None:
        return Classes(released, rows, rows)
    person = subject.person.codes[inside]
    return Classes(released, rows, people_in(released, person, len(rows)), person)


def _disclosure(subject: Subject, classes: Classes, inside: NDArray[np.bool_]) -> dict[str, Any]:
    if subject.sensitive is None:
        return {"inference": None, "t": None, "l": None}
    # By the codes of the whole table: a value that occurs in suppressed rows alone has the share 0 and changes nothing.
    found = spread_of(classes, Column(subject.sensitive.codes[inside], subject.sensitive.values))
    gain = float(np.max(found.shares - found.table_shares))
    return {"inference": max(0.0, gain), "t": closeness_of(found, "equal"), "l": int(found.distinct.min())}


def _unicity(subject: Subject, shapes: Shapes, labels: Ints, inside: NDArray[np.bool_]) -> float | None:
    if not subject.trace or subject.person is None:
        return None
    columns = {str(place): _printed(part, shapes, labels)[inside] for place, part in enumerate(subject.trace)}
    points: Sequence[str] = list(columns)
    who = subject.person.codes[inside]
    # Rows that name nobody stay nobody's.
    released = pd.DataFrame({**columns, "person": np.where(who < 0, np.nan, who)})
    try:
        # Always the same draws, so that two k differ by their classes alone.
        return unicity(released, points, "person", TRACE_POINTS, rng=np.random.default_rng(subject.seed)).share
    except SettingsError:
        # Nobody is left with so many different points.
        return None


def _printed(part: int | Column, shapes: Shapes, labels: Ints) -> Ints:
    return part.whole if isinstance(part, Column) else shapes.nodes[part][labels].astype(np.int64)
