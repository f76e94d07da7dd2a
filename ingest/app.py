"""The HTTP gateway: what each address takes and answers. docs/http-api.md describes it for senders.

Every answer of 200 means: each item of the request is in Kafka, accepted or rejected with its reason, or needs no record (readings of other
sensors, test pushes). An answer of 503 means: send the same request again.
"""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from ingest import directory, sessions, transactions
from ingest.auth import check_exposure
from ingest.bank import routes as bank_routes
from ingest.directory_feed import DirectoryFeed
from ingest.door import Door, answer_json
from ingest.producer import Sender
from ingest.protocols import PROTOCOLS, Protocol
from veilocity import metrics
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["create_app"]

_GREETING = "Veilocity listens here for {name}. Its requests are POST; this page is a GET. docs/phones.md says how to set up the app.\n"
_SENSOR_LOGGER_GREETING = (
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
    door = Door(settings, sender, feed)
    people = feed.directory

    for protocol in PROTOCOLS.values():
        _serve(app, door, protocol)

    @app.post("/v1/transactions")
    def transactions_post() -> Response:
        return door.take(transactions.SOURCE, lambda body, arrival: transactions.parse(body, arrival, people))

    @app.post("/v1/sessions")
    def sessions_post() -> Response:
        return door.take(sessions.SOURCE, lambda body, arrival: sessions.parse(body, arrival, people))

    bank_routes.serve(app, door, people, settings)

    @app.put("/v1/directory")
    def directory_put() -> Response:
        return door.take(directory.SOURCE, directory.parse)

    @app.get("/healthz")
    def healthz() -> Response:
        return answer_json(200, {"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        return answer_json(200 if feed.ready else 503, {"ready": feed.ready, "directory_entries": len(people)})

    @app.get("/metrics")
    def exposition() -> Response:
        body, content_type = metrics.exposition()
        return Response(body, content_type=content_type)

    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    return app


def _serve(app: Flask, door: Door, protocol: Protocol) -> None:
    """Give a phone protocol its two addresses: the second ends with the token, for apps that can state it nowhere else."""
    address, name = f"/v1/{protocol.name}", protocol.name

    def take(token: str | None = None) -> Response:
        return door.take_phone(protocol, token)

    def greet(token: str | None = None) -> Response:
        sentence = _SENSOR_LOGGER_GREETING if name == "sensor-logger" else _GREETING.format(name=name)
        return Response(sentence, content_type="text/plain; charset=utf-8")

    for rule, suffix in ((address, ""), (f"{address}/<token>", "-token")):
        app.add_url_rule(rule, f"{name}{suffix}", take, methods=list(protocol.methods))
        if "GET" not in protocol.methods:
            app.add_url_rule(rule, f"{name}{suffix}-help", greet, methods=["GET"])


def _http_error(error: HTTPException) -> Response:
    sentence = {
        404: "there is nothing at this address: phones push to /v1/sensor-logger or the like, payments go to /v1/transactions, "
        "browsing events to /v1/sessions",
        405: "this address takes another method: POST pushes, payments and browsing events, PUT directory entries",
    }.get(error.code or 500, error.description or "the request cannot be answered")
    answer = answer_json(error.code or 500, {"error": sentence})
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(allowed)
    return answer


def _unexpected(error: Exception) -> Response:
    _logger.error("A request failed unexpectedly", exc_info=error)
    return answer_json(500, {"error": "the gateway failed: its log says why; nothing of this request counts as received"})
