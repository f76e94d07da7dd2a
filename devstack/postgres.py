"""PostgreSQL for tests and trials: Debian's own build, installed by anybody or unpacked into the cache by bootstrap.sh.

It is optional: where it is not found, what needs it says so. It listens on loopback alone, keeps nothing beyond its run, and writes the
change log that logical decoding reads.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from devstack.install import cache_folder
from devstack.ports import free_port
from veilocity.errors import ServiceUnavailableError
from veilocity.settings import Settings

__all__ = ["USER", "PostgresServer", "find", "running"]

USER = "veilocity"
_NOBODY = 65534
_START_S = 60.0
_INSTALLED = Path("/usr/lib/postgresql")
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    # A trial's data need not outlive the machine's power.
    "fsync": "off",
    "full_page_writes": "off",
    "log_min_messages": "warning",
}


def find(settings: Settings) -> Path | None:
    """Return the folder of the programs `initdb` and `postgres`, the newest where there are several, or None where there are none."""
    folders = [_INSTALLED, cache_folder(settings) / "postgres" / "usr" / "lib" / "postgresql"]
    found = [path.parent for folder in folders for path in sorted(folder.glob("*/bin/initdb"), key=_major, reverse=True)]
    on_path = shutil.which("initdb")
    found += [Path(on_path).resolve().parent] if on_path else []
    return next((folder for folder in found if (folder / "postgres").exists()), None)


def _major(program: Path) -> int:
    name = program.parents[1].name
    return int(name) if name.isdigit() else 0


class PostgresServer:
    """One server with a folder of its own, ended and removed by `stop`."""

    def __init__(self, programs: Path, options: Mapping[str, str] | None = None) -> None:
        """Prepare; `start` starts.

        Args:
            programs: folder of `initdb` and `postgres`.
            options: of postgresql.conf, over those of a trial.
        """
        _sweep()
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"veilocity-postgres-{os.getpid()}-"))
        self._options = {**_OPTIONS, **(options or {})}
        self.programs = programs
        self._as_other = os.geteuid() == 0
        self._programs = self._reachable(programs)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Connection string of the superuser."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Return once it answers.

        Raises:
            ServiceUnavailableError: it does not, see the log in its folder.
        """
        data = self.folder / "data"
        log = self.folder / "log"
        if self._as_other:
            # PostgreSQL refuses to run as root.
            os.chown(self.folder, _NOBODY, _NOBODY)
        if not data.exists():
            self._run(["initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], log)
        options = [argument for name, value in self._options.items() for argument in ("-c", f"{name}={value}")]
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [*self._prefix(), str(self._programs / "postgres"), "-D", str(data), "-p", str(self.port), *options],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        deadline = time.monotonic() + _START_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServiceUnavailableError(f"PostgreSQL does not start: {log.read_text(encoding='utf-8', errors='replace')[-500:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        """Say whether it takes connections: it listens before it does."""
        state = self.folder / "data" / "postmaster.pid"
        try:
            return state.read_text(encoding="utf-8").splitlines()[7].strip() == "ready"
        except (OSError, IndexError):
            return False

    def stop(self) -> None:
        """End it and remove its folder."""
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)

    def _run(self, command: list[str], log: Path) -> None:
        with log.open("ab") as stream:
            argv = [*self._prefix(), str(self._programs / command[0]), *command[1:]]
            done = subprocess.run(argv, cwd=self.folder, env=self._environment(), stdout=stream, stderr=stream, check=False)
        if done.returncode != 0:
            raise ServiceUnavailableError(f"{command[0]} failed: {log.read_text(encoding='utf-8', errors='replace')[-500:]}")

    def _prefix(self) -> list[str]:
        """Return what makes another user of root, and ends the server with us where we are killed."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            return []
        other = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"] if self._as_other else []
        return [setpriv, *other, "--pdeathsig", "QUIT"]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG") and name != "HOME"}
        libraries = sorted((self._programs.parents[3] / "lib").glob("*-linux-gnu*"))
        unpacked = self._programs.parents[3] != Path("/usr") and libraries
        return kept | ({"LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))} if unpacked else {})

    def _reachable(self, programs: Path) -> Path:
        """Return the programs where the other user may run them: a cache in root's home is closed to it."""
        if not self._as_other or _INSTALLED in programs.parents:
            return programs
        copy = self.folder / "usr"
        shutil.copytree(programs.parents[3], copy, symlinks=True)
        return copy / programs.relative_to(programs.parents[3])


@contextmanager
def running(programs: Path, options: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Run a server."""
    server = PostgresServer(programs, options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _sweep() -> None:
    """Remove what runs left behind that were killed; their servers ended with them."""
    for folder in Path(tempfile.gettempdir()).glob("veilocity-postgres-*-*"):
        owner = folder.name.split("-")[2]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
