"""A curve: every k of a range at once.

The classes come from `privacy.anonymise.loss_curve`, which solves the table at some two dozen values of k and gives each other k the best
of them; each of those divisions is measured once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from privacy.anonymise.curve import loss_curve
from privacy.anonymise.encoding import encode
from privacy.anonymise.hierarchies import Hierarchy
from privacy.anonymise.proof import to_frame
from privacy.curves.figures import Subject, figures
from privacy.curves.model import THRESHOLD, TRACE_POINTS, Curve, Point
from privacy.curves.queries import workload
from privacy.curves.shapes import Cover
from privacy.measure.tables import Column, column_of
from veilocity.errors import SettingsError

__all__ = ["curve"]


def curve(
    table: pd.DataFrame | pa.Table,
    quasi: Mapping[str, Hierarchy],
    ks: Iterable[int] = range(2, 201),
    *,
    person: str | None = None,
    sensitive: str | None = None,
    trace: Sequence[str] = (),
    queries: int = 200,
    seed: int = 1,
) -> Curve:
    """Return what every k costs and what risk it leaves, measured on the classes that it makes.

    Guarantee: each point is measured on a division of the rows in which every class has at least k people; its loss never falls as k grows
    and is at most about an eighth above that of `anonymise` for the k alone. The score is 1 - max(prosecutor, journalist, marketer,
    unicity, inference): 1 less the best chance of the attacks that were named. The order of rows and the index change no bit of it.

    Args:
        table: N rows, at least one, of a data frame or an Arrow table; it is not changed.
        quasi: the columns an outsider may know, each with its hierarchy.
        ks: the values of k, each at least 2.
        person: column that names people; without it every row is a person.
        sensitive: column of which nobody shall learn a value; the classes are made without it.
        trace: columns of a point that somebody may learn of a person, such as place and hour: name them where a released row shall carry a
            pseudonym of its person. Quasi-identifiers count as printed, other columns as they are.
        queries: random counts behind the query error.
        seed: of the search, of the queries and of the points that are drawn from traces.

    Raises:
        SettingsError: a column is absent or has two roles, a trace is given without a person, the table is empty, or it holds a value that
            its hierarchy refuses.
        UnsafePolicyError: a k promises nothing.

    References: loss: Iyengar, KDD 2002; discernibility: Bayardo & Agrawal, ICDE 2005; risks: El Emam, "Guide to the de-identification of
    personal health information", 2013; unicity: de Montjoye et al., Scientific Reports 3:1376, 2013; that finding, joining and guessing are
    three risks: Article 29 Working Party, "Opinion 05/2014 on anonymisation techniques".

    >>> people = pd.DataFrame({"city": ["Lyon", "Nice", "Bonn", "Kiel"], "ill": ["yes", "yes", "no", "yes"]})
    >>> city = Hierarchy.from_mapping({"Lyon": ["FR"], "Nice": ["FR"], "Bonn": ["DE"], "Kiel": ["DE"]})
    >>> found = curve(people, {"city": city}, (2, 4), sensitive="ill")
    >>> [(point.k, round(point.loss, 2), point.prosecutor, point.inference, point.score) for point in found.points]
    [(2, 0.33, 0.5, 0.25, 0.5), (4, 1.0, 0.25, 0.0, 0.75)]
    """
    frame = _checked(to_frame(table), quasi, person, sensitive, trace, queries)
    wanted = sorted(set(ks))
    others = [name for name in trace if name not in quasi and name != sensitive]
    # Sorted by all that is measured: the search breaks ties by position, and the order of rows must not reach it.
    order = encode(frame, quasi, person, sensitive, others).order
    frame = frame.iloc[order].reset_index(drop=True)
    losses = loss_curve(frame, quasi, wanted, person=person, seed=seed)
    subject = _subject(frame, quasi, person, sensitive, trace, (queries, seed))
    measured: dict[bytes, Point] = {}
    points = []
    for k in wanted:
        labels = losses.labels(k)
        known = labels.tobytes()
        if known not in measured:
            measured[known] = figures(subject, k, labels)
        points.append(msgspec.structs.replace(measured[known], k=k))
    return Curve(
        rows=len(frame),
        people=None if subject.person is None else len(subject.person.values),
        quasi=tuple(quasi),
        sensitive=sensitive,
        trace=tuple(trace),
        trace_points=TRACE_POINTS,
        threshold=THRESHOLD,
        queries=queries,
        seed=seed,
        points=tuple(points),
    )


def _checked(
    frame: pd.DataFrame, quasi: Mapping[str, Hierarchy], person: str | None, sensitive: str | None, trace: Sequence[str], queries: int
) -> pd.DataFrame:
    roles = [*quasi, *(name for name in (person, sensitive) if name is not None)]
    absent = [name for name in [*roles, *trace] if name not in frame.columns]
    if absent or not quasi or not frame.columns.is_unique:
        raise SettingsError(f"every column of the curve must be in the table once, one of them a quasi-identifier; absent: {absent}")
    if len(set(roles)) < len(roles) or len(set(trace)) < len(trace) or person in trace:
        raise SettingsError("a column has two roles: a quasi-identifier is neither the person nor sensitive, and no person is a point")
    if trace and person is None:
        raise SettingsError("a trace is the rows of one person: name the column that says whose row it is")
    if not len(frame):
        raise SettingsError("the table has no rows: there is nothing to measure")
    if queries < 0:
        raise SettingsError("the number of queries is not negative")
    return frame


def _subject(
    frame: pd.DataFrame,
    quasi: Mapping[str, Hierarchy],
    person: str | None,
    sensitive: str | None,
    trace: Sequence[str],
    drawn: tuple[int, int],
) -> Subject:
    table = encode(frame, quasi, person, sensitive, ())
    places = {name: place for place, name in enumerate(quasi)}
    who = None if person is None else column_of(frame, person)
    queries, seed = drawn
    parts: tuple[int | Column, ...] = tuple(places[name] if name in places else column_of(frame, name) for name in trace)
    return Subject(
        table=table,
        person=who,
        sensitive=None if sensitive is None else column_of(frame, sensitive),
        trace=parts,
        cover=Cover(table, None if who is None else who.codes),
        workload=workload(table, queries, np.random.default_rng(seed)),
        seed=seed,
    )
