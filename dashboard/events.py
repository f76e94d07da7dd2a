"""One picture, many viewers: server-sent events with resume, bounded queues and an honest fallback.

A stream begins with a status. A viewer who names the last frame it saw gets exactly the frames after it, if all of them are still in
the ring; everyone else gets a snapshot. A viewer that reads too slowly loses its queue and gets a snapshot instead, so that memory stays
bounded and nobody waits for it. Frames carry the id `epoch.seq`: the epoch changes whenever the picture is read anew, because batch
numbers of two different pictures cannot be compared.

Memory: at most `ring_frames` frames, `queue_frames` references per stream, `max_streams` streams.

Source: WHATWG HTML, section 9.2 "Server-sent events".
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Condition
from typing import Self

import msgspec

from dashboard.picture import Changes, Content, Limits, Picture
from storage.documents import MaskedAlert, MaskedTransaction, Position, Progress
from veilocity import metrics
from veilocity.errors import ServiceUnavailableError

__all__ = ["HEARTBEAT_S", "RETRY_MS", "Hub", "Status", "Stream", "encode_event"]

HEARTBEAT_S = 5.0
"""Longest silence on a stream: a page that hears nothing for three of them knows that the line is dead."""
RETRY_MS = 1_500
"""How soon a browser tries again, before jitter."""

_FRAMES = metrics.counter("dashboard_frames", "Frames put before viewers", "kind")
_STREAMS = metrics.gauge("dashboard_streams", "Open event streams")
_WRITTEN = metrics.gauge("dashboard_written_seconds", "When the newest batch that viewers see was written, in seconds since 1970")
_OVERFLOWS = metrics.counter("dashboard_overflows", "Viewers that read too slowly and got a snapshot instead")


class Status(msgspec.Struct, frozen=True):
    """What a viewer must know to judge the age of what it sees, without trusting its own clock."""

    store: str
    """`up`, `down`, or `unknown` before the first answer."""
    now_ms: int
    """This server's clock."""
    written_ms: int
    """When the newest batch was written; 0 when there is none."""
    stale_s: float


class _Frame(msgspec.Struct, frozen=True):
    after_seq: int
    seq: int
    data: bytes


def encode_event(event: str, body: msgspec.Struct, identity: str = "") -> bytes:
    r"""Return one server-sent event.

    >>> encode_event("status", Status(store="up", now_ms=5, written_ms=0, stale_s=15.0))
    b'event: status\ndata: {"store":"up","now_ms":5,"written_ms":0,"stale_s":15.0}\n\n'
    """
    head = f"id: {identity}\n" if identity else ""
    return f"{head}event: {event}\ndata: ".encode() + msgspec.json.encode(body) + b"\n\n"


