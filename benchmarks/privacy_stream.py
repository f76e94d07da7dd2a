"""How many payments a second the privacy stage releases: a real Kafka, real Spark on two cores, the real ledger, both stores as the sink.

All decisions are in the topic before the service starts, and making them does not count. What is measured is the `privacy` service as
users run it, with `benchmarks/release_only.yaml`: every record is read and decoded, payment and person get their HMAC, rows are staged on
the disk, windows are closed, anonymised and proven, and the releases are written to MongoDB and Elasticsearch. The time runs from the
start of the first micro-batch (Spark's entry of its offsets) to the commit of the micro-batch after which no payment waits any more but the
few that closed the last windows. Starting Python and Java is not in it. Broker, stores and this program share the cores.

The peer is a plain loop beside it: read the same topic with confluent-kafka, decode, HMAC payment and person, count by hour. It stages,
groups, proves and writes nothing. Run it with `python -m benchmarks.privacy_stream`.
"""

from __future__ import annotations

import argparse
import hmac
import os
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from benchmarks.figures import Figure, write
from benchmarks.privacy_stream_input import Plan, decisions, last
from devstack import Stack, spark_jars
from devstack.environment import base, changed
from devstack.ports import free_port
from devstack.services import service
from privacy.heartbeat import newest_batch
from privacy.identifiers.keyring import KeyRing
from storage.documents import Progress
from storage.queries import Reader
from veilocity import settings as kernel_settings
from veilocity.contracts import encode
from veilocity.errors import StoreUnavailableError
from veilocity.kafka import consumer_config, ensure_topics, producer_config, topic_name, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

PARTITIONS = 6
BATCH_RECORDS = 400_000
PEER_S = 30.0
_STUCK_S = 300.0
_POLICY = Path(__file__).with_name("release_only.yaml")


class _Payment(msgspec.Struct):
    id: str
    subject: str
    authorised_ms: int


class _Answer(msgspec.Struct):
    transaction: _Payment


def fill(settings: Settings, plan: Plan) -> None:
    """Write the decisions, and behind them one payment a partition that closes every window."""
    producer = Producer(producer_config(settings, **{"queue.buffering.max.messages": 500_000, "linger.ms": 50}))
    topic = topic_name(settings, DECISIONS)
    for decision in decisions(plan):
        while True:
            try:
                producer.produce(topic, encode(decision), decision.transaction.subject)
                break
            except BufferError:
                producer.poll(0.1)
    for partition in range(PARTITIONS):
        producer.flush(60)
        producer.produce(topic, encode(last(partition)), partition=partition)
    if producer.flush(60):
        raise SystemExit("Kafka did not take the decisions")


def release_everything(settings: Settings, form: str, payments: int) -> tuple[float, Progress]:
    """Return payments a second of the service on the whole topic, and what it says it did.

    Args:
        settings: of the servers.
        form: `privacy_release_form`.
        payments: in the topic, without those that close the windows.
    """
    own = changed(
        settings,
        privacy_release_form=form,
        privacy_policy_file=_POLICY,
        privacy_state_dir=settings.data_dir / f"privacy-{form}",
        privacy_batch_records=BATCH_RECORDS,
        mongodb_database=f"stream_{form}",
        elasticsearch_index_prefix=f"stream-{form}",
        privacy_metrics_port=free_port([]),
        privacy_audit_s=0,
    )
    if not own.token_key_file.exists():
        KeyRing.generate(own.token_key_file)
    specification = service("privacy", own, base(os.environ))
    log = settings.state_dir / f"privacy-{form}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(specification.argv, env=dict(specification.environment), stdout=stream, stderr=stream)
    reader = Reader(own)
    try:
        done = _await_release(reader, process, payments + PARTITIONS, log)
        return payments / _took_s(own.privacy_dir / "checkpoint", done.seq - 1), done
    finally:
        process.kill()
        process.wait()
        reader.close()


