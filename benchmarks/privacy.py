"""The privacy room beside its peers, in one run. Run it with `make bench-privacy`, which makes the peers an environment of their own.

The peers (pycanon, ff3) need older libraries than this project has, so they live in `.veilocity/peers` and are asked by subprocess.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import privacy_identifiers, privacy_kanon, privacy_measure
from benchmarks.figures import write

__all__ = ["main"]


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="Python of the environment that has the peers")
    chosen = parser.parse_args()
    figures = [
        *privacy_kanon.figures(),
        *privacy_measure.figures(str(chosen.peers) if chosen.peers else None),
        *privacy_identifiers.figures(chosen.peers),
    ]
    write("privacy", figures, ("numpy", "numba", "pandas", "cryptography"), {"pycanon": "1.3.5", "ff3": "1.0.3"})


if __name__ == "__main__":
    main()
