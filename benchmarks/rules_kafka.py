"""How much the rules service carries on a real Kafka, exactly once, with all rules, beside the broker on the same cores.

Backlogs are written first, so that the service alone sets the rate. Run it with `python -m benchmarks.rules_kafka`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupState, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.events import Plan, events
from benchmarks.figures import Figure, percentile, write
from devstack import Stack
from devstack.ports import free_port
from veilocity import settings as kernel_settings
from veilocity.contracts import Alert, decode
from veilocity.kafka import client_config, consumer_config, ensure_topics, producer_config, topic_name, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import ALERTS, FIXES, TRANSACTIONS

BACKLOG = 1_000_000
BACKLOG_2 = 1_500_000
LIVE_PER_S = 5_000
LIVE_S = 20.0
LIVE_WARM_UP_S = 5.0
PEER_EVENTS = 200_000
PEER_S = 25.0
SUBJECTS_RECOVERED = 100_000
_ROOT = Path(__file__).resolve().parents[1]
_INPUTS = (FIXES, TRANSACTIONS)


def _topics(base: Settings, name: str) -> Settings:
    """Return settings with topics of their own."""
    settings = base.model_copy(update={"kafka_topic_prefix": f"{name}.", "rules_group": "rules"})
    ensure_topics(settings)
    wait_for_topics(settings)
    return settings


def _fill(settings: Settings, plan: Plan, count: int) -> None:
    producer = Producer(producer_config(settings, **{"queue.buffering.max.messages": 500_000, "linger.ms": 50}))
    # The newest event is of now: Kafka and the engine dislike the future.
    start_ms = time.time_ns() // 1_000_000 - round(count * plan.interval_s * 1000 / plan.subjects)
    for event in islice(events(plan, start_ms), count):
        while True:
            try:
                producer.produce(topic_name(settings, event.topic), event.value, event.key)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(60):
        raise SystemExit("Kafka did not take the backlog")


@contextmanager
def _service(settings: Settings, instance: str = "rules-0") -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(kernel_settings.PREFIX)}
    for name in ("kafka_bootstrap", "kafka_topic_prefix", "rules_group", "rules_commit_ms"):
        environment[f"{kernel_settings.PREFIX}{name.upper()}"] = str(getattr(settings, name))
    environment |= {"VEILOCITY_RULES_INSTANCE": instance, "VEILOCITY_RULES_METRICS_PORT": str(free_port([]))}
    service = subprocess.Popen([sys.executable, "-m", "veilocity.cli", "rules"], cwd=_ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield service
    finally:
        service.kill()
        service.wait()


class Offsets:
    """The committed offsets of a group on the input topics, asked again and again."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._consumer = Consumer(consumer_config(settings, group))
        self._at = [TopicPartition(topic_name(settings, topic), number) for topic in _INPUTS for number in range(settings.kafka_partitions)]

    def now(self) -> list[int]:
        """Return the offsets by topic and partition."""
        return [max(0, at.offset) for at in self._consumer.committed(self._at, timeout=10)]

    def ends(self) -> list[int]:
        """Return the ends of the topics."""
        return [self._consumer.get_watermark_offsets(at, timeout=10)[1] for at in self._at]

    def until(self, count: int, timeout_s: float = 300.0) -> float:
        """Wait until so many records are committed; return when that was seen (monotonic)."""
        deadline = time.monotonic() + timeout_s
        while sum(self.now()) < count:
            if time.monotonic() > deadline:
                raise SystemExit("the service did not get through in time")
            time.sleep(0.02)
        return time.monotonic()

    def rate(self, timeout_s: float = 300.0) -> float:
        """Return records a second from the first look with progress everywhere to the last before a partition is done."""
        ends, deadline = self.ends(), time.monotonic() + timeout_s
        first: tuple[float, int] | None = None
        last = (0.0, 0)
        while time.monotonic() < deadline:
            now = self.now()
            if any(offset >= end for offset, end in zip(now, ends, strict=True)) and first is not None:
                return (last[1] - first[1]) / (last[0] - first[0])
            if all(now) and first is None:
                first = (time.monotonic(), sum(now))
            last = (time.monotonic(), sum(now))
            time.sleep(0.05)
        raise SystemExit("the service did not get through in time")

    def close(self) -> None:
        """Stop asking."""
        self._consumer.close()


