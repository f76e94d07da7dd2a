"""The feed as a process: read, write, move the slot; and again after a pause when PostgreSQL does not answer."""

from __future__ import annotations

import re
from threading import Event

from ingest.cdc.feed import Feed
from ingest.cdc.mapping import Mapping
from ingest.cdc.progress import ProgressFile
from ingest.cdc.slot import Slot
from ingest.cdc.writer import Writer
from ingest.directory import Directory
from ingest.directory_feed import DirectoryFeed
from ingest.producer import Sender
from ingest.telemetry import CDC_CONNECTED
from veilocity.errors import RetryableError, SettingsError
from veilocity.logs import get_logger
from veilocity.postgres import connect
from veilocity.processes import answering, pause_s, stop_on_signals
from veilocity.settings import Settings

__all__ = ["NAME", "drop", "run"]

NAME = "veilocity postgres feed"
_READ_S = 0.2
_SLOT = re.compile(r"[a-z0-9_]{1,63}")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?")
_logger = get_logger(__name__)


def run(settings: Settings, dsn: str, table: str, slot: str, mapping: Mapping) -> None:
    """Run the feed until SIGTERM or SIGINT.

    Args:
        settings: Kafka, batches, the folder of the progress.
        dsn: the PostgreSQL of the table.
        table: `payments`, or `schema.payments`.
        slot: name of slot and publication.
        mapping: names the fields.

    Raises:
        SettingsError: names that are none, no such table or column, or a server that is not set up for logical decoding.
        StateError: the server gave the slot up.
        PortTakenError: another program listens on the metrics' port.
    """
    _check(table, slot)
    stop, connected = stop_on_signals(), Event()
    with answering(settings.feed_postgres_metrics_port, settings.metrics_host, "VEILOCITY_FEED_POSTGRES_METRICS_PORT", connected.is_set):
        _Service(settings, dsn, table, slot, mapping, stop, connected).run()


def drop(settings: Settings, dsn: str, table: str, slot: str) -> None:
    """Remove slot, publication and progress.

    Raises:
        ServiceUnavailableError: a feed reads the slot: stop it first.
        StoreUnavailableError: PostgreSQL does not answer.
    """
    _check(table, slot)
    connection = connect(dsn, NAME)
    try:
        found = Slot(connection, slot, table)
        found.claim()
        found.drop()
        ProgressFile(settings.data_dir, slot).remove()
    finally:
        connection.close()


def _check(table: str, slot: str) -> None:
    if not _SLOT.fullmatch(slot):
        raise SettingsError("--slot must be small letters, digits and underscores, as PostgreSQL wants it")
    if not _TABLE.fullmatch(table):
        raise SettingsError("--table must be NAME or SCHEMA.NAME, of letters, digits and underscores")


class _Service:
    """The loop, in the thread that calls `run`."""

    def __init__(self, settings: Settings, dsn: str, table: str, slot: str, mapping: Mapping, stop: Event, connected: Event) -> None:
        self._settings, self._dsn, self._table, self._slot, self._mapping = settings, dsn, table, slot, mapping
        self._stop, self._connected = stop, connected
        self._sender = Sender(settings)
        self._directory = DirectoryFeed(settings, Directory(), self._sender)
        self._writer = Writer(mapping, self._directory.directory, self._sender.send_all)

    def run(self) -> None:
        self._directory.start()
        failures = 0
        try:
            # Without the directory payments would go to the wrong person: the slot keeps them meanwhile.
            while not self._directory.ready and not self._stop.is_set():
                self._stop.wait(_READ_S)
            while not self._stop.is_set():
                try:
                    self._read()
                except RetryableError as cause:
                    # It read a while ago: begin with short pauses again.
                    failures = 1 if self._connected.is_set() else failures + 1
                    wait_s = pause_s(failures)
                    _logger.warning("The feed of payments waits; trying again", cause=str(cause), retry_in_s=round(wait_s, 2))
                    self._tell(False)
                    self._stop.wait(wait_s)
        finally:
            self._tell(False)
            self._directory.stop()
            self._sender.close()

    def _read(self) -> None:
        connection = connect(self._dsn, NAME)
        try:
            feed = Feed(
                Slot(connection, self._slot, self._table),
                self._mapping,
                self._writer,
                ProgressFile(self._settings.data_dir, self._slot),
                self._settings.ingest_future_limit_s,
                self._settings.feed_postgres_batch_rows,
            )
            feed.run(self._stop, self._settings.feed_postgres_poll_s, lambda: self._tell(True))
        finally:
            connection.close()

    def _tell(self, is_connected: bool) -> None:
        if is_connected:
            _logger.info("The feed of payments is connected")
        (self._connected.set if is_connected else self._connected.clear)()
        CDC_CONNECTED.set(is_connected)
