"""What a chapter of the report is: one algorithm, a sentence of theory, its promise, its source, its plots and its figures.

A chapter is data. Nothing in it says how it is drawn: a curve has a role, and the page gives each role its colour in the light and in the
dark. Another room can so contribute a chapter without knowing the page.

Guarantee: equal chapters make equal bytes of a report (`sketches.course.report`); numbers are cut to six digits when they are drawn.

References: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", 3rd edition, Cambridge 2020, chapters 3 and 4, whose order the
course follows.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

__all__ = ["Band", "Chapter", "Curve", "Figure", "Plot", "Role", "Topic"]


class Topic(StrEnum):
    """What a plot shows."""

    TIME = "exact against estimate, over the stream"
    MEMORY = "memory"
    ERROR = "error against size"
    MERGE = "merge"
    FALSE_POSITIVES = "false positives"
    CURVE = "S-curve"
    GRAPH = "item graph"
    PRIVACY = "k against privacy"
    OTHER = "more"


class Role(StrEnum):
    """What a curve stands for; the page gives it a colour."""

    TRUTH = "truth"
    ESTIMATE = "estimate"
    PROMISE = "promise"
    SECOND = "second"
    THIRD = "third"
    FAINT = "faint"


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Values over places; a place is a number, or the name of a bar."""

    name: str
    x: tuple[float | str | None, ...]
    y: tuple[float | None, ...]
    role: Role
    shape: Literal["line", "dashes", "steps", "points", "bars"] = "line"
    labels: tuple[str, ...] = ()
    """What is told of each point under the pointer."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """An interval at every place: bounds."""

    name: str
    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """One picture."""

    topic: Topic
    caption: str
    """What one sees, as a sentence; also read out in place of the picture."""
    x_title: str
    y_title: str
    curves: tuple[Curve, ...]
    band: Band | None = None
    log_x: bool = False
    log_y: bool = False
    bare: bool = False
    """Without axes: places mean nothing, as in the drawing of a graph."""
    wide: bool = False
    """Over the whole column, as names and graphs need it."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table under the plots."""

    what: str
    estimate: float
    truth: float
    low: float | None = None
    high: float | None = None
    memory_bytes: int
    exact_bytes: int

    @property
    def error(self) -> float:
        """How far the estimate is off, as a share of the truth; in full units where the truth is 0."""
        return abs(self.estimate - self.truth) / (abs(self.truth) or 1.0)

    @property
    def holds(self) -> bool | None:
        """Whether the truth lies in the bounds, but for rounding; None without bounds."""
        rounding = 1e-9 * abs(self.truth)
        return None if self.low is None or self.high is None else self.low - rounding <= self.truth <= self.high + rounding


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """One algorithm."""

    id: str
    """Its anchor: lower case letters, digits and dashes."""
    part: str
    """The part of the course it stands in."""
    title: str
    theory: str
    """One sentence."""
    guarantee: str
    """The promise, with its formula in plain text."""
    reference: str
    plots: tuple[Plot, ...]
    figures: tuple[Figure, ...] = ()
