"""Distance against time: one dot for each alert about travel, and the distance that its rule's speed limit allows in that time.

No chart of Lens draws documents as dots over two figures, so this one is Vega-Lite. It asks for the newest thousand alerts and honours what
the dashboard filters by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storage.kibana.charts import Where
from storage.kibana.objects import Json
from storage.kibana.questions import Question, Row, value_at
from storage.kinds import ALERTS, Kind
from storage.mappings import alias

__all__ = ["Scatter"]

_SHOWN = ("rule", "severity", "sentence", "elapsed_s", "distance_m.low", "speed_kmh.low", "speed_limit_kmh", "minute_ms")
_MOST = 1_000
_HOUR_S = 3_600
_KILOMETRES = "least distance in km"
_MUST: list[Any] = ["%dashboard_context-must_clause%", {"range": {"minute_ms": {"%timefilter%": True}}}]


@dataclass(frozen=True, slots=True)
class Scatter:
    """The panel."""

    name: str
    title: str
    note: str
    where: Where
    kind: Kind[Any] = ALERTS

    def query(self) -> Json:
        """Return the body of the search without what the dashboard adds."""
        return self._body([], [])

    def spec(self, prefix: str) -> Json:
        """Return the Vega-Lite specification; what stands between % signs is filled in by Kibana."""
        body = self._body(_MUST, ["%dashboard_context-must_not_clause%"])
        body["query"]["bool"]["filter"].append("%dashboard_context-filter_clause%")
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "data": {"url": {"index": alias(prefix, self.kind), "body": body}, "format": {"property": "hits.hits"}},
            "transform": [
                {"calculate": f"datum._source.elapsed_s / {_HOUR_S}", "as": "hours"},
                {"calculate": "datum._source.distance_m.low / 1000", "as": "distance_km"},
                {"calculate": "datum._source.speed_limit_kmh * datum.hours", "as": "reach_km"},
                {"calculate": "datum._source.severity", "as": "severity"},
                {"calculate": "datum._source.rule", "as": "rule"},
                {"calculate": "datum._source.sentence", "as": "sentence"},
            ],
            "encoding": {"x": _axis("hours", "hours between the two observations")},
            "layer": [_limit(), _dots()],
        }

    def question(self) -> Question:
        """Return what it asks, and how to know the answer."""

        def read(answer: Json) -> list[Row]:
            return sorted(_row(hit["_source"]) for hit in answer["hits"]["hits"])

        def reckon(documents: Sequence[Json]) -> list[Row]:
            travels = [each for each in documents if self.where.holds(each[self.where.field]) and _travels(each)]
            newest = sorted(travels, key=lambda each: each["minute_ms"], reverse=True)[:_MOST]
            return sorted(_row(each) for each in newest)

        return Question(self.name, self.kind, self.query(), read, reckon)

    def _body(self, must: list[Any], must_not: list[Any]) -> Json:
        wanted = [{"exists": {"field": "distance_m.low"}}, {"range": {"elapsed_s": {"gt": 0}}}, self.where.clause()]
        return {
            "size": _MOST,
            "_source": list(_SHOWN),
            "sort": [{"minute_ms": "desc"}],
            "query": {"bool": {"must": [*must], "must_not": [*must_not], "filter": wanted}},
        }


def _travels(document: Json) -> bool:
    return value_at(document, "distance_m.low") is not None and document["elapsed_s"] > 0


def _row(document: Json) -> Row:
    return (document["elapsed_s"], value_at(document, "distance_m.low"), document["rule"], document["severity"])


def _axis(field: str, title: str) -> Json:
    # Minutes and days, a street and an ocean: only a logarithm shows them together, and a speed is a straight line on it.
    return {"field": field, "type": "quantitative", "title": title, "scale": {"type": "log"}}


def _limit() -> Json:
    return {
        "transform": [{"filter": "datum.reach_km > 0"}],
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "#69707D"},
        "encoding": {"y": _axis("reach_km", _KILOMETRES), "detail": {"field": "rule", "type": "nominal"}},
    }


def _dots() -> Json:
    colours = {"domain": ["high", "medium", "low"], "range": ["#BD271E", "#E7664C", "#D6BF57"]}
    shapes = {"domain": ["high", "medium", "low"], "range": ["triangle-up", "square", "circle"]}
    return {
        "transform": [{"filter": "datum.distance_km > 0"}],
        "mark": {"type": "point", "filled": True, "size": 70},
        "encoding": {
            "y": _axis("distance_km", _KILOMETRES),
            "color": {"field": "severity", "type": "nominal", "scale": colours},
            "shape": {"field": "severity", "type": "nominal", "scale": shapes},
            "tooltip": [{"field": "rule", "type": "nominal"}, {"field": "sentence", "type": "nominal"}],
        },
    }
