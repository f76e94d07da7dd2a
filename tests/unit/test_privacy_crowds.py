"""Figures about people: told of k of them at least, and never so that two neighbours in time tell of fewer."""

from __future__ import annotations

import math
import random

import pytest

from privacy.crowds import MOST_MINUTES, MOST_NAMES, OTHER, CrowdedNames, GuardedMean, PlaceAverages, Seen

MINUTE = 60_000
K = 5


def crowd(minute: int, people: range, lat: float = 51.5, lon: float = -0.12, altitude_m: float | None = 30.0) -> list[Seen]:
    return [Seen(f"p{number}", minute * MINUTE, lat + number / 100, lon, altitude_m) for number in people]


def test_a_minute_is_told_when_k_people_are_two_minutes_further() -> None:
    averages = PlaceAverages(K)
    assert averages.add(crowd(10, range(6))) == []
    assert averages.add(crowd(11, range(6))) == []
    assert averages.add(crowd(12, range(4))) == []
    (told,) = averages.add(crowd(12, range(4, 6)))
    assert told.minute_ms == 10 * MINUTE
    assert told.lat == pytest.approx(51.525)
    assert told.lon == pytest.approx(-0.12)
    assert told.altitude_m == 30.0


def test_a_phone_whose_clock_is_ahead_closes_nothing() -> None:
    averages = PlaceAverages(K)
    for minute in range(10, 13):
        ahead = [Seen("p0", (minute + 5) * MINUTE, 0.0, 0.0, None)]
        told = averages.add([*crowd(minute, range(6)), *ahead])
    assert [one.lat is not None for one in told] == [True]


def test_fewer_than_k_people_are_not_told_however_long_it_takes() -> None:
    averages = PlaceAverages(K)
    told = [one for minute in range(60) for one in averages.add(crowd(minute, range(K - 1)))]
    assert len(told) == 60 - MOST_MINUTES
    assert {one[1:] for one in told} == {(None, None, None)}


def test_the_last_word_of_a_person_counts_once_and_a_late_one_not_at_all() -> None:
    averages = PlaceAverages(K)
    averages.add(crowd(10, range(5), lat=0.0))
    averages.add(crowd(10, range(5), lat=50.0))
    averages.add(crowd(11, range(5)))
    (told,) = averages.add(crowd(12, range(5)))
    assert told.lat == pytest.approx(50.02)
    assert averages.add(crowd(10, range(5), lat=0.0)) == []


def test_longitudes_are_averaged_as_directions() -> None:
    averages = PlaceAverages(2)
    for minute in (10, 11, 12):
        told = averages.add([*crowd(minute, range(1), lon=179.0), *crowd(minute, range(1, 2), lon=-179.0)])
    assert told[0].lon is not None
    assert abs(told[0].lon) == pytest.approx(180.0)
    opposite = PlaceAverages(2)
    for minute in (10, 11, 12):
        told = opposite.add([*crowd(minute, range(1), lon=90.0), *crowd(minute, range(1, 2), lon=-90.0)])
    assert told[0].lon is None
    assert told[0].lat is not None


def test_heights_need_k_people_who_state_one() -> None:
    averages = PlaceAverages(K)
    for minute in (10, 11, 12):
        told = averages.add([*crowd(minute, range(4)), *crowd(minute, range(4, 9), altitude_m=None)])
    assert told[0].lat is not None
    assert told[0].altitude_m is None


def test_no_two_neighbours_that_are_told_differ_in_fewer_than_k_people() -> None:
    rng = random.Random(5)  # noqa: S311  # test data
    mean, last, told = GuardedMean(K), dict[str, tuple[float, ...]](), 0
    people = {f"p{number}": (float(number),) for number in range(12)}
    for _ in range(400):
        for _ in range(rng.randrange(0, 8)):
            name = f"p{rng.randrange(15)}"
            if rng.random() < 0.4:
                people.pop(name, None)
            else:
                people[name] = (rng.random(),)
        result = mean.told(dict(people))
        if result is None:
            continue
        differing = {name for name in people.keys() | last.keys() if people.get(name) != last.get(name)}
        assert len(people) >= K
        assert not differing or len(differing) >= K
        assert result[0] == pytest.approx(math.fsum(value[0] for value in people.values()) / len(people))
        last, told = dict(people), told + 1
    assert 50 < told < 350


def test_names_are_bounded() -> None:
    names = CrowdedNames(k=1)
    assert [names.shown(f"n{number}", "a") for number in range(MOST_NAMES + 1)][-2:] == [f"n{MOST_NAMES - 1}", OTHER]
    assert names.shown(None, "a") == "none"
