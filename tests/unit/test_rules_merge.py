"""Records of two topics in the order in which Kafka took them."""

from __future__ import annotations

from threading import Event as Flag

from confluent_kafka import KafkaError

from rules.merge import Merge
from rules.partition import Record
from rules.transactions import translate
from rules.watchdog import Watchdog
from veilocity.errors import BrokerUnavailableError, FencedError
from veilocity.topics import FIXES, TRANSACTIONS, Topic


def record(topic: Topic, timestamp_ms: int) -> Record:
    return Record(topic, timestamp_ms, b"", b"", timestamp_ms)


def times(merge: Merge, waiting: set[str], now_s: float = 0.0) -> list[int]:
    return [one.timestamp_ms for one in merge.ready(lambda name: name in waiting, now_s)]


def filled(*records: Record) -> Merge:
    merge = Merge((FIXES, TRANSACTIONS), patience_s=1.0, max_waiting=10)
    for one in records:
        merge.add(one)
    return merge


def test_two_topics_come_in_one_order_and_a_fix_before_a_payment_of_the_same_moment() -> None:
    merge = filled(record(TRANSACTIONS, 2), record(TRANSACTIONS, 5), record(FIXES, 1), record(FIXES, 5), record(FIXES, 9))
    topics = [(one.timestamp_ms, one.topic) for one in merge.ready(lambda _: False, 0.0)]
    assert topics == [(1, FIXES), (2, TRANSACTIONS), (5, FIXES), (5, TRANSACTIONS), (9, FIXES)]


def test_nothing_waits_when_kafka_holds_no_more() -> None:
    assert times(filled(record(TRANSACTIONS, 7)), set()) == [7]


def test_payments_wait_for_fixes_that_kafka_still_holds() -> None:
    merge = filled(record(TRANSACTIONS, 7), record(TRANSACTIONS, 8))
    assert times(merge, {FIXES.name}) == []
    merge.add(record(FIXES, 6))
    assert times(merge, {FIXES.name}) == [6]
    assert times(merge, set()) == [7, 8]


def test_patience_ends() -> None:
    merge = filled(record(TRANSACTIONS, 7))
    assert times(merge, {FIXES.name}, 0.0) == []
    assert times(merge, {FIXES.name}, 0.9) == []
    assert times(merge, {FIXES.name}, 1.0) == [7]
    merge.add(record(TRANSACTIONS, 8))
    assert times(merge, {FIXES.name}, 1.1) == []


def test_no_more_than_the_bound_waits() -> None:
    merge = filled(*(record(TRANSACTIONS, number) for number in range(10)))
    assert times(merge, {FIXES.name}) == list(range(10))
    assert merge.waiting == 0


def test_the_watchdog_bites_when_a_step_hangs_and_only_then() -> None:
    bitten = Flag()
    patient = Watchdog(60.0, bitten.set)
    with patient.watch():
        pass
    patient.close()
    assert not bitten.is_set()
    strict = Watchdog(0.01, bitten.set)
    with strict.watch():
        assert bitten.wait(10.0)
    strict.close()


def test_a_fenced_producer_is_told_apart_from_a_broker_that_fails() -> None:
    for code in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.FENCED_INSTANCE_ID):
        assert isinstance(translate(KafkaError(code)), FencedError)
    text = "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"
    assert isinstance(translate(KafkaError(KafkaError._FATAL, text)), FencedError)
    assert isinstance(translate(KafkaError(KafkaError._FATAL, "Fatal error: other")), BrokerUnavailableError)
    assert isinstance(translate(KafkaError(KafkaError.INVALID_TXN_STATE)), BrokerUnavailableError)
