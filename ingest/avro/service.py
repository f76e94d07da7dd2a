"""The feeds as a process: a thread for each direction, made anew after whatever was away is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread

from ingest.avro.feeds import DECISIONS_FEED, PAYMENTS_FEED, Feed, decisions_feed, payments_feed
from ingest.avro.registry import Registry
from ingest.avro.relay import Relay
from ingest.directory import Directory
from ingest.directory_feed import DirectoryFeed
from ingest.producer import Sender
from veilocity.errors import BrokerUnavailableError, RetryableError
from veilocity.kafka import ensure_topics, wait_for_topics
from veilocity.logs import get_logger
from veilocity.processes import answering, pause_s, stop_on_signals
from veilocity.settings import Settings
from veilocity.topics import EXTRAS

__all__ = ["Service", "run"]

_LONGEST_PAUSE_S = 5.0
_QUIET_S = 60.0
_STOP_WITHIN_S = 5.0
_TOPICS_S = 5.0
Make = Callable[[Registry], Feed]
_logger = get_logger(__name__)


def run(settings: Settings, *, payments: bool = True, decisions: bool = True) -> None:
    """Run the feeds until SIGTERM or SIGINT.

    Args:
        settings: where Kafka and the registry are.
        payments: whether to read `payments-avro`.
        decisions: whether to write `decisions-avro`.

    Raises:
        SettingsError: no registry is named, or it refuses the user.
        StateError: the registry refuses a schema.
        FencedError: another process has our name.
        PortTakenError: another program listens on the metrics' port.
    """
    stop = stop_on_signals()
    service = Service(settings, stop, payments=payments, decisions=decisions)
    with answering(settings.avro_metrics_port, settings.metrics_host, "VEILOCITY_AVRO_METRICS_PORT", service.is_healthy):
        service.run()


class Service:
    """All threads of one process."""

    def __init__(self, settings: Settings, stop: Event, *, payments: bool, decisions: bool) -> None:
        """Connect to nothing yet; when `stop` is set, `run` returns."""
        self._settings = settings
        self._stop = stop
        self._sender = Sender(settings)
        self._directory = DirectoryFeed(settings, Directory(), self._sender)
        makers: dict[str, Make] = {}
        if payments:
            makers[PAYMENTS_FEED] = lambda registry: payments_feed(settings, registry, self._directory.directory)
        if decisions:
            makers[DECISIONS_FEED] = lambda registry: decisions_feed(settings, registry)
        self._makers = makers
        self._seen_s: dict[str, float] = {}
        self._fault: BaseException | None = None

    def is_healthy(self) -> bool:
        """Say whether each feed came round lately."""
        now_s = time.monotonic()
        return all(now_s - self._seen_s.get(name, float("-inf")) < _QUIET_S for name in self._makers)

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            FatalError: what ended a feed.
        """
        # Without the directory payments would go to the wrong person.
        self._directory.start()
        threads = [Thread(target=self._guarded, args=item, name=item[0], daemon=True) for item in self._makers.items()]
        for thread in threads:
            thread.start()
        self._stop.wait()
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        self._directory.stop()
        self._sender.close()
        if self._fault is not None:
            raise self._fault

    def _guarded(self, name: str, make: Make) -> None:
        try:
            self._insist(name, make)
        except BaseException as cause:
            # Told to the main thread, which ends the process with it.
            self._fault = cause
            self._stop.set()

    def _insist(self, name: str, make: Make) -> None:
        failures = 0
        while not self._stop.is_set():
            began_s = time.monotonic()
            try:
                self._work(name, make)
            except RetryableError as cause:
                failures = 1 if self._seen_s.get(name, 0.0) > began_s else failures + 1
                if failures == 1:
                    _logger.warning("A feed of Avro waits for what is away; trying again", name=name, cause=str(cause))
                self._stop.wait(pause_s(failures, longest_s=_LONGEST_PAUSE_S))

    def _work(self, name: str, make: Make) -> None:
        registry = Registry(self._settings)
        try:
            ensure_topics(self._settings, _TOPICS_S, EXTRAS)
            wait_for_topics(self._settings, _TOPICS_S, EXTRAS)
            if name == PAYMENTS_FEED and not self._directory.ready:
                raise BrokerUnavailableError("the directory is not read yet")
            feed = make(registry)
            relay = Relay(self._settings, feed.name, feed.source, feed.convert)
            try:
                _logger.info("A feed of Avro runs", name=name)
                while not self._stop.is_set():
                    relay.step()
                    self._seen_s[name] = time.monotonic()
            finally:
                relay.close()
        finally:
            registry.close()