class Stream:
    """What one viewer reads: an iterator of encoded events that ends when the hub closes. Close it when the viewer is gone."""

    def __init__(self, hub: Hub) -> None:
        """Start with nothing waiting.

        Args:
            hub: fills the stream; its lock guards `waiting` and `overflowed`.
        """
        self._hub = hub
        self.waiting: deque[bytes] = deque()
        self.overflowed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        event = self._hub.take(self)
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """Give the place to another viewer."""
        self._hub.leave(self)


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Hub:
    """Holds the picture and tells every viewer what changed. Safe to use from several threads."""

    def __init__(
        self,
        stale_s: float = 15.0,
        limits: Limits | None = None,
        *,
        ring_frames: int = 240,
        queue_frames: int = 16,
        max_streams: int = 24,
        clock_ms: Callable[[], int] = _wall_clock_ms,
    ) -> None:
        """Start with an empty picture and an unknown store.

        Args:
            stale_s: silence after which viewers say that the picture is old.
            limits: how much the picture holds.
            ring_frames: frames kept for viewers that come back; 240 are a minute at four a second.
            queue_frames: frames a viewer may be behind before it gets a snapshot instead.
            max_streams: most viewers; each holds a thread of the server.
            clock_ms: milliseconds since 1970; a test passes its own.
        """
        self._changed = Condition()
        self._limits = limits
        self._picture: Picture | None = None
        self._epoch = ""
        self._ring: deque[_Frame] = deque(maxlen=ring_frames)
        self._streams: set[Stream] = set()
        self._queue_frames = queue_frames
        self._max_streams = max_streams
        self._stale_s = stale_s
        self._clock_ms = clock_ms
        self._store = "unknown"
        self._closed = False
        self._snapshot: bytes | None = None

    @property
    def seq(self) -> int | None:
        """Number of the last batch shown; None before the first picture."""
        with self._changed:
            return self._picture.seq if self._picture else None

    @property
    def store(self) -> str:
        """Whether the store answers: `up`, `down` or `unknown`."""
        with self._changed:
            return self._store

    @property
    def streams(self) -> int:
        """Number of open streams."""
        with self._changed:
            return len(self._streams)

    def content(self) -> Content | None:
        """Return the whole picture; None before the first."""
        with self._changed:
            return self._picture.content() if self._picture else None

    def load(
        self,
        progress: Progress | None,
        positions: Iterable[Position],
        alerts: Iterable[MaskedAlert],
        payments: Iterable[MaskedTransaction],
    ) -> None:
        """Begin a new picture and show it to every viewer."""
        picture = Picture(self._limits)
        picture.apply(progress, positions, alerts, payments)
        _WRITTEN.set(progress.written_ms / 1000.0 if progress else 0.0)
        with self._changed:
            self._picture = picture
            self._epoch = secrets.token_hex(4)
            self._ring.clear()
            self._snapshot = None
            for stream in self._streams:
                stream.waiting.clear()
                stream.overflowed = False
                stream.waiting.append(self._snapshot_event())
            self._changed.notify_all()

    def advance(self, progress: Progress, changes: Changes) -> None:
        """Take in what new batches wrote and tell every viewer; `load` came before."""
        with self._changed:
            picture = self._picture
            if picture is None:
                raise ValueError("load a picture before it can advance")
            after_seq = picture.seq
            delta = picture.apply(progress, changes.positions, changes.alerts, changes.transactions)
            _WRITTEN.set(progress.written_ms / 1000.0)
            self._snapshot = None
            frame = _Frame(after_seq, picture.seq, encode_event("delta", delta, self._identity(picture.seq)))
            self._ring.append(frame)
            _FRAMES.labels(kind="delta").inc()
            for stream in self._streams:
                self._offer(stream, frame.data)
            self._changed.notify_all()

    def set_store(self, store: str) -> None:
        """Tell every viewer, if it is news, whether the store answers."""
        with self._changed:
            if store == self._store:
                return
            self._store = store
            for stream in self._streams:
                self._offer(stream, self._status_event())
            self._changed.notify_all()

    def subscribe(self, last_event_id: str = "") -> Stream:
        """Open a stream that continues after `last_event_id` where that is possible, else starts with a snapshot.

        Raises:
            ServiceUnavailableError: as many viewers as there may be are here already.
        """
        stream = Stream(self)
        with self._changed:
            if len(self._streams) >= self._max_streams:
                raise ServiceUnavailableError(f"{self._max_streams} pages watch already: close one, or start another dashboard")
            missed = self._missed(last_event_id)
            stream.waiting.append(f"retry: {RETRY_MS}\n\n".encode())
            stream.waiting.append(self._status_event())
            if missed is not None:
                stream.waiting.extend(missed)
            elif self._picture is not None:
                stream.waiting.append(self._snapshot_event())
            self._streams.add(stream)
            _STREAMS.set(len(self._streams))
        return stream

    def take(self, stream: Stream) -> bytes | None:
        """Wait for the stream's next event: a heartbeat when there is no news, None once the hub is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or stream.waiting or stream.overflowed, timeout=HEARTBEAT_S)
            if self._closed:
                return None
            if stream.overflowed:
                stream.overflowed = False
                stream.waiting.clear()
                return self._snapshot_event()
            return stream.waiting.popleft() if stream.waiting else self._status_event()

    def leave(self, stream: Stream) -> None:
        """Forget a stream."""
        with self._changed:
            self._streams.discard(stream)
            _STREAMS.set(len(self._streams))

    def close(self) -> None:
        """End every stream now and refuse to block: the server is stopping."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _offer(self, stream: Stream, event: bytes) -> None:
        if stream.overflowed:
            return
        if len(stream.waiting) >= self._queue_frames:
            stream.waiting.clear()
            stream.overflowed = self._picture is not None
            _OVERFLOWS.inc()
        else:
            stream.waiting.append(event)

    def _missed(self, last_event_id: str) -> Iterator[bytes] | None:
        """Return the frames after `last_event_id`, or None when they cannot all be told."""
        if self._picture is None:
            return None
        if last_event_id == self._identity(self._picture.seq):
            return iter(())
        frames = tuple(self._ring)
        for index, frame in enumerate(frames):
            if last_event_id == self._identity(frame.after_seq):
                return (later.data for later in frames[index:])
        return None

    def _identity(self, seq: int) -> str:
        return f"{self._epoch}.{seq}"

    def _snapshot_event(self) -> bytes:
        # Encoded once per state: a hundred viewers that come back together cost one encoding.
        if self._snapshot is None:
            if self._picture is None:
                raise ValueError("no picture was loaded yet")
            self._snapshot = encode_event("snapshot", self._picture.content(), self._identity(self._picture.seq))
        _FRAMES.labels(kind="snapshot").inc()
        return self._snapshot

    def _status_event(self) -> bytes:
        progress = self._picture.progress if self._picture else None
        written_ms = progress.written_ms if progress else 0
        return encode_event("status", Status(self._store, self._clock_ms(), written_ms, self._stale_s))