def _group(settings: Settings) -> str:
    return settings.kafka_topic_prefix + settings.rules_group


def _backlog(settings: Settings, count: int) -> float:
    """Return what one process carries."""
    _fill(settings, Plan(), count)
    offsets = Offsets(settings, _group(settings))
    with _service(settings):
        begun = offsets.until(1)
        begun_count = sum(offsets.now())
        ended = offsets.until(sum(offsets.ends()))
    total = sum(offsets.ends())
    offsets.close()
    return (total - begun_count) / (ended - begun)


def _backlog_2(settings: Settings, count: int) -> float:
    """Return what two processes carry together, each with one of two partitions, while both have work."""
    _fill(settings, Plan(), count)
    offsets = Offsets(settings, _group(settings))
    with _service(settings, "rules-0"), _service(settings, "rules-1"):
        _wait_for_members(settings, 2)
        rate = offsets.rate()
    offsets.close()
    return rate


def _wait_for_members(settings: Settings, count: int) -> None:
    admin, deadline = AdminClient(client_config(settings)), time.monotonic() + 60.0
    while time.monotonic() < deadline:
        found = admin.describe_consumer_groups([_group(settings)], request_timeout=10.0)[_group(settings)].result(15.0)
        if len(found.members) == count and found.state is ConsumerGroupState.STABLE:
            return
        time.sleep(0.2)
    raise SystemExit("the service did not join its group")


