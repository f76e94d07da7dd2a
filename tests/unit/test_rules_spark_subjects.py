"""What Spark does with a subject, without Spark."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from rules import Engine, SubjectState
from rules.codec import dump, load
from rules.merge import FIX, PAYMENT, Record
from rules.spark import processor as spark_processor
from rules.spark.processor import SubjectProcessor
from rules.spark.service import _follow
from rules.spark.subjects import judge_batch
from tests.unit.rules_world import LAGOS, SUBJECT, Event, book, fix, payment
from veilocity.contracts import Decision, Fix, Reject, Verdict, decode, encode
from veilocity.errors import FatalError, RejectReason, StateError
from veilocity.topics import DECISIONS, REJECTS

KEY = SUBJECT.encode()
ENGINE = Engine(book("impossible-travel"))
FLAGGED: list[Event] = [*(fix(at_s) for at_s in range(0, 600, 60)), payment(301.0, LAGOS, id="far")]


def record(event: Event, offset: int = 0) -> Record:
    return Record(event.received_ms, FIX if isinstance(event, Fix) else PAYMENT, offset, encode(event), event.subject.encode())


def test_the_order_of_the_rows_does_not_matter() -> None:
    records = [record(event, offset) for offset, event in enumerate(FLAGGED)]
    one, other = SubjectState(), SubjectState()
    assert judge_batch(one, KEY, records, ENGINE) == judge_batch(other, KEY, records[::-1], ENGINE)
    assert dump(one) == dump(other)
    (decision,) = (decode(result.value, Decision) for result in judge_batch(SubjectState(), KEY, records, ENGINE).results[:1])
    assert decision.verdict is Verdict.FLAGGED


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Record(0, FIX, 0, b"{", KEY), RejectReason.UNDECODABLE),
        (record(fix(0.0, (0.0, 0.0))), RejectReason.INVALID_COORDINATES),
        (record(fix(0.0, subject="ben")), RejectReason.INVALID_FIELD),
        (Record(0, PAYMENT, 0, b" " * 900_001, KEY), RejectReason.TOO_LARGE),
    ],
)
def test_a_record_that_is_no_event_of_the_subject_is_rejected_and_changes_nothing(bad: Record, reason: RejectReason) -> None:
    state = SubjectState()
    batch = judge_batch(state, KEY, [bad], ENGINE)
    (result,) = batch.results
    assert (result.topic, result.key) == (REJECTS.name, KEY)
    reject = decode(result.value, Reject)
    assert reject.reason is reason
    assert len(reject.payload) <= 4096
    assert not batch.changed
    assert dump(state) == dump(SubjectState())


class Store:
    """Spark's state store and timers of one subject."""

    def __init__(self) -> None:
        self.value: tuple[bytes, int] | None = None
        self.timers: list[int] = []

    def getValueState(self, _name: str, _schema: str) -> "Store":
        return self

    def registerTimer(self, at_ms: int) -> None:
        self.timers.append(at_ms)

    def get(self) -> tuple[bytes, int] | None:
        return self.value

    def update(self, value: tuple[bytes, int]) -> None:
        self.value = value

    def clear(self) -> None:
        self.value = None


class Watermark:
    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def getCurrentWatermarkInMs(self) -> int:
        return self.at_ms


def hosted(store: Store) -> Any:
    processor: Any = SubjectProcessor(ENGINE.book)
    processor.init(store)
    return processor


def feed(store: Store, *events: Event) -> list[Any]:
    columns = {
        "key": [event.subject.encode() for event in events],
        "value": [encode(event) for event in events],
        "rank": [FIX if isinstance(event, Fix) else PAYMENT for event in events],
        "offset": range(len(events)),
        "timestamp": pd.to_datetime([event.received_ms for event in events], unit="ms"),
    }
    frames = iter([pd.DataFrame(columns)])
    return [row for frame in hosted(store).handleInputRows((KEY,), frames, None) for row in frame.itertuples(index=False)]


def test_the_state_goes_on_from_micro_batch_to_micro_batch() -> None:
    store, whole = Store(), SubjectState()
    judge_batch(whole, KEY, [record(event) for event in FLAGGED], ENGINE)
    results = [row for event in sorted(FLAGGED, key=lambda one: one.received_ms) for row in feed(store, event)]
    assert store.value is not None
    assert dump(load(store.value[0])) == dump(whole)
    decisions = [decode(row.value, Decision) for row in results if row.topic == DECISIONS.name]
    assert decisions[-1].verdict is Verdict.FLAGGED


def test_one_timer_per_subject_is_enough() -> None:
    store = Store()
    for at_s in (0.0, 60.0, 120.0):
        feed(store, fix(at_s))
    assert store.timers == [fix(0.0).received_ms]


def test_a_subject_that_was_heard_of_since_is_kept_and_one_that_was_not_is_forgotten() -> None:
    store = Store()
    for at_s in (0.0, 60.0):
        feed(store, fix(at_s))
    first_ms, last_ms = fix(0.0).received_ms, fix(60.0).received_ms
    ring = hosted(store).handleExpiredTimer
    assert list(ring((KEY,), Watermark(first_ms), None)) == []
    assert store.value is not None
    assert store.timers == [first_ms, last_ms]
    assert list(ring((KEY,), Watermark(last_ms), None)) == []
    assert store.value is None


def test_a_bad_record_alone_makes_no_state() -> None:
    store = Store()
    (row,) = feed(store, fix(0.0, (0.0, 0.0)))
    assert row.topic == REJECTS.name
    assert (store.value, store.timers) == (None, [])


def test_a_state_of_a_newer_version_ends_the_query() -> None:
    store = Store()
    store.value = (b"\xff", 0)
    with pytest.raises(StateError, match="upgrade"):
        feed(store, fix(0.0))


def test_results_have_the_columns_that_spark_is_told_of() -> None:
    assert [part.split()[0] for part in spark_processor.RESULT_SCHEMA.split(", ")] == spark_processor._COLUMNS


class Query:
    def __init__(self, error: Exception | None, lives: int) -> None:
        self.error, self.lives, self.stopped = error, lives, False

    @property
    def isActive(self) -> bool:
        self.lives -= 1
        return self.lives >= 0

    def exception(self) -> Exception | None:
        return self.error

    def stop(self) -> None:
        self.stopped = True


class Signal:
    """Set when it has been waited for so often."""

    def __init__(self, waits: int) -> None:
        self.waits = waits

    def is_set(self) -> bool:
        return self.waits <= 0

    def wait(self, _timeout_s: float) -> None:
        self.waits -= 1


def follow(query: Query, signal: Signal) -> None:
    arguments: Iterator[Any] = iter((query, signal))
    _follow(*arguments)


def test_a_failed_query_ends_the_process_without_quoting_spark() -> None:
    with pytest.raises(FatalError) as raised:
        follow(Query(ValueError("card 4539148803436467"), lives=1), Signal(waits=9))
    assert "4539" not in str(raised.value)


def test_a_query_that_is_through_ends_well_and_a_signal_stops_one_that_is_not() -> None:
    through, endless = Query(None, lives=1), Query(None, lives=10**6)
    follow(through, Signal(waits=9))
    follow(endless, Signal(waits=2))
    assert (through.stopped, endless.stopped) == (False, True)
