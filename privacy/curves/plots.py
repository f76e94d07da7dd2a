"""The pictures of a curve, as data: the page and the course draw them.

Promises: a plot shows the figures of the curve and nothing else; a figure that there is not is a gap.
"""

from __future__ import annotations

from typing import Literal

from privacy.curves.advice import Recommendation
from privacy.curves.model import Curve, Point
from sketches.course import Curve as Line
from sketches.course import Plot, Role, Topic

__all__ = ["cost_plot", "risk_plot", "score_plot", "trade_plot"]

_SHARE = "share"


def score_plot(curve: Curve) -> Plot:
    """Return the privacy score of every k beside the usual figure, 1 - 1/k, and what is left of the values."""
    return Plot(
        topic=Topic.PRIVACY,
        caption="For every k: the measured privacy score, 1 less the chance of the best attack; the usual figure 1 - 1/k, which knows one "
        "attack only; and how exact the values still are.",
        x_title="k",
        y_title=_SHARE,
        log_x=True,
        curves=(
            Line(name="1 - 1/k", x=_ks(curve), y=tuple(1.0 - 1.0 / point.k for point in curve.points), role=Role.FAINT, shape="dashes"),
            Line(name="privacy score", x=_ks(curve), y=tuple(point.score for point in curve.points), role=Role.ESTIMATE),
            Line(name="exactness, 1 - loss", x=_ks(curve), y=tuple(1.0 - point.loss for point in curve.points), role=Role.SECOND),
        ),
    )


def risk_plot(curve: Curve) -> Plot:
    """Return every risk that was measured."""
    roles: dict[str, tuple[Role, Literal["line", "dashes"]]] = {
        "prosecutor": (Role.ESTIMATE, "line"),
        "journalist": (Role.TRUTH, "dashes"),
        "marketer": (Role.SECOND, "line"),
        "unicity": (Role.PROMISE, "line"),
        "inference": (Role.THIRD, "line"),
    }
    lines = [_line(curve, name, role, shape) for name, (role, shape) in roles.items()]
    return Plot(
        topic=Topic.PRIVACY,
        caption="Every risk against k: that the easiest row is matched with its person (prosecutor, journalist), the share of rows matched "
        "when all are tried (marketer); where it was asked for, the share of people told apart by their traces (unicity), and how much "
        "likelier a class makes one sensitive value (inference).",
        x_title="k",
        y_title="chance",
        log_x=True,
        curves=tuple(line for line in lines if any(value is not None for value in line.y)),
    )


def trade_plot(curve: Curve, advice: Recommendation) -> Plot:
    """Return loss against the prosecutor's risk, with the knee and the k that is recommended."""
    spoken = {"knee": (advice.knee, Role.PROMISE), "recommended": (advice.k, Role.THIRD)}
    if advice.k == advice.knee:
        spoken = {"knee, recommended": (advice.k, Role.THIRD)}
    marks = [_mark(curve.at(k), name, role) for name, (k, role) in spoken.items() if k is not None]
    released = sorted((point for point in curve.points if point.classes), key=lambda point: (point.prosecutor, point.loss))
    line = Line(
        name="every k",
        x=tuple(point.prosecutor for point in released) or (0.0,),
        y=tuple(point.loss for point in released) or (1.0,),
        role=Role.ESTIMATE,
    )
    return Plot(
        topic=Topic.PRIVACY,
        caption="What less risk costs: information loss against the highest chance of a match. The knee is where it bends most.",
        x_title="highest chance of a match (prosecutor)",
        y_title="information loss",
        curves=(line, *marks),
    )


def cost_plot(curve: Curve) -> Plot:
    """Return what every k costs: loss, errors of counts, suppressed rows."""
    lines = [_line(curve, "loss", Role.ESTIMATE)]
    if curve.queries:
        lines.append(_line(curve, "query_error", Role.PROMISE))
    suppressed = tuple(point.suppressed / curve.rows for point in curve.points)
    lines.append(Line(name="suppressed rows", x=_ks(curve), y=suppressed, role=Role.FAINT))
    return Plot(
        topic=Topic.ERROR,
        caption="What every k costs: information loss, the median relative error of random counts, and the share of rows suppressed.",
        x_title="k",
        y_title=_SHARE,
        log_x=True,
        curves=tuple(lines),
    )


def _mark(point: Point, name: str, role: Role) -> Line:
    text = f"{name}, k = {point.k}"
    return Line(name=text, x=(point.prosecutor,), y=(point.loss,), role=role, shape="points", labels=(text,))


def _ks(curve: Curve) -> tuple[float, ...]:
    return tuple(float(point.k) for point in curve.points)


def _line(curve: Curve, name: str, role: Role, shape: Literal["line", "dashes"] = "line") -> Line:
    return Line(name=name.replace("_", " "), x=_ks(curve), y=tuple(_figure(point, name) for point in curve.points), role=role, shape=shape)


def _figure(point: Point, name: str) -> float | None:
    value: float | None = getattr(point, name)
    return value
