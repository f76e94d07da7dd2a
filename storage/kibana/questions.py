"""What a panel asks Elasticsearch, how its answer is read, and the same answer computed from the documents in plain Python.

So a panel can be held to known answers on a real Elasticsearch, without a Kibana.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from storage.kibana.charts import Bucket, Chart, Metric, Times
from storage.kibana.objects import Json
from storage.kinds import Kind

__all__ = ["MISSING", "Question", "Row", "value_at"]

Row = tuple[Any, ...]
"""The keys of the buckets, outermost first, then the metrics."""
MISSING = "__missing__"
"""Key of what lacks the field, as Kibana asks for it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One search, and two ways to its answer."""

    name: str
    kind: Kind[Any]
    body: Json
    read: Callable[[Json], list[Row]]
    """From the answer of Elasticsearch."""
    reckon: Callable[[Sequence[Json]], list[Row]]
    """From the documents."""

    @classmethod
    def of(cls, chart: Chart) -> Question:
        """Return the question of a chart."""

        def read(answer: Json) -> list[Row]:
            return list(_read(chart, answer.get("aggregations", {}), answer["hits"]["total"]["value"], 0))

        def reckon(documents: Sequence[Json]) -> list[Row]:
            where = chart.where
            shown = [each for each in documents if where is None or where.holds(value_at(each, where.field))]
            return list(_reckon(chart, shown, chart.buckets))

        return cls(chart.name, chart.kind, chart.query(), read, reckon)


def value_at(document: Json, path: str) -> Any:
    """Return the value of a field by its full name, None where it or its holder is null.

    >>> value_at({"place": {"cell": "87"}}, "place.cell"), value_at({"place": None}, "place.cell")
    ('87', None)
    """
    value: Any = document
    for name in path.split("."):
        value = None if value is None else value.get(name)
    return value


def _read(chart: Chart, found: Json, count: int, depth: int) -> Iterator[Row]:
    if depth == len(chart.buckets):
        yield tuple(count if each.operation == "count" else found[f"metric_{number}"]["value"] for number, each in enumerate(chart.metrics))
        return
    for bucket in found[f"bucket_{depth}"]["buckets"]:
        for row in _read(chart, bucket, bucket["doc_count"], depth + 1):
            yield (bucket["key"], *row)


def _reckon(chart: Chart, documents: Sequence[Json], buckets: Sequence[Bucket]) -> Iterator[Row]:
    if not buckets:
        yield tuple(_figure(metric, documents) for metric in chart.metrics)
        return
    for key, group in _split(buckets[0], documents):
        for row in _reckon(chart, group, buckets[1:]):
            yield (key, *row)


def _split(bucket: Bucket, documents: Sequence[Json]) -> Iterator[tuple[Any, list[Json]]]:
    keyed = [(_key(bucket, document), document) for document in documents]
    counts = Counter(key for key, _ in keyed if key is not None)
    if isinstance(bucket, Times):
        chosen = sorted(counts)
    else:
        # As Elasticsearch does: the most frequent first, equal ones by their keys.
        chosen = sorted(counts, key=lambda key: (-counts[key], key))[: bucket.size]
    for key in chosen:
        yield key, [document for found, document in keyed if found == key]


def _key(bucket: Bucket, document: Json) -> Any:
    value = value_at(document, bucket.field)
    if isinstance(bucket, Times):
        return None if value is None else value - value % (bucket.minutes * 60_000)
    return MISSING if value is None and bucket.rest else value


def _figure(metric: Metric, documents: Sequence[Json]) -> float | None:
    if metric.field is None:
        return len(documents)
    values: list[float] = [value for document in documents if (value := value_at(document, metric.field)) is not None]
    if metric.operation == "unique_count":
        return len(set(values))
    if not values:
        return None
    return max(values) if metric.operation == "max" else sum(values) / len(values)
