"""Prometheus metrics: one place that declares them, so that names, units and labels stay one family.

Label values come from closed sets only (reason codes, topic names, partition numbers, rule ids): a label that could hold an identifier
would be an identifier in every scrape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

__all__ = ["LABELS", "Family", "counter", "declared", "exposition", "gauge", "histogram", "serve"]

LABELS = frozenset(
    {
        "channel",
        "country",
        "feature",
        "kind",
        "outcome",
        "partition",
        "reason",
        "receiver",
        "rule",
        "service",
        "severity",
        "stage",
        "state",
        "store",
        "topic",
        "verdict",
        "version",
    }
)
"""The label names that may be used. A `receiver` is a name that the notifications file gives, which cannot hold an address. A `version` is
that of a learned rule in force, and a `feature` one of `rules.models.features.FEATURES`."""

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as it was declared."""

    name: str
    """As Prometheus shows it: a counter ends in `_total`."""
    kind: str
    """`counter`, `gauge` or `histogram`."""
    text: str
    labels: tuple[str, ...]


_declared: dict[str, Family] = {}


def declared() -> tuple[Family, ...]:
    """Return what the modules that this process has imported declare, by name."""
    return tuple(_declared[name] for name in sorted(_declared))


def _declare(name: str, kind: str, text: str, labels: tuple[str, ...]) -> None:
    unknown = set(labels) - LABELS
    if unknown:
        raise ValueError(f"label {sorted(unknown)} is not declared in veilocity.metrics.LABELS")
    shown = f"veilocity_{name}" + ("_total" if kind == "counter" else "")
    _declared[shown] = Family(shown, kind, text, labels)


def counter(name: str, text: str, *labels: str) -> Counter:
    """Declare a counter `veilocity_NAME_total`."""
    _declare(name, "counter", text, labels)
    return Counter(f"veilocity_{name}", text, labels)


def gauge(name: str, text: str, *labels: str) -> Gauge:
    """Declare a gauge `veilocity_NAME`."""
    _declare(name, "gauge", text, labels)
    return Gauge(f"veilocity_{name}", text, labels)


def histogram(name: str, text: str, *labels: str, buckets_s: Sequence[float] = _LATENCY_BUCKETS_S) -> Histogram:
    """Declare a histogram `veilocity_NAME` of seconds; without `buckets_s` its buckets are those of a latency."""
    _declare(name, "histogram", text, labels)
    return Histogram(f"veilocity_{name}", text, labels, buckets=buckets_s)


def exposition() -> tuple[bytes, str]:
    """Return all metrics of this process and their content type, for a service that has a web server of its own."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    is_healthy: Callable[[], bool]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:  # the name is http.server's
        if self.path == "/healthz":
            healthy = self.server.is_healthy()
            status, body, content_type = (200, b"ok\n", "text/plain") if healthy else (503, b"not ready\n", "text/plain")
        else:
            status, (body, content_type) = 200, exposition()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: a scrape every few seconds is not news."""


def serve(port: int, host: str = "127.0.0.1", is_healthy: Callable[[], bool] = lambda: True) -> ThreadingHTTPServer | None:
    """Answer `/metrics` and `/healthz` from a daemon thread; port 0 serves nothing.

    Args:
        port: to listen on.
        host: address to listen on.
        is_healthy: asked from that thread; `/healthz` answers 503 while it says no.
    """
    if port == 0:
        return None
    server = _Server((host, port), _Handler)
    server.is_healthy = is_healthy
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
