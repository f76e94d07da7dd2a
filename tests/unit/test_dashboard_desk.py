"""The desk behind each page: when it asks, and what it shows meanwhile."""

from __future__ import annotations

from dashboard.desk import Desk
from tests.unit.hand_clock import Clock


def test_it_asks_when_the_pause_is_over_and_not_before() -> None:
    clock = Clock(5_000)
    desk: Desk[int] = Desk(lambda before: (before or 0) + 1, read_every_s=2.0, clock_ms=clock)
    assert desk.look() == ("up", 1)
    clock.ms += 1_999
    assert desk.look() == ("up", 1)
    clock.ms += 1
    assert desk.look() == ("up", 2)


def test_a_clock_that_is_put_back_does_not_keep_an_old_answer() -> None:
    clock = Clock(9_000_000)
    desk: Desk[int] = Desk(lambda before: (before or 0) + 1, read_every_s=2.0, clock_ms=clock)
    desk.look()
    clock.ms -= 3_600_000
    assert desk.look() == ("up", 2)


def test_an_answer_of_before_stays_while_nobody_answers() -> None:
    clock = Clock(1)
    answers = iter([7])
    desk: Desk[int] = Desk(lambda _: next(answers), read_every_s=1.0, clock_ms=clock)
    assert desk.look() == ("up", 7)
    clock.ms += 1_000
    assert desk.look() == ("down", 7)
