"""One session with an MQTT 5 broker: connect, read messages, acknowledge them by hand. A thin shell around Eclipse Paho.

The session outlives the connection: the broker keeps what phones published while nobody read, and gives again what was not acknowledged.
The caller drives it from one thread: `connect`, then `read` and `acknowledge` in turn, until `ServiceUnavailableError` says to connect
anew.

Paho reads a byte at a time and writes each acknowledgement by itself. `_Buffered` stands between it and the socket and does both in large
pieces: 3 to 4 system calls for each message become a few for each thousand. Acknowledgements are four bytes each, which we write.
"""

from __future__ import annotations

import select
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from paho.mqtt.client import Client, ConnectFlags, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.mqtt.topics import topic_filters
from veilocity.errors import ServiceUnavailableError, SettingsError
from veilocity.settings import Settings

__all__ = ["BATCHES_AHEAD", "Message", "Session"]

BATCHES_AHEAD = 4
"""Batches that may be read before the first of them is acknowledged: as many as hide the time that Kafka takes."""
_KEEP_ALIVE_S = 30
_CONNECT_S = 10.0
_STEP_S = 0.5
_SESSION_S = 7 * 86_400
"""How long the broker keeps what nobody reads."""
_PIECE = 256 * 1024
_REFUSED_USER = (134, 135)
"""MQTT 5: bad user name or password, not authorised."""
_FAILURE = 128
_PUBACK = b"\x40\x02"
"""Before the packet identifier: an acknowledgement without a reason is one of success (MQTT 5, section 3.4)."""
_T = TypeVar("_T")


class Message(NamedTuple):
    """One message as it came."""

    topic: str
    body: bytes
    qos: int
    number: int
    """The broker's packet identifier, by which it is acknowledged; 0 at QoS 0."""
    retained: bool
    """Kept by the broker from before, and sent because somebody subscribed."""
    connection: int
    """The connection that it came over: acknowledgements mean nothing to another one."""


