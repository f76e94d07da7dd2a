"""Every sketch beside the library that people would take instead, in one run. Run it with `make bench-sketches`."""

from __future__ import annotations

from benchmarks import (
    sketches_distinct,
    sketches_frequency,
    sketches_membership,
    sketches_sampling,
    sketches_similarity,
    sketches_spark,
)
from benchmarks.figures import write

__all__ = ["main"]

_FAMILIES = (sketches_membership, sketches_sampling, sketches_distinct, sketches_frequency, sketches_similarity, sketches_spark)


def main() -> None:
    """Measure and write the figures."""
    figures = [figure for family in _FAMILIES for figure in family.figures()]
    write("sketches", figures, ("numpy", "xxhash", "pybloom-live", "datasketch", "datasketches", "pyspark"))


if __name__ == "__main__":
    main()
