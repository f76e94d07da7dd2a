"""Finds a Java for each server: JAVA_HOME first, then the one on PATH, then the usual folders, newest first."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from veilocity.errors import DependencyError

__all__ = ["APICURIO", "CASSANDRA", "ELASTICSEARCH", "KAFKA", "SPARK", "Java", "Need", "choose", "installed", "parse_version"]

_FOLDERS = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "/usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
)
_HOME_FOLDERS = (".sdkman/candidates/java/*", ".jdks/*", ".local/share/mise/installs/java/*", ".asdf/installs/java/*")


@dataclass(frozen=True, slots=True)
class Java:
    """One installed Java."""

    home: Path
    version: int

    @property
    def binary(self) -> Path:
        """The `java` program."""
        return self.home / "bin" / "java"


@dataclass(frozen=True, slots=True)
class Need:
    """Which major versions a program runs on; `newest` is None where every newer one does."""

    program: str
    oldest: int
    newest: int | None = None
    advice: int = 21

    def fits(self, version: int) -> bool:
        """Return whether the program runs on this version."""
        return version >= self.oldest and (self.newest is None or version <= self.newest)

    @property
    def words(self) -> str:
        """The versions as people say them."""
        if self.newest == self.oldest:
            return f"Java {self.oldest}"
        return f"Java {self.oldest} or newer" if self.newest is None else f"Java {self.oldest} to {self.newest}"


KAFKA = Need("Kafka", 17)
ELASTICSEARCH = Need("Elasticsearch", 21)
# Its Hadoop asks for a security manager, which Java took away after 21 (23 at the latest): tried with 25, it does not start.
SPARK = Need("Spark", 17, 21)
APICURIO = Need("Apicurio", 21)
# Its line 5.0 is made for 11 and 17, and the options that it is started with here for 17.
CASSANDRA = Need("Cassandra", 17, 17, 17)


def parse_version(text: str) -> int | None:
    """Return the major version from a JDK's `release` file or from what `java -version` prints.

    >>> parse_version('JAVA_VERSION="17.0.19"')
    17
    >>> parse_version('openjdk version "1.8.0_392"')
    8
    >>> parse_version("no Java here") is None
    True
    """
    found = re.search(r'(?:JAVA_VERSION=|version )"?(?:1\.)?(\d+)', text)
    return int(found.group(1)) if found else None


def choose(need: Need, candidates: Iterable[Java]) -> Java:
    """Return the first Java that fits.

    Raises:
        DependencyError: none does; says what to install.
    """
    seen: list[Java] = []
    for java in candidates:
        if need.fits(java.version):
            return java
        seen.append(java)
    found = "found only " + ", ".join(f"{java.version} at {java.home}" for java in seen) if seen else "found none"
    raise DependencyError(
        f"{need.program} needs {need.words}; {found}: install a JDK {need.advice}, "
        f"for example `apt install openjdk-{need.advice}-jdk-headless`, or set JAVA_HOME"
    )


def installed(environment: Mapping[str, str]) -> list[Java]:
    """Return the Javas of this machine, in the order in which they are preferred."""
    homes: list[Path] = []
    if environment.get("JAVA_HOME"):
        homes.append(Path(environment["JAVA_HOME"]))
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    if on_path:
        homes.append(Path(on_path).resolve().parent.parent)
    first = _known(homes)
    usual = [Path(path) for pattern in _FOLDERS for path in sorted(Path("/").glob(pattern.removeprefix("/")))]
    if environment.get("HOME"):
        usual += [path for pattern in _HOME_FOLDERS for path in sorted(Path(environment["HOME"]).glob(pattern))]
    others = [java for java in _known(usual) if java not in first]
    return first + sorted(others, key=lambda java: -java.version)


def _known(homes: Iterable[Path]) -> list[Java]:
    javas: list[Java] = []
    for home in homes:
        if not (home / "bin" / "java").is_file():
            continue
        version = _version(home)
        java = Java(home.resolve(), version) if version else None
        if java and java not in javas:
            javas.append(java)
    return javas


def _version(home: Path) -> int | None:
    try:
        return parse_version((home / "release").read_text(encoding="utf-8"))
    except OSError:
        # No release file: a stub or a hand-made folder. The program itself knows.
        return _asked_version(home / "bin" / "java")


def _asked_version(binary: Path) -> int | None:
    try:
        answer = subprocess.run([str(binary), "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(answer.stderr + answer.stdout)
