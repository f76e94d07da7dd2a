"""What the page of health shows: who answers, how far behind, how long, what went wrong, how large, and whether it all adds up.

Nobody is asked while nobody looks. The moments of the last five minutes of looking are kept, so that a percentile or a rate is of a stretch
of time that the page names. Counting the stores reads an index through, so that is done in the background and once a minute at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock, Thread
from typing import Protocol

import msgspec

from dashboard.desk import Desk, wall_clock_ms
from dashboard.health_figures import Figures, Look, figures
from dashboard.health_services import Answers, Service
from storage.census import Census
from veilocity.cli.conservation import Equation, State, conservation
from veilocity.cli.conservation import Figures as Counted
from veilocity.errors import VeilocityError

__all__ = ["Balance", "HealthDesk", "HealthSource", "HealthState", "Sum"]

_READ_EVERY_S = 4.0
_KEPT_MS = 300_000
_PAUSE_MS = 60_000
"""Without a look for so long, what was seen before is forgotten: a rate over a gap would be of nobody knows what."""
_COUNT_EVERY_MS = 60_000


class HealthSource(Protocol):
    """Who asks: `dashboard.health_services.Services`, or a test's own."""

    def ask(self) -> Answers:
        """Return what everybody answers."""
        ...


class Sum(msgspec.Struct, frozen=True):
    """One equation of conservation."""

    name: str
    left: int | None
    right: int | None
    state: str
    """`holds`, `in flight` or `violated`."""
    sentence: str


class Balance(msgspec.Struct, frozen=True):
    """Whether everything adds up, as counted at one moment."""

    counted_ms: int
    sums: tuple[Sum, ...]


class HealthState(msgspec.Struct, frozen=True):
    """One answer: everything that the page shows."""

    store: str
    """`down` while MongoDB is silent, `unknown` before the first answers, else `up`."""
    now_ms: int
    stale_s: float
    loaded: bool
    written_ms: int = 0
    """When the newest batch of the privacy stage was written; 0 when there is none."""
    event_ms: int = 0
    asked_ms: int = 0
    services: tuple[Service, ...] = ()
    figures: Figures | None = None
    balance: Balance | None = None


class _Read(msgspec.Struct, frozen=True):
    answers: Answers
    figures: Figures
    asked_ms: int


class HealthDesk:
    """Asks when somebody looks, at most every four seconds. Safe with threads."""

    def __init__(
        self,
        connect: Callable[[], HealthSource],
        count: Callable[[], Census],
        *,
        stale_s: float = 15.0,
        read_every_s: float = _READ_EVERY_S,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Nothing is connected before somebody looks.

        Args:
            connect: makes the source.
            count: counts both stores; may raise.
            stale_s: silence after which the page says that what it shows is old.
            read_every_s: pause between two questions.
            clock_ms: a clock.
        """
        self._connect = connect
        self._count = count
        self._stale_s = stale_s
        self._clock_ms = clock_ms
        self._source: HealthSource | None = None
        self._looks: deque[Look] = deque()
        self._counting = Lock()
        self._counted_ms = -_COUNT_EVERY_MS
        self._balance: Balance | None = None
        self._desk: Desk[_Read] = Desk(self._ask, read_every_s=read_every_s, clock_ms=clock_ms, page="health")

    def state(self) -> HealthState:
        """Return what the page shows now."""
        store, read = self._desk.look()
        base = HealthState(store=store, now_ms=self._clock_ms(), stale_s=self._stale_s, loaded=read is not None)
        if read is None:
            return base
        self._count_now_and_then()
        progress = read.answers.progress
        if any(service.name == "mongodb" and service.state != "answers" for service in read.answers.services):
            store = "down"
        return msgspec.structs.replace(
            base,
            store=store,
            written_ms=progress.written_ms if progress else 0,
            event_ms=progress.event_ms if progress else 0,
            asked_ms=read.asked_ms,
            services=read.answers.services,
            figures=read.figures,
            balance=self._balance,
        )

    def _ask(self, _before: _Read | None) -> _Read:
        if self._source is None:
            self._source = self._connect()
        answers = self._source.ask()
        now_ms = self._clock_ms()
        if self._looks and now_ms - self._looks[-1].at_ms > _PAUSE_MS:
            self._looks.clear()
        self._looks.append(Look(now_ms, answers.scrapes))
        while now_ms - self._looks[0].at_ms > _KEPT_MS:
            self._looks.popleft()
        return _Read(answers, figures(tuple(self._looks)), now_ms)

    def _count_now_and_then(self) -> None:
        if self._clock_ms() - self._counted_ms < _COUNT_EVERY_MS or not self._counting.acquire(blocking=False):
            return
        self._counted_ms = self._clock_ms()
        Thread(target=self._count_stores, name="health-count", daemon=True).start()

    def _count_stores(self) -> None:
        try:
            found = conservation(Counted(census=self._count()))
        except VeilocityError:
            # Which store does not answer is told by its own line; the last count stays, with its age.
            return
        finally:
            self._counting.release()
        self._balance = Balance(self._clock_ms(), tuple(_sum(one) for one in found.equations if one.state is not State.UNKNOWN))


def _sum(one: Equation) -> Sum:
    return Sum(one.name, one.left, one.right, one.state.value, one.sentence)
