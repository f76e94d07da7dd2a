"""What a curve is: for every k the figures of the table that it makes, as JSON and as CSV.

Promises: a curve holds names of columns, counts and shares, never a value of the table, so it may be shown wherever the table may; equal
curves make equal bytes.
"""

from __future__ import annotations

import csv
from io import StringIO

import msgspec

from veilocity.errors import SettingsError

__all__ = ["THRESHOLD", "TRACE_POINTS", "Curve", "Point"]

TRACE_POINTS = 4
"""Points of a trace that whoever looks for a person knows: as many as single out most people (de Montjoye et al., 2013)."""
THRESHOLD = 0.2
"""Risk above which a row counts as at risk (El Emam, 2013: a class of five)."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The released table of one k; risks are chances, 0 to 1, and 0 where nothing is released."""

    k: int
    loss: float
    """Normalised certainty penalty: 0 exact, 1 everything hidden; a suppressed row counts 1."""
    suppressed: int
    """Rows that are not released."""
    classes: int
    smallest: int
    """People of the smallest class, k or more; 0 where nothing is released."""
    average_class_size: float
    """Mean people of a class."""
    discernibility: int
    """Sum over rows of the rows that cannot be told apart from each; a suppressed one counts all."""
    prosecutor: float
    """Highest chance of a row to be matched by somebody who knows that its person was released."""
    prosecutor_at_risk: float
    """Share of released rows whose chance is above the threshold."""
    journalist: float
    """Highest chance where it is only known that the person is in the table from which rows were released."""
    journalist_at_risk: float
    marketer: float
    """Expected share of released rows that are matched rightly when all are tried."""
    unicity: float | None
    """Share of people whom a few points of their trace single out; null without a trace, or where nobody has so many points."""
    inference: float | None
    """Most that a class adds to the chance of one sensitive value; null without a sensitive column."""
    t: float | None
    """Largest distance (total variation) of a class's sensitive values from those of all released rows."""
    l: int | None  # noqa: E741  # the measure's own name
    """Fewest distinct sensitive values of a class."""
    query_error: float
    """Median relative error of random counts that are asked of the released table."""
    score: float
    """Privacy score: 1 less the highest of prosecutor, journalist, marketer, unicity and inference."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """What every k costs a table, and what it leaves to whoever looks for a person."""

    rows: int
    people: int | None
    """Distinct people; null where no column names the person and every row counts as one."""
    quasi: tuple[str, ...]
    sensitive: str | None
    trace: tuple[str, ...]
    """Columns of a point of a person's trace; empty where rows of a person cannot be joined."""
    trace_points: int
    threshold: float
    queries: int
    """Random counts behind `query_error`."""
    seed: int
    points: tuple[Point, ...]
    """By rising k."""

    def at(self, k: int) -> Point:
        """Return the figures of one k.

        Raises:
            SettingsError: this k is not on the curve.
        """
        for point in self.points:
            if point.k == k:
                return point
        raise SettingsError(f"the curve has no k = {k}: ask for it when the curve is made")

    def to_json(self) -> bytes:
        """Return the curve as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Curve:
        """Read what `to_json` wrote.

        Raises:
            SettingsError: it is no curve.
        """
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as cause:
            raise SettingsError(f"not a curve of privacy: {cause}; make it again") from cause

    def to_csv(self) -> str:
        """Return one line for each k below a line of names; an empty cell is a figure that there is not."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(Point.__struct_fields__)
        writer.writerows([getattr(point, name) for name in Point.__struct_fields__] for point in self.points)
        return text.getvalue()
