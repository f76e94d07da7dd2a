"""Walking the stops one after the other; a stop that fails costs nothing but itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from veilocity import logs
from veilocity.cli.tour.stops import Found, Stop, failed
from veilocity.cli.tour.visit import Visit
from veilocity.errors import VeilocityError

__all__ = ["Visited", "walk"]


class Visited(NamedTuple):
    """One stop, what was found, and how long it took."""

    stop: Stop
    found: Found
    took_s: float


def walk(stops: Iterable[Stop], visit: Visit, begins: Callable[[Stop], object] = lambda _: None) -> Iterator[Visited]:
    """Yield what is found at each stop, in order."""
    for stop in stops:
        begins(stop)
        began = time.monotonic()
        yield Visited(stop, _look(stop, visit), time.monotonic() - began)


def _look(stop: Stop, visit: Visit) -> Found:
    try:
        return stop.check(visit)
    except VeilocityError as error:
        return failed(logs.scrub(str(error)))
    except Exception as error:  # whatever a stop runs into, the visitor wants to see the next one
        return failed(f"unexpected, please report it: {logs.describe(error)}")
