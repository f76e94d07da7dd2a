"""Gzip for what never changes: scripts, styles and geography, compressed once and kept.

Streams are left alone: an event that waits in a compressor is late.
"""

from __future__ import annotations

import gzip
from threading import Lock

from flask import Flask, Response, request
from werkzeug.wsgi import FileWrapper

__all__ = ["compress_static"]

_KINDS = ("text/javascript", "application/javascript", "text/css", "application/json", "image/svg+xml")
_STATIC = ("/assets/", "/_dash-component-suites/")
_SMALLEST_BYTES = 1_024


def compress_static(server: Flask) -> None:
    """Make `server` answer static files compressed to whoever accepts it. Memory: one compressed copy of each file."""
    kept: dict[tuple[str, str], bytes] = {}
    lock = Lock()

    @server.after_request
    def compress(response: Response) -> Response:
        fits = (
            request.path.startswith(_STATIC)
            and response.status_code == 200
            and response.mimetype in _KINDS
            and request.accept_encodings.quality("gzip") > 0
            and not response.headers.get("Content-Encoding")
        )
        if not fits:
            return response
        response.direct_passthrough = False
        file = response.response
        body = response.get_data()
        # It is read. A server whose client has gone may not come to close it.
        if isinstance(file, FileWrapper):
            file.close()
        if len(body) < _SMALLEST_BYTES:
            return response
        key = (request.path, response.headers.get("ETag") or str(len(body)))
        with lock:
            compressed = kept.get(key)
            if compressed is None:
                compressed = kept[key] = gzip.compress(body, compresslevel=6, mtime=0)
        response.set_data(compressed)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        return response
