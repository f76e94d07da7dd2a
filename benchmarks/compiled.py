"""A copy of the engine's source, compiled by mypyc as `VEILOCITY_COMPILE=1 pip install .` compiles it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "build"]

ROOT = Path(__file__).parents[1]
_COPIED = ("rules", "veilocity", "ingest", "benchmarks", "stubs", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def build(folder: Path) -> None:
    """Copy what the engine needs into a folder and compile it there; half a minute.

    Raises:
        subprocess.CalledProcessError: it does not compile.
    """
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(source, folder / name)
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    environment = {**os.environ, "VEILOCITY_COMPILE": "1"}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True, timeout=500)
