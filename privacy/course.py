"""The chapter “k against privacy” of the course: a table of the stream, released for every k, and what is left to an attacker.

The first payments become a table. An outsider knows about when somebody paid and about how much (place in the stream and size of the
number, in 64 steps each), and wants to learn where (the item). Every event counts as another person, as a stream of items names none.

Guarantee: the chapter is a function of the stream and the seed.

References: Sweeney, "k-anonymity: a model for protecting privacy", 2002; Machanavajjhala, Kifer, Gehrke and Venkitasubramaniam,
"l-diversity", ACM TKDD 1, 2007.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd

from privacy.anonymise import Hierarchy
from privacy.curves.advice import recommend
from privacy.curves.making import curve
from privacy.curves.model import Curve
from privacy.curves.page import SCORE
from privacy.curves.plots import risk_plot, score_plot, trade_plot
from sketches.course import Chapter, Plot, Stream

__all__ = ["chapter", "table_of"]

_EVENTS = 4_000
_STEPS = 64
_KS = (*range(2, 21), *range(25, 101, 5))
_SMALL = 5


def chapter(stream: Stream, seed: int) -> Chapter:
    """Return the chapter.

    Args:
        stream: of the course; its first 4,000 events are looked at.
        seed: of the search and of the random counts.
    """
    steps = Hierarchy.intervals(0, _STEPS, (1, 4, 16))
    table = table_of(stream)
    found = curve(table, {"moment": steps, "size": steps}, _KS, sensitive="item", seed=seed)
    return Chapter(
        id="k-against-privacy",
        part="Privacy",
        title="k against privacy",
        theory="A class of k people gives one of them away with a chance of 1/k, so 1 - 1/k is often called privacy, but who finds the "
        "class need not find the row: where its rows agree, the class itself tells what was to be hidden.",
        guarantee=f"{SCORE}; inference = max over classes E, values s of share(s, E) - share(s, all), which k does not bound",
        reference="Sweeney, “k-anonymity”, IJUFKS 2002; Machanavajjhala, Kifer, Gehrke and Venkitasubramaniam, “l-diversity”, TKDD 2007; "
        "Article 29 Working Party, “Opinion 05/2014 on anonymisation techniques”.",
        plots=(_told(score_plot(found), found, stream), risk_plot(found), trade_plot(found, recommend(found))),
    )


def table_of(stream: Stream) -> pd.DataFrame:
    """Return the beginning of a stream as a table: when, how much, where.

    >>> from sketches.course import simulate
    >>> table = table_of(simulate(2_000, seed=7))
    >>> list(table.columns), len(table), int(table["moment"].max()), int(table["size"].max())
    (['moment', 'size', 'item'], 2000, 63, 63)
    """
    first = stream.first(_EVENTS)
    count = len(first)
    # Equal numbers are equally large, whatever their order.
    below = np.searchsorted(np.sort(first.values), first.values)
    return pd.DataFrame({"moment": np.arange(count) * _STEPS // count, "size": below * _STEPS // count, "item": first.items})


def _told(plot: Plot, found: Curve, stream: Stream) -> Plot:
    point = found.at(_SMALL)
    gain = point.inference or 0.0
    text = (
        f"The first {found.rows:,} events: an outsider knows about when and about how large ({stream.value_name}), and wants the item. "
        f"At k = {_SMALL} the usual figure is {1 - 1 / _SMALL:.2f}; a class adds up to {gain:.2f} to the chance of one item, so the "
        f"score is {point.score:.2f}, and {1.0 - point.loss:.2f} of the exactness is left."
    )
    return msgspec.structs.replace(plot, caption=text, wide=True)
