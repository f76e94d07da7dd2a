"""Records of two topics in the order in which Kafka took them."""

from __future__ import annotations

import random
from threading import Event as Flag

from confluent_kafka import KafkaError

from rules.merge import ENOUGH_WAITING, FIX, MAX_RUN, PAYMENT, Merge, Reach, Record, Run, in_order
from rules.transactions import translate
from rules.watchdog import Watchdog
from veilocity.errors import BrokerUnavailableError, FencedError


def record(rank: int, timestamp_ms: int) -> Record:
    return Record(timestamp_ms, rank, timestamp_ms, b"", b"")


def runs(merge: Merge, waiting: set[int], now_s: float = 0.0, *, is_drained: bool = True) -> list[Run]:
    found = []
    while (run := merge.ready(lambda rank: rank in waiting, now_s, is_drained=is_drained)) is not None:
        found.append(run)
    return found


def times(merge: Merge, waiting: set[int], now_s: float = 0.0, *, is_drained: bool = True) -> list[int]:
    return [one.timestamp_ms for run in runs(merge, waiting, now_s, is_drained=is_drained) for one in run.records]


def filled(*records: Record) -> Merge:
    merge = Merge(patience_s=1.0)
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


def test_patience_with_a_silent_topic_ends_until_something_is_heard_of_it() -> None:
    merge = filled(record(PAYMENT, 7))
    assert times(merge, {FIX}, 0.0) == []
    assert times(merge, {FIX}, 0.9) == []
    assert times(merge, {FIX}, 1.0) == [7]
    merge.lanes[PAYMENT].append(record(PAYMENT, 8))
    assert times(merge, {FIX}, 1.1) == [8]
    merge.lanes[FIX].append(record(FIX, 9))
    assert times(merge, {FIX}, 1.2) == [9]
    merge.lanes[PAYMENT].append(record(PAYMENT, 10))
    assert times(merge, {FIX}, 1.3) == []


def test_patience_lasts_while_the_client_has_more_to_hand_out() -> None:
    merge = filled(record(PAYMENT, 7))
    assert times(merge, {FIX}, 0.0) == []
    # Judging other records took long; what is awaited was behind them in the client.
    assert times(merge, {FIX}, 60.0, is_drained=False) == []
    assert times(merge, {FIX}, 60.1) == []
    assert times(merge, {FIX}, 61.1) == [7]


def test_a_run_is_limited_and_the_next_one_goes_on_in_order() -> None:
    merge = filled(*(record(rank, 2 * number + rank) for rank in (PAYMENT, FIX) for number in range(MAX_RUN)))
    found = runs(merge, {FIX, PAYMENT})
    assert max(len(run.records) for run in found) == MAX_RUN
    assert [one.timestamp_ms for run in found for one in run.records] == list(range(2 * MAX_RUN - 1))
    assert times(merge, set()) == [2 * MAX_RUN - 1]


def test_clocks_that_were_set_back_lock_nothing() -> None:
    merge = Merge()
    merge.lanes[FIX].extend([Record(100, FIX, 0, b"", b""), Record(5, FIX, 1, b"", b"")])
    merge.lanes[PAYMENT].extend([Record(50, PAYMENT, 0, b"", b""), Record(20, PAYMENT, 1, b"", b"")])
    assert runs(merge, {FIX, PAYMENT}, is_drained=False)[0].ends == (2, -1)
    assert times(merge, {PAYMENT}, is_drained=False) == [20, 50]


def test_a_topic_is_waited_for_until_it_is_heard_of_or_its_end_is_reached() -> None:
    reach = Reach(5)
    # The client tells an end as soon as it was answered, which is before it hands anything out.
    assert reach.holds_more(-1001)
    assert reach.holds_more(5)
    reach.reach_end(5)
    assert not reach.holds_more(5)
    assert reach.holds_more(7)
    assert reach.take(5)
    assert reach.holds_more(7)
    assert not reach.take(5)
    assert reach.take(6)
    assert not reach.holds_more(7)


def test_marks_of_transactions_at_the_end_of_a_topic_are_not_waited_for() -> None:
    reach = Reach(0)
    reach.take(0)
    assert reach.holds_more(2)
    reach.reach_end(2)
    assert not reach.holds_more(2)
    assert reach.read_offset == 2
    # An end told by a former assignment must never cost a record.
    assert reach.take(1)


def test_a_topic_that_was_held_back_is_waited_for_until_it_is_heard_of_again() -> None:
    reach = Reach(0)
    reach.take(0)
    assert not reach.holds_more(1)
    reach.hold_back()
    assert reach.holds_more(1)
    reach.let_flow()
    assert reach.holds_more(1)
    reach.reach_end(1)
    assert not reach.holds_more(1)


def test_a_backlog_goes_on_in_one_order_however_the_client_hands_it_out() -> None:
    for seed in range(50):
        rng = random.Random(seed)  # noqa: S311  # test data
        left = {rank: sorted(rng.sample(range(5_000), 600)) for rank in (FIX, PAYMENT)}
        ends = [left[rank][-1] + 1 for rank in (FIX, PAYMENT)]
        merge, reaches, found = Merge(), (Reach(0), Reach(0)), list[tuple[int, int]]()
        while left[FIX] or left[PAYMENT]:
            rank = rng.choice([rank for rank in left if left[rank]])
            count = rng.choice((1, 10, 400))
            for timestamp_ms in left[rank][:count]:
                assert reaches[rank].take(timestamp_ms)
                merge.lanes[rank].append(record(rank, timestamp_ms))
            left[rank] = left[rank][count:]
            while (run := merge.ready(lambda rank: reaches[rank].holds_more(ends[rank]), 1e9)) is not None:  # noqa: B023  # called at once
                found += [(one.timestamp_ms, one.rank) for one in run.records]
        assert [timestamp_ms for timestamp_ms, _ in found] == sorted(timestamp_ms for timestamp_ms, _ in found)
        assert len(found) == 1_200


def test_a_topic_that_runs_ahead_is_held_back_until_little_of_it_waits() -> None:
    merge = Merge()
    merge.lanes[PAYMENT].extend(record(PAYMENT, number) for number in range(ENOUGH_WAITING))
    assert merge.is_full(PAYMENT)
    assert not merge.is_full(FIX)
    assert not merge.is_low(PAYMENT)
    merge.lanes[FIX].append(record(FIX, ENOUGH_WAITING * 9 // 10))
    runs(merge, {FIX})
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
