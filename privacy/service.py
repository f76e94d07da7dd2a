"""The privacy stage as a process: start, stop within seconds, and fail loudly.

A failed query ends the process with a non-zero code, and the supervisor starts it again on the same checkpoint and ledger. Being killed
at any moment is safe, so a stop that takes too long ends by leaving.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from privacy.identifiers.keyring import KeyRing
from privacy.policy import compiled_policy
from privacy.session import start_session
from veilocity.errors import FencedError
from veilocity.settings import Settings

__all__ = ["run"]

_STOP_WITHIN_S = 4.0


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, or until the query fails.

    Raises:
        VeilocityError: what ended the query.
    """
    stop = threading.Event()
    _stop_on_signals(stop)
    # Before Spark starts, so that a fault is told within a second.
    compiled_policy(settings)
    KeyRing.from_file(settings.token_key_file)
    with _only_one(settings.privacy_dir), ThreadPoolExecutor(max_workers=1, thread_name_prefix="spark") as pool:
        # Spark takes longest: it boots, in a thread so that it leaves SIGINT to us, while the rest is imported and the servers come up.
        booting = pool.submit(start_session, settings)
        from privacy.runner import run_query  # noqa: PLC0415  # imported while Spark boots: two seconds earlier at the first batch

        spark = booting.result()
        try:
            run_query(settings, spark, stop)
        except BaseException:
            _leave_after(_STOP_WITHIN_S, code=1)
            raise
        finally:
            spark.stop()


def _stop_on_signals(stop: threading.Event) -> None:
    def ask_to_stop(_number: int, _frame: object) -> None:
        if not stop.is_set():
            stop.set()
            _leave_after(_STOP_WITHIN_S, code=0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)


def _leave_after(seconds: float, code: int) -> None:
    """End the process if it is still there by then: a store that does not answer, or Spark, may hold a thread for ever."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        FencedError: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            raise FencedError("another privacy stage works in this folder: stop it first, or give this one another folder") from cause
        yield
