"""The page `/reports`: what the streaming reports count, window by window, and the segments of customers. It asks `/reports/state`."""

from __future__ import annotations

import msgspec
from flask import Flask, Response

from dashboard.frame import answer_page, document, panel
from dashboard.reports_desk import ReportsDesk

__all__ = ["PATH", "STATE_PATH", "add_reports"]

PATH = "/reports"
STATE_PATH = "/reports/state"

_PAGE = document(
    "Reports",
    "reports",
    (
        panel("high-value", "High-value potential frauds"),
        panel("day", "Payments in 24 hours"),
        panel("sessions", "Browsing and buying"),
        panel("left-out", "Left out"),
        panel("frauds", "Potential frauds"),
        panel("sales", "Sales by merchant"),
        panel("cells", "Where potential frauds were"),
        panel("segments", "Segments of customers"),
    ),
    "This page needs JavaScript. What it shows is in the collections <code>reports</code> and <code>segments</code>, written by "
    "<code>veilocity reports</code> and the privacy stage.",
)


def add_reports(server: Flask, desk: ReportsDesk) -> None:
    """Let a server answer `/reports` with the page, and `/reports/state` with what it shows, as JSON that nobody keeps."""

    def page() -> Response:
        return answer_page(_PAGE)

    def state() -> Response:
        return Response(msgspec.json.encode(desk.state()), mimetype="application/json", headers={"Cache-Control": "no-store"})

    server.add_url_rule(PATH, endpoint="reports", view_func=page)
    server.add_url_rule(STATE_PATH, endpoint="reports_state", view_func=state)