class _Buffered:
    """A socket that reads ahead and, while corked, keeps what is sent."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._ahead = b""
        self._position = 0
        self._behind: list[bytes] | None = None

    def recv(self, size: int) -> bytes:
        if self._position >= len(self._ahead):
            self._ahead, self._position = self._inner.recv(_PIECE), 0
        piece = self._ahead[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def pending(self) -> int:
        """Return how many bytes were read ahead; Paho asks before it waits."""
        inner = self._inner.pending() if hasattr(self._inner, "pending") else 0
        return len(self._ahead) - self._position + int(inner)

    def send(self, data: bytes) -> int:
        if self._behind is None:
            return int(self._inner.send(data))
        self._behind.append(bytes(data))
        return len(data)

    def cork(self) -> None:
        self._behind = []

    def uncork(self) -> None:
        """Send what was kept, waiting for room as long as it takes."""
        kept, self._behind = b"".join(self._behind or ()), None
        if kept:
            self._inner.settimeout(_CONNECT_S)
            try:
                self._inner.sendall(kept)
            finally:
                self._inner.setblocking(False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Client(Client):
    """Paho's client on our socket, which hands messages over undecorated. Both methods are Paho's own; its version is pinned.

    Paho makes an object of 30 properties for every message and looks for callbacks by topic: more work than all the rest.
    """

    buffered: _Buffered | None = None
    take: Callable[[str, bytes, int, int, bool], None]

    def _create_socket(self) -> Any:
        self.buffered = _Buffered(super()._create_socket())
        return self.buffered

    def _handle_publish(self) -> MQTTErrorCode:
        first, packet = self._in_packet["command"], self._in_packet["packet"]
        try:
            self.take(*_publication(first, bytes(packet)))
        except (IndexError, ValueError):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _publication(first: int, packet: bytes) -> tuple[str, bytes, int, int, bool]:
    r"""Return topic, body, QoS, packet identifier and whether it was retained, of a PUBLISH of MQTT 5 (section 3.3).

    Args:
        first: the first byte of its fixed header.
        packet: what follows the fixed header.

    A topic that is no UTF-8 becomes an empty one, which belongs to no app.

    Raises:
        IndexError, ValueError: the packet is cut off.

    >>> _publication(0x33, b"\x00\x03a/b\x00\x07\x02\x01\x00{}")
    ('a/b', b'{}', 1, 7, True)
    """
    qos, at = first >> 1 & 3, 2 + int.from_bytes(packet[:2], "big")
    topic, number = packet[2:at], 0
    if qos:
        number, at = int.from_bytes(packet[at : at + 2], "big"), at + 2
    size, shift = 0, 0
    while True:
        size, shift, at = size | (packet[at] & 127) << shift, shift + 7, at + 1
        if packet[at - 1] < 128:
            break
    if at + size > len(packet):
        raise ValueError("cut off")
    try:
        text = topic.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return text, packet[at + size :], qos, number, bool(first & 1)


class Session:
    """The bridge's session with its broker; for one thread."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing is sent.

        Args:
            settings: broker, user, TLS, topics and the size of a batch.

        Raises:
            SettingsError: no broker is named, a topic belongs to no protocol, or the file of the authority cannot be read.
        """
        if not settings.mqtt_host:
            raise SettingsError("no broker is named: set VEILOCITY_MQTT_HOST (docs/phones.md)")
        self._address = settings.mqtt_host, settings.mqtt_port
        self._filters = topic_filters(settings.mqtt_topics)
        self._most = settings.mqtt_batch_messages
        self._inbox: list[Message] = []
        self._connection = 0
        self._answered: ReasonCode | None = None
        self._subscribed: list[ReasonCode] | None = None
        self._client = _Client(CallbackAPIVersion.VERSION2, settings.mqtt_client_id, protocol=MQTTv5, manual_ack=True)
        if settings.mqtt_username:
            self._client.username_pw_set(settings.mqtt_username, settings.mqtt_password.get_secret_value())
        if settings.mqtt_tls:
            self._client.tls_set_context(_tls(settings.mqtt_ca_file))
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.take = self._take
        # As for an event loop of one's own: Paho then leaves all writing to `loop_write`.
        self._client.on_socket_register_write = lambda *_: None

    def connect(self) -> None:
        """Connect and subscribe; what was read but not acknowledged is forgotten, as the broker will give it again.

        Raises:
            ServiceUnavailableError: the broker does not answer, or not as one.
            SettingsError: it refuses the user, or the topics.
        """
        self._inbox.clear()
        self._connection += 1
        self._answered = self._subscribed = None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # Paho leaves its constructor untyped
        properties.SessionExpiryInterval = _SESSION_S
        properties.ReceiveMaximum = min(65_535, (BATCHES_AHEAD + 1) * self._most)
        try:
            self._client.connect(*self._address, keepalive=_KEEP_ALIVE_S, clean_start=False, properties=properties)
        except (OSError, ValueError) as cause:
            raise ServiceUnavailableError("the MQTT broker does not answer: is it running, and does it speak TLS where we do?") from cause
        answered = self._await(lambda: self._answered)
        if answered.value in _REFUSED_USER:
            raise SettingsError("the MQTT broker refuses the user: check VEILOCITY_MQTT_USERNAME and VEILOCITY_MQTT_PASSWORD")
        if answered.is_failure:
            raise ServiceUnavailableError(f"the MQTT broker refuses the connection: {answered}")
        # Retained messages once for a new session and not at each reconnect.
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        self._client.subscribe([(name, options) for name in self._filters])
        if any(code.value >= _FAILURE for code in self._await(lambda: self._subscribed)):
            raise SettingsError("the MQTT broker refuses a topic: allow its user to read those of VEILOCITY_MQTT_TOPICS")

    def _await(self, answer: Callable[[], _T | None]) -> _T:
        """Return what the broker answers; messages that come before it are kept for `read`."""
        deadline = time.monotonic() + _CONNECT_S
        while time.monotonic() < deadline:
            is_lost = self._turn(_STEP_S) != 0
            # A refusal is told and followed by the end of the connection at once.
            found = answer()
            if found is not None:
                return found
            if is_lost:
                raise ServiceUnavailableError("the MQTT broker closed the connection")
        raise ServiceUnavailableError("the MQTT broker did not answer in time")

    def _turn(self, timeout_s: float) -> int:
        """Write what waits, wait for something to read, read one packet, and keep the connection alive; return 0 if all went well.

        Paho's own `loop` would also wake itself by a socket for each acknowledgement.
        """
        client, buffered = self._client, self._client.buffered
        if client.want_write() and client.loop_write() != 0:
            return 1
        if buffered is None or client.socket() is None:
            return 1
        if not buffered.pending():
            waiting = [buffered] if client.want_write() else []
            if not select.select([buffered], waiting, [], timeout_s)[0]:
                return int(client.loop_misc())
        return int(client.loop_read()) or int(client.loop_misc())

    def read(self, timeout_s: float) -> list[Message]:
        """Return what has come, a batch at most; nothing after `timeout_s` of silence.

        Raises:
            ServiceUnavailableError: the connection is lost.
        """
        if not self._inbox and self._turn(timeout_s) != 0:
            raise ServiceUnavailableError("the connection to the MQTT broker is lost")
        buffered = self._client.buffered
        while buffered is not None and len(self._inbox) < self._most and buffered.pending():
            if self._client.loop_read() != 0:
                # What was read stays good; the next call tells of the loss.
                break
        taken, self._inbox = self._inbox[: self._most], self._inbox[self._most :]
        return taken

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that the messages need not be given again; those of an earlier connection are left out.

        Raises:
            ServiceUnavailableError: the connection is lost.
        """
        buffered = self._client.buffered
        if buffered is None:
            return
        packets = [
            _PUBACK + message.number.to_bytes(2, "big") for message in messages if message.qos and message.connection == self._connection
        ]
        buffered.cork()
        try:
            # What Paho still has to write goes first.
            written = self._client.loop_write()
            buffered.send(b"".join(packets))
            buffered.uncork()
        except OSError as cause:
            raise ServiceUnavailableError("the connection to the MQTT broker is lost") from cause
        if written != 0:
            raise ServiceUnavailableError("the connection to the MQTT broker is lost")

    def close(self) -> None:
        """Say goodbye; the session stays with the broker."""
        self._client.disconnect()
        self._client.loop_write()

    def _on_connect(self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: object) -> None:
        self._answered = reason

    def _on_subscribe(self, _client: Client, _data: object, _number: int, reasons: list[ReasonCode], _properties: object) -> None:
        self._subscribed = reasons

    def _take(self, topic: str, body: bytes, qos: int, number: int, retained: bool) -> None:
        self._inbox.append(Message(topic, body, qos, number, retained, self._connection))


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as cause:
        raise SettingsError(f"VEILOCITY_MQTT_CA_FILE cannot be read ({type(cause).__name__})") from cause
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
