"""The one way into the gateway: token, size, parsing, Kafka, answer, counters."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from ingest.auth import authorised
from ingest.directory_feed import DirectoryFeed
from ingest.fields import Arrival
from ingest.intake import Intake
from ingest.outcome import Outcome, records, refuse_body
from ingest.producer import Offsets, Sender
from ingest.protocols import Protocol, Request
from ingest.protocols.normal import form_fields, refused
from ingest.telemetry import ITEMS, REJECTS, REQUEST_SECONDS, REQUESTS
from veilocity.errors import BrokerUnavailableError, InvalidInputError, RejectError, RejectReason
from veilocity.settings import Settings

__all__ = ["Door", "answer_json", "count"]

Parser = Callable[[bytes, Arrival], Outcome]
_JSON = "application/json"
_RETRY_AFTER_S = "1"


class Door:
    """Answers requests; one for all threads."""

    def __init__(self, settings: Settings, sender: Sender, feed: DirectoryFeed) -> None:
        self._token = settings.ingest_token.get_secret_value()
        self._future_limit_s = settings.ingest_future_limit_s
        self._timeout_s = settings.ingest_ack_timeout_s
        self._sender = sender
        self._feed = feed
        self._intake = Intake(settings, feed.directory)

    def take_phone(self, protocol: Protocol, token: str | None = None) -> Response:
        """Answer one request of a phone; `token` is what the address ends with."""
        if request.method == "HEAD":
            # Flask takes it wherever it takes GET; whoever only looks sends no place.
            return Response(status=200)

        def parse(body: bytes, arrival: Arrival) -> Outcome:
            try:
                query = form_fields(request.query_string)
            except InvalidInputError as cause:
                return refused(cause, Request(body), protocol.name, arrival)
            headers = {name.lower(): value for name, value in request.headers.items()}
            return self._intake.take(protocol, Request(body, query, headers), arrival)

        return self.take(protocol.name, parse, token, protocol)

    def take(self, kind: str, parse: Parser, token: str | None = None, protocol: Protocol | None = None) -> Response:
        """Answer one request of the given kind.

        Args:
            kind: label in metrics and source in rejects.
            parse: reads the body.
            token: what the address ends with, where it may hold the token.
            protocol: of a phone, which may wait for an answer of its own.
        """
        if not authorised(self._token, request.headers.get("Authorization"), request.args.get("token"), token):
            REQUESTS.labels(kind, "unauthorised").inc()
            return answer_json(401, {"error": "the token is missing or wrong: send Authorization: Bearer TOKEN, or ?token=TOKEN"})
        arrival = Arrival(time.time_ns() // 1_000_000, self._future_limit_s)
        try:
            body = _body()
        except RequestEntityTooLarge:
            too_large = RejectError(RejectReason.TOO_LARGE, f"a body may have {request.max_content_length} bytes at most")
            return self._answer(kind, refuse_body(too_large, b"", kind, arrival), 413)
        with REQUEST_SECONDS.labels(kind).time():
            if not self._feed.ready:
                return _unavailable(kind, "the gateway is still reading its directory: repeat the request in a second")
            outcome = parse(body, arrival)
            status = 200
            if outcome.body_refused:
                status = 413 if outcome.rejects[0].reason is RejectReason.TOO_LARGE else 400
            return self._answer(kind, outcome, status, protocol)

    def _answer(self, kind: str, outcome: Outcome, status: int, protocol: Protocol | None = None) -> Response:
        try:
            self._write(outcome)
        except BrokerUnavailableError as cause:
            return _unavailable(kind, str(cause))
        count(kind, outcome, status)
        if protocol is not None:
            self._intake.count(protocol, outcome)
            if status == 200 and protocol.answer is not None:
                return Response(protocol.answer, content_type=_JSON)
        answer: dict[str, Any] = {"accepted": len(outcome.accepted), "rejected": len(outcome.rejects), "ignored": outcome.ignored}
        if outcome.rejects:
            answer["reasons"] = outcome.reasons()
            answer["error"] = outcome.rejects[0].detail
        return answer_json(status, answer)

    def _write(self, outcome: Outcome) -> None:
        deadline = time.monotonic() + self._timeout_s
        offsets: Offsets = self._sender.send_all(records(outcome))
        if offsets:
            self._feed.wait_for(offsets, max(0.0, deadline - time.monotonic()))


def _body() -> bytes:
    """Return the request's body.

    Raises:
        RequestEntityTooLarge: larger than the limit.
    """
    body = request.get_data(cache=False)
    limit = request.max_content_length
    # A body sent in chunks states no length: werkzeug cuts it at the limit and says nothing.
    if request.content_length is None and limit is not None and len(body) >= limit:
        raise RequestEntityTooLarge
    return body


def count(kind: str, outcome: Outcome, status: int, requests: int = 1) -> None:
    """Add an outcome that is in Kafka to the metrics: that of one request, or of several with the same status."""
    REQUESTS.labels(kind, {200: "ok", 413: "too_large"}.get(status, "malformed")).inc(requests)
    ITEMS.labels(kind, "accepted").inc(len(outcome.accepted))
    ITEMS.labels(kind, "rejected").inc(len(outcome.rejects))
    ITEMS.labels(kind, "ignored").inc(outcome.ignored)
    for reason, count in outcome.reasons().items():
        REJECTS.labels(kind, reason).inc(count)


def answer_json(status: int, content: object) -> Response:
    """Return an answer with a JSON body."""
    return Response(msgspec.json.encode(content), status=status, content_type=_JSON)


def _unavailable(kind: str, sentence: str) -> Response:
    REQUESTS.labels(kind, "unavailable").inc()
    answer = answer_json(503, {"error": sentence})
    answer.headers["Retry-After"] = _RETRY_AFTER_S
    return answer
