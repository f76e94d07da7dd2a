"""Groups of alike people by k-means of Spark ML, and how many groups there are. Deterministic: fixed seeds, one partition, sorted rows.

Tried are 2 to `most` groups, each from two seeds, of which the one with the least cost counts. The number with the highest silhouette
(squared Euclidean, as Spark's evaluator has it) is taken; of equal ones the smallest. Below 0.4 the people have no groups worth a name,
and are one.

Source: Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20 (1987); Bahmani et al., "Scalable k-means++", VLDB 2012.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import DataFrame, SparkSession

from privacy.segments.behaviour import FEATURES, Matrix

__all__ = ["LEAST_SILHOUETTE", "Labels", "clustered"]

Labels = NDArray[np.int64]
LEAST_SILHOUETTE = 0.4
_SEEDS = (17, 18)
_ITERATIONS = 20
_PLACE = "place"


def clustered(spark: SparkSession, vectors: Matrix, most: int) -> Labels:
    """Return the number of the group of each row.

    Args:
        spark: a session.
        vectors: of `standardised`, one row a person, sorted.
        most: groups, at most.
    """
    labels = np.zeros(len(vectors), dtype=np.int64)
    distinct = len(np.unique(vectors, axis=0))
    if distinct < 2:
        return labels
    columns = {name: pa.array(vectors[:, number]) for number, name in enumerate(FEATURES)}
    table = pa.table({_PLACE: pa.array(np.arange(len(vectors))), **columns})
    frame = spark.createDataFrame(table).coalesce(1).sortWithinPartitions(_PLACE)
    frame = VectorAssembler(inputCols=list(FEATURES), outputCol="features").transform(frame).select(_PLACE, "features").persist()
    best = LEAST_SILHOUETTE
    try:
        for count in range(2, min(most, distinct) + 1):
            silhouette, found = _parted(frame, count)
            # More groups must be clearly better, not by the last digit of a sum.
            if silhouette > best + 1e-6:
                best, labels = silhouette, found
    finally:
        frame.unpersist()
    return labels


def _parted(frame: DataFrame, count: int) -> tuple[float, Labels]:
    """Return the silhouette and the groups of the cheapest of several beginnings."""
    models = [KMeans(k=count, seed=seed, maxIter=_ITERATIONS).fit(frame) for seed in _SEEDS]
    model = min(models, key=lambda one: round(one.summary.trainingCost, 6))
    told = model.transform(frame)
    rows = told.select(_PLACE, "prediction").toArrow()
    labels = np.zeros(rows.num_rows, dtype=np.int64)
    labels[rows.column(_PLACE).to_numpy()] = rows.column("prediction").to_numpy()
    if len(np.unique(labels)) < 2:
        return 0.0, labels
    return float(ClusteringEvaluator().evaluate(told)), labels
