"""Grafana and Prometheus as code: dashboards, recording rules and alerts, from which `make monitoring` writes the files in `deploy`.

Promise: the same code gives the same bytes; nothing is read but the code. Tests hold that every metric and label exists, that every alert
has a runbook, and that Prometheus takes the rules.
"""

from veilocity.monitoring.files import files, write

__all__ = ["files", "write"]
