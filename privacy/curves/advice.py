"""Which k to take: the smallest that keeps the limits, or the knee of the curve where that is further.

    fitting = the smallest k whose risks and suppressed rows are all within the limits
    knee    = where loss against the prosecutor's risk bends most: up to there privacy is cheap, beyond it dear
    chosen  = the knee, where it is above `fitting` and keeps the limits as well; else `fitting`

The prosecutor's risk is judged as 1/k where it was measured lower: a release with this k may have other classes than the curve, and k
people in each is what is promised of it. The other figures are measured, so measure the release itself before it leaves.

Promises: what is recommended keeps every limit by the figures of the curve, and the sentence tells those figures; where nothing does,
nothing is recommended, and the sentence tells which limit stands in the way and how near the curve came.

Source: the knee: Satopaa, Albrecht, Irwin & Raghavan, "Finding a 'Kneedle' in a haystack: detecting knee points in system behavior", ICDCS
workshops 2011; 0.2: El Emam, "Guide to the de-identification of personal health information", 2013; 0.09: European Medicines Agency,
"External guidance on the implementation of policy 0070", 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from privacy.curves.model import Curve, Point
from veilocity.errors import SettingsError

__all__ = ["EL_EMAM", "EMA", "Limits", "Recommendation", "knee", "knee_of", "recommend"]

EL_EMAM = 0.2
"""Highest risk for data that go to known recipients under contract."""
EMA = 0.09
"""Highest risk for clinical reports that the European Medicines Agency publishes."""
SENSITIVITY = 1.0
"""Kneedle's S: how many mean steps the curve must fall behind a bend before it counts; 1 is the authors' choice."""
RISKS = ("prosecutor", "journalist", "marketer", "unicity", "inference")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The most of each risk that is tolerable, 0 to 1; null for no limit. A risk that a curve does not have is not limited."""

    prosecutor: float | None = EL_EMAM
    journalist: float | None = None
    marketer: float | None = None
    unicity: float | None = None
    inference: float | None = None
    suppressed: float | None = 0.05
    """Share of all rows."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What to take, and why."""

    k: int | None
    """Null where no k of the curve keeps the limits."""
    why: str
    """A sentence with the figures."""
    fitting: int | None
    knee: int | None
    """Null where the curve has no bend."""
    limits: Limits


def recommend(curve: Curve, limits: Limits | None = None) -> Recommendation:
    """Return the k to take.

    Args:
        curve: of a table.
        limits: by default a prosecutor's risk of 0.2 and a twentieth of the rows suppressed.

    Raises:
        SettingsError: a limit is not between 0 and 1.

    >>> import pandas as pd
    >>> from privacy.anonymise import Hierarchy
    >>> from privacy.curves.making import curve
    >>> ages = pd.DataFrame({"age": [20 + number * number % 61 for number in range(400)]})
    >>> found = curve(ages, {"age": Hierarchy.intervals(0, 100, (1, 5, 20))}, range(2, 21))
    >>> recommend(found).k, recommend(found, Limits(prosecutor=EMA)).k, recommend(found, Limits(prosecutor=0.01)).k
    (8, 12, None)
    """
    limits = limits or Limits()
    if any(value is not None and not 0.0 <= value <= 1.0 for value in msgspec.structs.astuple(limits)):
        raise SettingsError("a limit of risk or of suppressed rows is a share: give a number from 0 to 1")
    fits = [point for point in curve.points if not list(_broken(curve, point, limits))]
    bend = knee(curve)
    if not fits:
        return Recommendation(k=None, why=_nothing(curve, limits), fitting=None, knee=bend, limits=limits)
    fitting = fits[0]
    chosen = next((point for point in fits if point.k == bend), fitting)
    return Recommendation(k=chosen.k, why=_why(curve, fitting, chosen, bend, limits), fitting=fitting.k, knee=bend, limits=limits)


def knee(curve: Curve) -> int | None:
    """Return the k at which loss against the prosecutor's risk bends most, None where it does not."""
    best: dict[float, Point] = {}
    for point in curve.points:
        if point.classes and (point.prosecutor not in best or point.loss < best[point.prosecutor].loss):
            best[point.prosecutor] = point
    points = [best[risk] for risk in sorted(best)]
    if len(points) < 3:
        return None
    risks, losses = np.array([point.prosecutor for point in points]), np.array([point.loss for point in points])
    # Loss falls ever slower as risk is allowed: upside down it is what the method is made for.
    place = knee_of(risks.tolist(), (losses.max() - losses).tolist())
    return None if place is None else points[place].k


