"""A uniform sample of exactly so many rows, drawn where the rows are.

Each row gets a priority, and the rows with the smallest ones are the sample: every partition keeps its own smallest, and only those travel.
Spark's `takeSample` counts all rows first, draws too many, and collects them; `sample` draws a share and not a number.

Guarantee: min(size, n) of the n rows, each subset of that size with the same probability. With `identity`, the priority is a hash of those
columns, so the sample is a function of the set of rows and the seed alone, whatever the partitions and their order. The columns must tell
the rows apart; of rows that they do not tell apart, all have the same priority.

Reference: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql.functions import col, lit, rand, xxhash64

from veilocity.errors import SketchMismatchError

__all__ = ["fixed_size_sample"]

_PRIORITY = "sample_priority"


def fixed_size_sample(frame: DataFrame, size: int, seed: int, identity: Sequence[str] = ()) -> DataFrame:
    """Return so many rows, uniformly drawn without replacement; all where there are fewer.

    Args:
        frame: batch DataFrame.
        size: rows wanted, at least 1.
        seed: the same one draws the same rows from the same partitions, with `identity` from any.
        identity: columns that tell the rows apart.

    Raises:
        SketchMismatchError: no row is asked for.
    """
    if size < 1:
        raise SketchMismatchError("a sample has at least one row: ask for 1 or more")
    priority = xxhash64(lit(seed), *(col(name) for name in identity)) if identity else rand(seed)
    return frame.withColumn(_PRIORITY, priority).orderBy(_PRIORITY).limit(size).drop(_PRIORITY)
