"""How a benchmark keeps what it measured: one JSON file per benchmark, a list of figures, never edited by hand."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

__all__ = ["RESULTS", "Figure", "percentile", "write"]

RESULTS = Path(__file__).parent / "results"


class Figure(msgspec.Struct, frozen=True):
    """One measured number, with what it must be compared to."""

    figure: str
    value: float
    unit: str
    target: str
    """What it should be, such as `>= 1500` or `<= 300`."""
    peer: str | None = None
    """What was measured beside it in the same run."""
    ratio: float | None = None
    """Value divided by the peer's value."""


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that is at least as large as `share` (0..1) of all values (nearest rank).

    >>> percentile([4.0, 1.0, 3.0, 2.0], 0.5), percentile([4.0, 1.0, 3.0, 2.0], 0.99)
    (2.0, 4.0)
    """
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def write(name: str, figures: list[Figure], packages: tuple[str, ...], tools: dict[str, str] | None = None) -> Path:
    """Write `benchmarks/results/NAME.json` and print the figures.

    Args:
        name: of the benchmark.
        figures: what it measured.
        packages: installed distributions whose versions matter.
        tools: versions of servers and other programs.
    """
    versions = {"python": platform.python_version(), **{package: version(package) for package in packages}, **(tools or {})}
    about = {"versions": versions, "cores": len(os.sched_getaffinity(0)), "date": f"{datetime.now(tz=UTC):%Y-%m-%d}", "commit": _commit()}
    rows = [{**msgspec.to_builtins(figure), **about} for figure in figures]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n")
    for figure in figures:
        print(f"{figure.figure:32} {figure.value:12,.1f} {figure.unit:10} target {figure.target}")
    return path


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607  # git by PATH
    return found.stdout.strip() or "unknown"
