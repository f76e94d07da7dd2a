"""The report of the algorithms without a dashboard beside it: the same page, headers, address and port, and no store."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, redirect
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from dashboard.access import add_headers
from dashboard.course import PATH, add_course, course_file
from dashboard.service import listen
from veilocity.settings import Settings

__all__ = ["create_course_server", "serve"]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing: a line for each request tells nobody anything."""


def create_course_server(file: Path) -> Flask:
    """Return a server of the report alone."""
    server = Flask("rubric", static_folder=None)
    add_course(server, file)

    def home() -> Response:
        return redirect(PATH)

    server.add_url_rule("/", view_func=home)
    add_headers(server)
    return server


def serve(settings: Settings) -> None:
    """Serve the report on the dashboard's address and port until Ctrl-C.

    Raises:
        PortTakenError: another program listens there.
        SettingsError: this machine has no such address.
    """
    with listen(settings.dashboard_host, settings.dashboard_port, patience_s=0.0) as listener:
        server = make_server(
            settings.dashboard_host,
            settings.dashboard_port,
            create_course_server(course_file(settings)),
            threaded=True,
            request_handler=_Quiet,
            fd=listener.fileno(),
        )
        # werkzeug ends quietly on Ctrl-C.
        server.serve_forever()
