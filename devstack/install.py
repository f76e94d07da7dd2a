"""Puts the pinned servers into the cache: complete and verified, or not at all. What is there already costs no request."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from devstack import artifacts, download
from devstack.cancellation import Cancellation
from devstack.locks import hold
from devstack.report import Reporter
from veilocity.errors import DependencyError, ServiceUnavailableError
from veilocity.settings import Settings

__all__ = ["Installer", "cache_folder", "spark_jars"]

_STAMP = "complete"


def cache_folder(settings: Settings, environment: Mapping[str, str] | None = None) -> Path:
    """Return where downloaded servers live.

    The setting `cache_dir`, else the user's cache folder, else (a user without a home folder) `cache` in the state folder.

    >>> str(cache_folder(Settings(), {"HOME": "/home/jo"}))
    '/home/jo/.cache/veilocity'
    """
    variables = os.environ if environment is None else environment
    if settings.cache_dir is not None:
        return settings.cache_dir.absolute()
    if variables.get("XDG_CACHE_HOME"):
        return Path(variables["XDG_CACHE_HOME"]) / "veilocity"
    if variables.get("HOME"):
        return Path(variables["HOME"]) / ".cache" / "veilocity"
    return settings.state_dir.absolute() / "cache"


def spark_jars(settings: Settings) -> list[Path]:
    """Return where the files of Spark's Kafka connector lie once they are installed; for the setting `spark_jars`."""
    folder = cache_folder(settings) / "maven"
    return [download.location(folder, artifact) for artifact in artifacts.read_lock(artifacts.SPARK_CONNECTOR)]


@dataclass(frozen=True, slots=True)
class Installer:
    """Installs into one cache folder; several processes may do so at once.

    Every method raises `ServiceUnavailableError` (no answer from where the files are), `DependencyError` (a wrong file, or something
    missing on this machine) and `Cancelled`.
    """

    settings: Settings
    reporter: Reporter
    cancellation: Cancellation

    @property
    def folder(self) -> Path:
        """The cache folder."""
        return cache_folder(self.settings)

    def kafka(self) -> list[Path]:
        """Return Kafka's class path."""
        return self._jars("Kafka", artifacts.KAFKA)

    def spark(self) -> list[Path]:
        """Return the files of Spark's Kafka connector."""
        return self._jars("Spark's Kafka connector", artifacts.SPARK_CONNECTOR)

    def cassandra(self) -> list[Path]:
        """Return Cassandra's class path."""
        return self._jars("Cassandra", artifacts.CASSANDRA)

    def apicurio(self) -> Path:
        """Return Apicurio's folder."""
        (archive,) = artifacts.read_lock(artifacts.APICURIO)
        home = self.folder / f"apicurio-{archive.version}"
        if home.is_dir():
            return home
        with self._lock("apicurio"):
            if not home.is_dir():
                self._fetch("Apicurio", artifacts.APICURIO)
                packed = download.location(self.folder / "maven", archive)
                partial = home.with_name(f"{home.name}.part")
                shutil.rmtree(partial, ignore_errors=True)
                with tarfile.open(packed) as opened:
                    opened.extractall(partial, filter="data")
                os.replace(partial, home)
                packed.unlink()
        return home

    def elasticsearch(self) -> Path:
        """Return Elasticsearch's folder."""
        (archive,) = artifacts.read_lock(artifacts.ELASTICSEARCH)
        home = self.folder / f"elasticsearch-{archive.version}"
        if home.is_dir():
            return home
        with self._lock("elasticsearch"):
            if not home.is_dir():
                self._fetch("Elasticsearch", artifacts.ELASTICSEARCH)
                packed = download.location(self.folder / "maven", archive)
                self._unpack(packed, home)
                packed.unlink()
        return home

    def mongodb(self) -> Path:
        """Return the Python of SecantusDB's own virtual environment: its licence and its dependencies stay apart from ours."""
        lock = artifacts.resource_text("secantusdb.lock")
        # A virtual environment belongs to one Python at one place.
        key = hashlib.sha256(f"{lock}{sys.base_prefix}{sys.version}".encode()).hexdigest()[:12]
        home = self.folder / f"secantusdb-{key}"
        python = home / "bin" / "python"
        if (home / _STAMP).exists():
            return python
        with self._lock("secantusdb"):
            if not (home / _STAMP).exists():
                self.reporter.say("Installing SecantusDB, the MongoDB server of this run, into an environment of its own.")
                self._make_environment(home, python, lock)
        return python

    def _lock(self, name: str) -> AbstractContextManager[None]:
        return hold(self.folder / "locks" / name, self.cancellation)

    def _jars(self, what: str, lock_file: str) -> list[Path]:
        wanted = artifacts.read_lock(lock_file)
        folder = self.folder / "maven"
        if download.missing(wanted, folder):
            with self._lock(lock_file.removesuffix(".lock")):
                self._fetch(what, lock_file)
        return [download.location(folder, artifact) for artifact in wanted]

    def _fetch(self, what: str, lock_file: str) -> None:
        wanted = artifacts.read_lock(lock_file)
        download.fetch(what, wanted, self.folder / "maven", self.settings.maven_url, self.reporter, self.cancellation)

    def _unpack(self, packed: Path, home: Path) -> None:
        partial = home.with_name(f"{home.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        with zipfile.ZipFile(packed) as archive:
            for member in archive.infolist():
                self.cancellation.check()
                archive.extract(member, partial)
        (inner,) = partial.iterdir()
        for program in (inner / "bin").iterdir():
            program.chmod(0o755)
        os.replace(inner, home)
        partial.rmdir()

    def _make_environment(self, home: Path, python: Path, lock: str) -> None:
        shutil.rmtree(home, ignore_errors=True)
        made = self._run([sys.executable, "-m", "venv", str(home)])
        if made.returncode != 0:
            raise DependencyError(
                "Python cannot make virtual environments: install its venv module, for example `apt install python3-venv`, and start again"
            )
        requirements = home / "requirements.txt"
        requirements.write_text(lock, encoding="utf-8")
        options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"]
        installed = self._run([str(python), "-m", "pip", "install", *options, "-r", str(requirements)])
        if installed.returncode != 0:
            reason = next((line for line in reversed(installed.stderr.splitlines()) if line.strip()), "no message")
            raise ServiceUnavailableError(
                f"SecantusDB could not be installed from the Python package index ({reason}): check the connection"
            )
        (home / _STAMP).touch()

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a helper program in a session of its own, so that Ctrl-C reaches it through us alone."""
        # pip must not see settings of another environment.
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        ) as process:
            while True:
                try:
                    output, errors = process.communicate(timeout=0.2)
                    return subprocess.CompletedProcess(command, process.returncode, output, errors)
                except subprocess.TimeoutExpired:
                    if self.cancellation.requested:
                        process.kill()
                        process.communicate()
                        self.cancellation.check()
