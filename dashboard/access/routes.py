"""Logging in and out, one's own password, and what a page asks about who looks at it."""

from __future__ import annotations

import math

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from dashboard.access.answers import Refusal, failure, json_answer, page_answer, refuse, wants_page
from dashboard.access.forgery import safe_next
from dashboard.access.gate import FORGERY_HEADER, Access, Caller, Door, caller, cookie_name, drop_cookie, set_cookie
from dashboard.access.pages import login_page, password_page
from dashboard.access.permissions import may
from storage.accounts import Login, Visitor
from veilocity import metrics
from veilocity.errors import InvalidInputError, VeilocityError

__all__ = ["add_login"]

_WRONG = "Name or password is wrong."
_NOBODY = "There is no account yet: <code>veilocity accounts add NAME --role admin</code> makes the first."
_LOGINS = metrics.counter("dashboard_logins", "Attempts to log in to the dashboard", "outcome")


def add_login(server: Flask, access: Access) -> None:
    """Let a server answer what is about the account of who asks; without a door nobody has one."""
    desk = _Desk(access)
    server.add_url_rule("/login", endpoint="login", view_func=desk.login, methods=["GET", "POST"])
    server.add_url_rule("/logout", endpoint="logout", view_func=desk.logout, methods=["POST"])
    server.add_url_rule("/password", endpoint="password", view_func=desk.password, methods=["GET", "POST"])
    server.add_url_rule("/api/account", endpoint="account", view_func=desk.account)
    server.add_url_rule("/api/account/seen", endpoint="account_seen", view_func=desk.seen, methods=["POST"])


class _Desk:
    def __init__(self, access: Access) -> None:
        self._access = access

    def login(self) -> AnyResponse:
        """Answer the page of the login, or what became of an attempt."""
        wanted = safe_next(request.values.get("next", "/"))
        door = self._access.door
        if door is None:
            return redirect(wanted, 303)
        try:
            return self._try(door, wanted) if request.method == "POST" else self._ask(door, wanted)
        except VeilocityError as error:
            return failure(error)

    def _ask(self, door: Door, wanted: str) -> AnyResponse:
        if door.look(self._cookie(), self._access.clock_ms(), used=False) is not None:
            return redirect(wanted, 303)
        return page_answer(login_page(wanted, hint="" if door.has_any() else _NOBODY))

    def _try(self, door: Door, wanted: str) -> AnyResponse:
        name, password = request.form.get("name", ""), request.form.get("password", "")
        # A session that was there before is over: nobody can hand somebody else a cookie and wait for a login (fixation).
        found = door.log_in(name, password, _address(), self._access.clock_ms(), instead=self._cookie())
        _LOGINS.labels(outcome=found.outcome).inc()
        if found.outcome == "opened":
            return self._opened(found, wanted)
        status, reason, sentence = _why(found)
        if wants_page():
            answer = page_answer(login_page(wanted, error=sentence, name=name[:64]), status)
        else:
            answer = refuse(status, reason, sentence)
        return _told_to_wait(answer, found)

    def _opened(self, found: Login, wanted: str) -> AnyResponse:
        answer = redirect(wanted, 303)
        set_cookie(answer, self._access, found.token)
        return answer

    def logout(self) -> AnyResponse:
        """End the session."""
        if self._access.door is None:
            return redirect("/", 303)
        try:
            self._access.door.log_out(caller().token)
        except VeilocityError as error:
            return failure(error)
        answer = redirect("/login", 303)
        drop_cookie(answer, self._access)
        return answer

    def password(self) -> AnyResponse:
        """Answer the page on which somebody replaces the own password, or what became of that."""
        asked = caller()
        if self._access.door is None or asked.visitor is None:
            return redirect("/", 303)
        return self._replace(self._access.door, asked.visitor) if request.method == "POST" else _form(asked)

    def _replace(self, door: Door, visitor: Visitor) -> AnyResponse:
        old, new, again = (request.form.get(name, "") for name in ("old", "new", "again"))
        if new != again:
            return _form(caller(), "The new password was not typed the same twice.", 400)
        try:
            found = door.change_password(visitor, old, new, _address(), self._access.clock_ms())
        except InvalidInputError as error:
            return _form(caller(), f"{error.detail[:1].upper()}{error.detail[1:]}.", 400)
        except VeilocityError as error:
            return failure(error)
        if found.outcome == "opened":
            return self._opened(found, "/")
        status, _, sentence = _why(found)
        return _told_to_wait(_form(caller(), sentence if status == 429 else "The present password is wrong.", status), found)

    def account(self) -> Response:
        """Answer who looks, what that account may do, and the token that a change must carry."""
        asked = caller()
        return json_answer(
            {
                "name": asked.actor.name,
                "role": asked.actor.role.value,
                "may": may(asked.actor.role),
                "login": self._access.door is not None,
                "csrf": {"header": FORGERY_HEADER, "token": asked.forgery_token},
            }
        )

    def seen(self) -> Response:
        """Take note that a person is there: a map that is only looked at asks for nothing else."""
        return Response(status=204)

    def _cookie(self) -> str:
        return request.cookies.get(cookie_name(self._access), "")


def _form(asked: Caller, error: str = "", status: int = 200) -> Response:
    must_change = asked.visitor is not None and asked.visitor.account.must_change
    return page_answer(password_page(asked.actor.name, asked.forgery_token, error=error, must_change=must_change), status)


def _why(found: Login) -> tuple[int, Refusal, str]:
    if found.outcome == "limited":
        wait_s = math.ceil(found.wait_ms / 1_000)
        return 429, Refusal.TOO_MANY_ATTEMPTS, f"Too many attempts: try again in {wait_s} {'second' if wait_s == 1 else 'seconds'}."
    return 401, Refusal.WRONG_LOGIN, _WRONG


def _told_to_wait(answer: Response, found: Login) -> Response:
    if found.outcome == "limited":
        answer.headers["Retry-After"] = str(math.ceil(found.wait_ms / 1_000))
    return answer


def _address() -> str:
    return request.remote_addr or ""
