"""What the dashboard's benchmark is fed with: everybody walks, nobody leaves the city, and no fraction of a load is lost."""

from __future__ import annotations

from itertools import islice

import h3

from benchmarks.dashboard_feed import EVENTS, MOVING, PEOPLE, City, counts


def test_everybody_walks_to_a_cell_beside_before_somebody_walks_again() -> None:
    city = City(seed=3)
    before = {one.id: one.place.cell for one in city.everybody(0)}
    assert len(before) == PEOPLE
    walked = [one for _ in range(20) for one in city.moved(PEOPLE // 20, 60_000)]
    assert {one.id for one in walked} == set(before)
    assert all(h3.grid_distance(before[one.id], one.place.cell) == 1 for one in walked)
    assert {one.place.cell for one in city.everybody(60_000)} <= set(h3.grid_disk(h3.latlng_to_cell(51.5074, -0.1278, 7), 14))


def test_the_same_seed_is_the_same_city() -> None:
    one, other = City(seed=5), City(seed=5)
    assert one.moved(100, 0) == other.moved(100, 0)
    assert one.alert(0) == other.alert(0)
    assert one.payment(0) != City(seed=6).payment(0)


def test_a_load_is_written_in_full_over_a_second_or_a_minute() -> None:
    for load in (MOVING, EVENTS):
        batches = int(60 * load.batches)
        for rate in (load.positions, load.payments, load.alerts):
            assert abs(sum(islice(counts(rate, load.batches), batches)) - 60 * rate) <= 1
    assert EVENTS.positions + EVENTS.payments + EVENTS.alerts == 100
