"""Metrics of the history's sink, declared once per process."""

from __future__ import annotations

from veilocity import metrics

__all__ = ["CONNECTED", "MAINTAINED", "READINGS"]

READINGS = metrics.counter("history_readings", "Fixes that the sink of the sensor history read, by what became of them.", "outcome")
CONNECTED = metrics.gauge("history_connected", "Whether the sink of the sensor history writes (1) or waits for PostgreSQL (0).")
MAINTAINED = metrics.counter("history_dropped_days", "Days of a tier of the sensor history that were dropped.")
