"""The engine on Spark against the same engine in one process: the same day of events, the same decisions and alerts."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from pyarrow import parquet
from pyspark.sql import SparkSession

from ingest.simulator.weeks import WeekPlan, labelled_week
from rules import Engine
from rules.backtest import Judgement, judge
from rules.catalogue import RULE_TYPES
from rules.spark.stream import CONFIGURATION, results, start_query
from tests.integration.rules_cluster import own_topics
from tests.unit.rules_world import SUBJECT, book, fix
from veilocity.contracts import Alert, AlertState, Decision, Fix, Reject, SubjectId, Transaction, decode, encode
from veilocity.errors import RejectReason
from veilocity.kafka import consumer_config, end_offsets, producer_config, topic_name
from veilocity.settings import Settings, load
from veilocity.spark import start_session
from veilocity.topics import ALERTS, DECISIONS, FIXES, REJECTS, TRANSACTIONS, Topic

pytestmark = [pytest.mark.services, pytest.mark.spark]

Event = Fix | Transaction
Row = tuple[str, bytes, bytes]
BOOK = book(*RULE_TYPES)
"""Every rule there is."""
DAY_MS = 86_400_000
TIME_TO_LIVE_S = 30 * 86_400


@pytest.fixture(scope="module")
def day() -> list[Event]:
    """One day of a labelled week, in order of arrival: honest confusers, fraud, late and repeated events."""
    week = labelled_week(WeekPlan(seed=3, people=8, days=5)).events
    first_ms = week[0].received_ms + 3 * DAY_MS
    return [event for event in week if first_ms <= event.received_ms < first_ms + DAY_MS]


@pytest.fixture(scope="module")
def plain(day: list[Event]) -> Judgement:
    judgement = judge(day, Engine(BOOK))
    assert judgement.counts["flagged"] > 0
    assert judgement.counts["decisions_amended"] > 0
    assert judgement.counts["fixes_rejected"] + judgement.counts["fixes_duplicate"] > 0
    return judgement


@pytest.fixture(scope="module")
def spark(spark_connector: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    settings = load({}, spark_jars=spark_connector)
    session = start_session(
        settings, "rules-test", tmp_path_factory.mktemp("spark"), {**CONFIGURATION, "spark.sql.shuffle.partitions": "2"}
    )
    yield session
    session.stop()


def subjects_shuffled(day: Sequence[Event], seed: int) -> list[Event]:
    """The same events with each subject's in order of arrival, and the subjects mixed in another way."""
    rng = random.Random(seed)  # noqa: S311  # test data
    queues: dict[SubjectId, list[Event]] = defaultdict(list)
    for event in day:
        queues[event.subject].append(event)
    turns = [subject for subject, queue in queues.items() for _ in queue]
    rng.shuffle(turns)
    order = {subject: iter(queue) for subject, queue in queues.items()}
    return [next(order[subject]) for subject in turns]


def cut(events: Sequence[Event], pieces: int, seed: int) -> list[Sequence[Event]]:
    """Pieces of random length."""
    rng = random.Random(seed)  # noqa: S311  # test data
    ends = [0, *sorted(rng.sample(range(1, len(events)), pieces - 1)), len(events)]
    return [events[start:end] for start, end in pairwise(ends)]


