"""Turns what servers print when they cannot start into a sentence that says what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from veilocity.errors import DependencyError, FatalError, PortTakenError, ServiceUnavailableError, StateError, VeilocityError

__all__ = ["FATAL_EXIT", "explain", "last_lines", "unstartable"]


FATAL_EXIT = 2
"""What our services exit with when nothing gets better by waiting: the command line says so for veilocity.errors.FatalError."""

_OWN = "veilocity: "
"""How the command line begins the sentence with which it ends."""


@dataclass(frozen=True, slots=True)
class _Known:
    pattern: str
    error: type[VeilocityError]
    sentence: str


_KNOWN = (
    _Known(
        r"Socket server failed to bind|Address already in use|Connection in use|BindException|BindHttpException",
        PortTakenError,
        "{name} found its port taken by another program: start again, or end that program",
    ),
    _Known(
        r"failed to obtain node locks",
        StateError,
        "the data folder of {name} is used by another Elasticsearch, or is not writable: end that one, "
        "or set VEILOCITY_STATE_DIR to another folder",
    ),
    _Known(
        r"WiredTiger database is already being managed by another process|Resource busy",
        StateError,
        "the data folder of {name} is used by another server: end that one, or set VEILOCITY_STATE_DIR to another folder",
    ),
    _Known(
        r"Failed to acquire lock on file",
        StateError,
        "the data folder of {name} is used by another Kafka: end that one, or set VEILOCITY_STATE_DIR to another folder",
    ),
    _Known(
        r"No space left on device",
        DependencyError,
        "{name} found the disk full: free some space, or set VEILOCITY_STATE_DIR to a folder on another disk",
    ),
    _Known(
        r"java\.lang\.OutOfMemoryError|Terminating due to java|Cannot allocate memory|There is insufficient memory",
        DependencyError,
        "{name} got no memory: the whole system needs about 3 GB free",
    ),
    _Known(
        r"UnsupportedClassVersionError",
        DependencyError,
        "{name} was started on a Java that is too old for it: set JAVA_HOME to a newer JDK",
    ),
    _Known(
        r"Meta\.properties.*cluster\.id|Invalid cluster\.id",
        StateError,
        "the data folder of {name} belongs to another cluster: start with --fresh to begin with empty data",
    ),
)


def explain(name: str, exit_code: int | None, log: Path) -> VeilocityError:
    """Return the error to raise when `name` ended while it was starting.

    Args:
        name: the process, as people know it.
        exit_code: how it ended; None when it still runs but never became ready.
        log: what it printed.
    """
    text = last_lines(log, 200)
    own = re.findall(rf"^{_OWN}(.+)$", text, re.MULTILINE)
    if own and exit_code:
        # A service of ours has found the sentence itself.
        kind = FatalError if exit_code == FATAL_EXIT else ServiceUnavailableError
        return kind(f"{name}: {own[-1]} (log: {log})")
    for known in _KNOWN:
        if re.search(known.pattern, text):
            return known.error(f"{known.sentence.format(name=name)} (log: {log})")
    how = "does not answer" if exit_code is None else f"ended with code {exit_code} while it was starting"
    said = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it printed nothing")
    return ServiceUnavailableError(f"{name} {how}; its last line: {said[:300]} (log: {log})")


def unstartable(name: str, cause: OSError) -> VeilocityError:
    """Return the error to raise when the program of `name` cannot even be started."""
    return DependencyError(f"{name} cannot be started ({cause.strerror}: {cause.filename}): empty the cache folder and start again")


def last_lines(log: Path, count: int) -> str:
    """Return the end of a log file, at most `count` lines; nothing when there is none."""
    try:
        with log.open("rb") as file:
            size_bytes = file.seek(0, 2)
            file.seek(max(0, size_bytes - 400 * count))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-count:])
