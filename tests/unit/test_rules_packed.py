"""The packed history of one phone: slots, order, bounds."""

from __future__ import annotations

from itertools import permutations

import pytest

from rules.packed import RECORD_BYTES, History
from rules.sight import CACHED, CLOAKED, MOCK, NO_SPEED, Sight

SLOT_NS = 15_000_000_000


def sight(at_s: float, *, accuracy_dm: int = 200, flags: int = 0, lat_e7: int = 515_074_000, speed_dms: int = NO_SPEED) -> Sight:
    return Sight(round(at_s * 1e9), lat_e7, -1_278_000, accuracy_dm, speed_dms, flags, 0, "phone")


def history_of(*sights: Sight) -> History:
    history = History()
    for one in sights:
        history.put(one, SLOT_NS)
    return history


def kept(history: History) -> list[Sight]:
    return list(history.sights("phone"))


def test_an_empty_history_has_nothing_before_or_after() -> None:
    history = History()
    assert (len(history), history.find(0), kept(history)) == (0, 0, [])
    assert history.newest_ns < -(2**61)


def test_a_record_comes_back_as_it_was() -> None:
    extreme = [
        Sight(-(2**60), -900_000_000, -1_800_000_000, 200_400_000, 65_535, 15, 0, "phone"),
        Sight(2**62, 900_000_000, 1_800_000_000, 0, 0, 0, 0, "phone"),
    ]
    history = history_of(*extreme)
    assert kept(history) == extreme
    assert len(history.data) == 2 * RECORD_BYTES == 48
    assert kept(History(bytes(history.data))) == extreme


@pytest.mark.parametrize(
    ("best", "other"),
    [
        (sight(14, accuracy_dm=9_000), sight(1, accuracy_dm=10, flags=MOCK)),
        (sight(14, accuracy_dm=9_000), sight(1, accuracy_dm=10, flags=CACHED)),
        (sight(14, accuracy_dm=100), sight(1, accuracy_dm=101)),
        (sight(14, accuracy_dm=100, flags=CLOAKED), sight(1, accuracy_dm=101)),
        (sight(1), sight(2)),
        (sight(1, lat_e7=1), sight(1, lat_e7=2)),
        (sight(1, speed_dms=3), sight(1)),
        (sight(1), sight(1, flags=CLOAKED)),
        (sight(1, flags=MOCK), sight(2, flags=MOCK)),
    ],
)
def test_the_winner_of_a_slot_does_not_depend_on_the_order(best: Sight, other: Sight) -> None:
    assert kept(history_of(best, other)) == kept(history_of(other, best)) == [best]


def test_what_happens_to_a_fix_is_told_with_its_index() -> None:
    history = history_of(sight(0), sight(30))
    assert history.put(sight(30), SLOT_NS) == ("fixes_duplicate", None)
    assert history.put(sight(31), SLOT_NS) == ("fixes_thinned", None)
    assert history.put(sight(31, accuracy_dm=10), SLOT_NS) == ("fixes_thinned", 1)
    assert history.put(sight(15), SLOT_NS) == ("fixes_kept", 1)
    assert [one.event_ns for one in kept(history)] == [0, 15 * 10**9, 31 * 10**9]


def test_slots_are_aligned_to_1970_before_it_too() -> None:
    assert len(history_of(sight(14.9), sight(15.0))) == 2
    assert len(history_of(sight(-0.1), sight(0.0))) == 2
    assert len(history_of(sight(-0.1), sight(-15.0))) == 1


def test_any_order_of_arrival_gives_the_same_bytes() -> None:
    sights = [sight(0), sight(3, accuracy_dm=50), sight(20, flags=MOCK), sight(29), sight(45), sight(46, accuracy_dm=10)]
    found = {bytes(history_of(*order).data) for order in permutations(sights)}
    assert len(found) == 1


def test_appending_is_putting_at_the_end() -> None:
    put, appended = history_of(sight(0), sight(20)), history_of(sight(0))
    appended.append(20 * 10**9, 515_074_000, -1_278_000, 200, NO_SPEED)
    assert put.data == appended.data
    assert put.newest_ns == appended.newest_ns == 20 * 10**9


def test_the_newest_fix_is_known_after_any_change() -> None:
    history = history_of(sight(0, lat_e7=1), sight(20, lat_e7=2))
    assert (history.newest_ns, history.apart_e7(1, 2, -1_278_000)) == (20 * 10**9, 0)
    history.put(sight(21, lat_e7=3, accuracy_dm=10), SLOT_NS)
    assert (history.newest_ns, history.apart_e7(1, 2, -1_278_000)) == (21 * 10**9, 1)
    assert history.apart_e7(0, 5, -1_278_000 + 7) == 11
    assert (history.accuracy_dm_at(1), History(bytes(history.data)).newest_ns) == (10, 21 * 10**9)


@pytest.mark.parametrize(("at_s", "index"), [(-1, 0), (0, 0), (0.5, 1), (20, 1), (20.5, 2), (40, 2), (40.5, 3), (1e6, 3)])
def test_find_is_the_first_at_or_after(at_s: float, index: int) -> None:
    history = history_of(sight(0), sight(20), sight(40))
    assert history.find(round(at_s * 1e9)) == index


def test_forgetting_takes_the_oldest() -> None:
    history = history_of(*(sight(number * 20.0) for number in range(100)))
    history.drop(97)
    assert [one.event_ns // 10**9 for one in kept(history)] == [1940, 1960, 1980]
    assert list(history.sights("phone", 2)) == [history.sight_at(2, "phone")]
    assert history.time_at(0) == 1940 * 10**9
