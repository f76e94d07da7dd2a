"""What a stop of the tour is, and what was found there. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from veilocity.errors import SettingsError

if TYPE_CHECKING:
    from veilocity.cli.tour.visit import Visit

__all__ = ["Found", "State", "Stop", "absent", "chosen", "failed", "ok"]


_RANGE = re.compile(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.ASCII)


class State(StrEnum):
    """What a check says."""

    OK = "ok"
    ABSENT = "not here"
    """It is no part of this running system; the sentence says why and how to get it."""
    FAILED = "failed"


class Found(NamedTuple):
    """What was found at a stop."""

    state: State
    sentence: str


class Stop(NamedTuple):
    """One row of the coverage table, and how to see it live."""

    number: int
    title: str
    """The capability, word for word as in docs/reference-coverage.md."""
    sentence: str
    check: Callable[[Visit], Found]


def ok(sentence: str) -> Found:
    """Say that it works here."""
    return Found(State.OK, sentence)


def absent(sentence: str) -> Found:
    """Say that it is not here, and why."""
    return Found(State.ABSENT, sentence)


def failed(sentence: str) -> Found:
    """Say that it should work here and does not."""
    return Found(State.FAILED, sentence)


def chosen(stops: Iterable[Stop], rows: str) -> list[Stop]:
    """Return the stops that `1-10,14` names; all of them for the empty text.

    Raises:
        SettingsError: it names no row.

    >>> stops = [Stop(number, "", "", lambda visit: ok("")) for number in range(1, 6)]
    >>> [stop.number for stop in chosen(stops, "2-3,5")]
    [2, 3, 5]
    """
    if not rows.strip():
        return list(stops)
    wanted: set[int] = set()
    for part in rows.split(","):
        bounds = _RANGE.fullmatch(part.strip())
        if bounds is None:
            raise SettingsError("--rows must be numbers and ranges, such as 1-10,14")
        wanted |= set(range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1))
    found = [stop for stop in stops if stop.number in wanted]
    if not found:
        raise SettingsError("--rows names no row: they go from 1 to 55")
    return found
