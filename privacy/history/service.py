"""The history's sink as a process: work, and again after a pause when PostgreSQL or Kafka do not answer."""

from __future__ import annotations

from threading import Event

from privacy.history.names import Names
from privacy.history.sink import work
from privacy.history.telemetry import CONNECTED
from privacy.identifiers.keyring import KeyRing
from veilocity.errors import RetryableError, SettingsError
from veilocity.logs import get_logger
from veilocity.processes import answering, pause_s, stop_on_signals
from veilocity.settings import Settings

__all__ = ["run"]

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
    stop, connected = stop_on_signals(), Event()
    with answering(settings.history_metrics_port, settings.metrics_host, "VEILOCITY_HISTORY_METRICS_PORT", connected.is_set):
        _repeat(settings, names, stop, connected)


def _repeat(settings: Settings, names: Names, stop: Event, connected: Event) -> None:
    def tell(is_connected: bool) -> None:
        (connected.set if is_connected else connected.clear)()
        CONNECTED.set(is_connected)

    failures = 0
    while not stop.is_set():
        try:
            work(settings, names, stop, tell)
        except RetryableError as cause:
            # It wrote a while ago: begin with short pauses again.
            failures = 1 if connected.is_set() else failures + 1
            wait_s = pause_s(failures)
            _logger.warning("The sensor history waits; trying again", cause=str(cause), retry_in_s=round(wait_s, 2))
            tell(False)
            stop.wait(wait_s)
        finally:
            tell(False)