def knee_of(x: Sequence[float], y: Sequence[float]) -> int | None:
    """Return the place of the strongest knee of values that rise ever slower (Kneedle, without smoothing).

    Both are scaled to 0..1; where y - x has a local maximum and falls by more than S mean steps of x before the next one, is a knee.

    Args:
        x: n rising numbers.
        y: n numbers.

    Returns:
        the place of the knee at which y - x is highest, None where there is no knee.

    >>> x = [number / 9 for number in range(10)]
    >>> knee_of(x, [-5, 0.263, 1.897, 2.692, 3.163, 3.475, 3.696, 3.861, 3.989, 4.091]), knee_of(x, x)
    (2, None)
    """
    first, last = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(first) < 3 or np.ptp(first) == 0.0 or np.ptp(last) == 0.0:
        return None
    above = (last - last.min()) / np.ptp(last) - (first - first.min()) / np.ptp(first)
    peaks = [place for place in range(1, len(above) - 1) if above[place - 1] <= above[place] > above[place + 1]]
    drop = SENSITIVITY / (len(above) - 1)
    knees = [place for place, end in pairwise([*peaks, len(above)]) if above[place + 1 : end].min() < above[place] - drop]
    return max(knees, key=lambda place: float(above[place]), default=None)


def _measured(curve: Curve, point: Point, limits: Limits) -> Iterator[tuple[str, float, float]]:
    """Yield name, figure and limit of all that is limited and measured."""
    for name in RISKS:
        limit, figure = getattr(limits, name), getattr(point, name)
        if limit is not None and figure is not None:
            yield name, max(figure, 1.0 / point.k) if name == "prosecutor" else figure, limit
    if limits.suppressed is not None:
        yield "suppressed", point.suppressed / curve.rows, limits.suppressed


def _broken(curve: Curve, point: Point, limits: Limits) -> Iterator[str]:
    yield from (name for name, figure, limit in _measured(curve, point, limits) if figure > limit)
    if not point.classes:
        yield "suppressed"


def _why(curve: Curve, fitting: Point, chosen: Point, bend: int | None, limits: Limits) -> str:
    kept = ", ".join(f"{name} {_shown(figure)} of at most {limit:g}" for name, figure, limit in _measured(curve, chosen, limits))
    least, most = curve.points[0].k, curve.points[-1].k
    cost = (
        f"the loss is {_shown(chosen.loss)} and half of all random counts are off by more than {_shown(chosen.query_error)} of themselves"
    )
    open_risks = [f"{name} {_shown(figure)}" for name, figure in _unlimited(chosen, limits)]
    warning = f" Not limited, and higher than what is: {', '.join(open_risks)}." if open_risks else ""
    if chosen.k != fitting.k:
        reason = f"k = {fitting.k} would keep the limits, and up to the knee at k = {chosen.k} more privacy is cheap"
    else:
        reason = f"it is the smallest k of {least} to {most} that keeps the limits"
        if bend is not None and bend < chosen.k:
            reason += f", beyond the knee at k = {bend}"
        elif bend is not None and bend > chosen.k:
            reason += f"; the knee at k = {bend} does not keep them"
    return f"Take k = {chosen.k}: {reason} ({kept or 'none is set'}); {cost}.{warning}"


def _unlimited(point: Point, limits: Limits) -> Iterator[tuple[str, float]]:
    """Yield the risks that nobody limited and that are above every limited one: what the limits leave open."""
    kept = [getattr(point, name) for name in RISKS if getattr(limits, name) is not None and getattr(point, name) is not None]
    for name in RISKS:
        figure = getattr(point, name)
        if getattr(limits, name) is None and figure is not None and figure > max(kept, default=0.0):
            yield name, figure


def _nothing(curve: Curve, limits: Limits) -> str:
    least, most = curve.points[0].k, curve.points[-1].k
    released = [point for point in curve.points if point.classes]
    if not released:
        return f"No k of {least} to {most} fits: every row would be suppressed; ask for smaller k, or leave out a quasi-identifier."
    figures: dict[str, list[tuple[float, float]]] = {}
    for point in released:
        for name, figure, limit in _measured(curve, point, limits):
            figures.setdefault(name, []).append((figure, limit))
    missed = [
        f"{name} is at least {_shown(min(found)[0])}, not {found[0][1]:g}" for name, found in figures.items() if min(found)[0] > found[0][1]
    ]
    reason = "; ".join(missed) or "each limit is kept by some k, but all of them by none"
    return f"No k of {least} to {most} fits: {reason}. Ask for larger k, release less about each person, or allow more."


def _shown(share: float) -> str:
    return f"{share:.3g}"
