"""Any sketch as an aggregation: each partition builds one and hands on its bytes, which are merged in a tree of neighbours.

Live objects never travel: what a task gets is the class and the bytes of an empty sketch, so parameters and seed are the same everywhere.

Guarantee: the result has the bytes of `merge_tree` over one sketch per partition, in the order of the partitions. For a sketch whose merge
is exact that is the sketch of the whole column, whatever the partitions. A task that is tried again hands on the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql.functions import col, floor
from pyspark.sql.types import BinaryType, IntegerType, StructField, StructType

from sketches.contract import Sketch
from veilocity.errors import SketchMismatchError

__all__ = ["FAN_IN", "aggregate", "aggregate_by", "merge_tree"]

S = TypeVar("S", bound=Sketch)
Batches = Iterable[pa.RecordBatch]
FAN_IN = 8
"""So many sketches are merged by one task."""
_PART, _SKETCH = "sketch_part", "sketch"
_COLUMNS = (StructField(_PART, IntegerType(), nullable=False), StructField(_SKETCH, BinaryType(), nullable=False))


def merge_tree(parts: Sequence[S]) -> S:
    """Return the merge of sketches, eight neighbours at a time, as `aggregate` merges those of the partitions.

    Args:
        parts: at least one; they stay as they are.

    >>> from sketches.hyperloglog import HyperLogLog
    >>> parts = [HyperLogLog(precision=12, seed=1) for _ in range(3)]
    >>> for part, names in zip(parts, (["ann", "ben"], ["ben"], ["cleo"]), strict=True):
    ...     part.update_batch(names)
    >>> round(merge_tree(parts).estimate())
    3
    """
    level = list(parts)
    while len(level) > 1:
        level = [_merged(level[start : start + FAN_IN]) for start in range(0, len(level), FAN_IN)]
    return level[0].clone()


def aggregate(frame: DataFrame, columns: str | Sequence[str], empty: S) -> S:
    """Return the sketch of a column.

    Args:
        frame: batch DataFrame.
        columns: the column of the items; several where an item is a tuple, such as an item and its weight.
        empty: a sketch of the wanted parameters that has taken nothing in.
    """
    names, count = _names(columns), frame.rdd.getNumPartitions()
    parts = frame.select(*names).mapInArrow(_builder(type(empty), empty.to_bytes()), StructType([*_COLUMNS]))
    while count > FAN_IN:
        count = -(-count // FAN_IN)
        parts = parts.withColumn(_PART, floor(col(_PART) / FAN_IN).cast("int"))
        parts = parts.groupBy(_PART).applyInArrow(_merger(type(empty)), StructType([*_COLUMNS]))
    rows = sorted(parts.collect(), key=lambda row: row[_PART])
    found = [type(empty).from_bytes(bytes(row[_SKETCH])) for row in rows]
    return merge_tree(found) if found else empty.clone()


def aggregate_by(frame: DataFrame, keys: Sequence[str], columns: str | Sequence[str], empty: Sketch) -> DataFrame:
    """Return a DataFrame of the keys and of the column `sketch`: the bytes of one sketch per group.

    A task holds one sketch for each group it has rows of.

    Args:
        frame: batch DataFrame.
        keys: columns of the group.
        columns: as for `aggregate`.
        empty: as for `aggregate`.

    Raises:
        SketchMismatchError: no key is given: that is `aggregate`.
    """
    if not keys:
        raise SketchMismatchError("groups need a key: use aggregate for the sketch of the whole column")
    names = _names(columns)
    fields = [frame.schema[key] for key in keys]
    build = _group_builder(type(empty), empty.to_bytes(), list(keys), names)
    selected = frame.select(*dict.fromkeys([*keys, *names]))
    parts = selected.mapInArrow(build, StructType([*fields, *_COLUMNS]))
    merged = parts.groupBy(*keys).applyInArrow(_merger(type(empty)), StructType([*fields, *_COLUMNS]))
    return merged.select(*keys, _SKETCH)


def _names(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _merged(parts: Sequence[S]) -> S:
    total = parts[0].clone()
    for part in parts[1:]:
        total.merge(part)
    return total


def _feed(sketch: Sketch, columns: list[Any]) -> None:
    if len(columns) == 1:
        sketch.update_batch(columns[0])
    else:
        rows: list[Any] = list(zip(*(column.to_pylist() for column in columns), strict=True))
        sketch.update_batch(rows)


def _part() -> int:
    context = TaskContext.get()
    return context.partitionId() if context is not None else 0


def _builder(kind: type[Sketch], empty: bytes) -> Callable[[Batches], Batches]:
    def build(batches: Batches) -> Batches:
        sketch = kind.from_bytes(empty)
        for batch in batches:
            _feed(sketch, batch.columns)
        yield pa.RecordBatch.from_pydict({_PART: pa.array([_part()], pa.int32()), _SKETCH: pa.array([sketch.to_bytes()], pa.binary())})

    return build


def _group_builder(kind: type[Sketch], empty: bytes, keys: list[str], names: list[str]) -> Callable[[Batches], Batches]:
    def build(batches: Batches) -> Batches:
        groups: dict[tuple[Any, ...], Sketch] = {}
        types: list[pa.DataType] = []
        for batch in batches:
            types = [batch.schema.field(key).type for key in keys]
            rows: dict[tuple[Any, ...], list[int]] = {}
            for index, key in enumerate(zip(*(batch.column(name).to_pylist() for name in keys), strict=True)):
                rows.setdefault(key, []).append(index)
            for key, indices in rows.items():
                sketch = groups.get(key)
                if sketch is None:
                    sketch = groups[key] = kind.from_bytes(empty)
                _feed(sketch, [batch.column(name).take(pa.array(indices)) for name in names])
        if groups:
            columns = [pa.array(values, type_) for values, type_ in zip(zip(*groups, strict=True), types, strict=True)]
            part = pa.array([_part()] * len(groups), pa.int32())
            sketches = pa.array([sketch.to_bytes() for sketch in groups.values()], pa.binary())
            yield pa.RecordBatch.from_arrays([*columns, part, sketches], [*keys, _PART, _SKETCH])

    return build


def _merger(kind: type[Sketch]) -> Callable[[pa.Table], pa.Table]:
    def merge(rows: pa.Table) -> pa.Table:
        ordered = rows.sort_by(_PART)
        saved: list[Any] = ordered.column(_SKETCH).to_pylist()
        total = merge_tree([kind.from_bytes(data) for data in saved])
        first = ordered.slice(0, 1)
        return first.set_column(first.schema.get_field_index(_SKETCH), _SKETCH, pa.array([total.to_bytes()], pa.binary()))

    return merge
