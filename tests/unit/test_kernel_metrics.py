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


def test_what_is_declared_is_told_as_prometheus_shows_it() -> None:
    metrics.counter("test_declared", "Of a test.", "topic")
    metrics.histogram("test_declared_seconds", "Of a test.", buckets_s=(60.0, 3600.0))
    families = {family.name: family for family in metrics.declared()}
    assert families["veilocity_test_declared_total"] == metrics.Family("veilocity_test_declared_total", "counter", "Of a test.", ("topic",))
    assert families["veilocity_test_declared_seconds"].kind == "histogram"
    assert b'veilocity_test_declared_seconds_bucket{le="3600.0"}' in metrics.exposition()[0]
    assert list(families) == sorted(families)


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
