"""The sender's promises, with the client library played by an object that acknowledges when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from ingest.outcome import Record
from ingest.producer import Sender
from veilocity import settings
from veilocity.errors import BrokerUnavailableError
from veilocity.topics import DIRECTORY, FIXES

TIMEOUT_S = 0.2


class FakeProducer:
    """Acknowledges from `poll`, as the library does."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.waiting: list[tuple[Callable[[KafkaError | None, Message], None], Message]] = []
        self.written: list[tuple[str, bytes | None, bytes | None]] = []
        self.answering = True
        self.keeps_last = False
        self.error: KafkaError | None = None
        self.refusal: Exception | None = None
        self.polled = threading.Condition()

    def produce(self, topic: str, value: bytes | None, key: bytes | None, on_delivery: Callable[..., None]) -> None:
        if self.refusal is not None:
            raise self.refusal
        with self.polled:
            self.written.append((topic, key, value))
            self.waiting.append((on_delivery, Message(topic=topic, partition=1, offset=len(self.written))))
            self.polled.notify_all()

    def poll(self, timeout: float) -> int:
        with self.polled:
            self.polled.wait_for(lambda: self.answering and bool(self.waiting), timeout)
            if not self.answering:
                return 0
            cut = len(self.waiting) - int(self.keeps_last)
            ready, self.waiting = self.waiting[:cut], self.waiting[cut:]
        for on_delivery, message in ready:
            on_delivery(self.error, message)
        return len(ready)

    def flush(self, _timeout: float) -> int:
        return 0


class Bench:
    def __init__(self) -> None:
        self.made: list[FakeProducer] = []
        self.sender = Sender(settings.load({}, ingest_ack_timeout_s=TIMEOUT_S, kafka_topic_prefix="x-"), self._create)  # type: ignore[arg-type]  # plays it

    def _create(self, config: dict[str, Any]) -> FakeProducer:
        self.made.append(FakeProducer(config))
        return self.made[-1]

    @property
    def producer(self) -> FakeProducer:
        return self.made[-1]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.sender.close()


RECORDS = [Record(FIXES, b"p-1", b"1"), Record(FIXES, b"p-1", b"2")]


def test_it_returns_when_every_record_is_acknowledged(bench: Bench) -> None:
    assert bench.sender.send_all(RECORDS) == {}
    assert bench.producer.written == [("x-fixes", b"p-1", b"1"), ("x-fixes", b"p-1", b"2")]


def test_nothing_to_send_needs_no_kafka(bench: Bench) -> None:
    bench.producer.refusal = BufferError()
    assert bench.sender.send_all([]) == {}


def test_directory_records_tell_their_highest_offset(bench: Bench) -> None:
    assert bench.sender.send_all([Record(DIRECTORY, b"card:1", b"1"), Record(DIRECTORY, b"card:2", None)]) == {1: 2}


def test_it_is_idempotent_waits_for_all_replicas_and_gives_records_up_in_time(bench: Bench) -> None:
    config = bench.producer.config
    assert (config["enable.idempotence"], config["acks"], config["message.timeout.ms"]) == (True, "all", 200)


def test_silence_is_an_error_within_the_timeout(bench: Bench) -> None:
    bench.producer.answering = False
    with pytest.raises(BrokerUnavailableError, match="in time"):
        bench.sender.send_all(RECORDS)


def test_one_record_without_an_acknowledgement_fails_the_request(bench: Bench) -> None:
    bench.producer.keeps_last = True
    with pytest.raises(BrokerUnavailableError, match="in time"):
        bench.sender.send_all(RECORDS)


def test_one_failed_record_fails_the_request(bench: Bench) -> None:
    bench.producer.error = KafkaError(KafkaError._MSG_TIMED_OUT)
    with pytest.raises(BrokerUnavailableError, match="did not acknowledge"):
        bench.sender.send_all(RECORDS)


@pytest.mark.parametrize("refusal", [BufferError("queue full"), KafkaException(KafkaError(KafkaError._STATE))])
def test_a_refused_record_fails_the_request(bench: Bench, refusal: Exception) -> None:
    bench.producer.refusal = refusal
    with pytest.raises(BrokerUnavailableError):
        bench.sender.send_all(RECORDS)


def test_while_kafka_is_down_one_request_waits_and_the_others_are_told_at_once(bench: Bench) -> None:
    bench.producer.answering = False
    with pytest.raises(BrokerUnavailableError, match="in time"):
        bench.sender.send_all(RECORDS)
    said: list[str] = []

    def send() -> None:
        with pytest.raises(BrokerUnavailableError) as error:
            bench.sender.send_all(RECORDS)
        said.append(str(error.value))

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted("in time" in sentence for sentence in said) == [False, False, False, False, True]


def test_one_success_ends_the_outage(bench: Bench) -> None:
    bench.producer.answering = False
    with pytest.raises(BrokerUnavailableError):
        bench.sender.send_all(RECORDS)
    bench.producer.answering = True
    bench.sender.send_all(RECORDS)
    assert bench.sender._down is False


def test_a_late_acknowledgement_of_a_failed_request_harms_nobody(bench: Bench) -> None:
    bench.producer.answering = False
    with pytest.raises(BrokerUnavailableError):
        bench.sender.send_all(RECORDS)
    bench.producer.answering = True
    deadline = time.monotonic() + 5
    while bench.producer.waiting and time.monotonic() < deadline:
        bench.sender.send_all(RECORDS[:1])
    assert bench.producer.waiting == []


@pytest.mark.parametrize("when", ["produce", "acknowledge"])
def test_a_producer_that_failed_for_good_is_replaced(bench: Bench, when: str) -> None:
    fatal = KafkaError(KafkaError._FATAL, fatal=True)
    if when == "produce":
        bench.producer.refusal = KafkaException(fatal)
    else:
        bench.producer.error = fatal
    with pytest.raises(BrokerUnavailableError):
        bench.sender.send_all(RECORDS)
    assert len(bench.made) == 2
    bench.sender.send_all(RECORDS)
    assert len(bench.producer.written) == 2


def test_many_threads_share_one_producer(bench: Bench) -> None:
    failures: list[Exception] = []

    def send(number: int) -> None:
        try:
            for count in range(50):
                bench.sender.send_all([Record(FIXES, b"p", f"{number}-{count}-{part}".encode()) for part in range(3)], 10.0)
        except Exception as failure:  # a thread's failure must reach the test
            failures.append(failure)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(bench.producer.written)) == 16 * 50 * 3
