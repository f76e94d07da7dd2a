"""The page `/phone`: the path of a phone of one's own, and how to connect it (docs/adr/0022).

| request | what |
|---|---|
| `GET /phone` | the page |
| `GET /phone/connect` | the gateway's addresses, and whether it asks for a token |
| `POST /phone/enter` | a name for this page, which it tells in `Veilocity-Viewer` from then on |
| `GET /phone/state?after=N` | phones to choose from, or the readings of the paired one after number N |
| `POST /phone/pair` | `{"device": "..."}` or `{"candidate": "..."}` |
| `POST /phone/code` | `{"address": 0, "token": false}`: the QR code for Sensor Logger |
| `POST /phone/leave` | forget this page |

Bodies are JSON and must say so: no form of another site can send that.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from flask import Flask, Response, request

from dashboard.frame import answer_page, document, panel
from dashboard.phone_desk import PhoneDesk
from veilocity.errors import InvalidInputError

__all__ = ["PATH", "add_phone"]

PATH = "/phone"

VIEWER = "Veilocity-Viewer"
_JSON = "application/json"
_KEPT_BY_NOBODY = {"Cache-Control": "no-store"}
_MOST_BYTES = 4_096
_PAGE = document(
    "Phone",
    "phone",
    (
        panel("pair", "Which phone"),
        panel("connect", "Connect your phone", "Sensor Logger, HTTP Push"),
        panel("map", "Path"),
        panel("gauges", "Now"),
        panel("lines", "Speed and altitude"),
        panel("latest", "Latest readings"),
    ),
    "This page needs JavaScript.",
)


class _Pairing(msgspec.Struct, frozen=True):
    device: str = ""
    candidate: str = ""


class _Wanted(msgspec.Struct, frozen=True):
    address: int = 0
    token: bool = False


def add_phone(server: Flask, desk: PhoneDesk) -> None:
    """Let a server answer `/phone` and what the page asks."""

    def page() -> Response:
        return answer_page(_PAGE)

    def connect() -> Response:
        return _json(desk.connection())

    def enter() -> Response:
        return _asked(lambda: {"viewer": desk.enter()})

    def state() -> Response:
        after = request.args.get("after", "0")
        return _json(desk.state(_viewer(), int(after) if after.isdecimal() else 0))

    def pair() -> Response:
        def paired() -> dict[str, bool]:
            body = msgspec.json.decode(_body(), type=_Pairing)
            desk.pair(_viewer(), body.device, body.candidate)
            return {"paired": True}

        return _asked(paired)

    def code() -> Response:
        def made() -> object:
            wanted = msgspec.json.decode(_body(), type=_Wanted)
            return desk.code(wanted.address, with_token=wanted.token)

        return _asked(made)

    def leave() -> Response:
        desk.leave(_viewer())
        return _json({"left": True})

    server.add_url_rule(PATH, endpoint="phone", view_func=page)
    server.add_url_rule(f"{PATH}/connect", endpoint="phone_connect", view_func=connect)
    server.add_url_rule(f"{PATH}/state", endpoint="phone_state", view_func=state)
    for name, answer in (("enter", enter), ("pair", pair), ("code", code), ("leave", leave)):
        server.add_url_rule(f"{PATH}/{name}", endpoint=f"phone_{name}", view_func=answer, methods=["POST"])


def _viewer() -> str:
    return request.headers.get(VIEWER, "")


def _body() -> bytes:
    return request.get_data(cache=False)[:_MOST_BYTES]


def _asked(answer: Callable[[], object]) -> Response:
    if request.mimetype != _JSON:
        return _json({"error": "send JSON, and say so in Content-Type"}, 415)
    try:
        return _json(answer())
    except msgspec.MsgspecError:
        return _json({"error": "the body is not what this address takes: see docs/http-api.md"}, 400)
    except InvalidInputError as cause:
        return _json({"error": cause.detail}, 409)


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status=status, mimetype=_JSON, headers=_KEPT_BY_NOBODY)
