"""Downloads against a repository of this test's own: verified, complete or absent, and silent when nothing is missing."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devstack.artifacts import ELASTICSEARCH, KAFKA, SPARK_CONNECTOR, Artifact, read_lock
from devstack.cancellation import Cancellation, Cancelled
from devstack.download import fetch, location, missing
from devstack.report import SilentReporter
from veilocity.errors import DependencyError, ServiceUnavailableError


class Repository:
    """A Maven repository on loopback; `faults` says how often a path is answered by 503 first."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                repository.asked[path] += 1
                content = repository.files.get(path)
                faulty = repository.faults[path] > 0
                repository.faults[path] -= 1
                self.send_response(503 if faulty else 404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def add(self, name: str, content: bytes) -> Artifact:
        artifact = Artifact("a.group", name, "1.0", "jar", hashlib.sha256(content).hexdigest(), len(content))
        self.files[artifact.path] = content
        return artifact

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def repository() -> Iterator[Repository]:
    opened = Repository()
    yield opened
    opened.close()


def _fetch(artifacts: list[Artifact], folder: Path, url: str, cancellation: Cancellation | None = None) -> None:
    fetch("things", artifacts, folder, url, SilentReporter(), cancellation or Cancellation())


def test_files_arrive_whole_and_a_second_time_nobody_is_asked(repository: Repository, tmp_path: Path) -> None:
    artifacts = [repository.add(f"thing-{number}", bytes([number]) * 300_000) for number in range(12)]
    _fetch(artifacts, tmp_path, repository.url)
    assert all(location(tmp_path, artifact).read_bytes() == repository.files[artifact.path] for artifact in artifacts)
    _fetch(artifacts, tmp_path, "http://127.0.0.1:1")
    assert set(repository.asked.values()) == {1}


def test_a_file_with_another_checksum_is_refused_and_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    artifact = repository.add("thing", b"right")
    repository.files[artifact.path] = b"wrong"
    with pytest.raises(DependencyError, match="SHA-256 differs"):
        _fetch([artifact], tmp_path, repository.url)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_short_file_is_refused_and_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    artifact = repository.add("thing", b"right")
    repository.files[artifact.path] = b"rig"
    with pytest.raises(DependencyError, match="SHA-256 differs"):
        _fetch([artifact], tmp_path, repository.url)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_cut_short_in_the_cache_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    artifact = repository.add("thing", b"whole")
    _fetch([artifact], tmp_path, repository.url)
    location(tmp_path, artifact).write_bytes(b"who")
    assert missing([artifact], tmp_path) == [artifact]
    _fetch([artifact], tmp_path, repository.url)
    assert location(tmp_path, artifact).read_bytes() == b"whole"


def test_a_repository_in_trouble_is_asked_again(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cancellation, "wait", lambda _self, _seconds: False)
    artifact = repository.add("thing", b"content")
    repository.faults[artifact.path] = 2
    _fetch([artifact], tmp_path, repository.url)
    assert repository.asked[artifact.path] == 3


def test_a_missing_file_is_told_at_once_with_the_setting_to_change(repository: Repository, tmp_path: Path) -> None:
    artifact = Artifact("a.group", "absent", "1.0", "jar", "00", 1)
    with pytest.raises(ServiceUnavailableError, match=r"answer 404.*VEILOCITY_MAVEN_URL"):
        _fetch([artifact], tmp_path, repository.url)
    assert repository.asked[artifact.path] == 1


def test_a_dead_repository_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cancellation, "wait", lambda _self, _seconds: False)
    artifact = Artifact("a.group", "thing", "1.0", "jar", "00", 1)
    with pytest.raises(ServiceUnavailableError, match="ConnectError"):
        _fetch([artifact], tmp_path, "http://127.0.0.1:1")


def test_a_cancelled_download_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    artifact = repository.add("thing", b"content")
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        _fetch([artifact], tmp_path, repository.url, cancellation)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("lock", "count"), [(KAFKA, 46), (ELASTICSEARCH, 1), (SPARK_CONNECTOR, 4)])
def test_locks_name_exact_files(lock: str, count: int) -> None:
    artifacts = read_lock(lock)
    assert len({artifact.path for artifact in artifacts}) == count
    assert all(len(bytes.fromhex(artifact.sha256)) == 32 and artifact.size_bytes > 0 for artifact in artifacts)
