"""The dashboards, one per module."""

from veilocity.monitoring.dashboards.fraud_pipeline import FRAUD_PIPELINE
from veilocity.monitoring.dashboards.privacy import PRIVACY
from veilocity.monitoring.dashboards.sensors import SENSORS
from veilocity.monitoring.dashboards.service_health import SERVICE_HEALTH

__all__ = ["DASHBOARDS"]

DASHBOARDS = (SERVICE_HEALTH, FRAUD_PIPELINE, SENSORS, PRIVACY)
"""All of them; the first is Grafana's home."""
