"""What a chart shows, in words that every form shares: metrics over buckets of one kind's documents.

Lens, the Dashboards API, Elasticsearch and plain Python each get their form of the same `Chart`, so what is tested in one holds in the
others. What no such chart can show (`storage.kibana.scatter`, `storage.kibana.maps`) is described by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from storage.kibana.objects import Json
from storage.kinds import Kind

__all__ = ["Bucket", "Chart", "Metric", "Operation", "Shape", "Terms", "Times", "Where"]

Operation = Literal["count", "average", "max", "unique_count"]
Shape = Literal["metric", "pie", "donut", "bar", "bar_stacked", "bar_horizontal_stacked", "line", "table"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure."""

    label: str
    operation: Operation = "count"
    field: str | None = None
    """None for a count of documents."""
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """One bucket for each of the most frequent values."""

    field: str
    label: str
    size: int
    rest: bool = False
    """Whether what is left, and what lacks the field, is shown too."""


@dataclass(frozen=True, slots=True)
class Times:
    """One bucket for each stretch of time."""

    minutes: int
    label: str
    field: str = "minute_ms"

    @property
    def interval(self) -> str:
        """The width as Kibana and Elasticsearch write it."""
        return f"{self.minutes}m" if self.minutes % 60 else f"{self.minutes // 60}h"


Bucket = Terms | Times


@dataclass(frozen=True, slots=True)
class Where:
    """Only documents whose field has one of the values, or none of them."""

    field: str
    values: tuple[str, ...]
    negated: bool = False

    def kql(self) -> str:
        """Return it in Kibana's query language.

        >>> Where("state", ("retracted",), negated=True).kql()
        'not state : ("retracted")'
        """
        values = " or ".join(f'"{value}"' for value in self.values)
        return f"{'not ' if self.negated else ''}{self.field} : ({values})"

    def clause(self) -> Json:
        """Return it as a clause of Elasticsearch's."""
        found: Json = {"terms": {self.field: list(self.values)}}
        return {"bool": {"must_not": [found]}} if self.negated else found

    def holds(self, value: object) -> bool:
        """Whether a document with this value is shown."""
        return (value in self.values) is not self.negated


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. Buckets lie inside each other in the order in which they stand, the outermost first."""

    name: str
    title: str
    note: str
    """What a reader must know to read it rightly; shown on the panel."""
    kind: Kind[Any]
    shape: Shape
    metrics: tuple[Metric, ...]
    buckets: tuple[Bucket, ...] = ()
    where: Where | None = None

    def query(self) -> Json:
        """Return the body of the search that answers the chart: the same aggregations as Kibana's.

        >>> from storage.kinds import TRANSACTIONS
        >>> Chart("n", "", "", TRANSACTIONS, "metric", (Metric("people", "unique_count", "subject"),)).query()["aggs"]
        {'metric_0': {'cardinality': {'field': 'subject'}}}
        """
        body: Json = {"size": 0, "track_total_hits": True, "aggs": self._aggregations()}
        if self.where is not None:
            body["query"] = {"bool": {"filter": [self.where.clause()]}}
        return body

    def _aggregations(self) -> Json:
        inner: Json = {f"metric_{number}": _figure(metric) for number, metric in enumerate(self.metrics) if metric.operation != "count"}
        for number, bucket in reversed(list(enumerate(self.buckets))):
            inner = {f"bucket_{number}": {**self._bucket(bucket), **({"aggs": inner} if inner else {})}}
        return inner

    def _bucket(self, bucket: Bucket) -> Json:
        if isinstance(bucket, Times):
            times: Json = {"field": bucket.field, "fixed_interval": bucket.interval, "time_zone": "UTC", "min_doc_count": 1}
            return {"date_histogram": times}
        terms: Json = {"field": bucket.field, "size": bucket.size, "order": {"_count": "desc"}}
        return {"terms": {**terms, "missing": "__missing__"} if bucket.rest else terms}


def _figure(metric: Metric) -> Json:
    name = {"average": "avg", "max": "max", "unique_count": "cardinality"}[metric.operation]
    return {name: {"field": metric.field}}
