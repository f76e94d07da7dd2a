"""Everything that descends from one process we started: its session. Ends it completely, and nothing else.

Each process gets a session of its own, is recorded with its start time, and carries a mark in its environment. After a crash of the
launcher the record says whom to end: a process number is believed only together with the start time or the mark, since numbers are
given again.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

__all__ = ["MARK", "Record", "end_leftovers", "forget", "kill", "members", "record"]

MARK = "DEVSTACK_STATE_DIR"
"""Environment variable of every process of a run: the absolute state folder."""

_SUFFIX = ".process.json"
_POLL_S = 0.05
_PATIENCE_S = 3.0
_START_TOLERANCE_S = 0.5
"""psutil reckons start times from the boot time, which moves a little when the clock is set."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of a process."""

    name: str
    pid: int
    started_s: float


def record(folder: Path, name: str, pid: int) -> None:
    """Write down a process that was just started; it may have ended already."""
    try:
        started_s = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    temporary = folder / f"{name}{_SUFFIX}.new"
    temporary.write_text(json.dumps(asdict(Record(name, pid, started_s))), encoding="utf-8")
    os.replace(temporary, folder / f"{name}{_SUFFIX}")


def forget(folder: Path, name: str) -> None:
    """Drop the record of a process that has ended with all its descendants."""
    (folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)


def members(session: int) -> list[psutil.Process]:
    """Return the living processes of a session; those that only wait to be reaped are dead."""
    return [process for process in psutil.process_iter() if _session(process) == session and not _is_dead(process)]


def kill(session: int, timeout_s: float = 10.0) -> None:
    """End a session by SIGKILL and return when nobody of it is alive (or `timeout_s` has passed)."""
    deadline = time.monotonic() + timeout_s
    while (alive := members(session)) and time.monotonic() < deadline:
        for process in alive:
            _kill(process)
        # Not psutil's wait: it would take the exit code of a child away from the one who waits for it.
        time.sleep(_POLL_S)


def end_leftovers(folder: Path, state_dir: Path) -> list[str]:
    """End what an earlier launcher of this state folder left running.

    Args:
        folder: where the records are.
        state_dir: absolute state folder, as in the mark.

    Returns:
        The names of the recorded processes that were still alive.
    """
    ended = []
    for entry in _records(folder):
        if _is_same(entry):
            # The leader first: Spark's Python ends its own JVM best, and a supervisor in between must not restart what dies.
            _terminate_then_kill(entry)
            ended.append(entry.name)
        forget(folder, entry.name)
    for process in _marked(state_dir):
        _kill(process)
    return ended


def _terminate_then_kill(entry: Record) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    _send(psutil.Process(entry.pid), signal.SIGTERM)
    while _is_same(entry) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    kill(entry.pid)


def _records(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            yield Record(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            path.unlink(missing_ok=True)


def _is_same(entry: Record) -> bool:
    try:
        process = psutil.Process(entry.pid)
        return abs(process.create_time() - entry.started_s) < _START_TOLERANCE_S and not _is_dead(process)
    except psutil.NoSuchProcess:
        return False


def _marked(state_dir: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(state_dir) and not _is_dead(process):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or gone: not ours in both cases
    return found


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except OSError:
        return None


def _is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


def _kill(process: psutil.Process) -> None:
    _send(process, signal.SIGKILL)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        # psutil compares the start time first, so a number that was given again is left alone.
        process.send_signal(number)
    except psutil.Error:
        return  # gone
