"""The page `/payments`: the ten panels of a payment business, of the payments that its address names. It asks `/payments/state`."""

from __future__ import annotations

import msgspec
from flask import Flask, Response, request

from dashboard.frame import answer_page, document, panel
from dashboard.payments_desk import PaymentsDesk

__all__ = ["PATH", "STATE_PATH", "add_payments"]

PATH = "/payments"
STATE_PATH = "/payments/state"

_FILTERS = """
      <section id="filters" class="panel" aria-label="Time and filters"><div id="filters-body"></div></section>"""
_PAGE = document(
    "Payments",
    "payments",
    (
        _FILTERS,
        panel("total", "Payments"),
        panel("average", "Average amount"),
        panel("people", "Distinct users"),
        panel("cards", "Distinct cards"),
        panel("merchants", "Unique merchants"),
        panel("volume", "Payments per 10 minutes"),
        panel("averages", "Average amount per 10 minutes"),
        panel("categories", "Top categories", "by count and by amount"),
        panel("channels", "Channels"),
        panel("devices", "Device types"),
    ),
    "This page needs JavaScript. Kibana's dashboard of payments tells the same.",
)


def add_payments(server: Flask, desk: PaymentsDesk) -> None:
    """Let a server answer `/payments` with the page, and `/payments/state` with what it shows, as JSON that nobody keeps."""

    def page() -> Response:
        return answer_page(_PAGE)

    def state() -> Response:
        found = desk.state(request.query_string.decode("ascii", "replace"))
        return Response(msgspec.json.encode(found), mimetype="application/json", headers={"Cache-Control": "no-store"})

    server.add_url_rule(PATH, endpoint="payments", view_func=page)
    server.add_url_rule(STATE_PATH, endpoint="payments_state", view_func=state)
