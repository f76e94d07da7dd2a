"""The web application: its pages, one stream, health and metrics.

| path | what |
|---|---|
| `/` | the live map |
| `/events` | server-sent events; `Last-Event-ID` (header, or `last` in the query) resumes |
| `/healthz` | `ok` while the page can be served and news are asked for, whether or not the store answers |
| `/metrics` | Prometheus |
| `/privacy` | the page of privacy, `/privacy/state` what it shows |
| `/streams` | the page of streams, `/streams/state` what it shows, `/streams/group` the payments of one group |
| `/phone` | the page of the phone, and what it asks (`dashboard.phone_page`) |
| `/health` | the page of health, `/health/state` what it shows |
| `/rubric` | the report of `veilocity rubric --serve`, where there is one |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dash import Dash
from flask import Flask, Response, request

from dashboard import layout
from dashboard.compression import compress_static
from dashboard.course import add_course
from dashboard.events import Hub
from dashboard.health_desk import HealthDesk
from dashboard.health_page import add_health
from dashboard.phone_desk import PhoneDesk
from dashboard.phone_page import add_phone
from dashboard.privacy_desk import PrivacyDesk
from dashboard.privacy_page import add_privacy
from dashboard.streams_desk import StreamsDesk
from dashboard.streams_page import add_streams
from veilocity import metrics
from veilocity.errors import ServiceUnavailableError

__all__ = ["add_headers", "create_server"]


class _Page(Dash):
    """Dash with our outline in the place of its own `Loading...`."""

    def interpolate_index(self, *_: Any, **parts: Any) -> str:
        """Return the document. Dash passes every part by name."""
        document: str = super().interpolate_index(**{**parts, "app_entry": layout.OUTLINE})  # type: ignore[no-untyped-call]  # Dash's
        return document


def create_server(
    hub: Hub,
    healthy: Callable[[], bool] = lambda: True,
    course: Path | None = None,
    privacy: PrivacyDesk | None = None,
    *,
    streams: StreamsDesk | None = None,
    phone: PhoneDesk | None = None,
    health: HealthDesk | None = None,
) -> Flask:
    """Return the application.

    Args:
        hub: where the streams come from.
        healthy: whether somebody still asks the store for news.
        course: file of the report that `/rubric` shows; without it there is no such page.
        privacy: what the page `/privacy` shows; without it there is no such page.
        streams: the same for `/streams`.
        phone: the same for `/phone`.
        health: the same for `/health`.
    """
    server = Flask("dashboard", static_folder=None)
    app = _Page(
        "dashboard",
        server=server,  # type: ignore[arg-type]  # Dash takes a Flask application too, its annotation forgot it
        title="Veilocity",
        update_title="",
        index_string=layout.INDEX,
        assets_folder="assets",
        # The page names its own scripts and styles: modules cannot be loaded as Dash would load them.
        include_assets_files=False,
        serve_locally=True,
        compress=False,
    )
    app.layout = layout.page()
    _add_routes(server, hub, healthy)
    if course is not None:
        add_course(server, course)
    if privacy is not None:
        add_privacy(server, privacy)
    if streams is not None:
        add_streams(server, streams)
    if phone is not None:
        add_phone(server, phone)
    if health is not None:
        add_health(server, health)
    compress_static(server)
    add_headers(server, _policy(app.csp_hashes()))
    return server


def _add_routes(server: Flask, hub: Hub, healthy: Callable[[], bool]) -> None:
    def events() -> Response:
        last = request.headers.get("Last-Event-ID") or request.args.get("last", "")
        try:
            stream = hub.subscribe(last)
        except ServiceUnavailableError as error:
            return Response(f"{error}\n", status=503, mimetype="text/plain", headers={"Retry-After": "5"})
        # A proxy that collects a stream before it passes it on would make every event late.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Response(stream, mimetype="text/event-stream", headers=headers)

    def healthz() -> Response:
        if not healthy():
            return Response("nobody asks the store for news: restart the dashboard\n", status=503, mimetype="text/plain")
        return Response(f"ok\nstore {hub.store}\nstreams {hub.streams}\n", mimetype="text/plain")

    def exposition() -> Response:
        body, content_type = metrics.exposition()
        return Response(body, content_type=content_type)

    server.add_url_rule("/events", view_func=events)
    server.add_url_rule("/healthz", view_func=healthz)
    server.add_url_rule("/metrics", view_func=exposition)


def _policy(script_hashes: Sequence[str]) -> str:
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *script_hashes]),
        # Components put style elements into the head; no attribute may carry style, which is where injected text would put it.
        "style-src-elem": "'self' 'unsafe-inline'",
        "style-src-attr": "'none'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def add_headers(server: Flask, policy: str = "default-src 'none'") -> None:
    """Let every answer carry the headers that protect it; a route may bring a policy of its own."""

    @server.after_request
    def protect(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-cache"
        return response
