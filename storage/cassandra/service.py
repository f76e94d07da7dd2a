"""The sink as a process: step after step, patient with stores that are away, and gone at the first signal."""

from __future__ import annotations

import time
from threading import Event

from storage.cassandra.sink import Sink
from storage.cassandra.source import Source
from storage.cassandra.table import PaymentTable
from storage.patience import delay_s
from veilocity.errors import StoreUnavailableError
from veilocity.logs import get_logger
from veilocity.processes import answering, stop_on_signals
from veilocity.settings import Settings

__all__ = ["run"]

_POLL_S = 1.0
_QUIET_S = 60.0
_log = get_logger(__name__)


def run(settings: Settings, *, once: bool = False) -> None:
    """Run the sink until SIGTERM or SIGINT.

    Args:
        settings: where MongoDB and Cassandra are.
        once: return when Cassandra holds all that MongoDB does.

    Raises:
        SettingsError: no Cassandra is named, or a store refuses the user.
        StateError: the table is not ours, or was filled from another MongoDB.
        PortTakenError: another program listens on the metrics' port.
        StoreUnavailableError: with `once`, a store does not answer.
    """
    stop = stop_on_signals()
    process = _Process(settings, stop, once=once)
    port = 0 if once else settings.cassandra_metrics_port
    with answering(port, settings.metrics_host, "VEILOCITY_CASSANDRA_METRICS_PORT", process.is_healthy):
        process.run()


class _Process:
    def __init__(self, settings: Settings, stop: Event, *, once: bool) -> None:
        self._settings = settings
        self._stop = stop
        self._once = once
        self._seen_s = float("-inf")

    def is_healthy(self) -> bool:
        return time.monotonic() - self._seen_s < _QUIET_S

    def run(self) -> None:
        """Work, and connect anew after a store was away."""
        failures = 0
        while not self._stop.is_set():
            before_s = self._seen_s
            try:
                self._work()
                return
            except StoreUnavailableError as cause:
                if self._once:
                    raise
                failures = 1 if self._seen_s > before_s else failures + 1
                if failures == 1:
                    _log.warning("a store does not answer; asking until it does", cause=str(cause))
                self._stop.wait(delay_s(failures))

    def _work(self) -> None:
        source = Source(self._settings)
        try:
            table = PaymentTable(self._settings)
            try:
                self._follow(Sink(source, table, lambda: time.time_ns() // 1_000_000))
            finally:
                table.close()
        finally:
            source.close()

    def _follow(self, sink: Sink) -> None:
        _log.info("The Cassandra sink runs")
        while not self._stop.is_set():
            more = sink.step()
            self._seen_s = time.monotonic()
            if self._once and not more:
                return
            if not more:
                self._stop.wait(_POLL_S)
