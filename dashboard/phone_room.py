"""Who looks at which phone: one phone for each page, in memory, forgotten when the page closes or is silent for two minutes.

Guarantees:

- **Nothing of before.** A page gets readings that arrive after it was paired, and none that Kafka had already.
- **One phone.** A page has one path; pairing anew forgets the one before.
- **Bounded.** So many pages, so many readings of each, so many phones to choose from, and not one more.
- **No place before the choice.** A phone that may be chosen is told by the last four characters of its id and when it began to push.

A phone that may be chosen is one that began a recording while the page waited, so that whoever holds it says by that which it is: its
messages count from the beginning, or its recording is another than the one that was seen before.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import msgspec

from dashboard.phone_path import Path, Reading
from veilocity.contracts import Fix
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["Candidate", "Paired", "Room", "View"]

_VIEWERS = 8
_CANDIDATES = 8
_SESSIONS = 20_000
_FORGET_MS = 120_000
_BEGAN = 20
"""Messages from which a recording no longer counts as just begun; the app sends one each second by default."""
_TAIL = 4
_ID_CHARACTERS = 256


class Candidate(msgspec.Struct, frozen=True):
    """A phone that began to push while the page waited."""

    handle: str
    """What the page chooses it by; says nothing."""
    tail: str
    """Last characters of its device id."""
    began_ms: int
    """When its first reading came."""


class Paired(msgspec.Struct, frozen=True):
    """The phone of a page."""

    tail: str
    source: str
    """Protocol; empty before the first reading."""
    taken: int
    first_ms: int
    """When the first reading came; 0 before."""
    last_ms: int
    oldest_ms: int
    """Time of the oldest reading that is kept."""


class View(msgspec.Struct, frozen=True):
    """What a page is told."""

    phase: str
    """`waiting` for a choice, `paired`, or `gone`: nobody knows this page (any more)."""
    candidates: tuple[Candidate, ...] = ()
    phone: Paired | None = None
    path: str = ""
    """Changes when the page was paired anew: what it held is of another phone."""
    readings: tuple[Reading, ...] = ()


class _Viewer:
    def __init__(self, now_ms: int) -> None:
        self.seen_ms = now_ms
        self.device = ""
        self.source = ""
        self.path_id = ""
        self.path = Path()
        self.candidates: OrderedDict[str, tuple[str, Candidate]] = OrderedDict()
        """Handle to device and what is told of it, oldest first."""

    def pair(self, device: str) -> None:
        self.device = device
        self.source = ""
        self.path_id = secrets.token_hex(4)
        self.path = Path()
        self.candidates.clear()

    def offer(self, device: str, received_ms: int) -> None:
        if any(known == device for known, _ in self.candidates.values()):
            return
        handle = secrets.token_hex(8)
        self.candidates[handle] = (device, Candidate(handle, device[-_TAIL:], received_ms))
        while len(self.candidates) > _CANDIDATES:
            self.candidates.popitem(last=False)


class Room:
    """All pages that look at a phone. Safe with threads."""

    def __init__(self, clock_ms: Callable[[], int], *, most: int = _VIEWERS) -> None:
        """Begin empty.

        Args:
            clock_ms: a clock.
            most: pages at the same time.
        """
        self._clock_ms = clock_ms
        self._most = most
        self._viewers: dict[str, _Viewer] = {}
        self._sessions: OrderedDict[str, str | None] = OrderedDict()
        self._lock = Lock()

    @property
    def viewers(self) -> int:
        """Pages that look, those that fell silent forgotten."""
        with self._lock:
            self._expire()
            return len(self._viewers)

    def enter(self) -> str:
        """Return the name of a new page, which only that page knows.

        Raises:
            InvalidInputError: there are too many.
        """
        with self._lock:
            self._expire()
            if len(self._viewers) >= self._most:
                raise InvalidInputError(RejectReason.TOO_LARGE, f"{self._most} pages look at phones already: close one of them")
            name = secrets.token_urlsafe(24)
            self._viewers[name] = _Viewer(self._clock_ms())
            return name

    def leave(self, name: str) -> None:
        """Forget a page and all it held."""
        with self._lock:
            self._viewers.pop(name, None)
            self._rest()

    def pair(self, name: str, device: str) -> None:
        """Pair a page with the phone of this device id (or subject, where the directory gives it one).

        Raises:
            InvalidInputError: no such page, or no id.
        """
        device = device.strip()
        if not device or len(device) > _ID_CHARACTERS:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "type the device id as the app shows it, up to 256 characters")
        with self._lock:
            self._viewer(name).pair(device)

    def choose(self, name: str, handle: str) -> None:
        """Pair a page with one of the phones that it was offered.

        Raises:
            InvalidInputError: no such page, or no such phone any more.
        """
        with self._lock:
            viewer = self._viewer(name)
            if handle not in viewer.candidates:
                raise InvalidInputError(RejectReason.INVALID_FIELD, "this phone is no longer among those that began: choose another")
            viewer.pair(viewer.candidates[handle][0])

    def look(self, name: str, after: int) -> View:
        """Return what a page is told, with the readings that came after a number."""
        with self._lock:
            self._expire()
            viewer = self._viewers.get(name)
            if viewer is None:
                return View("gone")
            viewer.seen_ms = self._clock_ms()
            if not viewer.device:
                return View("waiting", candidates=tuple(candidate for _, candidate in reversed(viewer.candidates.values())))
            path = viewer.path
            phone = Paired(viewer.device[-_TAIL:], viewer.source, path.taken, path.first_received_ms, path.last_received_ms, path.oldest_ms)
            return View("paired", phone=phone, path=viewer.path_id, readings=path.since(after))

    def take(self, fix: Fix) -> None:
        """Give a fix to the pages whose phone it is, and let pages that wait know of a phone that begins."""
        with self._lock:
            if not self._viewers:
                return
            began = self._began(fix)
            for viewer in self._viewers.values():
                if viewer.device:
                    if viewer.device in (fix.device, fix.subject) and viewer.path.add(fix):
                        viewer.source = fix.source
                elif began:
                    viewer.offer(fix.device, fix.received_ms)

    def _began(self, fix: Fix) -> bool:
        """Say whether this fix is of a recording that has just begun."""
        if fix.session is None:
            return False
        before = self._sessions.get(fix.device)
        self._sessions[fix.device] = fix.session
        self._sessions.move_to_end(fix.device)
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        if before == fix.session:
            return False
        return before is not None or (fix.sequence is not None and fix.sequence <= _BEGAN)

    def _viewer(self, name: str) -> _Viewer:
        self._expire()
        viewer = self._viewers.get(name)
        if viewer is None:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "this page was forgotten: load it again")
        viewer.seen_ms = self._clock_ms()
        return viewer

    def _expire(self) -> None:
        horizon_ms = self._clock_ms() - _FORGET_MS
        for name in [name for name, viewer in self._viewers.items() if viewer.seen_ms < horizon_ms]:
            del self._viewers[name]
        self._rest()

    def _rest(self) -> None:
        if not self._viewers:
            self._sessions.clear()
