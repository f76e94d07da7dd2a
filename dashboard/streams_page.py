"""The page `/streams`: what the sketches of the stream say, the graph of alike payments, the course. It asks `/streams/state`.

Who chooses a group asks for its payments at `/streams/group`, with the group's id in the query; they are masked as everything here.
"""

from __future__ import annotations

import msgspec
from flask import Flask, Response, request

from dashboard.frame import answer_page, document, panel
from dashboard.streams_desk import StreamsDesk
from veilocity.errors import RetryableError

__all__ = ["GROUP_PATH", "PATH", "STATE_PATH", "add_streams"]

PATH = "/streams"
STATE_PATH = "/streams/state"
GROUP_PATH = "/streams/group"

_JSON = "application/json"
_KEPT_BY_NOBODY = {"Cache-Control": "no-store"}
_PAGE = document(
    "Streams",
    "streams",
    (
        panel("estimates", "Sketches of the stream", "estimate, 95 % bounds, and what is true"),
        panel("filter", "Seen before?"),
        panel("counts", "Released by k-anonymity"),
        panel("graph", "Payments that are alike"),
        panel("group", "Group"),
        panel("sample", "Uniform sample"),
        panel("course", "The algorithms and their promises"),
    ),
    "This page needs JavaScript. <code>veilocity rubric</code> writes what the algorithms promise and hold as one file.",
)


def add_streams(server: Flask, desk: StreamsDesk) -> None:
    """Let a server answer `/streams` with the page, and what it shows as JSON that nobody keeps."""

    def page() -> Response:
        return answer_page(_PAGE)

    def state() -> Response:
        return Response(msgspec.json.encode(desk.state()), mimetype=_JSON, headers=_KEPT_BY_NOBODY)

    def group() -> Response:
        try:
            found = desk.members(request.args.get("id", ""))
        except RetryableError:
            return _told(503, "the store does not answer: ask again in a moment")
        if found is None:
            return _told(404, "there is no such group: it was deleted, or its window began anew")
        return Response(msgspec.json.encode(found), mimetype=_JSON, headers=_KEPT_BY_NOBODY)

    server.add_url_rule(PATH, endpoint="streams", view_func=page)
    server.add_url_rule(STATE_PATH, endpoint="streams_state", view_func=state)
    server.add_url_rule(GROUP_PATH, endpoint="streams_group", view_func=group)


def _told(status: int, sentence: str) -> Response:
    return Response(msgspec.json.encode({"error": sentence}), status=status, mimetype=_JSON, headers=_KEPT_BY_NOBODY)
