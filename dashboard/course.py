"""The page `/rubric`: the report of the algorithms that `veilocity rubric --serve` wrote, as it stands in the state folder.

The report holds its scripts inside, so its policy differs from that of the live page: it names them by their SHA-256, as they are in the
file. `sandbox` gives the page an origin of its own: nothing that a stream brought into it could read the live page or ask this server.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from flask import Flask, Response, request

from veilocity.settings import Settings

__all__ = ["PATH", "add_course", "course_file"]

PATH = "/rubric"
_MISSING = "There is no report yet: `veilocity rubric --serve` writes one.\n"


def course_file(settings: Settings) -> Path:
    """Return where the report is looked for."""
    return settings.state_dir / "rubric.html"


def add_course(server: Flask, file: Path) -> None:
    """Let a server answer `/rubric` with the report, or with 404 and what to do as long as there is none."""

    def rubric() -> Response:
        try:
            page = file.read_bytes()
        except FileNotFoundError:
            return Response(_MISSING, status=404, mimetype="text/plain")
        answer = Response(page, mimetype="text/html", headers={"Content-Security-Policy": _policy(page)})
        answer.add_etag()
        answer.make_conditional(request)
        # The server dates every answer itself.
        answer.headers.pop("Date", None)
        return answer

    server.add_url_rule(PATH, view_func=rubric)


def _policy(page: bytes) -> str:
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    }
    rules = (
        "default-src 'none'",
        " ".join(["script-src", *sorted(hashes)]),
        "style-src-elem 'unsafe-inline'",
        "style-src-attr 'none'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox allow-scripts",
    )
    return "; ".join(rules)
