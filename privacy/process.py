"""What the processes of this room have in common: one in a folder, gone within seconds of being asked, loud when the query fails."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql.streaming.query import StreamingQuery

from veilocity.errors import BrokerUnavailableError, FatalError, FencedError
from veilocity.kafka import wait_for_topics
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["STOP_WITHIN_S", "await_topics", "follow", "leave_after", "only_one", "stop_on_signals"]

_LOG = get_logger(__name__)
STOP_WITHIN_S = 4.0
_POLL_S = 0.25


def stop_on_signals(stop: threading.Event) -> None:
    """Set an event on SIGTERM and SIGINT; the process is gone soon after, whatever still runs."""

    def ask_to_stop(_number: int, _frame: object) -> None:
        if not stop.is_set():
            stop.set()
            leave_after(STOP_WITHIN_S, code=0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)


def leave_after(seconds: float, code: int) -> None:
    """End the process if it is still there by then: a store that does not answer, or Spark, may hold a thread for ever."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


@contextmanager
def only_one(directory: Path, who: str = "privacy stage") -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        FencedError: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            raise FencedError(f"another {who} works in this folder: stop it first, or give this one another folder") from cause
        yield


def follow(
    query: StreamingQuery, stop: threading.Event, failures: list[BaseException], goodbye: str, turn: threading.Lock | None = None
) -> None:
    """Return when asked to stop; raise what ended the query.

    Args:
        query: that runs.
        stop: set by whoever asks.
        failures: what the query's own code met.
        goodbye: the line of the log when it is stopped.
        turn: held during a micro-batch; one that is under way may end first, as Spark takes long to tell of one that is broken off.

    Raises:
        VeilocityError: the query ended by itself.
    """
    while not stop.is_set() and query.isActive:
        stop.wait(_POLL_S)
    if stop.is_set():
        _LOG.info(goodbye)
        if turn is not None:
            turn.acquire(timeout=STOP_WITHIN_S / 2)
        query.stop()
        return
    if failures:
        raise failures[0]
    # Spark's own text may quote records, so it is not repeated here; its lines in this log are scrubbed by their pattern.
    raise FatalError("Spark ended the query: the lines of Spark above in this log say why")


def await_topics(settings: Settings, stop: threading.Event) -> bool:
    """Return True once the topics are there; False when asked to stop before."""
    while not stop.is_set():
        try:
            wait_for_topics(settings, timeout_s=2.0)
            return not stop.is_set()
        except BrokerUnavailableError:
            _LOG.info("Waiting for Kafka's topics.")
    return False
