"""Triage for the page, as JSON: what became of an alert, deciding, assigning, noting, and opening sealed evidence.

| request | what |
|---|---|
| `GET /api/cases/<alert>` | the case, null where nobody has touched the alert |
| `GET /api/cases/<alert>/history` | its audit trail and who asked for the evidence |
| `POST /api/cases/<alert>/decision` | another status |
| `POST /api/cases/<alert>/assign` | another assignee |
| `POST /api/cases/<alert>/note` | a note |
| `POST /api/alerts/<alert>/unmask` | the exact alert, after the request was recorded |

Who decides is the account of the session; the body never says so. Of two who decide on the same revision one gets 409 with what the other
did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec
from flask import Flask, Response, request

from dashboard.access.answers import failure, json_answer
from dashboard.access.gate import caller, wall_clock_ms
from storage.cases import Case, CaseEvent, Change, Status
from storage.roles import Actor
from storage.unmaskings import Unmasking
from veilocity.contracts import Alert
from veilocity.errors import ConflictError, InvalidInputError, KeyMissingError, RejectReason, VeilocityError

__all__ = ["CaseDesk", "CaseSource", "CaseTarget", "Unmask", "add_cases"]

Unmask = Callable[[str, Actor, str, int], Alert]
"""Takes alert, actor, reason and wall clock; `privacy.unsealing.unmask` with its settings."""
_LARGEST_BODY_BYTES = 64 * 1024
_Body = TypeVar("_Body", bound=msgspec.Struct)


class CaseSource(Protocol):
    """`storage.cases.CaseReader`."""

    def cases(self, alerts: list[str]) -> dict[str, Case]:
        """Return the cases of these alerts, by alert."""
        ...

    def history(self, alert: str) -> list[CaseEvent]:
        """Return the audit trail of an alert, oldest first."""
        ...

    def unmaskings(self, alert: str) -> list[Unmasking]:
        """Return who asked for the evidence of an alert, oldest first."""
        ...


class CaseTarget(Protocol):
    """`storage.cases.CaseWriter`."""

    def change(self, alert: str, expected_revision: int, change: Change) -> Case:
        """Write an event and what its case comes to."""
        ...


class _Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revision: int
    status: Status
    reason: str = ""
    note: str = ""


class _Assignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revision: int
    assignee: str


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revision: int
    note: str


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str


class CaseDesk:
    """Answers the requests above."""

    def __init__(
        self, reader: CaseSource, writer: CaseTarget, unmask: Unmask | None = None, clock_ms: Callable[[], int] = wall_clock_ms
    ) -> None:
        """Take the doors.

        Args:
            reader: of cases.
            writer: of decisions.
            unmask: opens sealed evidence; None where this process cannot.
            clock_ms: wall clock; a test passes its own.
        """
        self._reader = reader
        self._writer = writer
        self._unmask = unmask
        self._clock_ms = clock_ms

    def case(self, alert: str) -> Response:
        """Answer the case of an alert."""
        return _answered(lambda: json_answer({"alert": alert, "case": self._reader.cases([alert]).get(alert)}))

    def history(self, alert: str) -> Response:
        """Answer the audit trail."""
        return _answered(
            lambda: json_answer({"events": self._reader.history(alert), "unmaskings": list(map(_told, self._reader.unmaskings(alert)))})
        )

    def decide(self, alert: str) -> Response:
        """Write another status."""

        def decision() -> Response:
            asked = _body(_Decision)
            return self._write(alert, asked.revision, to=asked.status, reason=asked.reason, note=asked.note)

        return _answered(decision)

    def assign(self, alert: str) -> Response:
        """Write another assignee; an empty name is nobody."""

        def assignment() -> Response:
            asked = _body(_Assignment)
            return self._write(alert, asked.revision, assignee=asked.assignee)

        return _answered(assignment)

    def note(self, alert: str) -> Response:
        """Write a note."""

        def noted() -> Response:
            asked = _body(_Note)
            return self._write(alert, asked.revision, note=asked.note)

        return _answered(noted)

    def unmask(self, alert: str) -> Response:
        """Answer the exact alert; who asked and why is recorded before, and who was refused, too."""

        def opened() -> Response:
            asked = _body(_Request)
            if self._unmask is None:
                raise KeyMissingError("this dashboard has no key ring: use `veilocity cases unmask` where the ring is")
            return json_answer(self._unmask(alert, caller().actor, asked.reason, self._clock_ms()))

        return _answered(opened)

    def _write(self, alert: str, revision: int, **fields: Any) -> Response:
        change = Change(actor=caller().actor, written_ms=self._clock_ms(), **fields)
        try:
            case = self._writer.change(alert, revision, change)
        except ConflictError as error:
            # What the other did, so that the page can show both.
            return failure(error, case=self._reader.cases([alert]).get(alert))
        return json_answer({"alert": alert, "case": case})


def add_cases(server: Flask, desk: CaseDesk) -> None:
    """Let a server answer what is about cases."""
    for path, name, view, method in (
        ("/api/cases/<alert>", "case", desk.case, "GET"),
        ("/api/cases/<alert>/history", "case_history", desk.history, "GET"),
        ("/api/cases/<alert>/decision", "case_decision", desk.decide, "POST"),
        ("/api/cases/<alert>/assign", "case_assign", desk.assign, "POST"),
        ("/api/cases/<alert>/note", "case_note", desk.note, "POST"),
        ("/api/alerts/<alert>/unmask", "alert_unmask", desk.unmask, "POST"),
    ):
        server.add_url_rule(path, endpoint=name, view_func=view, methods=[method])


def _answered(work: Callable[[], Response]) -> Response:
    try:
        return work()
    except VeilocityError as error:
        return failure(error)


def _body(kind: type[_Body]) -> _Body:
    """Return the request's body.

    Raises:
        InvalidInputError: it is too large, no JSON, or of another shape.
    """
    if (request.content_length or 0) > _LARGEST_BODY_BYTES:
        raise InvalidInputError(RejectReason.TOO_LARGE, f"the body is larger than {_LARGEST_BODY_BYTES // 1024} KiB")
    if request.mimetype != "application/json":
        raise InvalidInputError(RejectReason.MALFORMED, "send JSON, and say so in Content-Type")
    try:
        return msgspec.json.decode(request.get_data(), type=kind)
    except msgspec.ValidationError as cause:
        # Names the field and what it should be, never its value.
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"the body has another shape: {cause}") from cause
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the body is no JSON") from cause


def _told(record: Unmasking) -> dict[str, object]:
    """Return a record without what only its chain needs."""
    return {
        "author": record.author,
        "role": record.role,
        "outcome": record.outcome,
        "written_ms": record.written_ms,
        "reason": record.about.reason if record.about else None,
    }
