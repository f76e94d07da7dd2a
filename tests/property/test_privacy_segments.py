"""Whatever the people and however they were parted: no segment has fewer than k, nobody is in two, and no order matters."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.rounding import nearest
from privacy.segments.behaviour import standardised
from privacy.segments.groups import averages, grouped
from privacy.segments.job import document_of
from privacy.segments.naming import named
from veilocity.errors import UnsafeReleaseError

people = st.tuples(
    st.floats(0.01, 50.0), st.floats(0.01, 1e6), st.floats(0.0, 1.0), st.floats(0.0, 20_100.0), st.floats(0.0, 1.0), st.integers(0, 7)
)
crowds = st.lists(people, min_size=1, max_size=40)


@given(crowds, st.integers(2, 12))
def test_no_segment_is_below_k(crowd: list[tuple[float, ...]], k: int) -> None:
    table = np.array(crowd)
    features, labels = table[:, :5], table[:, 5].astype(np.int64)
    groups = grouped(standardised(features), labels, k)
    told = [row for rows in groups for row in rows.tolist()]
    assert len(told) == len(set(told)) == (len(crowd) if len(crowd) >= k else 0)
    released = averages(features, groups, k)
    document = document_of(0, 3_600_000, released, len(crowd) - len(told), k, None)
    assert all(one.people >= k for one in document.segments)
    assert document.people + document.suppressed_people == len(crowd)
    for one in document.segments:
        assert 0.0 <= one.night_share <= 1.0
        assert nearest(one.mean_amount) == one.mean_amount
        assert nearest(one.distance_km) == one.distance_km


@given(crowds, st.integers(2, 5), st.randoms(use_true_random=False))
def test_the_order_of_people_decides_nothing(crowd: list[tuple[float, ...]], k: int, shuffler: random.Random) -> None:
    def released(rows: list[tuple[float, ...]]) -> object:
        table = np.array(rows)
        return averages(table[:, :5], [np.flatnonzero(table[:, 5] == label) for label in sorted(labels)], k)

    counts = {label: sum(one[5] == label for one in crowd) for label in {one[5] for one in crowd}}
    labels = {label for label, count in counts.items() if count >= k}
    shuffled = list(crowd)
    shuffler.shuffle(shuffled)
    assert released(crowd) == released(shuffled)


@given(crowds, st.integers(2, 6))
def test_a_group_that_is_too_small_stops_the_release(crowd: list[tuple[float, ...]], k: int) -> None:
    few = np.arange(min(len(crowd), k - 1))
    with pytest.raises(UnsafeReleaseError):
        averages(np.array(crowd)[:, :5], [few], k)
    with pytest.raises(UnsafeReleaseError):
        averages(np.tile(np.array(crowd)[:, :5], (k, 1)), [np.arange(k), np.arange(k)], k)


@given(crowds, st.integers(2, 4))
def test_the_same_segments_keep_their_letters(crowd: list[tuple[float, ...]], k: int) -> None:
    table = np.array(crowd)
    groups = averages(table[:, :5], grouped(standardised(table[:, :5]), table[:, 5].astype(np.int64), k), k)
    first = named(groups, {})
    assert list(first) == list("ABCDEFGH")[: len(groups)]
    again = named(groups, first)
    assert again == first
    assert sorted(again.values()) == sorted(groups)
