"""How a start is given up: one flag that every waiting loop looks at, so that Ctrl-C is answered at each stage.

Raising an exception from a signal handler could break off between a process's start and its record. Here a handler only hands the signal
to a thread, and the flag is seen at places where everything is in order.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

__all__ = ["Cancellation", "Cancelled", "signals_cancel"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Cancelled(Exception):
    """The work was given up because somebody asked for it; not an error."""


class Cancellation:
    """A flag that starts false, becomes true once, and can be waited for."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.requests: list[int] = []
        """The signals that came, in order."""

    def cancel(self) -> None:
        """Ask all who look at this flag to stop."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked to stop."""
        if self.requested:
            raise Cancelled

    def wait(self, seconds: float) -> bool:
        """Wait until somebody asks to stop, at most `seconds`; return whether they did."""
        return self._event.wait(seconds)


@contextmanager
def signals_cancel(cancellation: Cancellation, again: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP cancel; every further one calls `again`. Main thread only; the old handlers come back at the end."""
    arrived: SimpleQueue[int] = SimpleQueue()

    def handler(number: int, _frame: FrameType | None) -> None:
        # SimpleQueue.put may be interrupted by itself, Event.set may not: it could wait for a lock this very thread holds.
        arrived.put(number)

    def listen() -> None:
        while (number := arrived.get()) != 0:
            cancellation.requests.append(number)
            if cancellation.requested:
                again()
            cancellation.cancel()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    listener.start()
    previous = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
        arrived.put(0)
        listener.join()
