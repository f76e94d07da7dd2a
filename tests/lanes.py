"""Run all tests in two lanes at once: those that wait for servers, and those that only compute.

The first lane starts Kafka, stores, Spark and browsers and often waits for them; the second has work for the other core meanwhile. With arguments
there is one lane, and they are pytest's: `python -m tests.lanes tests/unit -k lock`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

PYTEST = (sys.executable, "-m", "pytest", "--hypothesis-seed=0")
WITH_SERVERS = ("tests/e2e", "tests/integration", "tests/regression")


def main(arguments: list[str]) -> int:
    """Return pytest's exit code: of both lanes, the worse."""
    if arguments:
        return subprocess.run([*PYTEST, *arguments], check=False).returncode  # noqa: S603  # what its user asks for
    with tempfile.TemporaryFile() as told:
        computing = _start(*(f"--ignore={folder}" for folder in WITH_SERVERS), told=told)
        try:
            codes = [_start(*WITH_SERVERS).wait(), computing.wait()]
        finally:
            computing.kill()
            told.seek(0)
            sys.stdout.flush()
            sys.stdout.buffer.write(told.read())
            sys.stdout.flush()
    return max(codes, key=abs)


def _start(*arguments: str, told: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*PYTEST, *arguments], cwd=Path(__file__).parents[1], stdout=told, stderr=told)  # noqa: S603  # our own tests


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
