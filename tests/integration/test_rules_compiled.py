"""The engine compiled by mypyc says and remembers what the same source does uncompiled, byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.compiled import ROOT, build


def _day(folder: Path) -> list[str]:
    script = ROOT / "tests/integration/compiled_day.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: the engine runs uncompiled here")
@pytest.mark.timeout(600)
def test_compiled_and_plain_say_the_same(tmp_path: Path) -> None:
    build(tmp_path)
    compiled, plain = _day(tmp_path), _day(ROOT)
    assert (compiled[0], plain[0]) == ("False", "True")
    assert int(plain[1]) > 10
    assert compiled[1:] == plain[1:]
