"""What a process of a run is: how it starts, how one asks whether it is ready, and what happens when it dies."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from devstack import sessions

__all__ = ["Folders", "ProcessSpec", "RunningProcess", "State"]


class State(StrEnum):
    """Where a process is in its life."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of a run, all below one state folder."""

    state: Path

    @property
    def run(self) -> Path:
        """Records, ports and the lock."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self.state / "logs"

    @property
    def temporary(self) -> Path:
        """Temporary files of all processes; emptied at every start."""
        return self.state / "run" / "tmp"

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{name}.log"


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process.

    `ready` asks the process by a real request and answers at once. A process that `restarts` is started again when it dies; one that
    `finishes` has done its work when it ends with code 0.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: bool = False
    finishes: bool = False
    ready_timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A started process and its session."""

    popen: subprocess.Popen[bytes]

    @classmethod
    def start(cls, spec: ProcessSpec, folders: Folders) -> RunningProcess:
        """Start the process in a session of its own, recorded and marked, with all output in its log file."""
        environment = {**spec.environment, sessions.MARK: str(folders.state), "TMPDIR": str(folders.temporary)}
        with folders.log(spec.name).open("ab") as log:
            popen = subprocess.Popen(
                spec.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        sessions.record(folders.run, spec.name, popen.pid)
        return cls(popen)

    def terminate(self) -> None:
        """Ask the leader of the session to end; it ends what it started."""
        self.popen.terminate()

    def kill(self) -> None:
        """End the whole session at once."""
        sessions.kill(self.popen.pid)
