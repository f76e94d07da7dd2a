"""Sizes of classes and the trade of k against risk and loss, against what the room of privacy measures and against arithmetic by hand."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.privacy_releases import picture_releases, sizes_of, trade_of
from privacy.measure import marketer_risk, prosecutor_risk
from tests.e2e.privacy_world import HOUR_MS, START_MS, release, releases


def test_risks_are_those_that_the_room_of_privacy_measures() -> None:
    found = [one.release for one in releases()]
    rows = [(one.class_id, f"{one.class_id}/{number % one.people}") for one in found for number in range(one.payments)]
    table = pd.DataFrame(rows, columns=["class", "person"])
    at = trade_of(found, 5)[0]
    assert at.prosecutor == pytest.approx(prosecutor_risk(table, ["class"], "person").highest)
    assert at.marketer == pytest.approx(marketer_risk(table, ["class"], person="person"))


def test_a_higher_k_leaves_out_the_smaller_classes() -> None:
    found = [
        release(1, 0, start_ms=START_MS, hours=1, people=people, loss=loss).release for people, loss in ((5, 0.1), (8, 0.2), (20, 0.4))
    ]
    points = trade_of(found, 5)
    payments = [one.payments for one in found]
    assert [point.k for point in points] == [5, 8, 20]
    assert [point.classes for point in points] == [3, 2, 1]
    assert [point.prosecutor for point in points] == [1 / 5, 1 / 8, 1 / 20]
    assert points[1].left_out == pytest.approx(payments[0] / sum(payments))
    assert points[1].loss == pytest.approx((payments[0] + 0.2 * payments[1] + 0.4 * payments[2]) / sum(payments))


_SIZES = st.lists(st.tuples(st.integers(5, 900), st.floats(0.0, 1.0)), min_size=1, max_size=150)


@given(_SIZES)
def test_risk_never_rises_and_loss_never_falls_with_k(classes: list[tuple[int, float]]) -> None:
    found = [release(n, 0, start_ms=START_MS, hours=1, people=people, loss=loss).release for n, (people, loss) in enumerate(classes)]
    points = trade_of(found, 5)
    assert (points[0].k, points[0].classes, points[0].left_out) == (5, len(found), 0.0)
    assert len(points) <= 80
    for before, after in pairwise(points):
        assert before.k < after.k
        assert before.prosecutor >= after.prosecutor
        assert before.marketer >= after.marketer - 1e-12
        assert before.loss <= after.loss + 1e-12
    for point in points:
        assert 0.0 < point.marketer <= point.prosecutor + 1e-12
        assert point.prosecutor <= 1 / point.k


@given(st.lists(st.tuples(st.integers(1, 5_000), st.integers(1, 9_000)), min_size=1, max_size=200), st.integers(2, 50))
def test_every_class_has_one_bar(classes: list[tuple[int, int]], k: int) -> None:
    bars = sizes_of(classes, k)
    assert len(bars) <= 25
    assert sum(bar.classes for bar in bars) == len(classes)
    assert sum(bar.payments for bar in bars) == sum(payments for _, payments in classes)
    for before, after in pairwise(bars):
        assert before.high + 1 == after.low
    assert (bars[0].low < k) == any(people < k for people, _ in classes)


def test_a_batch_that_may_be_cut_is_left_out() -> None:
    documents = releases()
    oldest = documents[-1].seq
    assert picture_releases(documents, len(documents) + 1, 50).classes == len(documents)
    cut = picture_releases(documents, len(documents), 50)
    assert cut.classes == sum(one.seq > oldest for one in documents)
    assert cut.complete


def test_one_batch_alone_that_is_larger_than_what_is_read_is_shown_and_called_incomplete() -> None:
    documents = [one for one in releases() if one.seq == 2]
    picture = picture_releases(documents, len(documents), 50)
    assert (picture.classes, picture.complete) == (len(documents), False)


def test_only_the_newest_windows_and_only_the_policy_of_the_newest_count() -> None:
    documents = releases()
    newest = max(one.release.window_end_ms for one in documents)
    picture = picture_releases(documents, 9_999, 3)
    assert [one.end_ms for one in picture.windows] == [newest, newest - HOUR_MS, newest - 2 * HOUR_MS]
    assert picture.classes == sum(one.classes for one in picture.windows)
    stricter = [
        msgspec.structs.replace(one, release=msgspec.structs.replace(one.release, policy="strict", k=7, people=max(7, one.release.people)))
        if one.release.window_end_ms == newest
        else one
        for one in documents
    ]
    picture = picture_releases(stricter, 9_999, 3)
    assert (picture.policy, picture.k, picture.smallest >= 7) == ("strict", 7, True)
    assert picture.classes == picture.windows[0].classes
    assert [one.policy for one in picture.windows] == ["strict", "default-1", "default-1"]


def test_what_a_class_tells_is_the_most_that_it_adds_to_a_verdict() -> None:
    flagged, clear = (release(number, 0, start_ms=START_MS, hours=1, people=10, loss=0.1) for number in (0, 1))
    # One of 15 payments is flagged in the one class, none in the other: 1/15 - 1/30.
    assert picture_releases([flagged, clear], 9, 9).inference == pytest.approx(1 / 30, abs=1e-4)


def test_a_class_below_k_is_shown_as_one() -> None:
    bad = release(1, 0, start_ms=START_MS, hours=1, people=3, loss=0.1)
    picture = picture_releases([bad, *releases()], 9_999, 50)
    assert picture.smallest == 3
    assert (picture.sizes[0].low, picture.sizes[0].high, picture.sizes[0].classes) == (3, 4, 1)
