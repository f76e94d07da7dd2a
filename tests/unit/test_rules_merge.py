"""Records of two topics in the order in which Kafka took them."""

from __future__ import annotations

from threading import Event as Flag

from confluent_kafka import KafkaError

from rules.merge import ENOUGH_WAITING, FIX, PAYMENT, Merge, Record, Run, in_order
from rules.transactions import translate
from rules.watchdog import Watchdog
from veilocity.errors import BrokerUnavailableError, FencedError


def record(rank: int, timestamp_ms: int) -> Record:
    return Record(timestamp_ms, rank, timestamp_ms, b"", b"")


def runs(merge: Merge, waiting: set[int], now_s: float = 0.0) -> list[Run]:
    found = []
    while (run := merge.ready(lambda rank: rank in waiting, now_s)) is not None:
        found.append(run)
    return found


def times(merge: Merge, waiting: set[int], now_s: float = 0.0) -> list[int]:
    return [one.timestamp_ms for run in runs(merge, waiting, now_s) for one in run.records]


def filled(*records: Record) -> Merge:
    merge = Merge(patience_s=1.0, max_waiting=10)
    for one in records:
        merge.lanes[one.rank].append(one)
    return merge


def test_two_topics_come_in_one_order_and_a_fix_before_a_payment_of_the_same_moment() -> None:
    merge = filled(record(PAYMENT, 2), record(PAYMENT, 5), record(FIX, 1), record(FIX, 5), record(FIX, 9))
    (run,) = runs(merge, set())
    assert [(one.timestamp_ms, one.rank) for one in run.records] == [(1, FIX), (2, PAYMENT), (5, FIX), (5, PAYMENT), (9, FIX)]
    assert run.ends == (10, 6)


def test_the_order_of_a_run_depends_on_its_records_alone() -> None:
    records = [record(FIX, 3), record(PAYMENT, 3), record(FIX, 1), record(PAYMENT, 2)]
    assert in_order(records) == in_order(records[::-1])


def test_nothing_waits_when_kafka_holds_no_more() -> None:
    merge = filled(record(PAYMENT, 7))
    assert runs(merge, {PAYMENT}) == [Run([record(PAYMENT, 7)], (-1, 8))]
    assert runs(merge, set()) == []


def test_payments_wait_for_fixes_that_kafka_still_holds() -> None:
    merge = filled(record(PAYMENT, 7), record(PAYMENT, 9))
    assert times(merge, {FIX}) == []
    merge.lanes[FIX].append(record(FIX, 6))
    assert times(merge, {FIX}) == [6]
    merge.lanes[FIX].append(record(FIX, 8))
    assert times(merge, {FIX}) == [7, 8]
    assert times(merge, set()) == [9]


def test_when_both_topics_hold_more_the_one_that_is_behind_goes_on() -> None:
    merge = filled(record(FIX, 5), record(FIX, 6), record(PAYMENT, 20))
    assert times(merge, {FIX, PAYMENT}) == [5, 6]
    assert merge.waiting == 1


def test_patience_ends() -> None:
    merge = filled(record(PAYMENT, 7))
    assert times(merge, {FIX}, 0.0) == []
    assert times(merge, {FIX}, 0.9) == []
    assert times(merge, {FIX}, 1.0) == [7]
    merge.lanes[PAYMENT].append(record(PAYMENT, 8))
    assert times(merge, {FIX}, 1.1) == []


def test_no_more_than_the_bound_waits() -> None:
    merge = filled(*(record(PAYMENT, number) for number in range(10)))
    assert times(merge, {FIX}) == list(range(10))
    assert merge.waiting == 0


def test_a_topic_that_runs_ahead_is_held_back_until_little_of_it_waits() -> None:
    merge = Merge()
    merge.lanes[PAYMENT].extend(record(PAYMENT, number) for number in range(ENOUGH_WAITING))
    assert merge.is_full(PAYMENT)
    assert not merge.is_full(FIX)
    assert not merge.is_low(PAYMENT)
    merge.lanes[FIX].append(record(FIX, ENOUGH_WAITING * 9 // 10))
    merge.ready(lambda rank: rank == FIX, 0.0)
    assert merge.is_low(PAYMENT)


def test_the_watchdog_bites_when_a_step_hangs_and_only_then() -> None:
    bitten = Flag()
    patient = Watchdog(60.0, bitten.set)
    with patient.watch(), patient.watch():
        pass
    patient.close()
    assert not bitten.is_set()
    strict = Watchdog(0.01, bitten.set)
    with strict.watch():
        with strict.watch():
            pass
        assert bitten.wait(10.0)
    strict.close()


def test_a_fenced_producer_is_told_apart_from_a_broker_that_fails() -> None:
    for code in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.FENCED_INSTANCE_ID):
        assert isinstance(translate(KafkaError(code)), FencedError)
    text = "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"
    assert isinstance(translate(KafkaError(KafkaError._FATAL, text)), FencedError)
    assert isinstance(translate(KafkaError(KafkaError._FATAL, "Fatal error: other")), BrokerUnavailableError)
    assert isinstance(translate(KafkaError(KafkaError.INVALID_TXN_STATE)), BrokerUnavailableError)
