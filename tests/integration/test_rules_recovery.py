"""What recovery must survive, and what it must refuse: on a real Kafka."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka import ConsumerGroupState, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from rules import service as module
from rules.hosting import engine_of
from rules.recovery import recover
from rules.service import Service
from tests.integration.rules_cluster import (
    alerts,
    assert_unbroken,
    city,
    decisions,
    events_read,
    is_amended,
    journal,
    judged,
    own_topics,
    running,
    standing,
    until,
    write,
)
from tests.unit.rules_world import LAGOS, fix, payment
from veilocity.contracts import Transaction
from veilocity.errors import StateError
from veilocity.kafka import client_config, end_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import FIXES, TRANSACTIONS

pytestmark = pytest.mark.services


@pytest.fixture
def cluster(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    with own_topics(kafka_server, tmp_path) as settings:
        yield settings


def _expire(settings: Settings, left: int) -> int:
    """Let Kafka forget all fixes but the newest of each partition; return how many it forgot."""
    ends = end_offsets(settings, FIXES)
    admin = AdminClient(client_config(settings))
    gone = {number: max(0, end - left) for number, end in ends.items()}
    for deleted in admin.delete_records([TopicPartition(topic_name(settings, FIXES), *place) for place in gone.items()]).values():
        deleted.result()
    return sum(gone.values())


def _killed_with_unsaved_states(settings: Settings) -> int:
    events = city(people=50, steps=20, seed=7)
    write(settings, events)
    with running(settings) as service:
        until(lambda: events_read(settings) >= len(events))
        service.kill()
    assert any(journal(settings, number)[-1].behind for number in range(settings.kafka_partitions))
    return len(events)


def _group_state(settings: Settings) -> ConsumerGroupState:
    group = settings.kafka_topic_prefix + settings.rules_group
    admin = AdminClient(client_config(settings))
    state: ConsumerGroupState = admin.describe_consumer_groups([group], request_timeout=10.0)[group].result(15.0).state
    return state


def test_a_rebalance_during_recovery_loses_and_doubles_nothing(cluster: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    done = _killed_with_unsaved_states(cluster)
    begun, may_go_on, stopping = threading.Event(), threading.Event(), threading.Event()

    def slow(*arguments: object) -> object:
        begun.set()
        assert may_go_on.wait(60.0)
        return recover(*arguments)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(module, "recover", slow)
    more = city(people=50, steps=40, seed=7)[done:]
    first = threading.Thread(target=Service(cluster, stopping).run)
    first.start()
    try:
        assert begun.wait(60.0)
        with running(cluster, rules_instance="two", rules_metrics_port=0) as second:
            until(lambda: _group_state(cluster) is ConsumerGroupState.PREPARING_REBALANCING)
            may_go_on.set()
            write(cluster, more)
            until(lambda: events_read(cluster) >= done + len(more))
            assert second.process.poll() is None
            second.stop()
    finally:
        may_go_on.set()
        stopping.set()
        first.join(60.0)
    payments = [event.id for event in city(people=50, steps=40, seed=7) if isinstance(event, Transaction)]
    assert sorted(one.transaction.id for one in decisions(cluster) if not is_amended(one)) == sorted(payments)
    assert standing(alerts(cluster)) == judged(cluster, city(people=50, steps=40, seed=7))
    assert_unbroken(cluster)


def test_inputs_that_expired_before_their_states_were_saved_end_the_service_with_advice(cluster: Settings) -> None:
    _killed_with_unsaved_states(cluster)
    _expire(cluster, left=0)
    with running(cluster) as service:
        until(lambda: service.process.poll() is not None)
        code, log, _ = service.stop()
    assert code == 2
    assert "lengthen the retention" in log


def test_inputs_that_expired_unread_are_counted_and_the_rest_is_judged(cluster: Settings) -> None:
    write(cluster, [fix(step * 20.0) for step in range(10)])
    with running(cluster) as service:
        until(lambda: events_read(cluster) == 10)
        service.stop()
        write(cluster, [fix(step * 20.0) for step in range(10, 30)])
        assert _expire(cluster, left=5) == 25
        write(cluster, [payment(700.0, LAGOS, id="far")])
        service.restart()
        until(lambda: len(decisions(cluster)) == 1)
        metrics = httpx.get(f"http://127.0.0.1:{cluster.rules_metrics_port}/metrics").text
        code, log, _ = service.stop()
    assert code == 0
    assert 'veilocity_rules_expired_records_total{topic="fixes"} 15.0' in metrics
    assert "Records expired before they were judged" in log
    assert events_read(cluster) == 16


def test_another_version_may_follow_a_clean_stop_and_not_a_kill(cluster: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed_with_unsaved_states(cluster)

    class Other:
        version = "another"
        process = staticmethod(engine_of(cluster).process)

    with monkeypatch.context() as patched:
        patched.setattr(module, "engine_of", lambda _: Other())
        with pytest.raises(StateError, match="SIGTERM"):
            Service(cluster, threading.Event()).run()
    with running(cluster) as service:
        write(cluster, [payment(9_000.0, id="one-more", subject="zoe")])
        until(lambda: any(one.transaction.id == "one-more" for one in decisions(cluster)))
        assert service.stop()[0] == 0
    assert [journal(cluster, number)[-1].behind for number in range(cluster.kafka_partitions)] == [{}, {}]
    stopping = threading.Event()
    monkeypatch.setattr(module, "engine_of", lambda _: Other())
    changed = threading.Thread(target=Service(cluster, stopping).run)
    changed.start()
    write(cluster, [payment(9_100.0, id="after", subject="zoe")])
    try:
        until(lambda: any(one.transaction.id == "after" for one in decisions(cluster)))
    finally:
        stopping.set()
        changed.join(60.0)


def test_different_partition_counts_are_refused(cluster: Settings) -> None:
    admin = AdminClient(client_config(cluster))
    for created in admin.create_partitions([NewPartitions(topic_name(cluster, TRANSACTIONS), 3)]).values():
        created.result()
    with running(cluster) as service:
        until(lambda: service.process.poll() is not None)
        code, log, _ = service.stop()
    assert code == 2
    assert "different partition counts" in log
