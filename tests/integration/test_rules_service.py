"""The rules service on a real Kafka: exactly once, whatever dies."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer

from rules.merge import PATIENCE_S
from tests.integration.rules_cluster import (
    alerts,
    assert_unbroken,
    city,
    decisions,
    events_read,
    is_amended,
    judged,
    messages,
    own_topics,
    progress,
    running,
    standing,
    until,
    write,
)
from tests.unit.rules_world import LAGOS, LONDON, fix, payment
from veilocity.contracts import Reject, Transaction, Verdict, decode, encode
from veilocity.errors import RejectReason
from veilocity.kafka import producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import FIXES, REJECTS, TRANSACTIONS

pytestmark = pytest.mark.services


@pytest.fixture
def cluster(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    with own_topics(kafka_server, tmp_path) as settings:
        yield settings


def test_a_payment_far_from_the_phone_is_flagged_and_the_service_stops_at_once(cluster: Settings) -> None:
    with running(cluster) as service:
        write(cluster, [fix(0.0), fix(30.0), fix(60.0)])
        until(lambda: events_read(cluster) == 3)
        write(cluster, [payment(90.0, LAGOS, id="far"), payment(120.0, LONDON, id="near")])
        until(lambda: len(decisions(cluster)) == 2)
        verdicts = {decision.transaction.id: decision.verdict for decision in decisions(cluster)}
        metrics = httpx.get(f"http://127.0.0.1:{cluster.rules_metrics_port}/metrics").text
        health = httpx.get(f"http://127.0.0.1:{cluster.rules_metrics_port}/healthz")
        code, log, seconds = service.stop()
    assert verdicts["far"] is Verdict.FLAGGED
    assert code == 0, log
    assert seconds < 3.0
    assert health.status_code == 200
    assert "veilocity_rules_latency_seconds_bucket" in metrics
    assert "anna" not in metrics + log


def test_a_backlog_ends_as_if_it_had_been_judged_live(cluster: Settings) -> None:
    people = [f"person-{number}" for number in range(20)]
    # Longer than the history of the engine: read far ahead of the other, a topic ends too late or without neighbours.
    steps = [(step * 60.0, subject) for step in range(100) for subject in people]
    write(cluster, [fix(at_s, subject=subject) for at_s, subject in steps], at_their_time=True)
    write(cluster, [payment(at_s + 5, id=f"{subject}-{at_s}", subject=subject) for at_s, subject in steps], at_their_time=True)
    with running(cluster):
        until(lambda: events_read(cluster) == 4_000, timeout_s=180.0)
    assert _final_verdicts(cluster) == {Verdict.CLEAR: 2_000}
    # Each was clear at once: its fix had been judged before it.
    assert Counter(one.verdict for one in decisions(cluster) if not is_amended(one)) == {Verdict.CLEAR: 2_000}
    assert sum(one.fixes_late for one in progress(cluster)) == 0


def _final_verdicts(cluster: Settings) -> Counter[Verdict]:
    final = {one.transaction.id: one.verdict for one in sorted(decisions(cluster), key=lambda one: one.revision)}
    return Counter(final.values())


def test_fixes_that_end_in_marks_of_transactions_hold_no_payment_back(cluster: Settings) -> None:
    producer = Producer(producer_config(cluster, **{"transactional.id": f"{cluster.kafka_topic_prefix}feed"}))
    producer.init_transactions(30)
    for at_s in (0.0, 30.0):
        producer.begin_transaction()
        event = fix(at_s)
        producer.produce(topic_name(cluster, FIXES), encode(event), event.subject.encode())
        producer.commit_transaction(30)
    producer.close()
    write(cluster, [payment(60.0)])
    with running(cluster):
        until(lambda: events_read(cluster) >= 2)
        # Sooner than the patience with a topic of which nothing is heard would end.
        until(lambda: len(decisions(cluster)) == 1, timeout_s=PATIENCE_S - 2.0)


def test_thirty_kills_lose_and_double_nothing(cluster: Settings) -> None:
    events = city(people=100, steps=300, seed=11)
    payments = [event.id for event in events if isinstance(event, Transaction)]
    rng = random.Random(5)  # noqa: S311  # when to kill
    kills, share = 30, -(-len(events) // 31)
    with running(cluster) as service:
        for kill in range(kills):
            written = (kill + 1) * share
            write(cluster, events[kill * share : written])
            if kill % 2:
                # At work: somewhere in what was just written.
                goal = written - rng.randrange(1, share)
                until(lambda goal=goal: events_read(cluster) >= goal)  # type: ignore[misc]  # a default argument binds the loop's value
            else:
                # At any moment: while it starts, joins, recovers or works.
                time.sleep(rng.uniform(0.0, 2.0))
            service.kill()
            service.restart()
        write(cluster, events[kills * share :])
        until(lambda: events_read(cluster) >= len(events))
        code, log, _ = service.stop()
    assert code == 0, log
    assert Counter(one.transaction.id for one in decisions(cluster) if not is_amended(one)) == Counter(payments)
    assert standing(alerts(cluster)) == judged(cluster, events)
    total = progress(cluster)
    assert sum(one.fixes_read for one in total) == len(events) - len(payments)
    assert sum(one.decided for one in total) == sum(one.flagged + one.clear + one.not_scorable for one in total) == len(payments)
    for one in total:
        assert one.fixes_read == one.fixes_kept + one.fixes_duplicate + one.fixes_thinned + one.fixes_late + one.fixes_rejected
        assert one.transactions_read == one.decided + one.transactions_duplicate + one.transactions_rejected
    assert sum(one.alerts_opened - one.alerts_retracted for one in total) == len(standing(alerts(cluster)))
    assert_unbroken(cluster)


def test_a_second_instance_joins_and_the_first_takes_over_when_it_dies(cluster: Settings) -> None:
    events = city(people=40, steps=60, seed=3)
    quarter = len(events) // 4
    with running(cluster, rules_instance="one") as one:
        write(cluster, events[:quarter])
        until(lambda: events_read(cluster) >= quarter)
        with running(cluster, rules_instance="two", rules_metrics_port=0) as two:
            write(cluster, events[quarter : 2 * quarter])
            until(lambda: 0 < _subjects(cluster) < 40)
            write(cluster, events[2 * quarter : 3 * quarter])
            until(lambda: events_read(cluster) >= 3 * quarter)
            two.kill()
        write(cluster, events[3 * quarter :])
        until(lambda: events_read(cluster) >= len(events))
        code, log, _ = one.stop()
    assert code == 0, log
    payments = [event.id for event in events if isinstance(event, Transaction)]
    assert Counter(one.transaction.id for one in decisions(cluster) if not is_amended(one)) == Counter(payments)
    assert standing(alerts(cluster)) == judged(cluster, events)
    assert_unbroken(cluster)


def _subjects(cluster: Settings) -> int:
    text = httpx.get(f"http://127.0.0.1:{cluster.rules_metrics_port}/metrics").text
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("veilocity_rules_subjects{"))


def test_a_record_that_cannot_be_read_costs_only_itself(cluster: Settings) -> None:
    producer = Producer(producer_config(cluster))
    for topic in (FIXES, TRANSACTIONS):
        for value in (b"\x00\xff not json", b'{"schema":99}', b"{}"):
            producer.produce(topic_name(cluster, topic), value, b"anna")
    producer.produce(topic_name(cluster, FIXES), None, b"anna")
    assert producer.flush(30) == 0
    producer.close()
    write(cluster, [fix(0.0, (95.0, 0.0)), fix(0.0), payment(60.0, LAGOS, id="far")])
    with running(cluster):
        until(lambda: len(decisions(cluster)) == 1)
        until(lambda: events_read(cluster) >= 10)
    reasons = Counter(decode(message.value() or b"", Reject).reason for message in messages(cluster, REJECTS))
    assert reasons == {RejectReason.UNDECODABLE: 5, RejectReason.UNKNOWN_SCHEMA: 2, RejectReason.INVALID_COORDINATES: 1}
    assert sum(one.fixes_rejected for one in progress(cluster)) == 5
    assert sum(one.transactions_rejected for one in progress(cluster)) == 3
