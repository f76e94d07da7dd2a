"""Sensors: mean latitude, longitude and height of the phones, now and as lines. Of k people at least (docs/adr/0015), else a gap."""

from __future__ import annotations

from veilocity.monitoring.panels import Dashboard, Panel, Row, Target, gauge, lines

__all__ = ["SENSORS"]

_PHONES = 'kind!~"transactions|bank-transactions|directory"'
_DIGITS = {"decimals": 6}
_FIGURES = (
    ("latitude", "veilocity_privacy_average_latitude_degrees", "degree", -90.0, 90.0),
    ("longitude", "veilocity_privacy_average_longitude_degrees", "degree", -180.0, 180.0),
    ("altitude", "veilocity_privacy_average_altitude_meters", "lengthm", -100.0, 1_000.0),
)
_ABOUT = "Of the masked places of k people at least, in the newest minute that may be told; a gap where it would tell of fewer."


def _needle(name: str, metric: str, unit: str, low: float, high: float) -> Panel:
    return gauge(f"Average {name}", unit, metric, low, high, defaults=_DIGITS, description=_ABOUT)


def _line(name: str, metric: str, unit: str) -> Panel:
    return lines(name.capitalize(), unit, Target(metric, f"average {name}"), width=24, defaults=_DIGITS, description=_ABOUT)


SENSORS = Dashboard(
    "sensors",
    "Sensors",
    "Where phones are on average. No place of a phone leaves the privacy stage.",
    (
        Row("Averages", tuple(_needle(*figure) for figure in _FIGURES)),
        Row("Over time", tuple(_line(name, metric, unit) for name, metric, unit, _, _ in _FIGURES)),
        Row(
            "Behind them",
            (
                lines(
                    "Readings",
                    "cps",
                    Target(
                        f"sum by (kind, outcome) (rate(veilocity_ingest_items_total{{{_PHONES}}}[$__rate_interval]))",
                        "{{kind}} {{outcome}}",
                    ),
                    width=12,
                ),
                lines(
                    "Minutes of event time",
                    "short",
                    Target("sum by (outcome) (increase(veilocity_privacy_average_minutes_total[5m]))", "{{outcome}}"),
                    description="Withheld where fewer than k people were in it, or fewer than k came, went or moved.",
                    width=12,
                ),
                lines(
                    "Fixes that a tracking server would drop",
                    "cps",
                    Target("sum by (reason) (rate(veilocity_ingest_filtered_fixes_total[$__rate_interval]))", "{{reason}}"),
                    description="Kept here: the name of the filter travels with the fix, and no rule reads it.",
                    width=12,
                ),
                lines(
                    "MQTT messages",
                    "cps",
                    Target("sum by (state) (rate(veilocity_ingest_mqtt_messages_total[$__rate_interval]))", "{{state}}"),
                    width=12,
                ),
                lines(
                    "MQTT bridge",
                    "short",
                    Target("sum(veilocity_ingest_mqtt_connected)", "connected"),
                    Target("sum(increase(veilocity_ingest_mqtt_connections_total[5m]))", "connections in 5 min"),
                    width=12,
                ),
                lines(
                    "Sensor history in PostgreSQL",
                    "cps",
                    Target("sum by (outcome) (rate(veilocity_history_readings_total[$__rate_interval]))", "{{outcome}}"),
                    Target("sum(veilocity_history_connected)", "sinks that write"),
                    Target("sum(increase(veilocity_history_dropped_days_total[5m]))", "days dropped in 5 min"),
                    description="Fixes by what became of them; nothing where no sink of the history runs.",
                    width=12,
                ),
                lines("Phones remembered for the filters", "short", Target("sum(veilocity_ingest_filter_devices)", "phones"), width=12),
            ),
        ),
    ),
)
