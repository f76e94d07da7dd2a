"""The chapter “k against privacy”: what it says is what is measured, on any stream."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from privacy.anonymise import Hierarchy
from privacy.course import chapter, table_of
from privacy.curves import curve
from sketches.course import Chapter, Stream, Topic, render, simulate

SEED = 7


@pytest.fixture(name="told", scope="module")
def _told() -> Chapter:
    return chapter(simulate(6_000, SEED), SEED)


def test_the_table_is_when_how_much_and_where() -> None:
    stream = simulate(6_000, SEED)
    table = table_of(stream)
    assert (len(table), list(table.columns)) == (4_000, ["moment", "size", "item"])
    assert table["item"].tolist() == list(stream.items[:4_000])
    assert table["moment"].is_monotonic_increasing
    assert np.bincount(table["moment"]).tolist() == pytest.approx([62.5] * 64, abs=1)
    values = pd.Series(stream.values[:4_000])
    assert values.groupby(table["size"].to_numpy()).max().is_monotonic_increasing
    assert values.groupby(values).agg(lambda group: table["size"][group.index].nunique()).max() == 1


def test_the_chapter_says_what_is_measured(told: Chapter) -> None:
    steps = Hierarchy.intervals(0, 64, (1, 4, 16))
    found = curve(table_of(simulate(6_000, SEED)), {"moment": steps, "size": steps}, range(2, 21), sensitive="item", seed=SEED)
    usual, score, exact = told.plots[0].curves
    assert usual.y[:19] == tuple(1 - 1 / k for k in range(2, 21))
    # Other values of k are solved at other places, but small ones at each.
    for place, point in enumerate(found.points[:6]):
        assert score.y[place] == point.score
        assert exact.y[place] == 1 - point.loss
    point = found.at(5)
    assert "usual figure is 0.80" in told.plots[0].caption
    assert f"adds up to {point.inference:.2f} to the chance of one item, so the score is {point.score:.2f}" in told.plots[0].caption


def test_the_usual_figure_claims_more_than_is_measured(told: Chapter) -> None:
    usual, score, _ = told.plots[0].curves
    pairs = list(zip(usual.y, score.y, strict=True))
    assert sum(theirs - mine > 0.05 for theirs, mine in pairs if mine is not None and theirs is not None) > len(pairs) / 2


def test_the_chapter_is_of_the_form_of_the_others(told: Chapter) -> None:
    assert told.theory.endswith(".")
    assert ". " not in told.theory
    assert {plot.topic for plot in told.plots} == {Topic.PRIVACY}
    for plot in told.plots:
        assert plot.caption.endswith(".")
        assert all(len(line.x) == len(line.y) > 0 for line in plot.curves)
    assert '<section id="k-against-privacy">' in render("a stream", [told])


def test_the_same_seed_gives_the_same_chapter(told: Chapter) -> None:
    assert chapter(simulate(6_000, SEED), SEED) == told
    assert chapter(simulate(6_000, SEED + 1), SEED) != told


def test_every_stream_has_a_chapter() -> None:
    dull = Stream("dull", ("x",) * 2_000, np.zeros(2_000), "nothing")
    numbers = Stream("numbers", tuple(str(number % 7) for number in range(2_000)), np.linspace(-1_000.0, 999.0, 2_000), "number")
    for stream in (dull, numbers):
        told = chapter(stream, 1)
        assert render(stream.source, [told]) == render(stream.source, [chapter(stream, 1)])
        assert "at least" not in told.plots[0].caption