def _await_release(reader: Reader, process: subprocess.Popen[bytes], payments: int, log: Path) -> Progress:
    """Return the progress once only the payments that closed the windows wait."""
    known, deadline = Progress("privacy", 0), time.monotonic() + _STUCK_S
    while known.transactions < payments or known.pending > PARTITIONS:
        time.sleep(0.2)
        # A store that is busy writing releases may be slow to answer.
        found = known
        with suppress(StoreUnavailableError):
            found = reader.progress() or known
        if found.seq > known.seq:
            known, deadline = found, time.monotonic() + _STUCK_S
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the privacy stage did not get through: {log.read_text(errors='replace')[-2000:]}")
    return known


def _took_s(checkpoint: Path, batch: int) -> float:
    """Return the time from the start of the first micro-batch to the commit of this one."""
    deadline = time.monotonic() + _STUCK_S
    while newest_batch(checkpoint / "commits") < batch and time.monotonic() < deadline:
        time.sleep(0.02)
    return (checkpoint / "commits" / str(batch)).stat().st_mtime - (checkpoint / "offsets" / "0").stat().st_mtime


def plain_loop(settings: Settings) -> float:
    """Return records a second that a loop of its own reads, decodes and hashes in one process."""
    consumer = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}peer", **{"queued.min.messages": 200_000}))
    consumer.assign([TopicPartition(topic_name(settings, DECISIONS), partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
    decoder, key, counts = msgspec.json.Decoder(_Answer), bytes(range(32)), Counter[int]()
    hashed: set[bytes] = set()
    messages = consumer.consume(1_000, 20.0)
    begun, read = time.monotonic(), 0
    while messages and time.monotonic() < begun + PEER_S:
        for message in messages:
            payment = decoder.decode(message.value() or b"").transaction
            hmac.digest(key, payment.id.encode(), "sha256")
            hashed.add(hmac.digest(key, payment.subject.encode(), "sha256"))
            counts[payment.authorised_ms // 3_600_000] += 1
        read += len(messages)
        ended = time.monotonic()
        messages = consumer.consume(5_000, 2.0)
    consumer.close()
    return read / (ended - begun)


def _checked(done: Progress, payments: int) -> None:
    added_up = done.released + done.suppressed + done.late + done.pending
    if not done.transactions == added_up == payments + PARTITIONS or done.released < 0.9 * payments:
        raise SystemExit(f"the stage lost payments or released few: {done}")


def main() -> None:
    """Measure both forms and the peer, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--payments", type=int, default=Plan().payments)
    plan = Plan(payments=parser.parse_args().payments)
    rates = {}
    with tempfile.TemporaryDirectory(prefix="veilocity-bench-") as folder:
        loaded = kernel_settings.load({}, state_dir=Path(folder), kafka_partitions=PARTITIONS)
        with Stack(loaded, services=()) as stack:
            settings = changed(stack.settings, spark_jars=",".join(map(str, spark_jars(stack.settings))))
            ensure_topics(settings)
            wait_for_topics(settings)
            fill(settings, plan)
            print(f"{plan.payments:,} decisions are in the topic", flush=True)
            peer = plain_loop(settings)
            print(f"plain loop: {peer:,.0f} records/s", flush=True)
            for form in ("driver", "executors"):
                rates[form], done = release_everything(settings, form, plan.payments)
                _checked(done, plan.payments)
                shares = f"{done.released:,} released in {done.classes:,} classes, {done.suppressed:,} suppressed, {done.late:,} late"
                print(f"{form}: {rates[form]:,.0f} payments/s, {shares}", flush=True)
    about = f"plain loop of confluent-kafka, decode and HMAC: {peer:,.0f} records/s"
    figures = [
        Figure(
            "kanon.stream_rows_per_s", round(rates["driver"]), "rows/s", ">= 50000 (aim 100000)", about, round(rates["driver"] / peer, 2)
        ),
        Figure(
            "kanon.stream_rows_per_s_executors",
            round(rates["executors"]),
            "rows/s",
            "beside it",
            about,
            round(rates["executors"] / peer, 2),
        ),
    ]
    write("privacy_stream", figures, ("pyspark", "confluent-kafka", "msgspec", "pyarrow", "numpy", "h3"))


if __name__ == "__main__":
    main()
