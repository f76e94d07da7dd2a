"""Several connections that carry requests to the gateway at the same time."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

from ingest.push import Answer, Pusher
from veilocity.errors import ServiceUnavailableError, VeilocityError

__all__ = ["Couriers"]

_WAITING_PER_COURIER = 4
"""Few: what waits here is what a kill loses."""
_LOOK_UP_S = 0.1


class _Parcel(NamedTuple):
    path: str
    body: bytes


class Couriers:
    """Threads that send what is handed to them, each request until it is answered."""

    def __init__(self, pusher: Pusher, count: int = 6) -> None:
        self._pusher = pusher
        self._parcels: queue.Queue[_Parcel | None] = queue.Queue(count * _WAITING_PER_COURIER)
        self._lock = threading.Lock()
        self._answers = Answer()
        self._failure: VeilocityError | None = None
        self._threads = [threading.Thread(target=self._carry, name=f"courier-{number}", daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def answers(self) -> Answer:
        """What the gateway has answered so far."""
        with self._lock:
            return self._answers

    def hand_over(self, path: str, body: bytes, stopped: threading.Event) -> bool:
        """Wait until there is room and return True, or False when `stopped` came first.

        Raises:
            VeilocityError: what a courier ran into and cannot mend by repeating.
        """
        parcel = _Parcel(path, body)
        while not stopped.is_set():
            self._raise_failure()
            try:
                self._parcels.put(parcel, timeout=_LOOK_UP_S)
            except queue.Full:
                continue
            return True
        return False

    def finish(self, stopped: threading.Event, grace_s: float) -> None:
        """Wait until everything handed over is answered; once `stopped` is set, at most `grace_s` longer, and give up what is left.

        Raises:
            VeilocityError: what a courier ran into and cannot mend by repeating.
        """
        deadline: float | None = None
        ends = len(self._threads)
        while ends or any(thread.is_alive() for thread in self._threads):
            ends -= self._end_one() if ends else 0
            for thread in self._threads if not ends else ():
                thread.join(_LOOK_UP_S / len(self._threads))
            if stopped.is_set():
                deadline = time.monotonic() + grace_s if deadline is None else deadline
                if time.monotonic() >= deadline:
                    self._pusher.give_up()
                    self._discard()
        self._raise_failure()

    def _end_one(self) -> bool:
        """Send one courier home after the parcels before; say whether there was room for the word."""
        try:
            self._parcels.put(None, timeout=_LOOK_UP_S)
        except queue.Full:
            return False
        return True

    def _discard(self) -> None:
        """Take back what nobody carries any more, but leave the couriers their word to go home."""
        ends = 0
        while True:
            try:
                ends += self._parcels.get_nowait() is None
            except queue.Empty:
                break
        for _ in range(ends):
            self._parcels.put(None)

    def _carry(self) -> None:
        while True:
            parcel = self._parcels.get()
            if parcel is None:
                return
            try:
                answer = self._pusher.send(parcel.path, parcel.body)
            except ServiceUnavailableError:
                # Only after `give_up`: the couriers have all the patience there is.
                continue
            except VeilocityError as error:
                self._failure = self._failure or error
                continue
            with self._lock:
                self._answers += answer

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            # The reason is on its way already: whatever the couriers add to it would only hide it.
            ended = threading.Event()
            ended.set()
            with contextlib.suppress(VeilocityError):
                self.finish(ended, 0.0)