class Files:
    """A stream of micro-batches, one file each."""

    schema = "key binary, value binary, topic string, offset bigint, timestamp timestamp"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.offset = 0
        self.subjects = 0
        """In the state store after the last run."""
        (folder / "in").mkdir(parents=True)

    def add(self, events: Iterable[Event], rng: random.Random) -> None:
        rows = []
        for event in events:
            self.offset += 1
            topic = FIXES.name if isinstance(event, Fix) else TRANSACTIONS.name
            # One timestamp for each: within a micro-batch the rows are shuffled, and only this says in which order they came.
            rows.append((event.subject.encode(), encode(event), topic, self.offset, event.received_ms * 1000 + self.offset % 1000))
        rng.shuffle(rows)
        names = ["key", "value", "topic", "offset", "timestamp"]
        arrays = [pa.array(column) for column in zip(*rows, strict=True)]
        arrays[4] = arrays[4].cast(pa.timestamp("us", tz="UTC"))
        number = len(list((self.folder / "in").iterdir()))
        written = self.folder / f"{number}.parquet"
        parquet.write_table(pa.table(arrays, names=names), written)
        written.rename(self.folder / "in" / written.name)

    def run(self, spark: SparkSession) -> list[Row]:
        """Judge what was not judged before, from the checkpoint of the run before; return all results so far, in any order."""
        stream = spark.readStream.schema(self.schema).option("maxFilesPerTrigger", 1).parquet(str(self.folder / "in"))
        query = (
            results(stream, BOOK, TIME_TO_LIVE_S)
            .writeStream.format("parquet")
            .option("checkpointLocation", str(self.folder / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(self.folder / "out"))
        )
        assert query.awaitTermination(120)
        assert query.lastProgress is not None
        self.subjects = query.lastProgress.stateOperators[0].numRowsTotal
        tables = [parquet.read_table(file) for file in (self.folder / "out").glob("*.parquet")]
        return [(row["topic"], row["key"], row["value"]) for table in tables for row in table.to_pylist()]

    def lose_the_last_commit(self) -> None:
        """Leave the folder as a crash between the results and the commit of a micro-batch does."""
        last = max(int(path.name) for path in (self.folder / "checkpoint" / "commits").iterdir() if path.name.isdecimal())
        for log in (self.folder / "checkpoint" / "commits", self.folder / "out" / "_spark_metadata"):
            (log / str(last)).unlink()
            (log / f".{last}.crc").unlink(missing_ok=True)


def final(rows: Iterable[Row]) -> tuple[dict[str, Decision], dict[str, Alert]]:
    decisions: dict[str, Decision] = {}
    alerts: dict[str, Alert] = {}
    for topic, key, value in rows:
        if topic == DECISIONS.name:
            decision = decode(value, Decision)
            assert decision.transaction.subject.encode() == key
            known = decisions.get(decision.transaction.id)
            if known is None or decision.revision >= known.revision:
                decisions[decision.transaction.id] = decision
        elif topic == ALERTS.name:
            alert = decode(value, Alert)
            told = alerts.get(alert.id)
            if told is None or alert.revision >= told.revision:
                alerts[alert.id] = alert
    return decisions, alerts


def test_micro_batches_with_a_crash_between_give_what_one_process_gives_and_the_silent_are_forgotten(
    spark: SparkSession, tmp_path: Path, day: list[Event], plain: Judgement
) -> None:
    files, rng = Files(tmp_path), random.Random(2)  # noqa: S311  # test data
    pieces = cut(subjects_shuffled(day, 2), 4, seed=2)
    for piece in pieces[:2]:
        files.add(piece, rng)
    before = files.run(spark)
    files.lose_the_last_commit()
    for piece in pieces[2:]:
        files.add(piece, rng)
    # One person goes on after the others' time to live. Timers ring in the micro-batch after that in which the time was reached.
    for later in (1, 2):
        files.add([fix((TIME_TO_LIVE_S + 10 * DAY_MS // 1000) + later, subject="a late riser")], rng)
    after = files.run(spark)
    repeated = Counter(after) - Counter(set(after))
    assert repeated
    assert repeated.keys() <= set(before)
    assert final(after) == (plain.decisions, plain.alerts)
    assert files.subjects == 1


def test_from_kafka_to_kafka_with_records_that_are_no_events(
    spark: SparkSession, kafka_server: str, tmp_path: Path, day: list[Event], plain: Judgement
) -> None:
    with own_topics(kafka_server, tmp_path) as settings:
        for piece in cut(day, 2, seed=3):
            # Written while no query runs: half a day in a second, read from both topics up to any two offsets, would be hours apart.
            write(settings, piece, shift_ms=int(time.time() * 1000) - day[-1].received_ms)
            write_bad(settings)
            query = start_query(spark, settings, BOOK, tmp_path / "checkpoint")
            query.processAllAvailable()
            query.stop()
        rows = [(topic.name, key, value) for topic in (DECISIONS, ALERTS, REJECTS) for key, value in records(settings, topic)]
    decisions, alerts = final(rows)
    assert {name: comparable(one) for name, one in decisions.items()} == {name: comparable(one) for name, one in plain.decisions.items()}
    assert standing(alerts) == standing(plain.alerts)
    reasons = Counter(decode(value, Reject).reason for topic, _, value in rows if topic == REJECTS.name)
    assert reasons == plain.rejects + Counter({RejectReason.UNDECODABLE: 2, RejectReason.INVALID_FIELD: 4})


def write(settings: Settings, events: Iterable[Event], shift_ms: int) -> None:
    """Write events with Kafka's timestamps as far apart as they were received; they end now, as Kafka drops old records."""
    producer = Producer(producer_config(settings))
    for event in events:
        topic = FIXES if isinstance(event, Fix) else TRANSACTIONS
        producer.produce(topic_name(settings, topic), encode(event), event.subject.encode(), timestamp=event.received_ms + shift_ms)
        producer.poll(0)
    assert producer.flush(30) == 0
    producer.close()


def write_bad(settings: Settings) -> None:
    """Write one record that does not decode, one under another subject's key and one without a key."""
    producer = Producer(producer_config(settings))
    for key, value in ((SUBJECT.encode(), b"{"), (b"ben", encode(fix(0.0))), (None, encode(fix(0.0)))):
        producer.produce(topic_name(settings, FIXES), value, key)
    assert producer.flush(30) == 0
    producer.close()


def records(settings: Settings, topic: Topic) -> Iterator[tuple[bytes, bytes]]:
    """Yield what is on a topic."""
    consumer = Consumer(consumer_config(settings, "reader"))
    for partition, end in end_offsets(settings, topic).items():
        consumer.assign([TopicPartition(topic_name(settings, topic), partition, 0)])
        seen = 0
        while seen < end:
            for message in consumer.consume(1000, 1.0):
                assert message.error() is None
                seen = (message.offset() or 0) + 1
                yield message.key() or b"", message.value() or b""
    consumer.close()


def comparable(decision: Decision) -> Decision:
    """Without what tells of the order of arrival: Kafka's topics come side by side."""
    return msgspec.structs.replace(decision, revision=0)


def standing(alerts: dict[str, Alert]) -> dict[str, Alert]:
    return {
        name: msgspec.structs.replace(alert, revision=0, received_ms=0, state=AlertState.OPEN)
        for name, alert in alerts.items()
        if alert.state is not AlertState.RETRACTED
    }
