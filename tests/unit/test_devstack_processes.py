"""Supervision with toy processes: ready, dying, deaf, with descendants; and leftovers of a launcher that was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from devstack import sessions
from devstack.cancellation import Cancellation, Cancelled, signals_cancel
from devstack.locks import FileLock, hold
from devstack.process import Folders, ProcessSpec, State
from devstack.supervisor import Supervisor
from veilocity.errors import DependencyError, ServiceUnavailableError, StateError

_SLEEPER = "import signal, time; open('{file}', 'w').write('x'); time.sleep(600)"
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('{file}', 'w').write('x'); time.sleep(600)"
_PARENT = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "state")
    made.logs.mkdir(parents=True)
    made.run.mkdir()
    return made


@pytest.fixture
def supervisor(folders: Folders) -> Iterator[Supervisor]:
    made = Supervisor(folders, lambda _name, _state, _sentence: None)
    yield made
    made.hurry()
    made.stop(made.states())


def _spec(code: str, ready: Callable[[], bool], restarts: bool = False, finishes: bool = False) -> ProcessSpec:
    return ProcessSpec("toy", (sys.executable, "-c", code), ready, dict(os.environ), restarts=restarts, finishes=finishes)


def _sleeper(folders: Folders, code: str = _SLEEPER, restarts: bool = False) -> ProcessSpec:
    file = folders.run / "began"
    return _spec(code.format(file=file), file.exists, restarts)


def _alive(pid: int | None) -> bool:
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_ready_means_asked_and_stop_leaves_nothing(supervisor: Supervisor, folders: Folders) -> None:
    supervisor.start(_sleeper(folders))
    supervisor.wait_ready(["toy"], Cancellation())
    pid = supervisor.pid("toy")
    assert _alive(pid)
    assert (folders.run / "toy.process.json").exists()
    supervisor.stop(["toy"])
    assert not _alive(pid)
    assert supervisor.states() == {"toy": State.STOPPED}
    assert list(folders.run.glob("*.process.json")) == []


def test_the_environment_is_the_one_of_the_spec_and_the_mark(supervisor: Supervisor, folders: Folders) -> None:
    supervisor.start(_sleeper(folders))
    supervisor.wait_ready(["toy"], Cancellation())
    assert psutil.Process(supervisor.pid("toy")).environ()[sessions.MARK] == str(folders.state)


def test_a_killed_service_comes_back_and_a_killed_server_does_not(supervisor: Supervisor, folders: Folders) -> None:
    supervisor.start(_sleeper(folders, restarts=True))
    supervisor.wait_ready(["toy"], Cancellation())
    first = supervisor.pid("toy")
    supervisor.kill("toy")
    supervisor.wait_ready(["toy"], Cancellation())
    assert supervisor.restarts("toy") == 1
    assert supervisor.pid("toy") != first
    supervisor.stop(["toy"])

    supervisor.start(_sleeper(folders))
    supervisor.wait_ready(["toy"], Cancellation())
    supervisor.kill("toy")
    _until(lambda: supervisor.pid("toy") is None)
    assert supervisor.states() == {"toy": State.STOPPED}


def test_what_dies_at_once_is_given_up_with_its_last_words(supervisor: Supervisor) -> None:
    supervisor.start(_spec("print('no such file'); raise SystemExit(3)", lambda: False))
    with pytest.raises(ServiceUnavailableError, match="toy ended with code 3 while it was starting; its last line: no such file"):
        supervisor.wait_ready(["toy"], Cancellation())


def test_a_service_that_never_comes_up_is_given_up(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack.supervisor._FIRST_PAUSE_S", 0.01)
    supervisor.start(_spec("raise SystemExit(1)", lambda: False, restarts=True))
    with pytest.raises(ServiceUnavailableError, match="ended with code 1"):
        supervisor.wait_ready(["toy"], Cancellation())
    assert supervisor.restarts("toy") == 3


def test_a_service_that_says_it_is_hopeless_is_not_tried_again(supervisor: Supervisor) -> None:
    supervisor.start(_spec("raise SystemExit(2)", lambda: False, restarts=True))
    with pytest.raises(ServiceUnavailableError, match="ended with code 2"):
        supervisor.wait_ready(["toy"], Cancellation())
    assert supervisor.restarts("toy") == 0


def test_what_never_answers_is_given_up(supervisor: Supervisor) -> None:
    supervisor.start(ProcessSpec("toy", (sys.executable, "-c", "import time; time.sleep(600)"), lambda: False, ready_timeout_s=0.1))
    with pytest.raises(ServiceUnavailableError, match="toy does not answer"):
        supervisor.wait_ready(["toy"], Cancellation())


def test_a_program_that_is_not_there_is_told(supervisor: Supervisor) -> None:
    supervisor.start(ProcessSpec("toy", ("/no/such/program",), lambda: False))
    with pytest.raises(DependencyError, match="toy cannot be started"):
        supervisor.wait_ready(["toy"], Cancellation())


def test_work_that_is_done_stays_done(supervisor: Supervisor) -> None:
    supervisor.start(_spec("", lambda: False, restarts=True, finishes=True))
    supervisor.wait_ready(["toy"], Cancellation())
    assert supervisor.states() == {"toy": State.FINISHED}


def test_a_deaf_process_is_killed_after_its_time(supervisor: Supervisor, folders: Folders) -> None:
    supervisor.start(_sleeper(folders, _DEAF))
    supervisor.wait_ready(["toy"], Cancellation())
    pid = supervisor.pid("toy")
    supervisor.stop(["toy"], timeout_s=0.2)
    assert not _alive(pid)


def test_hurry_kills_at_once(supervisor: Supervisor, folders: Folders) -> None:
    supervisor.start(_sleeper(folders, _DEAF))
    supervisor.wait_ready(["toy"], Cancellation())
    pid = supervisor.pid("toy")
    supervisor.hurry()
    supervisor.stop(["toy"], timeout_s=600)
    assert not _alive(pid)


def test_descendants_end_with_their_leader(supervisor: Supervisor, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack.supervisor._GRACE_S", 0.1)
    file = folders.run / "began"
    supervisor.start(_spec(_PARENT.format(child=_DEAF.format(file=file)), file.exists))
    supervisor.wait_ready(["toy"], Cancellation())
    leader = supervisor.pid("toy")
    assert leader is not None
    children = psutil.Process(leader).children()
    assert children
    supervisor.stop(["toy"])
    assert not any(_alive(child.pid) for child in children)


def test_stopping_before_ready_is_no_failure(supervisor: Supervisor) -> None:
    supervisor.start(_spec("import time; time.sleep(600)", lambda: False))
    supervisor.stop(["toy"])
    assert supervisor.states() == {"toy": State.STOPPED}


def test_two_of_one_name_are_refused(supervisor: Supervisor, folders: Folders) -> None:
    supervisor.start(_sleeper(folders))
    with pytest.raises(StateError, match="toy runs already"):
        supervisor.start(_sleeper(folders))


def test_waiting_is_given_up_when_asked(supervisor: Supervisor) -> None:
    supervisor.start(_spec("import time; time.sleep(600)", lambda: False))
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        supervisor.wait_ready(["toy"], cancellation)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that nobody recorded, in a session of its own."""
    began = tmp_path / "stranger"
    with subprocess.Popen([sys.executable, "-c", _SLEEPER.format(file=began)], start_new_session=True) as process:
        _until(began.exists)
        yield process
        process.kill()


