"""What the services could tell the page of health, made up: their metrics as they expose them, and who is silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboard.health_services import Answers, Service
from dashboard.scraping import Scrape, parse
from storage.census import Census, StoreCount
from storage.documents import Progress
from tests.e2e.privacy_world import progress
from veilocity.errors import StoreUnavailableError

PRIVACY_METRICS = """# TYPE veilocity_privacy_filter_capacity gauge
veilocity_privacy_filter_capacity 1000000
# TYPE veilocity_privacy_filter_fill_ratio gauge
veilocity_privacy_filter_fill_ratio 0.00369
# TYPE veilocity_privacy_sketch_bytes gauge
veilocity_privacy_sketch_bytes{kind="sample"} 36000
veilocity_privacy_sketch_bytes{kind="visits"} 1797200
veilocity_privacy_sketch_bytes{kind="people"} 4096
veilocity_privacy_sketch_bytes{kind="merchants"} 4096
veilocity_privacy_sketch_bytes{kind="places"} 4096
# TYPE veilocity_privacy_lag_records gauge
veilocity_privacy_lag_records{topic="decisions"} %(behind)d
veilocity_privacy_lag_records{topic="alerts"} 4
veilocity_privacy_lag_records{topic="fixes"} 211
# TYPE veilocity_privacy_documents counter
veilocity_privacy_documents_total{kind="transactions"} %(payments)d
# TYPE veilocity_privacy_rejected counter
veilocity_privacy_rejected_total{reason="undecodable"} 0
# TYPE veilocity_privacy_batch_seconds histogram
veilocity_privacy_batch_seconds_bucket{le="0.5",stage="mask"} 3
veilocity_privacy_batch_seconds_bucket{le="1.0",stage="mask"} 40
veilocity_privacy_batch_seconds_bucket{le="2.0",stage="mask"} 52
veilocity_privacy_batch_seconds_bucket{le="+Inf",stage="mask"} 52
veilocity_privacy_batch_seconds_bucket{le="0.5",stage="write"} 20
veilocity_privacy_batch_seconds_bucket{le="1.0",stage="write"} 49
veilocity_privacy_batch_seconds_bucket{le="2.0",stage="write"} 52
veilocity_privacy_batch_seconds_bucket{le="+Inf",stage="write"} 52
# TYPE veilocity_store_write_seconds histogram
veilocity_store_write_seconds_bucket{le="0.05",store="mongodb"} 41
veilocity_store_write_seconds_bucket{le="0.1",store="mongodb"} 52
veilocity_store_write_seconds_bucket{le="+Inf",store="mongodb"} 52
veilocity_store_write_seconds_bucket{le="0.05",store="elasticsearch"} 22
veilocity_store_write_seconds_bucket{le="0.1",store="elasticsearch"} 44
veilocity_store_write_seconds_bucket{le="0.3",store="elasticsearch"} 52
veilocity_store_write_seconds_bucket{le="+Inf",store="elasticsearch"} 52
# TYPE veilocity_privacy_release_delay_seconds histogram
veilocity_privacy_release_delay_seconds_bucket{le="600.0"} 4
veilocity_privacy_release_delay_seconds_bucket{le="900.0"} 30
veilocity_privacy_release_delay_seconds_bucket{le="1800.0"} 36
veilocity_privacy_release_delay_seconds_bucket{le="+Inf"} 36
# TYPE veilocity_store_retries counter
veilocity_store_retries_total{store="elasticsearch"} 3
# TYPE veilocity_privacy_state_items gauge
veilocity_privacy_state_items{kind="open_windows"} 958
veilocity_privacy_state_items{kind="held"} 61
# TYPE veilocity_privacy_disk_free_ratio gauge
veilocity_privacy_disk_free_ratio 0.61
"""
RULES_METRICS = """# TYPE veilocity_rules_lag_records gauge
veilocity_rules_lag_records{partition="0",topic="fixes"} 12
veilocity_rules_lag_records{partition="1",topic="fixes"} 9
veilocity_rules_lag_records{partition="0",topic="transactions"} 1
# TYPE veilocity_rules_decisions counter
veilocity_rules_decisions_total{verdict="clear"} %(payments)d
veilocity_rules_decisions_total{verdict="flagged"} 88
# TYPE veilocity_rules_events counter
veilocity_rules_events_total{outcome="decided"} %(payments)d
veilocity_rules_events_total{outcome="fixes_kept"} 91000
veilocity_rules_events_total{outcome="fixes_late"} 12
veilocity_rules_events_total{outcome="fixes_duplicate"} 340
# TYPE veilocity_rules_latency_seconds histogram
veilocity_rules_latency_seconds_bucket{le="0.05"} %(quick)d
veilocity_rules_latency_seconds_bucket{le="0.1"} %(payments)d
veilocity_rules_latency_seconds_bucket{le="0.3"} %(payments)d
veilocity_rules_latency_seconds_bucket{le="+Inf"} %(payments)d
# TYPE veilocity_rules_commit_seconds histogram
veilocity_rules_commit_seconds_bucket{le="0.01"} %(quick)d
veilocity_rules_commit_seconds_bucket{le="0.05"} %(payments)d
veilocity_rules_commit_seconds_bucket{le="+Inf"} %(payments)d
# TYPE veilocity_rules_subjects gauge
veilocity_rules_subjects{partition="0"} 201
veilocity_rules_subjects{partition="1"} 199
# TYPE veilocity_rules_state_bytes gauge
veilocity_rules_state_bytes{partition="0"} 1820000
veilocity_rules_state_bytes{partition="1"} 1795000
# TYPE veilocity_rules_largest_state_bytes gauge
veilocity_rules_largest_state_bytes{partition="0"} 12800
# TYPE veilocity_rules_model_info gauge
veilocity_rules_model_info{rule="learned-boosting",version="0003-3f2a9c1d"} 1
veilocity_rules_model_info{rule="learned-autoencoder",version="0001-77b0c2aa"} 1
# TYPE veilocity_rules_model_scored counter
veilocity_rules_model_scored_total{rule="learned-boosting"} %(payments)d
veilocity_rules_model_scored_total{rule="learned-autoencoder"} %(payments)d
# TYPE veilocity_rules_model_flagged counter
veilocity_rules_model_flagged_total{rule="learned-boosting"} 61
veilocity_rules_model_flagged_total{rule="learned-autoencoder"} 143
# TYPE veilocity_rules_model_drift gauge
veilocity_rules_model_drift{feature="usual_place_km_log",rule="learned-boosting"} 0.31
veilocity_rules_model_drift{feature="amount_log",rule="learned-boosting"} 0.02
veilocity_rules_model_drift{feature="score",rule="learned-boosting"} 0.06
# TYPE veilocity_rules_model_refused counter
veilocity_rules_model_refused_total{reason="registry"} 1
"""
INGEST_METRICS = """# TYPE veilocity_ingest_items counter
veilocity_ingest_items_total{kind="sensor-logger",outcome="accepted"} %(fixes)d
veilocity_ingest_items_total{kind="transactions",outcome="accepted"} %(payments)d
veilocity_ingest_items_total{kind="sensor-logger",outcome="ignored"} 4411
# TYPE veilocity_ingest_rejects counter
veilocity_ingest_rejects_total{kind="sensor-logger",reason="invalid_time"} 7
veilocity_ingest_rejects_total{kind="transactions",reason="damaged_identifier"} %(damaged)d
# TYPE veilocity_ingest_requests counter
veilocity_ingest_requests_total{kind="sensor-logger",outcome="ok"} 8210
veilocity_ingest_requests_total{kind="sensor-logger",outcome="unauthorised"} 2
# TYPE veilocity_ingest_request_seconds histogram
veilocity_ingest_request_seconds_bucket{kind="sensor-logger",le="0.005"} %(quick)d
veilocity_ingest_request_seconds_bucket{kind="sensor-logger",le="0.01"} %(fixes)d
veilocity_ingest_request_seconds_bucket{kind="sensor-logger",le="+Inf"} %(fixes)d
# TYPE veilocity_ingest_directory_entries gauge
veilocity_ingest_directory_entries 800
"""
DASHBOARD_METRICS = """# TYPE veilocity_dashboard_polls counter
veilocity_dashboard_polls_total{outcome="answered"} 9
# TYPE veilocity_rule_labelled_payments gauge
veilocity_rule_labelled_payments{outcome="confirmed",rule="learned-boosting"} 34
veilocity_rule_labelled_payments{outcome="false-positive",rule="learned-boosting"} 6
"""


def scrapes(step: int, missing: Sequence[str] = ()) -> dict[str, Scrape]:
    """Return what the services tell at the n-th question: everything has grown by about as much each time."""
    values = {
        "payments": 6_412 + 41 * step,
        "fixes": 92_000 + 700 * step + 90 * (step % 5),
        "quick": 5_000 + 32 * step,
        "behind": 31 + 9 * (step % 4),
        "damaged": 3 + step // 2,
    }
    texts = {"ingest": INGEST_METRICS, "rules": RULES_METRICS, "privacy": PRIVACY_METRICS}
    found = {name: parse(text % values) for name, text in texts.items() if name not in missing}
    return {
        **found,
        "dashboard": parse(DASHBOARD_METRICS),
    }


@dataclass
class HealthWorld:
    """Everybody who can be asked. What is in `silent` does not answer."""

    progress_document: Progress | None = None
    silent: set[str] = field(default_factory=set)
    step: int = 0
    lost: int = 0

    def ask(self) -> Answers:
        self.step += 1
        known = {"kafka": "127.0.0.1:9092", "mongodb": "127.0.0.1:27017", "elasticsearch": "127.0.0.1:9200"}
        known |= {
            name: f"http://127.0.0.1:{port}" for name, port in (("ingest", 8088), ("rules", 9101), ("privacy", 9102), ("dashboard", 8050))
        }
        titles = {"kafka": "Kafka", "mongodb": "MongoDB", "elasticsearch": "Elasticsearch", "ingest": "Gateway", "privacy": "Privacy stage"}
        services = [
            Service(
                name,
                titles.get(name, name.capitalize()),
                "silent",
                where,
                f"start `veilocity {name}`; `veilocity up` starts everything",
                "docs/runbooks/service-down.md",
            )
            if name in self.silent
            else Service(name, titles.get(name, name.capitalize()), "answers", where)
            for name, where in known.items()
        ]
        told = {name: scrape for name, scrape in scrapes(self.step, tuple(self.silent)).items() if name not in self.silent}
        return Answers(tuple(services), told, None if "mongodb" in self.silent else self.progress_document)

    def count(self) -> Census:
        if {"mongodb", "elasticsearch"} & self.silent:
            raise StoreUnavailableError("MongoDB does not answer: is it running?")
        found = self.progress_document or Progress("privacy", 0)
        held = found.transactions - self.lost
        store = StoreCount(
            transactions=held,
            transactions_with_unfinished=held,
            alerts=found.alerts,
            alerts_with_unfinished=found.alerts,
            releases=found.classes,
        )
        return Census(found, store, store, found.released, 0, 0)


def health_day(now_ms: int) -> HealthWorld:
    return HealthWorld(progress(now_ms))
