"""How a request is refused: as a page to who navigates, as JSON with a reason to a program; one sentence in both."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from flask import Response, request

from dashboard.access.headers import FORM_POLICY
from dashboard.access.pages import message_page
from veilocity.errors import (
    ConflictError,
    ErasedError,
    ForbiddenError,
    KeyMissingError,
    RejectError,
    RetryableError,
    ServiceUnavailableError,
    VeilocityError,
)

__all__ = ["Refusal", "failure", "json_answer", "page_answer", "refuse", "wants_page"]

_RETRY_S = 5


class Refusal(StrEnum):
    """Why a request was refused, beside the reasons of `RejectReason`."""

    NOT_LOGGED_IN = "not_logged_in"
    """No session, or one that is over."""
    WRONG_LOGIN = "wrong_login"
    """Name or password is wrong, or the account is disabled."""
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    """Wait as long as `Retry-After` says."""
    FORGED = "forged"
    """The request does not come from a page of ours, or lacks the session's token."""
    FORBIDDEN = "forbidden"
    """The role does not allow it."""
    PASSWORD_CHANGE_NEEDED = "password_change_needed"  # noqa: S105  # a code
    """The password was made by the program: replace it first."""
    ERASED = "erased"
    """The person is forgotten, or nothing was sealed."""
    KEY_MISSING = "key_missing"
    """The key ring, or a person's key, is not where this dashboard looks."""
    STORE_UNAVAILABLE = "store_unavailable"
    """MongoDB does not answer: the same request may succeed later."""
    BUSY = "busy"
    """Too many log in at this moment: the same request may succeed later."""
    UNREADABLE = "unreadable"
    """What is stored cannot be read: `veilocity cases verify` says more."""


_TITLES = {
    Refusal.FORBIDDEN: "No permission",
    Refusal.FORGED: "Not from this page",
    Refusal.STORE_UNAVAILABLE: "The store does not answer",
    Refusal.BUSY: "Too many at once",
}


def wants_page() -> bool:
    """Say whether somebody navigates, and a page is to be answered."""
    mode = request.headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode else "text/html" in request.headers.get("Accept", "")


def json_answer(value: object, status: int = 200) -> Response:
    """Return JSON that nobody keeps."""
    return Response(msgspec.json.encode(value), status=status, mimetype="application/json", headers={"Cache-Control": "no-store"})


def page_answer(page: str, status: int = 200) -> Response:
    """Return a page of forms or sentences that nobody keeps."""
    headers = {"Content-Security-Policy": FORM_POLICY, "Cache-Control": "no-store"}
    return Response(page, status=status, mimetype="text/html", headers=headers)


def refuse(status: int, reason: str, sentence: str, retry_s: int | None = None, more: Mapping[str, object] | None = None) -> Response:
    """Return why not.

    Args:
        status: of HTTP.
        reason: code for programs.
        sentence: for people.
        retry_s: when to try again, where that helps.
        more: fields of the JSON besides.
    """
    if wants_page():
        title = _TITLES.get(Refusal(reason), "Not possible") if reason in set(Refusal) else "Not possible"
        answer = page_answer(message_page(title, sentence, retry_s), status)
    else:
        answer = json_answer({"reason": reason, "error": sentence, **(more or {})}, status)
    if retry_s is not None:
        answer.headers["Retry-After"] = str(retry_s)
    return answer


def failure(error: VeilocityError, **more: object) -> Response:
    """Return what an error of ours means to who asked.

    Args:
        error: as it was raised.
        more: fields of the JSON besides.
    """
    if isinstance(error, ServiceUnavailableError):
        return refuse(503, Refusal.BUSY, str(error), _RETRY_S, more)
    if isinstance(error, RetryableError):
        return refuse(503, Refusal.STORE_UNAVAILABLE, str(error), _RETRY_S, more)
    if isinstance(error, RejectError):
        return refuse(409 if isinstance(error, ConflictError) else 400, error.reason.value, error.detail, more=more)
    for kind, status, reason in (
        (ForbiddenError, 403, Refusal.FORBIDDEN),
        (ErasedError, 410, Refusal.ERASED),
        (KeyMissingError, 503, Refusal.KEY_MISSING),
    ):
        if isinstance(error, kind):
            return refuse(status, reason, str(error), more=more)
    return refuse(500, Refusal.UNREADABLE, str(error), more=more)