def test_a_leftover_is_ended_and_its_record_dropped(folders: Folders, stranger: subprocess.Popen[bytes]) -> None:
    sessions.record(folders.run, "toy", stranger.pid)
    assert sessions.end_leftovers(folders.run, folders.state) == ["toy"]
    assert stranger.wait(10) == -signal.SIGTERM
    assert list(folders.run.iterdir()) == []


def test_a_number_that_was_given_again_is_left_alone(folders: Folders, stranger: subprocess.Popen[bytes]) -> None:
    sessions.record(folders.run, "toy", stranger.pid)
    file = folders.run / "toy.process.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "started_s": content["started_s"] - 60}))
    assert sessions.end_leftovers(folders.run, folders.state) == []
    assert stranger.poll() is None
    assert list(folders.run.iterdir()) == []


def test_a_damaged_record_is_dropped(folders: Folders) -> None:
    (folders.run / "toy.process.json").write_text("{")
    (folders.run / "other.process.json").write_text('{"name": "other"}')
    assert sessions.end_leftovers(folders.run, folders.state) == []
    assert list(folders.run.iterdir()) == []


def test_a_process_with_the_mark_is_ended_without_a_record(folders: Folders) -> None:
    environment = {**os.environ, sessions.MARK: str(folders.state)}
    other = {**os.environ, sessions.MARK: f"{folders.state}-other"}
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as ours,
        subprocess.Popen(command, env=other, stdout=subprocess.PIPE) as theirs,
    ):
        try:
            for process in (ours, theirs):
                assert process.stdout is not None
                process.stdout.readline()
            sessions.end_leftovers(folders.run, folders.state)
            assert ours.wait(10) == -signal.SIGKILL
            assert theirs.poll() is None
        finally:
            ours.kill()
            theirs.kill()


def test_a_lock_has_one_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "from pathlib import Path; from devstack.locks import FileLock; import time; "
        f"lock = FileLock(Path({str(path)!r})); print(lock.acquire(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        mine = FileLock(path)
        assert not mine.acquire()
        assert mine.holder() == str(holder.pid)
        holder.kill()
        holder.wait()
    assert mine.acquire()
    mine.release()


def test_waiting_for_a_lock_can_be_given_up(tmp_path: Path) -> None:
    holder = FileLock(tmp_path / "lock")
    assert holder.acquire()
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled), hold(tmp_path / "lock", cancellation):
        pass
    holder.release()
    with hold(tmp_path / "lock", Cancellation()):
        assert not holder.acquire()


def test_a_signal_cancels_and_a_second_one_hurries() -> None:
    cancellation, hurried = Cancellation(), threading.Event()
    before = signal.getsignal(signal.SIGINT)
    with signals_cancel(cancellation, again=hurried.set):
        os.kill(os.getpid(), signal.SIGINT)
        assert cancellation.wait(10)
        assert not hurried.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert hurried.wait(10)
    assert cancellation.requests == [signal.SIGINT, signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is before
