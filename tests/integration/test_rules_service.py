"""The rules service on a real Kafka: exactly once, whatever dies."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer

from tests.integration.rules_cluster import alerts, decisions, events_read, messages, own_topics, progress, running, until, write
from tests.unit.rules_world import LAGOS, LONDON, PARIS, Event, Tally, fix, parameters, payment, play
from veilocity.contracts import Alert, AlertState, Reject, Transaction, Verdict, decode
from veilocity.errors import RejectReason
from veilocity.kafka import producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import FIXES, REJECTS, TRANSACTIONS

pytestmark = pytest.mark.services


@pytest.fixture
def cluster(kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    with own_topics(kafka_server, tmp_path) as settings:
        yield settings


def _city(people: int, steps: int, seed: int) -> list[Event]:
    """Events of many people; a few payments are made impossibly far away."""
    rng = random.Random(seed)  # noqa: S311  # test data
    events: list[Event] = []
    for step in range(steps):
        for person in range(people):
            subject, at_s = f"person-{person}", step * 20.0 + rng.random() * 15
            home = LONDON if person % 2 else PARIS
            if rng.random() < 0.3:
                place = LAGOS if rng.random() < 0.02 else home
                events.append(payment(at_s, place, id=f"{subject}-{step}", subject=subject))
            else:
                place = (home[0] + rng.random() / 100, home[1] + rng.random() / 100)
                events.append(fix(at_s, place, accuracy_m=5 + rng.random() * 50, device=f"phone-{person}", subject=subject))
    return events


def _standing(revisions: list[Alert]) -> dict[str, Alert]:
    newest: dict[str, Alert] = {}
    for alert in sorted(revisions, key=lambda one: one.revision):
        newest[alert.id] = alert
    return {name: alert for name, alert in newest.items() if alert.state is not AlertState.RETRACTED}


def _unbroken(events: list[Event]) -> dict[str, Alert]:
    by_subject: dict[str, list[Event]] = {}
    for event in events:
        by_subject.setdefault(event.subject, []).append(event)
    tallies: list[Tally] = [play(own, parameters()) for own in by_subject.values()]
    return _standing([alert for tally in tallies for alert in tally.revisions])


def _alike(alert: Alert) -> tuple[object, ...]:
    return alert.id, alert.first, alert.second, alert.sentence, alert.episode, alert.severity


def test_a_payment_far_from_the_phone_is_flagged_and_the_service_stops_at_once(cluster: Settings) -> None:
    with running(cluster) as service:
        write(cluster, [fix(0.0)])
        until(lambda: events_read(cluster) == 1)
        write(cluster, [payment(60.0, LAGOS, id="far"), payment(90.0, LONDON, id="near")])
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


def test_a_backlog_is_judged_in_the_order_in_which_it_was_written(cluster: Settings) -> None:
    people = [f"person-{number}" for number in range(20)]
    steps = [(step * 60.0, subject) for step in range(100) for subject in people]
    write(cluster, [payment(at_s + 5, id=f"{subject}-{at_s}", subject=subject) for at_s, subject in steps], at_their_time=True)
    write(cluster, [fix(at_s, subject=subject) for at_s, subject in steps], at_their_time=True)
    with running(cluster):
        until(lambda: len(decisions(cluster)) == 2_000)
    verdicts = Counter((decision.verdict, decision.reasons) for decision in decisions(cluster))
    assert verdicts == {(Verdict.CLEAR, ()): 2_000}


def test_kills_lose_and_double_nothing(cluster: Settings) -> None:
    events = _city(people=100, steps=200, seed=11)
    payments = [event.id for event in events if isinstance(event, Transaction)]
    rng = random.Random(5)  # noqa: S311  # when to kill
    with running(cluster) as service:
        for kill in range(4):
            share = events[kill * len(events) // 5 : (kill + 1) * len(events) // 5]
            write(cluster, share)
            goal = kill * len(events) // 5 + rng.randrange(1, len(share))
            until(lambda goal=goal: events_read(cluster) >= goal)  # type: ignore[misc]  # a default argument binds the loop's value
            service.kill()
            service.restart()
        write(cluster, events[4 * len(events) // 5 :])
        until(lambda: events_read(cluster) >= len(events))
        code, log, _ = service.stop()
    assert code == 0, log
    assert Counter(decision.transaction.id for decision in decisions(cluster)) == Counter(payments)
    assert {_alike(alert) for alert in _standing(alerts(cluster)).values()} == {_alike(alert) for alert in _unbroken(events).values()}
    total = progress(cluster)
    assert sum(one.fixes_read for one in total) == len(events) - len(payments)
    assert sum(one.decided for one in total) == sum(one.flagged + one.clear + one.not_scorable for one in total) == len(payments)
    for one in total:
        assert one.fixes_read == one.fixes_kept + one.fixes_duplicate + one.fixes_thinned + one.fixes_late + one.fixes_rejected
        assert one.transactions_read == one.decided + one.transactions_duplicate + one.transactions_rejected
    assert sum(one.alerts_opened - one.alerts_retracted for one in total) == len(_standing(alerts(cluster)))


def test_two_instances_share_the_partitions_and_one_takes_over(cluster: Settings) -> None:
    events = _city(people=40, steps=30, seed=3)
    third = len(events) // 3
    with running(cluster, rules_instance="one") as one, running(cluster, rules_instance="two", rules_metrics_port=0) as two:
        write(cluster, events[:third])
        until(lambda: events_read(cluster) >= third)
        until(lambda: 0 < _subjects(cluster) < 40)
        write(cluster, events[third : 2 * third])
        until(lambda: events_read(cluster) >= 2 * third)
        two.kill()
        write(cluster, events[2 * third :])
        until(lambda: events_read(cluster) >= len(events))
        code, log, _ = one.stop()
    assert code == 0, log
    payments = [event.id for event in events if isinstance(event, Transaction)]
    assert Counter(decision.transaction.id for decision in decisions(cluster)) == Counter(payments)
    assert {_alike(alert) for alert in _standing(alerts(cluster)).values()} == {_alike(alert) for alert in _unbroken(events).values()}


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
