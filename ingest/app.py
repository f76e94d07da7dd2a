"""The HTTP gateway: what each address takes and answers. docs/http-api.md describes it for senders.

Every answer of 200 means: each item of the request is in Kafka, accepted or rejected with its reason, or needs no record (readings of other
sensors, test pushes). An answer of 503 means: send the same request again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from ingest import directory, sensor_logger, transactions
from ingest.auth import authorised, check_exposure
from ingest.directory_feed import DirectoryFeed
from ingest.fields import Arrival
from ingest.outcome import Outcome, records, refuse_body
from ingest.producer import Offsets, Sender
from ingest.telemetry import ITEMS, REJECTS, REQUEST_SECONDS, REQUESTS
from veilocity import metrics
from veilocity.errors import BrokerUnavailableError, RejectError, RejectReason
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["create_app"]

Parser = Callable[[bytes, Arrival], Outcome]
_JSON = "application/json"
_RETRY_AFTER_S = "1"
_GREETING = (
    "Veilocity listens here. In Sensor Logger open Settings > Data Streaming, turn on HTTP Push, and enter this address as Push URL. "
    "Pushes are POST requests; this page is a GET.\n"
)
_logger = get_logger(__name__)


def create_app(settings: Settings, sender: Sender, feed: DirectoryFeed) -> Flask:
    """Return the gateway as a WSGI application.

    Args:
        settings: token, limits and timeouts.
        sender: writes to Kafka.
        feed: the directory in memory, kept up to date.

    Raises:
        SettingsError: other machines could reach it and no token is set.
    """
    check_exposure(settings)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.ingest_max_body_bytes
    door = _Door(settings, sender, feed)
    people = feed.directory

    @app.post("/v1/sensor-logger")
    def sensor_logger_push() -> Response:
        return door.take(sensor_logger.SOURCE, lambda body, arrival: sensor_logger.parse(body, arrival, people))

    @app.get("/v1/sensor-logger")
    def sensor_logger_help() -> Response:
        return Response(_GREETING, content_type="text/plain; charset=utf-8")

    @app.post("/v1/transactions")
    def transactions_post() -> Response:
        return door.take(transactions.SOURCE, lambda body, arrival: transactions.parse(body, arrival, people))

    @app.put("/v1/directory")
    def directory_put() -> Response:
        return door.take(directory.SOURCE, directory.parse)

    @app.get("/healthz")
    def healthz() -> Response:
        return _json(200, {"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        return _json(200 if feed.ready else 503, {"ready": feed.ready, "directory_entries": len(people)})

    @app.get("/metrics")
    def exposition() -> Response:
        body, content_type = metrics.exposition()
        return Response(body, content_type=content_type)

    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    return app


class _Door:
    """The one way in: token, size, parsing, Kafka, answer, counters."""

    def __init__(self, settings: Settings, sender: Sender, feed: DirectoryFeed) -> None:
        self._token = settings.ingest_token.get_secret_value()
        self._future_limit_s = settings.ingest_future_limit_s
        self._timeout_s = settings.ingest_ack_timeout_s
        self._sender = sender
        self._feed = feed

    def take(self, kind: str, parse: Parser) -> Response:
        """Answer one request of the given kind."""
        if not authorised(self._token, request.headers.get("Authorization"), request.args.get("token")):
            REQUESTS.labels(kind, "unauthorised").inc()
            return _json(401, {"error": "the token is missing or wrong: send Authorization: Bearer TOKEN, or ?token=TOKEN"})
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
            return self._answer(kind, outcome, status)

    def _answer(self, kind: str, outcome: Outcome, status: int) -> Response:
        try:
            self._write(outcome)
        except BrokerUnavailableError as cause:
            return _unavailable(kind, str(cause))
        _count(kind, outcome, status)
        answer: dict[str, Any] = {"accepted": len(outcome.accepted), "rejected": len(outcome.rejects), "ignored": outcome.ignored}
        if outcome.rejects:
            answer["reasons"] = outcome.reasons()
            answer["error"] = outcome.rejects[0].detail
        return _json(status, answer)

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


def _count(kind: str, outcome: Outcome, status: int) -> None:
    REQUESTS.labels(kind, {200: "ok", 413: "too_large"}.get(status, "malformed")).inc()
    ITEMS.labels(kind, "accepted").inc(len(outcome.accepted))
    ITEMS.labels(kind, "rejected").inc(len(outcome.rejects))
    ITEMS.labels(kind, "ignored").inc(outcome.ignored)
    for reason, count in outcome.reasons().items():
        REJECTS.labels(kind, reason).inc(count)


def _json(status: int, content: object) -> Response:
    return Response(msgspec.json.encode(content), status=status, content_type=_JSON)


def _unavailable(kind: str, sentence: str) -> Response:
    REQUESTS.labels(kind, "unavailable").inc()
    answer = _json(503, {"error": sentence})
    answer.headers["Retry-After"] = _RETRY_AFTER_S
    return answer


def _http_error(error: HTTPException) -> Response:
    sentence = {
        404: "there is nothing at this address: phones push to /v1/sensor-logger, payments go to /v1/transactions",
        405: "this address takes another method: POST pushes and payments, PUT directory entries",
    }.get(error.code or 500, error.description or "the request cannot be answered")
    answer = _json(error.code or 500, {"error": sentence})
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(allowed)
    return answer


def _unexpected(error: Exception) -> Response:
    _logger.error("A request failed unexpectedly", exc_info=error)
    return _json(500, {"error": "the gateway failed: its log says why; nothing of this request counts as received"})