class _Watch(threading.Thread):
    """Notes when the first alert of each payment could be read."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._consumer = Consumer(consumer_config(settings, "benchmark-watch", **{"fetch.wait.max.ms": 5}))
        places = [TopicPartition(topic_name(settings, ALERTS), number, OFFSET_BEGINNING) for number in range(settings.kafka_partitions)]
        self._consumer.assign(places)
        self._stopping = threading.Event()
        self.seen_ms: dict[str, float] = {}

    def run(self) -> None:
        """Read until stopped."""
        while not self._stopping.is_set():
            for message in self._consumer.consume(100, 0.002):
                if message.error() is None:
                    self.seen_ms.setdefault(decode(message.value() or b"", Alert).anchor, time.time() * 1000.0)
        self._consumer.close()

    def stop(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self.join()


def _latency(settings: Settings) -> list[float]:
    """Return milliseconds from Kafka taking a fraudulent payment to its alert being readable, at a steady rate."""
    written_ms: dict[str, float] = {}
    plan = Plan(fraud=0.02)
    producer = Producer(producer_config(settings, **{"linger.ms": 1}))
    watch = _Watch(settings)
    watch.start()

    def note(name: str, message: Message) -> None:
        written_ms[name] = message.timestamp()[1]

    with _service(settings):
        _wait_for_members(settings, 1)
        stream = events(plan, time.time_ns() // 1_000_000 - 600_000)
        # Everybody has a place and habits before the clock runs.
        for event in islice(stream, 4 * plan.subjects):
            producer.produce(topic_name(settings, event.topic), event.value, event.key)
            producer.poll(0)
        producer.flush(30)
        offsets = Offsets(settings, _group(settings))
        offsets.until(sum(offsets.ends()))
        offsets.close()
        begun, tick_s = time.monotonic(), 0.01
        for tick in range(int((LIVE_S + LIVE_WARM_UP_S) / tick_s)):
            time.sleep(max(0.0, begun + tick * tick_s - time.monotonic()))
            for event in islice(stream, int(LIVE_PER_S * tick_s)):
                is_watched = event.fraud and tick * tick_s >= LIVE_WARM_UP_S
                callback = (lambda _, message, name=event.fraud: note(name, message)) if is_watched else None
                producer.produce(topic_name(settings, event.topic), event.value, event.key, on_delivery=callback)
            producer.poll(0)
        producer.flush(30)
        time.sleep(2.0)
    watch.stop()
    missing = len(written_ms.keys() - watch.seen_ms.keys())
    print(f"{len(written_ms)} fraudulent payments at {LIVE_PER_S} events/s, {missing} without an alert of their own", flush=True)
    return [watch.seen_ms[name] - at_ms for name, at_ms in written_ms.items() if name in watch.seen_ms]


def _peer(settings: Settings, folder: Path) -> float:
    """Return what the naive rule on quixstreams carries in one process."""
    python = _ROOT / ".veilocity" / "quixstreams" / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv") or str(_ROOT / ".veilocity" / "uv" / "bin" / "uv")
        for argv in (
            ["venv", "-q", "--python", sys.executable, str(python.parents[1])],
            ["pip", "install", "-q", "--python", str(python), "quixstreams"],
        ):
            subprocess.run([uv, *argv], check=True)
    _fill(settings, Plan(), PEER_EVENTS)
    script = Path(__file__).with_name("rules_kafka_peer.py")
    argv = [str(python), "-W", "ignore", str(script), settings.kafka_bootstrap, settings.kafka_topic_prefix, str(folder)]
    offsets = Offsets(settings, f"{settings.kafka_topic_prefix}quixstreams")
    peer = subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        begun = offsets.until(1, 60.0)
        before, total = sum(offsets.now()), sum(offsets.ends())
        while sum(offsets.now()) < total and time.monotonic() < begun + PEER_S:
            time.sleep(0.05)
        return (sum(offsets.now()) - before) / (time.monotonic() - begun)
    finally:
        peer.send_signal(signal.SIGKILL)
        peer.wait()
        offsets.close()


def _recovery(settings: Settings) -> float:
    """Return seconds from starting a killed service, with so many subjects behind it, to the first commit of a new event."""
    plan = Plan(subjects=SUBJECTS_RECOVERED)
    _fill(settings, plan, 10 * SUBJECTS_RECOVERED)
    offsets = Offsets(settings, _group(settings))
    with _service(settings) as service:
        offsets.until(sum(offsets.ends()))
        service.kill()
    producer = Producer(producer_config(settings))
    for event in islice(events(Plan(seed=1, subjects=10), time.time_ns() // 1_000_000), 20):
        producer.produce(topic_name(settings, event.topic), event.value, event.key)
    producer.flush(30)
    begun, before = time.monotonic(), sum(offsets.now())
    with _service(settings):
        took_s = offsets.until(before + 1) - begun
    offsets.close()
    return took_s


def main() -> None:
    """Measure everything and write the figures."""
    with tempfile.TemporaryDirectory(prefix="veilocity-bench-") as folder:
        base = kernel_settings.load({}, state_dir=Path(folder))
        with Stack(base, servers=("kafka",), services=()) as stack:
            one = _backlog(_topics(stack.settings, "one"), BACKLOG)
            print(f"one process: {one:,.0f} events/s", flush=True)
            two = _backlog_2(_topics(stack.settings, "two"), BACKLOG_2)
            print(f"two processes: {two:,.0f} events/s", flush=True)
            delays_ms = _latency(_topics(stack.settings, "live"))
            print(f"Kafka to alert: p50 {percentile(delays_ms, 0.5):.0f} ms, p99 {percentile(delays_ms, 0.99):.0f} ms", flush=True)
            peer = _peer(_topics(stack.settings, "peer"), Path(folder) / "quixstreams")
            print(f"quixstreams, naive rule: {peer:,.0f} events/s", flush=True)
            recovery_s = _recovery(_topics(stack.settings, "recovery"))
    figures = [
        Figure("rules.kafka_events_per_s", round(one), "events/s", ">= 80000"),
        Figure("rules.kafka_events_per_s_2_processes", round(two), "events/s", ">= 120000"),
        Figure("rules.kafka_to_alert_p99_ms", round(percentile(delays_ms, 0.99), 1), "ms", "<= 150 (aim 100)"),
        Figure(
            "rules.ratio_to_quixstreams",
            round(one / peer, 2),
            "times",
            ">= 1",
            f"quixstreams, naive rule: {peer:,.0f} events/s",
            round(one / peer, 2),
        ),
        Figure("rules.recovery_100k_subjects_s", round(recovery_s, 2), "s", "<= 10"),
    ]
    write("rules_kafka", figures, ("confluent-kafka", "msgspec"))


if __name__ == "__main__":
    main()
