"""Two that believe to own the same work: only one may write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from rules.transactions import KafkaOutbox
from tests.integration.rules_cluster import committed_offsets, decisions, events_read, messages, own_topics, running, until, write
from tests.unit.rules_world import LAGOS, fix, payment
from veilocity.errors import FencedError
from veilocity.kafka import consumer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, FIXES

pytestmark = pytest.mark.services


@pytest.fixture
def cluster(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    with own_topics(kafka_server, tmp_path) as settings:
        yield settings


def test_a_zombie_cannot_commit_once_its_partition_has_a_new_owner(cluster: Settings) -> None:
    consumer = Consumer(consumer_config(cluster, cluster.kafka_topic_prefix + cluster.rules_group))
    zombie = KafkaOutbox(cluster, consumer, 0)
    zombie.refresh()
    zombie.send(ALERTS, b"anna", b"of the zombie")
    heir = KafkaOutbox(cluster, consumer, 0)
    heir.refresh()
    heir.send(ALERTS, b"anna", b"of the heir")
    with pytest.raises(FencedError, match="VEILOCITY_RULES_INSTANCE"):
        zombie.commit({FIXES.name: 99})
    heir.commit({FIXES.name: 7})
    assert [message.value() for message in messages(cluster, ALERTS)] == [b"of the heir"]
    assert committed_offsets(cluster)[topic_name(cluster, FIXES), 0] == 7
    zombie.close()
    heir.close()
    consumer.close()


def test_what_is_aborted_stays_invisible(cluster: Settings) -> None:
    consumer = Consumer(consumer_config(cluster, cluster.kafka_topic_prefix + cluster.rules_group))
    outbox = KafkaOutbox(cluster, consumer, 1)
    outbox.refresh()
    outbox.send(ALERTS, b"anna", b"dropped")
    outbox.abort()
    outbox.abort()
    outbox.send(ALERTS, b"anna", b"kept")
    outbox.commit({FIXES.name: 1})
    assert [message.value() for message in messages(cluster, ALERTS)] == [b"kept"]
    outbox.close()
    consumer.close()


def test_a_second_process_with_the_same_instance_name_ends_the_first_instead_of_hanging_it(cluster: Settings) -> None:
    with running(cluster) as first:
        write(cluster, [fix(0)])
        until(lambda: events_read(cluster) == 1)
        with running(cluster, rules_metrics_port=0) as second:
            until(lambda: first.process.poll() is not None)
            write(cluster, [payment(60.0, LAGOS, id="t1")])
            until(lambda: len(decisions(cluster)) == 1)
            code, log, _ = second.stop()
        first_code, first_log, _ = first.stop()
    assert code == 0, log
    assert first_code == 2, first_log
    assert "another rules instance took over" in first_log
