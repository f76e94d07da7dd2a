"""The stack on real servers: kept data, refused second start, leftovers of a killed launcher, Ctrl-C while it starts."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

from devstack import Stack
from devstack.report import LineReporter
from devstack.sessions import MARK
from privacy.identifiers.keyring import KeyRing
from veilocity.errors import StateError
from veilocity.settings import Settings, load

pytestmark = pytest.mark.services

_LAUNCHER = """
import sys, time
from pathlib import Path
from devstack import Stack
from veilocity.settings import load
with Stack(load({}, state_dir=Path(sys.argv[1])), servers=("mongodb",), services=()) as stack:
    print(stack.pid("mongodb"), flush=True)
    time.sleep(600)
"""


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _marked(state_dir: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(state_dir) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _mongodb_alone(state_dir: Path, fresh: bool = False) -> Stack:
    return Stack(load({}, state_dir=state_dir), servers=("mongodb",), services=(), fresh=fresh)


def _words(settings: Settings) -> list[object]:
    client: MongoClient[dict[str, object]] = MongoClient(settings.mongodb_uri.get_secret_value())
    found = [document["word"] for document in client["veilocity"]["words"].find()]
    client.close()
    return found


def _add(settings: Settings, word: str) -> None:
    client: MongoClient[dict[str, object]] = MongoClient(settings.mongodb_uri.get_secret_value())
    client["veilocity"]["words"].insert_one({"word": word})
    client.close()


def test_data_and_ports_are_kept_over_stop_and_kill_and_a_fresh_start_is_empty(tmp_path: Path) -> None:
    with _mongodb_alone(tmp_path) as stack:
        first = stack.settings
        _add(stack.settings, "one")
        stack.kill("mongodb")
        stack.restart("mongodb")
        assert _words(stack.settings) == ["one"]
        _add(stack.settings, "two")
    with _mongodb_alone(tmp_path) as stack:
        assert stack.settings.mongodb_uri == first.mongodb_uri
        assert _words(stack.settings) == ["one", "two"]
    with _mongodb_alone(tmp_path, fresh=True) as stack:
        assert _words(stack.settings) == []
    assert _marked(tmp_path) == []


def test_the_running_system_can_be_found_by_its_owner_alone(tmp_path: Path) -> None:
    with _mongodb_alone(tmp_path) as stack:
        assert stat.S_IMODE(stack.environment_file.stat().st_mode) == 0o600
        assert load(json.loads(stack.environment_file.read_text())) == stack.settings
        assert stat.S_IMODE(stack.settings.token_key_file.stat().st_mode) == 0o600
        key = stack.settings.token_key_file.read_text()
        assert KeyRing.from_file(stack.settings.token_key_file).versions == (1,)
    assert not stack.environment_file.exists()
    with _mongodb_alone(tmp_path, fresh=True) as stack:
        assert stack.settings.token_key_file.read_text() == key


def test_a_second_start_in_the_same_folder_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    with _mongodb_alone(tmp_path) as stack:
        pid = stack.pid("mongodb")
        with pytest.raises(StateError, match=rf"already runs in {tmp_path} \(process {os.getpid()}\)"):
            _mongodb_alone(tmp_path).start()
        assert stack.pid("mongodb") == pid
        assert _words(stack.settings) == []
        assert stack.environment_file.exists()


def test_a_complete_cache_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mongodb_server: str) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    settings = load({}, state_dir=tmp_path, maven_url="http://127.0.0.1:1")
    with Stack(settings, servers=("mongodb", "kafka"), services=()) as stack:
        stack.wait_ready()


def test_what_a_killed_launcher_left_is_ended_by_the_next_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", _LAUNCHER, str(tmp_path)], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        left = int(launcher.stdout.readline())
        launcher.kill()
    assert psutil.pid_exists(left)
    settings = load({}, state_dir=tmp_path)
    with Stack(settings, servers=("mongodb",), services=(), reporter=LineReporter()) as stack:
        assert stack.pid("mongodb") != left
        _until(lambda: not psutil.pid_exists(left), "the leftover still lives")
    assert "Ended what an earlier run had left running: mongodb." in capsys.readouterr().out
    assert _marked(tmp_path) == []


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("nothing runs", signal.SIGINT),
        ("servers start", signal.SIGINT),
        ("servers start", signal.SIGTERM),
        ("servers start", signal.SIGHUP),
        ("gateway: ready", signal.SIGINT),
    ],
)
def test_a_stop_while_it_starts_leaves_nothing(stage: str, number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VEILOCITY_")}
    environment["VEILOCITY_STATE_DIR"] = str(tmp_path / "state")
    state_dir = (tmp_path / "state").absolute()
    with (
        out.open("w") as stream,
        subprocess.Popen([sys.executable, "-m", "veilocity.cli", "up"], env=environment, stdout=stream, stderr=stream) as launcher,
    ):
        if stage == "nothing runs":
            _until((state_dir / "run" / "lock").exists, "it did not begin")
        elif stage == "servers start":
            _until((state_dir / "run" / "kafka.process.json").exists, "no server was started")
        else:
            _until(lambda: stage in out.read_text(), "the gateway did not come up")
        launcher.send_signal(number)
        assert launcher.wait(60) == 128 + number, out.read_text()
    assert _marked(state_dir) == []
    assert not (state_dir / "run" / "environment.json").exists()
    assert "Traceback" not in out.read_text()
