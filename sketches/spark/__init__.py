"""Sketches over DataFrames: built where the rows are, shipped as bytes, merged in a tree.

- `aggregate`, `aggregate_by`: one sketch of a column, or one per group.
- `SketchStream`: the sketch of a stream, exact under replay of a micro-batch.
- `fixed_size_sample`: exactly so many rows, uniformly drawn, without a second pass.
- `similar_pairs`: the pairs of rows whose feature sets are alike, every pair verified.

A sketch that Spark builds has the bytes that plain Python builds from the same partitions (`merge_tree`).
"""

from sketches.spark.aggregate import aggregate, aggregate_by, merge_tree
from sketches.spark.sample import fixed_size_sample
from sketches.spark.similarity import similar_pairs
from sketches.spark.streaming import SketchStream

__all__ = ["SketchStream", "aggregate", "aggregate_by", "fixed_size_sample", "merge_tree", "similar_pairs"]
