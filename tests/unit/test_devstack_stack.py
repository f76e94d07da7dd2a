"""What a stack refuses before it downloads or starts anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from devstack import Stack, java
from devstack.cancellation import Cancellation, Cancelled
from devstack.report import SilentReporter
from veilocity.errors import DependencyError, SettingsError
from veilocity.settings import load


class Told(SilentReporter):
    """Remembers the sentences."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_a_missing_java_is_told_before_anything_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "installed", lambda _environment: [java.Java(Path("/usr/lib/jvm/java-17"), 17)])
    stack = Stack(load({}, state_dir=tmp_path / "state", cache_dir=tmp_path / "cache"))
    with pytest.raises(DependencyError, match="Elasticsearch needs Java 21 or newer; found only 17"):
        stack.start()
    assert not (tmp_path / "cache").exists()
    assert stack.names == ()


def test_servers_elsewhere_need_no_java_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "installed", lambda _environment: [])
    settings = load({"VEILOCITY_ELASTICSEARCH_URL": "http://search:9200", "VEILOCITY_KAFKA_BOOTSTRAP": "k:9092"}, state_dir=tmp_path)
    with Stack(settings, servers=("kafka", "elasticsearch"), services=()) as stack:
        assert stack.names == ()
        assert stack.settings.elasticsearch_url == "http://search:9200"


def test_a_fresh_start_never_empties_a_folder_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    settings = load({}, state_dir=tmp_path / "state", privacy_state_dir=elsewhere)
    with pytest.raises(SettingsError, match="VEILOCITY_PRIVACY_STATE_DIR lies elsewhere"):
        Stack(settings, servers=(), services=(), fresh=True).start()
    assert (elsewhere / "precious").exists()


def test_a_start_that_was_given_up_gives_its_folder_back(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    settings = load({}, state_dir=tmp_path)
    with pytest.raises(Cancelled):
        Stack(settings, servers=("mongodb",), services=(), cancellation=cancellation).start()
    with Stack(settings, servers=(), services=()) as stack:
        assert stack.environment_file.exists()


def test_a_taken_public_port_is_told_and_the_next_one_taken(tmp_path: Path) -> None:
    told = Told()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = Stack(load({}, state_dir=tmp_path, dashboard_port=port), servers=(), services=("dashboard",), reporter=told)
        stack._choose_service_ports()
    assert port < stack.settings.dashboard_port <= port + 100
    assert told.sentences == [
        f"Port {port} of the dashboard service is taken by another program; using {stack.settings.dashboard_port} instead."
    ]
