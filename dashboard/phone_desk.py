"""What the page of the phone may ask: enter, pair, look, leave, and how a phone finds the gateway. Off unless a setting says on.

Who was paired with what is never logged: that somebody was, is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from dashboard.desk import wall_clock_ms
from dashboard.phone_connect import Connection, configuration_link, connection, qr_svg
from dashboard.phone_path import MOST
from dashboard.phone_room import Candidate, Paired, Room
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["Code", "PhoneDesk", "PhoneState", "Source"]

_log = get_logger(__name__)


class Source(Protocol):
    """What reads fixes while somebody looks: `dashboard.phone_reader.Reader`, or a test's own."""

    store: str

    def wake(self) -> None:
        """Read, if nobody does."""
        ...

    def stop(self, timeout_s: float = 2.0) -> None:
        """End."""
        ...


class PhoneState(msgspec.Struct, frozen=True):
    """One answer."""

    store: str
    """Of Kafka: `up`, `down`, or `unknown` before it was asked."""
    now_ms: int
    stale_s: float
    loaded: bool
    phase: str
    """`off`, `waiting`, `paired` or `gone`."""
    written_ms: int = 0
    """When the newest reading came; 0 before the first."""
    candidates: tuple[Candidate, ...] = ()
    phone: Paired | None = None
    path: str = ""
    readings: tuple[tuple[int | float | str | None, ...], ...] = ()
    """Rows of `columns`, in the order of their time."""
    columns: tuple[str, ...] = ("number", "at_ms", "lat", "lon", "accuracy_m", "speed_mps", "bearing_deg", "altitude_m", "flags")
    most: int = MOST


class Code(msgspec.Struct, frozen=True):
    """What a phone is told by its camera."""

    url: str
    svg: str
    """The QR code."""
    link: str
    """What the code says."""
    token: str = ""
    """In the clear, for who types it."""


class PhoneDesk:
    """Answers for all pages. Safe with threads."""

    def __init__(
        self,
        settings: Settings,
        source: Callable[[Room], Source],
        *,
        stale_s: float = 15.0,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Nothing is read before a page enters.

        Args:
            settings: whether the page is on, where the gateway is, and its token.
            source: makes what reads fixes into the room.
            stale_s: silence of the phone after which the page says that what it shows is old.
            clock_ms: a clock.
        """
        self._settings = settings
        self._stale_s = stale_s
        self._clock_ms = clock_ms
        self._room = Room(clock_ms)
        self._source = source(self._room)

    @property
    def on(self) -> bool:
        """Whether the page may show anything."""
        return self._settings.dashboard_phone == "on"

    def stop(self) -> None:
        """End what reads."""
        self._source.stop()

    def enter(self) -> str:
        """Return the name of a new page.

        Raises:
            InvalidInputError: the page is off, or too many look.
        """
        self._check()
        name = self._room.enter()
        self._source.wake()
        return name

    def leave(self, name: str) -> None:
        """Forget a page."""
        self._room.leave(name)

    def pair(self, name: str, device: str, handle: str) -> None:
        """Pair a page, by a device id or by the handle of a phone that it was offered.

        Raises:
            InvalidInputError: neither names a phone, or the page is not known.
        """
        self._check()
        if handle:
            self._room.choose(name, handle)
        else:
            self._room.pair(name, device)
        _log.info("A page was paired with a phone: it shows exact places while it is open.", pending=self._room.viewers)

    def state(self, name: str, after: int) -> PhoneState:
        """Return what a page shows now, with the readings after a number."""
        base = PhoneState(store="up", now_ms=self._clock_ms(), stale_s=self._stale_s, loaded=True, phase="off")
        if not self.on:
            return base
        view = self._room.look(name, after)
        if view.phase != "gone":
            self._source.wake()
        return msgspec.structs.replace(
            base,
            store=self._source.store if view.phase != "gone" else "up",
            phase=view.phase,
            written_ms=view.phone.last_ms if view.phone else 0,
            candidates=view.candidates,
            phone=view.phone,
            path=view.path,
            readings=tuple(
                (
                    one.number,
                    one.at_ms,
                    one.lat,
                    one.lon,
                    one.accuracy_m,
                    one.speed_mps,
                    one.bearing_deg,
                    one.altitude_m,
                    " ".join(one.flags),
                )
                for one in view.readings
            ),
        )

    def connection(self) -> Connection:
        """Return how a phone reaches the gateway; no secret is among it."""
        return connection(self._settings)

    def code(self, number: int, *, with_token: bool) -> Code:
        """Return the code of one address.

        Args:
            number: of the address in `connection().addresses`.
            with_token: put the gateway's token into it, in the clear.

        Raises:
            InvalidInputError: there is no such address, or the page is off.
        """
        self._check()
        found = self.connection().addresses
        if not 0 <= number < len(found):
            raise InvalidInputError(RejectReason.INVALID_FIELD, "this machine has no such address any more: load the page again")
        token = self._settings.ingest_token.get_secret_value() if with_token else ""
        link = configuration_link(found[number].url, token)
        return Code(url=found[number].url, svg=qr_svg(link), link=link, token=token)

    def _check(self) -> None:
        if not self.on:
            raise InvalidInputError(RejectReason.INVALID_FIELD, "the page of the phone is off: set VEILOCITY_DASHBOARD_PHONE=on")
