"""What pyCANON says of a table and how long it takes: run by `benchmarks.privacy_measure` with a Python that has pyCANON.

It stands alone: pyCANON needs an older SciPy, so it is never installed beside the project.

    PYTHON pycanon_run.py FILE.csv QUASI,QUASI,... SENSITIVE

prints one line of JSON: {"version", "k", "l", "t", "seconds": {"k", "l", "t"}}.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module, metadata

__all__ = ["main"]


def main() -> None:
    """Measure k, l and t, each once."""
    file, quasi, sensitive = sys.argv[1], sys.argv[2].split(","), sys.argv[3]
    anonymity = import_module("pycanon.anonymity")
    table = import_module("pandas").read_csv(file, sep=";")
    found: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for name, function, arguments in (
        ("k", anonymity.k_anonymity, (table, quasi)),
        ("l", anonymity.l_diversity, (table, quasi, [sensitive])),
        ("t", anonymity.t_closeness, (table, quasi, [sensitive])),
    ):
        began = time.perf_counter()
        found[name] = float(function(*arguments))
        seconds[name] = time.perf_counter() - began
    print(json.dumps({"version": metadata.version("pycanon"), **found, "seconds": seconds}))


if __name__ == "__main__":
    main()
