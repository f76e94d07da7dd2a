"""The seven panels of a fraud pipeline: how many, when, what share, by which method, from where, and the last hundred.

Counts come from Prometheus. A record has no place in a metric, so the table reads Elasticsearch, where payments are masked. Countries are
those of merchants, each named once k people have paid there (docs/adr/0015).
"""

from __future__ import annotations

from veilocity.monitoring.expressions import share
from veilocity.monitoring.panels import ELASTICSEARCH, Dashboard, Panel, Row, Target, bar_chart, bar_gauge, gauge, lines, number, table

__all__ = ["COLUMNS", "FRAUD_PIPELINE", "TIME_FIELD"]

TIME_FIELD = "minute_ms"
COLUMNS = {
    TIME_FIELD: "minute (UTC)",
    "severity": "severity",
    "score": "score",
    "reasons": "reasons",
    "amount": "amount",
    "currency": "currency",
    "channel": "channel",
    "category": "category",
    "country": "country",
    "place.cell": "cell",
    "_id": "payment",
}
"""Fields of a masked payment to headings of the table."""

_FLAGGED = 'sum(increase(veilocity_rules_decisions_total{verdict="flagged"}[10m]))'
_DECIDED = 'sum(increase(veilocity_rules_decisions_total{verdict!="amended"}[10m]))'
_BY_CHANNEL = share(
    'sum by (channel) (increase(veilocity_privacy_channel_payments_total{verdict="flagged"}[10m]))',
    "sum by (channel) (increase(veilocity_privacy_channel_payments_total[10m]))",
)
_BY_COUNTRY = 'sum by (country) (increase(veilocity_privacy_country_payments_total{verdict="flagged"}[10m]))'
_NAMED = 'sum by (country) (increase(veilocity_privacy_country_payments_total{verdict="flagged",country!~"other|none"}[10m])) > 0'
_WARN = {"thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": 0.2}]}}


def _map() -> Panel:
    marker = {
        "size": {"fixed": 6, "min": 6, "max": 24, "field": "Value"},
        "color": {"fixed": "dark-red"},
        "opacity": 0.6,
        "symbol": {"fixed": "img/icons/marker/circle.svg", "mode": "fixed"},
        "text": {"field": "country", "fixed": "", "mode": "field"},
    }
    place = {"mode": "lookup", "lookup": "country", "gazetteer": "public/gazetteer/countries.json"}
    # The shapes of countries come with Grafana: they show where the base map's tiles cannot be fetched.
    shapes = {"type": "geojson", "name": "countries", "config": {"src": "public/maps/countries.geojson", "rules": []}, "tooltip": False}
    options = {
        "view": {"id": "zero", "lat": 30, "lon": 0, "zoom": 1.5, "allLayers": True},
        "controls": {"showZoom": True, "mouseWheelZoom": True, "showAttribution": True},
        "basemap": {"type": "default", "name": "base map"},
        "layers": [
            shapes,
            {
                "type": "markers",
                "name": "flagged",
                "location": place,
                "config": {"style": marker, "showLegend": False},
                "tooltip": True,
            },
        ],
        "tooltip": {"mode": "details"},
    }
    target = Target(_NAMED, instant=True, as_table=True)
    return Panel("geomap", "Flagged by country, last 10 min", (target,), options=options, width=12, height=10)


def _last_hundred() -> Panel:
    question = {
        "query": "verdict:flagged",
        "timeField": TIME_FIELD,
        "metrics": [{"id": "1", "type": "raw_data", "settings": {"size": "100"}}],
        "bucketAggs": [],
    }
    return table(
        "Last 100 flagged payments",
        COLUMNS,
        description="Masked records from Elasticsearch. They are pseudonyms of somebody's doing, not anonymous.",
        width=24,
        height=10,
        questions=(question,),
        source=ELASTICSEARCH,
    )


FRAUD_PIPELINE = Dashboard(
    "fraud-pipeline",
    "Fraud pipeline",
    "Payments that were flagged in the last ten minutes.",
    (
        Row(
            "Flagged payments",
            (
                number(
                    "Flagged, last 10 min",
                    "short",
                    _FLAGGED,
                    description="By the first answer to a payment.",
                    width=6,
                    height=7,
                    defaults={"decimals": 0},
                ),
                lines(
                    "Flagged over time",
                    "short",
                    Target('sum(increase(veilocity_rules_decisions_total{verdict="flagged"}[1m]))', "flagged in a minute"),
                    width=12,
                ),
                gauge("Flagged share, last 10 min", "percentunit", share(_FLAGGED, _DECIDED), 0, 1, width=6, defaults=_WARN),
                bar_gauge(
                    "Flagged share by channel, last 10 min",
                    "percentunit",
                    Target(_BY_CHANNEL, "{{channel}}", instant=True),
                    width=6,
                    height=10,
                    defaults={"min": 0, "max": 1, **_WARN},
                ),
                _map(),
                bar_chart("Flagged by country, last 10 min", "short", f"topk(15, {_BY_COUNTRY} > 0)", "country", width=6, height=10),
                _last_hundred(),
            ),
        ),
    ),
    since="now-10m",
)
