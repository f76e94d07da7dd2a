"""What every service does as a process: it ends when it is told to, answers for its health, and tries again after ever longer pauses."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from threading import Event

from veilocity import metrics
from veilocity.errors import PortTakenError

__all__ = ["answer", "answering", "pause_s", "stop_on_signals"]


def stop_on_signals(stop: Event | None = None) -> Event:
    """Return what SIGTERM and SIGINT set from now on; call it in the main thread.

    Args:
        stop: to be set by them; by default a new one.
    """
    stop = Event() if stop is None else stop
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def answer(port: int, host: str, setting: str, is_healthy: Callable[[], bool] = lambda: True) -> ThreadingHTTPServer | None:
    """Answer `/metrics` and `/healthz` from a thread, for as long as the process lives.

    Args:
        port: to listen on; 0 answers nothing.
        host: address to listen on.
        setting: variable that another port is set by.
        is_healthy: asked from another thread; `/healthz` answers 503 while it says no.

    Raises:
        PortTakenError: another program has the port; the sentence names the setting.
    """
    try:
        return metrics.serve(port, host, is_healthy)
    except OSError as cause:
        raise PortTakenError(f"port {port} is taken by another program: set {setting} to a free one") from cause


@contextmanager
def answering(port: int, host: str, setting: str, is_healthy: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Answer as `answer` does, until the end of the context.

    Raises:
        PortTakenError: another program has the port.
    """
    server = answer(port, host, setting, is_healthy)
    try:
        yield
    finally:
        if server is not None:
            server.shutdown()
            server.server_close()


def pause_s(failures: int, *, first_s: float = 0.25, longest_s: float = 30.0, chance: float | None = None) -> float:
    """Return how long to wait after failure number `failures`: a bound that doubles each time, and anything between half and all of it.

    Without the chance all who wait for a server that restarts would come back at the same moment.

    Args:
        failures: number of failures so far, from 1.
        first_s: bound after the first failure.
        longest_s: bound after many.
        chance: 0..1, drawn anew by default.

    >>> [pause_s(failures, chance=1.0) for failures in (1, 2, 3, 21)], pause_s(3, chance=0.0)
    ([0.25, 0.5, 1.0, 30.0], 0.5)
    """
    bound_s = min(longest_s, first_s * 2.0 ** min(failures - 1, 32))
    drawn = random.random() if chance is None else chance  # noqa: S311  # spreads load, guards nothing
    return bound_s * (0.5 + 0.5 * drawn)
