"""The page `/health`: services, lag, latency, errors, sizes, and whether everything adds up. It asks `/health/state`."""

from __future__ import annotations

import msgspec
from flask import Flask, Response

from dashboard.frame import answer_page, document, panel
from dashboard.health_desk import HealthDesk

__all__ = ["PATH", "STATE_PATH", "add_health"]

PATH = "/health"
STATE_PATH = "/health/state"

_PAGE = document(
    "Health",
    "health",
    (
        panel("services", "Services", "who answers, and what to do"),
        panel("flow", "What passes"),
        panel("lag", "Lag"),
        panel("latency", "Latency"),
        panel("balance", "Conservation", "nothing lost, nothing doubled"),
        panel("errors", "Errors by reason"),
        panel("sizes", "What is held"),
        panel("models", "Learned rules", "what scores beside the written rules, and how well"),
    ),
    "This page needs JavaScript. <code>veilocity doctor</code> and Grafana's dashboard “Service health” tell the same.",
)


def add_health(server: Flask, desk: HealthDesk) -> None:
    """Let a server answer `/health` with the page and `/health/state` with what it shows, as JSON that nobody keeps."""

    def page() -> Response:
        return answer_page(_PAGE)

    def state() -> Response:
        return Response(msgspec.json.encode(desk.state()), mimetype="application/json", headers={"Cache-Control": "no-store"})

    server.add_url_rule(PATH, endpoint="health", view_func=page)
    server.add_url_rule(STATE_PATH, endpoint="health_state", view_func=state)
