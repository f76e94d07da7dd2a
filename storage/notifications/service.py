"""The notifier as a process: one planner, one courier for each receiver, each in a thread of its own, and an end that keeps nobody waiting.

Being killed at any moment is safe, so a stop that takes too long ends by leaving. Any number of these processes may run.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event, Thread

from storage.mongo import MONGODB, connect
from storage.notifications.courier import Courier, deliver
from storage.notifications.file import Notifications, read_notifications
from storage.notifications.message import trial_message
from storage.notifications.outbox import Outbox
from storage.notifications.outcome import Outcome
from storage.notifications.planner import Planner
from storage.notifications.schema import ensure_notifications
from storage.patience import delay_s, insist
from veilocity.errors import RetryableError, SettingsError
from veilocity.logs import get_logger
from veilocity.processes import answering, stop_on_signals
from veilocity.settings import Settings

__all__ = ["Service", "clock_ms", "file_in_force", "run", "try_out"]

_ANSWER_MS = 20_000
_POLL_S = 1.0
_QUIET_S = 120.0
"""A thread that has not come round for so long is not healthy: longer than any timeout of a receiver."""
_STOP_WITHIN_S = 3.0
_LETTERS = "abcdefghijklmnop"
_PLANNER = "(planner)"
"""No name of a receiver."""
_log = get_logger(__name__)


def clock_ms() -> int:
    """Return the wall clock in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def file_in_force(settings: Settings) -> Notifications:
    """Return the notifications file that the settings name.

    Raises:
        SettingsError: none is named, or it is not understood.
    """
    if settings.notifications_file is None:
        raise SettingsError("nobody is to be told: name a file by VEILOCITY_NOTIFICATIONS_FILE (docs/notifications.md)")
    return read_notifications(Path(settings.notifications_file), os.environ)


def run(settings: Settings) -> None:
    """Run the notifier until SIGTERM or SIGINT.

    Raises:
        SettingsError: no file, or one that is not understood; or MongoDB refuses the user.
        PortTakenError: another program listens on the metrics' port.
        StateError: the collections were written by a newer version.
    """
    stop = stop_on_signals()
    service = Service(settings, file_in_force(settings), stop)
    with answering(settings.notifications_metrics_port, settings.metrics_host, "VEILOCITY_NOTIFICATIONS_METRICS_PORT", service.is_healthy):
        service.run()


def try_out(notifications: Notifications, name: str) -> Outcome:
    """Send a test message to a receiver, past the outbox; return what became of it.

    Raises:
        SettingsError: there is no such receiver.
    """
    receiver = notifications.receivers.get(name)
    if receiver is None:
        raise SettingsError(f"there is no such receiver; there are {', '.join(notifications.receivers)}")
    now_ms = clock_ms()
    return deliver(receiver, trial_message(secrets.token_hex(16), name, now_ms), notifications.dashboard_url, now_ms)


class Service:
    """All threads of one notifier."""

    def __init__(self, settings: Settings, notifications: Notifications, stop: Event) -> None:
        """Connect to nothing yet.

        Args:
            settings: where MongoDB is.
            notifications: the file in force.
            stop: when set, `run` returns.
        """
        self._client = connect(settings, socket_timeout_ms=_ANSWER_MS)
        self._database = self._client[settings.mongodb_database]
        owner = "".join(secrets.choice(_LETTERS) for _ in range(16))
        self._planner = Planner(self._database, notifications, owner, clock_ms)
        outbox = Outbox(self._database)
        self._couriers = {name: Courier(outbox, one, notifications, clock_ms) for name, one in notifications.receivers.items()}
        self._stop = stop
        self._seen_s: dict[str, float] = {}
        self._fault: BaseException | None = None

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            VeilocityError: what ended a thread.
        """
        try:
            insist(MONGODB, self._begin, self._stop)
        except RetryableError:
            # Told to stop while MongoDB was down.
            self._client.close()
            return
        _log.info("The notifier runs", count=len(self._couriers))
        work = {_PLANNER: self._plan, **{name: partial(self._carry, courier) for name, courier in self._couriers.items()}}
        threads = [Thread(target=self._guarded, args=item, name=item[0], daemon=True) for item in work.items()]
        for thread in threads:
            thread.start()
        self._stop.wait()
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        self._leave()
        if self._fault is not None:
            raise self._fault

    def is_healthy(self) -> bool:
        """Say whether every thread came round lately."""
        now_s = time.monotonic()
        return all(now_s - self._seen_s.get(name, float("-inf")) < _QUIET_S for name in (_PLANNER, *self._couriers))

    def _begin(self) -> None:
        ensure_notifications(self._database)
        self._planner.begin()

    def _plan(self) -> bool:
        self._planner.step()
        return False

    def _carry(self, courier: Courier) -> bool:
        carried = courier.step()
        if not carried:
            courier.count()
        return carried

    def _leave(self) -> None:
        try:
            self._planner.resign()
        except RetryableError:
            # The lease ends by itself.
            pass
        self._client.close()

    def _guarded(self, name: str, work: Callable[[], bool]) -> None:
        """Repeat `work` until told to stop: at once while it says that there is more, else after a moment."""
        try:
            self._repeat(name, work)
        except BaseException as cause:
            # Told to the main thread, which ends the process with it.
            self._fault = cause
            self._stop.set()

    def _repeat(self, name: str, work: Callable[[], bool]) -> None:
        failures = 0
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            try:
                more = work()
            except RetryableError as cause:
                failures += 1
                if failures == 1:
                    _log.warning("the store does not answer; asking until it does", cause=str(cause))
                wait_s = delay_s(failures)
                continue
            if failures:
                _log.info("the store answers again", attempt=failures)
            failures = 0
            self._seen_s[name] = time.monotonic()
            wait_s = 0.0 if more else _POLL_S
