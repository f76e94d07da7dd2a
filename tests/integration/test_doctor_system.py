"""The doctor on real servers: a small system that adds up, one that is behind, and one from which something was taken."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from elasticsearch import Elasticsearch

from rules.transactions import group_name
from storage.documents import MaskedBatch, Progress
from storage.kinds import TRANSACTIONS
from storage.mappings import index_name
from tests.integration.storage_world import both, token, transaction, writing
from veilocity.cli.conservation import State
from veilocity.cli.doctor import Examination, examine
from veilocity.contracts import RulesProgress, encode
from veilocity.kafka import consumer_config, end_offsets, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS, FIXES, RULES_PROGRESS, Topic
from veilocity.topics import TRANSACTIONS as PAYMENTS

pytestmark = pytest.mark.services
_PAYMENTS = 6


def _send(settings: Settings, topic: Topic, count: int) -> None:
    producer = Producer(producer_config(settings))
    for _ in range(count):
        producer.produce(topic_name(settings, topic), value=b"{}", partition=0)
    assert producer.flush(30) == 0


def _rules(settings: Settings, *transactions: tuple[RulesProgress, int]) -> None:
    """Do what the rules service does to Kafka: counters, decisions and offsets in one transaction, marks included."""
    producer = Producer(producer_config(settings, **{"transactional.id": f"{settings.rules_group}-0"}))
    producer.init_transactions(30)
    consumer = Consumer(consumer_config(settings, group_name(settings)))
    for progress, decisions in transactions:
        producer.begin_transaction()
        for _ in range(decisions):
            producer.produce(topic_name(settings, DECISIONS), value=b"{}", partition=0)
        producer.produce(topic_name(settings, RULES_PROGRESS), key=b"0", value=encode(progress), partition=0)
        places = [
            TopicPartition(topic_name(settings, FIXES), 0, progress.fixes_read),
            TopicPartition(topic_name(settings, PAYMENTS), 0, progress.transactions_read),
        ]
        producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)
    consumer.close()


def _spark_read_everything(settings: Settings) -> None:
    checkpoint = settings.privacy_dir / "checkpoint"
    places = {topic_name(settings, topic): end_offsets(settings, topic) for topic in (FIXES, DECISIONS)}
    for kind in ("commits", "offsets"):
        folder = checkpoint / kind
        folder.mkdir(parents=True, exist_ok=True)
        Path(folder / "0").write_text(f"v1\n{{}}\n{json.dumps(places)}", encoding="utf-8")


def _states(examination: Examination) -> dict[str, State]:
    unanswered = "acknowledged by the gateway since it started <= in Kafka"
    return {
        equation.name: equation.state
        for equation in examination.conservation.equations
        if equation.state is not State.HOLDS and equation.name != unanswered
    }


def _whole_system(settings: Settings) -> None:
    _send(settings, FIXES, 10)
    _send(settings, PAYMENTS, _PAYMENTS)
    early = RulesProgress(0, fixes_read=4, fixes_kept=4, transactions_read=2, decided=2, clear=2)
    late = RulesProgress(0, fixes_read=10, fixes_kept=10, transactions_read=_PAYMENTS, decided=_PAYMENTS, clear=_PAYMENTS)
    _rules(settings, (early, 2), (late, _PAYMENTS - 2))
    progress = Progress(id="privacy", seq=0, decisions=_PAYMENTS, transactions=_PAYMENTS, pending=_PAYMENTS, fixes=10)
    with writing(settings) as writer:
        writer.write(both(MaskedBatch(progress=progress, transactions=tuple(transaction(number, 0) for number in range(_PAYMENTS)))))


def test_a_system_that_adds_up_is_told_from_one_that_is_behind_and_one_that_lost_something(service_settings: Settings) -> None:
    _whole_system(service_settings)
    _spark_read_everything(service_settings)
    found = examine(service_settings)
    assert _states(found) == {}
    assert {health.service for health in found.services if health.answers} == {"kafka", "mongodb", "elasticsearch"}
    assert found.exit_code == 1, "our services do not run here"
    assert found.counters["decided"] == found.counters["mongodb_transactions"] == _PAYMENTS
    # Two marks of transactions lie on the topic: its end is no number of decisions.
    assert sum(end_offsets(service_settings, DECISIONS).values()) == _PAYMENTS + 2

    _send(service_settings, FIXES, 3)
    behind = examine(service_settings)
    assert _states(behind) == {"records on fixes = read by rules": State.IN_FLIGHT}
    assert behind.counters["rules_behind"] == 3

    prefix = service_settings.elasticsearch_index_prefix
    with Elasticsearch(service_settings.elasticsearch_url) as search:
        search.delete(index=index_name(prefix, TRANSACTIONS, "2026.11"), id=token("transaction", 3))
    lost = examine(service_settings)
    assert _states(lost)["stored payments = documents in Elasticsearch"] is State.VIOLATED
    assert lost.exit_code == 2


def test_decisions_that_spark_went_past_without_storing_are_lost(service_settings: Settings) -> None:
    _whole_system(service_settings)
    more = RulesProgress(0, fixes_read=10, fixes_kept=10, transactions_read=_PAYMENTS, decided=_PAYMENTS, clear=_PAYMENTS)
    _send(service_settings, PAYMENTS, 1)
    _rules(service_settings, (msgspec.structs.replace(more, transactions_read=7, decided=7, clear=7), 1))
    name = "decisions by rules = decisions read by privacy"
    assert _states(examine(service_settings)) == {name: State.IN_FLIGHT}
    _spark_read_everything(service_settings)
    assert _states(examine(service_settings)) == {name: State.VIOLATED}
