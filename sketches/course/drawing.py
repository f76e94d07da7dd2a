"""The drawing of a graph of alike items: each group in a cell of a grid, its members on a circle.

Guarantee: the same pairs give the same drawing; nothing is drawn at random.

References: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3 (groups of near-duplicates).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sketches.course.chapter import Curve, Plot, Role, Topic

__all__ = ["graph_plot"]

_COLUMNS, _MOST_GROUPS = 12, 60
_RADIUS = 0.32


def graph_plot(names: Sequence[str], pairs: Sequence[tuple[int, int]], groups: Sequence[tuple[int, ...]]) -> Plot:
    """Return the picture of the largest groups.

    Args:
        names: of all items.
        pairs: edges, by places in `names`.
        groups: connected components, by places in `names`, the largest first.

    >>> plot = graph_plot(["one", "ones", "two"], [(0, 1)], [(0, 1)])
    >>> plot.curves[1].labels
    ('one', 'ones')
    """
    drawn = groups[:_MOST_GROUPS]
    places = {member: where for number, group in enumerate(drawn) for member, where in _circle(group, number)}
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for first, second in pairs:
        if first in places and second in places:
            # A gap after each edge, so that one curve draws all of them.
            lines_x += [places[first][0], places[second][0], None]
            lines_y += [places[first][1], places[second][1], None]
    shown = f"the {len(drawn)} largest of {len(groups):,} groups" if len(groups) > len(drawn) else f"{len(drawn)} groups"
    return Plot(
        topic=Topic.GRAPH,
        caption=f"The graph of alike items, {shown}: every edge is a pair that was found by its bands and verified. Point at an item for "
        "its name."
        if drawn
        else "The graph of alike items is empty: no two items of this stream are alike.",
        x_title="",
        y_title="",
        bare=True,
        wide=True,
        curves=(
            Curve(name="verified pairs", x=tuple(lines_x), y=tuple(lines_y), role=Role.FAINT),
            Curve(
                name="items",
                x=tuple(x for x, _ in places.values()),
                y=tuple(y for _, y in places.values()),
                role=Role.ESTIMATE,
                shape="points",
                labels=tuple(names[member] for member in places),
            ),
        ),
    )


def _circle(group: Sequence[int], number: int) -> list[tuple[int, tuple[float, float]]]:
    middle_x, middle_y = float(number % _COLUMNS), -float(number // _COLUMNS)
    found = []
    for place, member in enumerate(group):
        turn = 2.0 * math.pi * place / len(group)
        found.append((member, (round(middle_x + _RADIUS * math.cos(turn), 6), round(middle_y + _RADIUS * math.sin(turn), 6))))
    return found
