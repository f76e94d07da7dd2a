"""The gateway's metrics, declared once per process."""

from __future__ import annotations

from veilocity import metrics

__all__ = [
    "CDC_CHANGES",
    "CDC_CONNECTED",
    "CDC_RETAINED",
    "CDC_UNREAD",
    "DIRECTORY_ENTRIES",
    "FILTERED",
    "ITEMS",
    "MQTT_CONNECTED",
    "MQTT_CONNECTIONS",
    "MQTT_MESSAGES",
    "REJECTS",
    "REMEMBERED",
    "REQUESTS",
    "REQUEST_SECONDS",
]

ITEMS = metrics.counter(
    "ingest_items", "Items of answered requests: accepted and rejected ones are in Kafka, ignored ones are not.", "kind", "outcome"
)
REJECTS = metrics.counter("ingest_rejects", "Refused items by reason.", "kind", "reason")
REQUESTS = metrics.counter("ingest_requests", "Requests by what they were answered.", "kind", "outcome")
REQUEST_SECONDS = metrics.histogram("ingest_request_seconds", "Time from a request's body to its answer.", "kind")
DIRECTORY_ENTRIES = metrics.gauge("ingest_directory_entries", "Entries of the subject directory in memory.")
FILTERED = metrics.counter("ingest_filtered_fixes", "Fixes that a tracking server would have dropped, by its filter.", "kind", "reason")
REMEMBERED = metrics.gauge("ingest_filter_devices", "Phones whose last fix is remembered for the filters.")
MQTT_MESSAGES = metrics.counter("ingest_mqtt_messages", "MQTT messages that were taken: live, or retained by the broker.", "state")
MQTT_CONNECTED = metrics.gauge("ingest_mqtt_connected", "Whether the bridge is connected to its MQTT broker (1) or not (0).")
MQTT_CONNECTIONS = metrics.counter("ingest_mqtt_connections", "Connections that the bridge made to its MQTT broker.")
CDC_CHANGES = metrics.counter("ingest_cdc_changes", "Rows and changes of the table of payments, by what became of them.", "kind", "outcome")
CDC_CONNECTED = metrics.gauge("ingest_cdc_connected", "Whether the feed reads its table of payments (1) or waits (0).")
CDC_UNREAD = metrics.gauge("ingest_cdc_unread_bytes", "Change log of PostgreSQL that the feed has not read yet.")
CDC_RETAINED = metrics.gauge("ingest_cdc_retained_bytes", "Change log that PostgreSQL keeps on its disk because of the feed's slot.")
