"""What servers print when they cannot start, as they print it, and the sentence a person gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.failures import explain
from veilocity.errors import DependencyError, FatalError, PortTakenError, ServiceUnavailableError, StateError, VeilocityError


@pytest.mark.parametrize(
    ("printed", "kind", "words"),
    [
        ("org.apache.kafka.common.KafkaException: Socket server failed to bind to 127.0.0.1:9092: Address in use.", PortTakenError, "port"),
        ("java.lang.IllegalStateException: failed to obtain node locks, tried [/d]; maybe ...", StateError, "another Elasticsearch"),
        ("secantus: WiredTiger database is already being managed by another process: Resource busy", StateError, "another server"),
        ("[ERROR] Connection in use: ('127.0.0.1', 8088)", PortTakenError, "port"),
        ("java.lang.OutOfMemoryError: Java heap space", DependencyError, "3 GB"),
        ("kafka.zookeeper: java.io.IOException: No space left on device", DependencyError, "disk full"),
        ("Exception: java.lang.UnsupportedClassVersionError: x has been compiled by a more recent version", DependencyError, "JAVA_HOME"),
    ],
)
def test_known_failures_become_sentences(printed: str, kind: type[VeilocityError], words: str, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"starting\n{printed}\n\tat some.Frame(Frame.java:1)\n")
    error = explain("server", 1, log)
    assert type(error) is kind
    assert words in str(error)
    assert str(log) in str(error)


def test_options_that_name_an_error_are_not_that_error(tmp_path: Path) -> None:
    log = tmp_path / "elasticsearch.log"
    log.write_text("[INFO] JVM arguments [-XX:+HeapDumpOnOutOfMemoryError, -XX:+ExitOnOutOfMemoryError]\n[INFO] initialized\n")
    error = explain("elasticsearch", None, log)
    assert type(error) is ServiceUnavailableError
    assert "does not answer" in str(error)


def test_a_service_of_ours_is_quoted(tmp_path: Path) -> None:
    log = tmp_path / "rules.log"
    log.write_text('{"event": "starting"}\nveilocity: port 9101 is taken: set VEILOCITY_RULES_METRICS_PORT to a free one\n')
    error = explain("rules", 2, log)
    assert isinstance(error, FatalError)
    assert str(error).startswith("rules: port 9101 is taken: set VEILOCITY_RULES_METRICS_PORT to a free one")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "it printed nothing"), ("", "it printed nothing"), ("first\nlast words\n\n", "last words")]
)
def test_an_unknown_failure_shows_the_last_line(content: str | None, words: str, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    if content is not None:
        log.write_text(content)
    assert f"server ended with code 7 while it was starting; its last line: {words}" in str(explain("server", 7, log))
