"""The web application: its pages, one stream, triage, health and metrics.

| path | what |
|---|---|
| `/` | the live map |
| `/events` | server-sent events; `Last-Event-ID` (header, or `last` in the query) resumes |
| `/healthz` | `ok` while the page can be served and news are asked for, whether or not the store answers |
| `/metrics` | Prometheus |
| `/evidence`, `/alerts`, `/facets`, `/cells`, `/replay` | what the live map asks beyond its stream (`dashboard.live_desk`) |
| `/payments` | the page of payments, `/payments/state` what it shows |
| `/privacy` | the page of privacy, `/privacy/state` what it shows |
| `/streams` | the page of streams, `/streams/state` what it shows, `/streams/group` the payments of one group |
| `/phone` | the page of the phone, and what it asks (`dashboard.phone_page`) |
| `/health` | the page of health, `/health/state` what it shows |
| `/rubric` | the report of `veilocity rubric --serve`, where there is one |
| `/login`, `/logout`, `/password`, `/accounts`, `/api/account` | who is let in (`dashboard.access`) |
| `/api/cases`, `/api/alerts` | triage (`dashboard.case_api`) |

Which role each of them needs is one table: `dashboard.access.permissions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from dash import Dash
from flask import Flask, Response, request

from dashboard import layout
from dashboard.access import Access, add_headers, add_login, protect
from dashboard.access.headers import policy
from dashboard.compression import compress_static
from dashboard.desks import Desks
from dashboard.events import Hub
from veilocity import metrics
from veilocity.errors import ServiceUnavailableError

__all__ = ["create_server"]


class _Page(Dash):
    """Dash with our outline in the place of its own `Loading...`."""

    tiles = ""
    """Address of the tile server."""

    def interpolate_index(self, *_: Any, **parts: Any) -> str:
        """Return the document. Dash passes every part by name."""
        document: str = super().interpolate_index(**{**parts, "app_entry": layout.OUTLINE})  # type: ignore[no-untyped-call]  # Dash's
        return document.replace("<body ", f'<body data-tiles="{escape(self.tiles, quote=True)}" ', 1)


def create_server(
    hub: Hub, healthy: Callable[[], bool] = lambda: True, desks: Desks | None = None, *, access: Access | None = None, tiles: str = ""
) -> Flask:
    """Return the application.

    Args:
        hub: where the streams come from.
        healthy: whether somebody still asks the store for news.
        desks: what stands behind the other pages; a page without its desk is not there.
        tiles: address of a tile server with `{z}`, `{x}` and `{y}`; none is asked without it.
        access: who is let in; by default everybody on this machine, as with `VEILOCITY_DASHBOARD_LOGIN=off`.
    """
    access = access or Access()
    server = Flask("dashboard", static_folder=None)
    protect(server, access)
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
    app.tiles = tiles
    app.layout = layout.page()
    _add_routes(server, hub, healthy)
    add_login(server, access)
    (desks or Desks()).add_to(server, access)
    compress_static(server)
    add_headers(server, _policy(app.csp_hashes(), tiles), https=access.https)
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


def _policy(script_hashes: Sequence[str], tiles: str) -> str:
    parts = urlsplit(tiles)
    # The one host beside ours that a page may ask, and for pictures alone.
    host = f" {parts.scheme}://{parts.netloc}" if tiles else ""
    return policy(
        script_src=" ".join(["'self'", *script_hashes]),
        # Components put style elements into the head; no attribute may carry style, which is where injected text would put it.
        style_src_elem="'self' 'unsafe-inline'",
        style_src_attr="'none'",
        img_src=f"'self' data: blob:{host}",
        connect_src="'self'",
        worker_src="'self' blob:",
        manifest_src="'self'",
    )
