"""The MQTT bridge as a process: connect, read, write, acknowledge; and again after a pause when broker or Kafka do not answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event

from ingest.directory import Directory
from ingest.directory_feed import DirectoryFeed
from ingest.fields import Arrival
from ingest.intake import Intake
from ingest.mqtt.bridge import Bridge
from ingest.mqtt.pipeline import Pipeline
from ingest.mqtt.session import BATCHES_AHEAD, Message, Session
from ingest.producer import Sender
from ingest.telemetry import MQTT_CONNECTED, MQTT_CONNECTIONS
from veilocity.errors import BrokerUnavailableError, ServiceUnavailableError
from veilocity.logs import get_logger
from veilocity.processes import answering, pause_s, stop_on_signals
from veilocity.settings import Settings

__all__ = ["Service", "run"]

_READ_S = 0.2
_logger = get_logger(__name__)


def run(settings: Settings) -> None:
    """Run the bridge until SIGTERM or SIGINT.

    Raises:
        SettingsError: no broker is named, it refuses the user or the topics, or a file is wrong.
        PortTakenError: another program listens on the metrics' port.
    """
    stop = stop_on_signals()
    service = Service(settings, stop)
    with answering(settings.mqtt_metrics_port, settings.metrics_host, "VEILOCITY_MQTT_METRICS_PORT", lambda: service.is_healthy):
        service.run()


class Service:
    """The bridge's loop, in the thread that calls `run`."""

    def __init__(self, settings: Settings, stop: Event) -> None:
        """Prepare; `run` connects.

        Args:
            settings: broker, topics, Kafka.
            stop: when set, `run` returns.
        """
        self._settings = settings
        self._session = Session(settings)
        self._sender = Sender(settings)
        self._feed = DirectoryFeed(settings, Directory(), self._sender)
        self._bridge = Bridge(Intake(settings, self._feed.directory), settings.ingest_max_body_bytes)
        self._pipeline = Pipeline(self._sender, BATCHES_AHEAD * settings.mqtt_batch_messages)
        self._stop = stop
        self._connected = False

    @property
    def is_healthy(self) -> bool:
        """Whether the bridge takes messages."""
        return self._connected and self._feed.ready

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            SettingsError: the broker refuses the user or the topics.
        """
        self._feed.start()
        failures = 0
        try:
            while not self._stop.is_set():
                try:
                    failures = self._work(failures)
                except ServiceUnavailableError as cause:
                    self._tell(connected=False)
                    failures += 1
                    wait_s = pause_s(failures)
                    _logger.warning("The MQTT broker is away; trying again", cause=str(cause), retry_in_s=round(wait_s, 2))
                    self._stop.wait(wait_s)
        finally:
            self._tell(connected=False)
            self._session.close()
            self._feed.stop()
            self._sender.close()

    def _work(self, failures: int) -> int:
        """Connect and work until told to stop; return the number of failed attempts to count on from."""
        # Without the directory events would go to the wrong person: the broker keeps them meanwhile.
        if not self._feed.ready:
            self._stop.wait(_READ_S)
            return failures
        self._session.connect()
        self._tell(connected=True)
        MQTT_CONNECTIONS.inc()
        _logger.info("The MQTT bridge is connected")
        try:
            self._flow()
        except ServiceUnavailableError:
            # It was connected: begin with short pauses again.
            self._tell(connected=False)
            _logger.warning("The connection to the MQTT broker is lost")
            # What was read is written all the same: the broker gives a message of QoS 0 only once.
            while self._pipeline:
                self._finished()
        return 0

    def _flow(self) -> None:
        """Read, write and acknowledge until told to stop.

        Raises:
            ServiceUnavailableError: the connection is lost.
        """
        session, pipeline = self._session, self._pipeline
        while not self._stop.is_set():
            messages = session.read(0.0 if pipeline else _READ_S)
            if messages:
                arrival = Arrival(time.time_ns() // 1_000_000, self._settings.ingest_future_limit_s)
                pipeline.start(self._bridge.judge(messages, arrival))
            while pipeline and (pipeline.is_ready or pipeline.is_full or not messages):
                session.acknowledge(self._finished())
        while pipeline:
            session.acknowledge(self._finished())

    def _finished(self) -> Sequence[Message]:
        """Return the messages of the oldest batch when it is in Kafka; none when told to stop before: the broker gives them again."""
        failures = 0
        while True:
            try:
                batch = self._pipeline.finish()
            except BrokerUnavailableError:
                failures += 1
                if self._stop.wait(pause_s(failures)):
                    self._pipeline.forget()
                    return ()
            else:
                self._bridge.count(batch)
                return batch.messages

    def _tell(self, *, connected: bool) -> None:
        self._connected = connected
        MQTT_CONNECTED.set(connected)
