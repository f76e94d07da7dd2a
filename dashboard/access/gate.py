"""The gate in front of every route: first where a request comes from, then who sends it, then whether the role allows it.

It stands before Dash's own functions. A route that `dashboard.access.permissions` does not list is closed, whoever asks.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from flask import Flask, Response, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from dashboard.access.answers import Refusal, failure, refuse, wants_page
from dashboard.access.forgery import from_here, is_loopback_name
from dashboard.access.permissions import ASKED_BY_ITSELF, BY_PAGES, OPEN, ROUTES, WHILE_CHANGING
from storage.accounts import Login, Visitor, forgery_token
from storage.roles import Actor, Role
from veilocity import metrics
from veilocity.errors import RetryableError, VeilocityError
from veilocity.logs import get_logger

__all__ = ["FORGERY_HEADER", "Access", "Caller", "Door", "caller", "cookie_name", "drop_cookie", "protect", "set_cookie", "wall_clock_ms"]

FORGERY_HEADER = "X-Veilocity-CSRF"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_STREAM = "text/event-stream"
_LOOK_AGAIN_S = 5.0
_LARGEST_BODY_BYTES = 1024 * 1024
_LOCAL = "local"
"""How audit trails name whoever sits at a machine whose dashboard asks for no login."""

_REFUSED = metrics.counter("dashboard_refused", "Requests that the gate of the dashboard refused", "reason")
_log = get_logger(__name__)


def wall_clock_ms() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Door(Protocol):
    """What the gate asks of accounts: `storage.accounts.LoginDoor`, or a test's own."""

    def has_any(self) -> bool:
        """Say whether there is an account at all."""
        ...

    def look(self, token: str, now_ms: int, *, used: bool = True) -> Visitor | None:
        """Return whose session a token is of; None where there is none any more."""
        ...

    def log_in(self, name: str, password: str, address: str, now_ms: int, *, instead: str = "") -> Login:
        """Compare name and password, and begin a session where they are right."""
        ...

    def log_out(self, token: str) -> None:
        """End a session."""
        ...

    def change_password(self, visitor: Visitor, old: str, new: str, address: str, now_ms: int) -> Login:
        """Replace somebody's own password; all sessions are over, and a new one begins."""
        ...


@dataclass(frozen=True)
class Access:
    """Who is let in."""

    door: Door | None = None
    """None lets everybody in who reaches the machine itself."""
    https: bool = False
    """Whether browsers speak https with the proxy in front of us."""
    role: Role = Role.TRIAGE
    """Of everybody, where there is no door."""
    clock_ms: Callable[[], int] = wall_clock_ms


class Caller(msgspec.Struct, frozen=True):
    """Who sends the present request."""

    actor: Actor
    forgery_token: str
    token: str = ""
    """Of the session."""
    visitor: Visitor | None = None
    """None where nobody logs in."""


def caller() -> Caller:
    """Return who sends the present request; the gate has let it in."""
    found: Caller = g.caller
    return found


def cookie_name(access: Access) -> str:
    """Return the cookie's name: `__Host-` makes browsers refuse one that a neighbour or plain http has set (RFC 6265bis).

    >>> cookie_name(Access(https=True)), cookie_name(Access())
    ('__Host-veilocity', 'veilocity')
    """
    return "__Host-veilocity" if access.https else "veilocity"


def set_cookie(response: AnyResponse, access: Access, token: str) -> None:
    """Let a browser keep a session until it is closed; no script can read it, and no foreign page's form sends it along."""
    response.set_cookie(cookie_name(access), token, path="/", secure=access.https, httponly=True, samesite="Lax")


def drop_cookie(response: AnyResponse, access: Access) -> None:
    """Let a browser forget its session."""
    response.delete_cookie(cookie_name(access), path="/", secure=access.https, httponly=True, samesite="Lax")


def protect(server: Flask, access: Access) -> None:
    """Put the gate in front of a server that has no other function before its requests yet."""
    gate = _Gate(access)
    server.config["MAX_CONTENT_LENGTH"] = _LARGEST_BODY_BYTES
    server.before_request(gate.examine)
    server.after_request(gate.watch)


