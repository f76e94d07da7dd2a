"""Metrics: declared labels only, and an endpoint that tells health from figures."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest

from veilocity import metrics


@pytest.mark.parametrize("declare", [metrics.counter, metrics.gauge, metrics.histogram])
def test_an_undeclared_label_is_refused(declare: object) -> None:
    assert callable(declare)
    with pytest.raises(ValueError, match=r"card.*metrics\.LABELS"):
        declare("test_undeclared", "help", "topic", "card")


def test_no_declared_label_could_hold_an_identifier() -> None:
    assert metrics.LABELS.isdisjoint({"card", "user", "device", "subject", "id", "token", "merchant", "session", "cell"})


def ask(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_health_and_figures_are_served(unused_port: int) -> None:
    healthy = [False]
    server = metrics.serve(unused_port, is_healthy=lambda: healthy[0])
    assert server is not None
    try:
        assert ask(unused_port, "/healthz")[0] == 503
        healthy[0] = True
        assert ask(unused_port, "/healthz") == (200, "ok\n")
        status, text = ask(unused_port, "/metrics")
        assert status == 200
        assert "# HELP process_cpu_seconds_total" in text
    finally:
        server.shutdown()
        server.server_close()


def test_port_0_serves_nothing() -> None:
    assert metrics.serve(0) is None


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
