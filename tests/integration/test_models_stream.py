"""Learned rules in the rules service on a real Kafka: the scores of training, and promotions that lose and double nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from ingest.simulator.weeks import WeekPlan, labelled_week
from rules.models.registry import Registry
from rules.models.table import feature_table
from rules.models.training import train
from tests.integration.model_world import publish, stump
from tests.integration.rules_cluster import alerts, city, decisions, events_read, is_amended, own_topics, progress, running, until, write
from tests.unit.models_world import QUICK
from tests.unit.models_world import payments as training_payments
from tests.unit.rules_world import payment
from veilocity.contracts import Decision, Transaction, Verdict
from veilocity.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture
def cluster(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    with own_topics(kafka_server, tmp_path) as settings:
        yield settings.model_copy(update={"rules_models_dir": str(tmp_path / "models")})


def first_decisions(settings: Settings) -> list[Decision]:
    return [one for one in decisions(settings) if not is_amended(one)]


def metrics(settings: Settings) -> str:
    return httpx.get(f"http://127.0.0.1:{settings.rules_metrics_port}/metrics").text


def versions(found: list[Decision]) -> Counter[str]:
    return Counter(score.version for one in found for score in one.learned)


def test_a_replayed_day_has_the_scores_of_training_to_the_last_bit(cluster: Settings) -> None:
    events = [*labelled_week(WeekPlan(seed=9, people=4, days=5)).events]
    folder = Path(cluster.rules_models_dir)
    trained = train(training_payments(), QUICK)
    for model in (trained.boosting, trained.autoencoder, stump("usual_place_km_log", 0.7, name="stump")):
        publish(folder, model)
    with running(cluster) as service:
        write(cluster, events, in_turn=True)
        until(lambda: events_read(cluster) >= len(events), timeout_s=120.0)
        service.kill()
    table = feature_table(events)
    scores = {model.name: model.score(table.rows) for model in Registry(folder).active()}
    found = {one.transaction.id: one for one in first_decisions(cluster)}
    assert len(table.transaction_ids) > 100
    assert set(scores) == {"boosting", "autoencoder", "stump"}
    assert all(len(np.unique(values)) > 1 for values in scores.values())
    for number, name in enumerate(table.transaction_ids):
        told = {one.rule: one.score for one in found[name].learned}
        wanted = {f"learned-{model}": np.float64(score[number]).item() for model, score in scores.items()}
        assert told == wanted
    assert {name for name, one in found.items() if one.learned} == set(table.transaction_ids)


def test_promotions_under_load_and_a_kill_lose_and_double_nothing(cluster: Settings) -> None:
    events = city(people=60, steps=240, seed=4)
    payments = [event.id for event in events if isinstance(event, Transaction)]
    folder = Path(cluster.rules_models_dir)
    known = [publish(folder, stump("amount_log", 1.0))]
    quarter = len(events) // 4
    with running(cluster) as service:
        for number in range(4):
            write(cluster, events[number * quarter : (number + 1) * quarter if number < 3 else None])
            # Somewhere in the midst of what was written.
            until(lambda number=number: events_read(cluster) > number * quarter + quarter // 8)  # type: ignore[misc]  # binds the loop's value
            if number == 2:
                service.kill()
                service.restart()
            else:
                known.append(publish(folder, stump("amount_log", 1.0, slope=2.0 + number)))
        until(lambda: events_read(cluster) >= len(events))
        until(lambda: known[-1] in metrics(cluster))
        code, log, _ = service.stop()
    assert code == 0, log
    found = first_decisions(cluster)
    assert Counter(one.transaction.id for one in found) == Counter(payments)
    assert all(len(one.learned) == 1 for one in found)
    assert set(versions(found)) <= set(known)
    assert len(versions(found)) >= 2


def test_under_verdict_a_learned_rule_flags_and_a_damaged_registry_changes_nothing(cluster: Settings) -> None:
    folder = Path(cluster.rules_models_dir)
    version = publish(folder, stump("amount_log", 1.0))
    with running(cluster, rules_models_policy="verdict") as service:
        write(cluster, [payment(0.0, id="first")])
        until(lambda: len(decisions(cluster)) == 1)
        pointer = folder / "active.json"
        kept = pointer.read_bytes()
        pointer.write_bytes(kept[: len(kept) // 2])
        until(lambda: 'veilocity_rules_model_refused_total{reason="registry"} 1.0' in metrics(cluster))
        write(cluster, [payment(60.0, id="second")])
        until(lambda: len(decisions(cluster)) == 2)
        pointer.write_bytes(kept)
        code, log, _ = service.stop()
    assert code == 0, log
    assert "Learned rules were refused" in log
    found = decisions(cluster)
    assert {one.transaction.id: (one.verdict, one.reasons[0], one.rule_versions) for one in found} == {
        name: (Verdict.FLAGGED, "learned-boosting", {"learned-boosting": version}) for name in ("first", "second")
    }
    assert {one.alert_id for one in found} == {alert.id for alert in alerts(cluster)}
    assert {alert.rule_version for alert in alerts(cluster)} == {version}
    assert sum(one.alerts_opened for one in progress(cluster)) == sum(one.flagged for one in progress(cluster)) == 2
