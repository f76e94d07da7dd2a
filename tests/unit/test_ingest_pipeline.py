"""The queue between what is read and what Kafka has, with Kafka played by lists: order, bounds, and what a failure does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ingest.mqtt import Message
from ingest.mqtt.bridge import Batch
from ingest.mqtt.pipeline import Pipeline
from ingest.outcome import Record
from veilocity.errors import BrokerUnavailableError
from veilocity.topics import FIXES


class Sending:
    def __init__(self) -> None:
        self.is_done = False
        self.has_failed = False

    def wait(self) -> None:
        if self.has_failed:
            raise BrokerUnavailableError("lost")
        self.is_done = True


class Kafka:
    def __init__(self) -> None:
        self.begun: list[bytes | None] = []
        self.sent_anew: list[bytes | None] = []
        self.sendings: list[Sending] = []
        self.is_down = False

    def begin(self, records: Sequence[Record]) -> Sending:
        if self.is_down:
            raise BrokerUnavailableError("down")
        self.begun.extend(record.value for record in records)
        self.sendings.append(Sending())
        return self.sendings[-1]

    def send_all(self, records: Sequence[Record]) -> None:
        if self.is_down:
            raise BrokerUnavailableError("down")
        self.sent_anew.extend(record.value for record in records)


def batch(name: bytes, messages: int = 1) -> Batch:
    return Batch(
        [Message("owntracks/jane/phone", name, 1, number + 1, False, 1) for number in range(messages)], [], [Record(FIXES, b"p", name)]
    )


def started(kafka: Kafka, *names: bytes) -> Pipeline:
    pipeline = Pipeline(kafka, 10)
    for name in names:
        pipeline.start(batch(name))
    return pipeline


def is_ready(pipeline: Pipeline) -> bool:
    return pipeline.is_ready


def is_full(pipeline: Pipeline) -> bool:
    return pipeline.is_full


def finished(pipeline: Pipeline) -> list[bytes]:
    return [pipeline.finish().messages[0].body for _ in range(len(pipeline))]


def test_all_are_on_their_way_before_the_first_is_acknowledged_and_come_out_in_order() -> None:
    kafka = Kafka()
    pipeline = started(kafka, b"1", b"2", b"3")
    assert kafka.begun == [b"1", b"2", b"3"]
    kafka.sendings[1].is_done = True
    assert not is_ready(pipeline)
    kafka.sendings[0].is_done = True
    assert is_ready(pipeline)
    assert finished(pipeline) == [b"1", b"2", b"3"]
    assert not pipeline


def test_it_is_full_by_messages_and_one_batch_always_fits() -> None:
    pipeline = Pipeline(Kafka(), 10)
    pipeline.start(batch(b"1", 9))
    assert not is_full(pipeline)
    pipeline.start(batch(b"2", 90))
    assert is_full(pipeline)
    pipeline.finish()
    pipeline.finish()
    assert not is_full(pipeline)


def test_after_a_failure_it_and_all_behind_it_are_sent_anew_in_their_order() -> None:
    kafka = Kafka()
    pipeline = started(kafka, b"1", b"2", b"3")
    kafka.sendings[1].has_failed = True
    assert pipeline.finish().messages[0].body == b"1"
    with pytest.raises(BrokerUnavailableError):
        pipeline.finish()
    assert not is_ready(pipeline)
    pipeline.start(batch(b"4"))
    assert kafka.begun == [b"1", b"2", b"3"], "what comes behind a failure waits for its turn"
    assert finished(pipeline) == [b"2", b"3", b"4"]
    assert kafka.sent_anew + kafka.begun[3:] == [b"2", b"3", b"4"]


def test_a_batch_that_nobody_took_is_sent_when_its_turn_comes() -> None:
    kafka = Kafka()
    pipeline = started(kafka, b"1")
    kafka.is_down = True
    pipeline.start(batch(b"2"))
    assert pipeline.finish().messages[0].body == b"1"
    for _ in range(2):
        with pytest.raises(BrokerUnavailableError):
            pipeline.finish()
    kafka.is_down = False
    assert finished(pipeline) == [b"2"]
    pipeline.start(batch(b"3"))
    assert kafka.begun[-1] == b"3", "it flows again"


def test_what_is_forgotten_is_gone() -> None:
    pipeline = started(Kafka(), b"1", b"2")
    pipeline.forget()
    assert len(pipeline) == 0
    assert not is_ready(pipeline)
