"""The pairs of rows whose feature sets are alike: MinHash bands find candidates, exact Jaccard similarity verifies each.

Guarantee: every pair returned has the similarity that stands beside it, exactly. A pair at or above the wanted similarity is found with
probability at least the recall of the bands (`sketches.minhash.solve_bands`), except in a bucket of more than `NEIGHBOURS` rows, where each
is compared with its `NEIGHBOURS` predecessors by id only: that keeps the work linear where thousands of rows are the same.

References: as `sketches.minhash`; Spark's MLlib joins on single hash values ("or" of tables only), which is the case of one row per band.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql.functions import array_distinct, array_intersect, col, row_number, size

from sketches.hashing import hash_column
from sketches.minhash import Bands, signatures, solve_bands

__all__ = ["NEIGHBOURS", "similar_pairs"]

Batches = Iterable[pa.RecordBatch]
NEIGHBOURS = 32
PLACES = 128


def similar_pairs(
    frame: DataFrame, identity: str, features: str, similarity: float, wanted_recall: float = 0.99, seed: int = 1
) -> DataFrame:
    """Return `first`, `second` (ids, the smaller first) and `similarity` of the pairs that are alike.

    Args:
        frame: batch DataFrame; read more than once, so cache what is dear.
        identity: column of the row's id, unique.
        features: column of its features, an array of text; rows without any are left out.
        similarity: Jaccard similarity from which two rows are alike, in (0, 1).
        wanted_recall: chance with which a pair exactly at `similarity` must be found.
        seed: of the signatures.

    Raises:
        SketchMismatchError: no cut into bands reaches the recall.
    """
    bands = solve_bands(similarity, PLACES, wanted_recall)
    sets = frame.select(col(identity).alias("id"), array_distinct(features).alias("features")).where(size("features") > 0)
    id_type = sets.schema["id"].dataType.simpleString()
    keys = sets.mapInArrow(_band_keys(bands, seed), f"id {id_type}, band int, bucket bigint")
    placed = keys.withColumn("place", row_number().over(Window.partitionBy("band", "bucket").orderBy("id")))
    left, right = placed.alias("left"), placed.alias("right")
    near = (
        (col("left.band") == col("right.band"))
        & (col("left.bucket") == col("right.bucket"))
        & (col("left.place") < col("right.place"))
        & (col("left.place") >= col("right.place") - NEIGHBOURS)
    )
    candidates = left.join(right, near).select(col("left.id").alias("first"), col("right.id").alias("second")).distinct()
    with_first = candidates.join(sets.select(col("id").alias("first"), col("features").alias("these")), "first")
    both = with_first.join(sets.select(col("id").alias("second"), col("features").alias("those")), "second")
    shared = size(array_intersect("these", "those"))
    found = both.select("first", "second", (shared / (size("these") + size("those") - shared)).alias("similarity"))
    return found.where(col("similarity") >= similarity)


def _band_keys(bands: Bands, seed: int) -> Callable[[Batches], Batches]:
    def keys(batches: Batches) -> Batches:
        for batch in batches:
            lists: list[Any] = batch.column("features").to_pylist()
            sets = [frozenset(features) for features in lists]
            if not sets:
                continue
            rows = signatures(sets, PLACES, seed)
            for band in range(bands.bands):
                cut = rows[:, band * bands.rows : (band + 1) * bands.rows]
                buckets = hash_column([row.tobytes() for row in cut], band).view("int64")
                numbers = pa.array([band] * len(sets), pa.int32())
                yield pa.RecordBatch.from_arrays([batch.column("id"), numbers, pa.array(buckets)], ["id", "band", "bucket"])

    return keys
