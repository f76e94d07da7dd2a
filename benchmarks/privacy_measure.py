"""How long it takes to measure k, l and t of a table, beside pyCANON on the same file: `python -m benchmarks.privacy_measure PYTHON`.

PYTHON is the interpreter of an environment with pycanon 1.3.5 (`uv venv DIR; uv pip install --python DIR/bin/python pycanon==1.3.5`); it is
never the project's own. Both read the adult file, 30,162 rows, with six quasi-identifiers; results must be equal before a ratio is given.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pandas as pd

from benchmarks.figures import Figure, write
from privacy.measure import k_anonymity, l_diversity, measure, t_closeness

__all__ = ["figures", "main"]

_FILE = Path("adult", "adult.csv")
_QUASI = ["age", "education", "native-country", "workclass", "race", "sex"]
_SENSITIVE = "occupation"
_PEER = Path(__file__).parent / "peers" / "pycanon_run.py"
_REPEATS = 7


class _Peer(msgspec.Struct):
    version: str
    k: float
    l: float  # noqa: E741  # the name of the measure
    t: float
    seconds: dict[str, float]


def _best_s(work: Callable[[], object]) -> float:
    """Return the least seconds of some runs: noise only ever slows a run down."""
    best = float("inf")
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def _peer(python: str, file: Path) -> _Peer:
    command = [python, str(_PEER), str(file), ",".join(_QUASI), _SENSITIVE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return msgspec.json.decode(done.stdout, type=_Peer)


def figures(python: str | None = None) -> list[Figure]:
    """Measure and return the figures.

    Args:
        python: interpreter that has pyCANON; without it only our own time is measured.

    Raises:
        ValueError: pyCANON and we differ in k, l or t.
    """
    folder = Path(os.environ.get("SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    table = pd.read_csv(folder / _FILE, sep=";")
    parts_s = {
        "k": _best_s(lambda: k_anonymity(table, _QUASI)),
        "l": _best_s(lambda: l_diversity(table, _QUASI, _SENSITIVE)),
        "t": _best_s(lambda: t_closeness(table, _QUASI, _SENSITIVE)),
    }
    found = [Figure("measure.report_ms", round(_best_s(lambda: measure(table, _QUASI, _SENSITIVE)) * 1e3, 2), "ms", "information")]
    if python is None:
        return found + [Figure(f"measure.{name}_ms", round(seconds * 1e3, 2), "ms", "information") for name, seconds in parts_s.items()]
    peer = _peer(python, folder / _FILE)
    ours = (k_anonymity(table, _QUASI), l_diversity(table, _QUASI, _SENSITIVE), t_closeness(table, _QUASI, _SENSITIVE))
    if any(abs(own - other) > 1e-9 for own, other in zip(ours, (peer.k, peer.l, peer.t), strict=True)):
        raise ValueError("pyCANON and we differ in k, l or t: a ratio of times would say nothing")
    name = f"pycanon {peer.version}"
    for part, seconds in parts_s.items():
        figure = Figure(f"measure.{part}_ms", round(seconds * 1e3, 2), "ms", "information", name, round(seconds / peer.seconds[part], 5))
        found.append(figure)
    ratio = sum(peer.seconds.values()) / sum(parts_s.values())
    return [*found, Figure("measure.ratio_to_pycanon", round(ratio, 1), "times", ">= 100", name)]


def main() -> None:
    """Measure and write the figures."""
    write("privacy_measure", figures(sys.argv[1] if len(sys.argv) > 1 else None), ("numpy", "pandas"))


if __name__ == "__main__":
    main()