class _Gate:
    def __init__(self, access: Access) -> None:
        self._access = access

    def examine(self) -> AnyResponse | None:
        """Return why a request is refused, or None to let it in."""
        rule = request.url_rule.rule if request.url_rule is not None else None
        if rule is None:
            return None  # no such address or method, as Flask will say
        if rule not in ROUTES:
            _log.error("a route has no role and is closed: add it to dashboard.access.permissions")
            return self._refused(403, Refusal.FORBIDDEN, "this address has no role that may see it")
        if self._access.door is None and not is_loopback_name(request.host):
            return self._refused(403, Refusal.FORGED, "without a login this dashboard answers to localhost alone")
        changes = request.method not in _SAFE
        if changes and not from_here(request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin"), request.host):
            return self._refused(403, Refusal.FORGED, "the request does not come from a page of this dashboard: send Origin")
        if ROUTES[rule] is OPEN:
            return None
        return self._known(rule, changes=changes)

    def _known(self, rule: str, *, changes: bool) -> AnyResponse | None:
        try:
            found = self._caller(rule)
        except VeilocityError as error:
            return failure(error)
        if found is None:
            return self._stranger()
        if changes and found.visitor is not None and not _carries(found.forgery_token):
            sentence = f"the session's token is missing or wrong: load the page again, or send {FORGERY_HEADER}"
            return self._refused(403, Refusal.FORGED, sentence)
        g.caller = found
        return self._lacking(rule, found)

    def _lacking(self, rule: str, found: Caller) -> AnyResponse | None:
        if found.visitor is not None and found.visitor.account.must_change and rule not in WHILE_CHANGING:
            if wants_page():
                return redirect("/password", 303)
            return self._refused(403, Refusal.PASSWORD_CHANGE_NEEDED, "the password was made by the program: replace it first")
        needed = ROUTES[rule] or Role.VIEW
        if rule in ASKED_BY_ITSELF or found.actor.role.allows(needed):
            return None
        sentence = f"this needs the role {needed}, and yours is {found.actor.role}: ask an administrator"
        return self._refused(403, Refusal.FORBIDDEN, sentence)

    def _caller(self, rule: str) -> Caller | None:
        if self._access.door is None:
            return Caller(Actor(_LOCAL, self._access.role), "")
        token = request.cookies.get(cookie_name(self._access), "")
        visitor = self._access.door.look(token, self._access.clock_ms(), used=rule not in BY_PAGES)
        return None if visitor is None else Caller(visitor.account.actor, forgery_token(token), token, visitor)

    def _stranger(self) -> AnyResponse:
        if wants_page() and request.method in _SAFE:
            wanted = request.full_path.rstrip("?")
            return redirect("/login" if wanted == "/" else f"/login?next={quote(wanted)}", 303)
        return self._refused(401, Refusal.NOT_LOGGED_IN, "log in first")

    def _refused(self, status: int, reason: Refusal, sentence: str) -> Response:
        _REFUSED.labels(reason=reason.value).inc()
        return refuse(status, reason, sentence)

    def watch(self, response: Response) -> Response:
        """Let a stream end soon after its session did."""
        if response.mimetype == _STREAM and self._access.door is not None and response.status_code == 200:
            response.response = _Watched(response.response, self._access.door, caller().token, self._access.clock_ms)
        return response


def _carries(token: str) -> bool:
    stated = request.headers.get(FORGERY_HEADER) or request.form.get("csrf", "")
    return hmac.compare_digest(stated.encode(), token.encode())


class _Watched:
    """A stream that looks every few seconds whether its session is still one; a store that does not answer ends nobody's."""

    def __init__(self, stream: Iterable[Any], door: Door, token: str, clock_ms: Callable[[], int]) -> None:
        self._source = stream
        self._stream = iter(stream)
        self._door = door
        self._token = token
        self._clock_ms = clock_ms
        self._looked_s = time.monotonic()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        event = next(self._stream)
        if time.monotonic() - self._looked_s >= _LOOK_AGAIN_S:
            if not self._holds():
                raise StopIteration
            # After the answer: a store that hangs is not asked with every event.
            self._looked_s = time.monotonic()
        return event

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def _holds(self) -> bool:
        try:
            return self._door.look(self._token, self._clock_ms(), used=False) is not None
        except RetryableError:
            return True
