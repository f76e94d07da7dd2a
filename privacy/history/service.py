"""The history's sink as a process: work, and again after a pause when PostgreSQL or Kafka do not answer."""

from __future__ import annotations

import random
import signal
from threading import Event

from privacy.history.names import Names
from privacy.history.sink import work
from privacy.history.telemetry import CONNECTED
from privacy.identifiers.keyring import KeyRing
from veilocity import metrics
from veilocity.errors import PortTakenError, RetryableError, SettingsError
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["run"]

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_logger = get_logger(__name__)


def run(settings: Settings) -> None:
    """Run the sink until SIGTERM or SIGINT.

    Raises:
        SettingsError: no PostgreSQL is named, it refuses, or the key ring is not there.
        StateError: a record or the tables are newer than this program.
        PortTakenError: another program listens on the metrics' port.
    """
    if not settings.postgres_dsn.get_secret_value():
        raise SettingsError("no PostgreSQL is named: set VEILOCITY_POSTGRES_DSN (docs/extras.md)")
    names = Names(KeyRing.from_file(settings.token_key_file))
    stop, connected = Event(), Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    port = settings.history_metrics_port
    try:
        server = metrics.serve(port, settings.metrics_host, connected.is_set)
    except OSError as cause:
        raise PortTakenError(f"port {port} is taken by another program: set VEILOCITY_HISTORY_METRICS_PORT") from cause
    try:
        _repeat(settings, names, stop, connected)
    finally:
        if server is not None:
            server.shutdown()


def _repeat(settings: Settings, names: Names, stop: Event, connected: Event) -> None:
    def tell(is_connected: bool) -> None:
        (connected.set if is_connected else connected.clear)()
        CONNECTED.set(is_connected)

    attempt = 0
    while not stop.is_set():
        try:
            work(settings, names, stop, tell)
        except RetryableError as cause:
            # It wrote a while ago: begin with short pauses again.
            attempt = 0 if connected.is_set() else attempt + 1
            # Half of the pause is chance, so that sinks do not come back all at once.
            wait_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt, 16)) * (0.5 + 0.5 * random.random())  # noqa: S311  # no secret
            _logger.warning("The sensor history waits; trying again", cause=str(cause), retry_in_s=round(wait_s, 2))
            tell(False)
            stop.wait(wait_s)
        finally:
            tell(False)
