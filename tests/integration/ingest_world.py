"""A real gateway process on a real Kafka, and what to look at afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, Message, TopicPartition

from veilocity import settings as kernel_settings
from veilocity.kafka import consumer_config, end_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import Topic

START_PATIENCE_S = 60.0


def eventually(what: str, holds: Callable[[], bool], patience_s: float = START_PATIENCE_S) -> None:
    """Return once `holds` does; a deadline turns a hang into a failure that says what was waited for."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        time.sleep(0.02)


@dataclass
class Gateway:
    """One gateway process and a client for it."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path

    @property
    def url(self) -> str:
        return str(self.client.base_url)

    def status(self, path: str) -> int:
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return 0

    def push(self, device: str, *readings: dict[str, Any], **fields: Any) -> httpx.Response:
        return self.client.post("/v1/sensor-logger", json={"deviceId": device, "messageId": 0, "payload": list(readings), **fields})


def environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with the settings that the gateway needs."""
    values = {
        name: getattr(settings, name) for name in settings.model_fields_set if name.startswith(("kafka_", "ingest_")) or name == "state_dir"
    }
    shown = {name: value.get_secret_value() if name in kernel_settings.SECRETS else value for name, value in values.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(kernel_settings.PREFIX)}
    return kept | {f"{kernel_settings.PREFIX}{name.upper()}": str(value) for name, value in shown.items()}


def start(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    """Start the gateway in a session of its own, its log in a file."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "veilocity.cli", "ingest"],
            env=environment(settings),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


@contextmanager
def gateway(settings: Settings, log: Path) -> Iterator[Gateway]:
    """Run the gateway until it is ready, and end it with all it started."""
    process = start(settings, log)
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.ingest_port}", timeout=10.0) as client:
        running = Gateway(process, client, log)
        try:
            eventually("the gateway is ready", lambda: process.poll() is not None or running.status("/readyz") == 200)
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield running
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def read_all(settings: Settings, topic: Topic) -> list[Message]:
    """Return every record of a topic, partition by partition."""
    ends = end_offsets(settings, topic, timeout_s=30.0)
    name = topic_name(settings, topic)
    consumer = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}reader", **{"enable.partition.eof": True}))
    found: list[Message] = []
    try:
        for partition, end in ends.items():
            consumer.assign([TopicPartition(name, partition, 0)])
            while end and (not found or found[-1].partition() != partition or (found[-1].offset() or 0) < end - 1):
                message = consumer.poll(30.0)
                assert message is not None, f"{name} fell silent"
                if message.error() is None:
                    found.append(message)
    finally:
        consumer.close()
    return found


def murmur2_partition(key: bytes, partitions: int) -> int:
    """Return the partition Kafka's Java clients choose (org.apache.kafka.common.utils.Utils.murmur2)."""
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    value = (0x9747B28C ^ len(key)) & mask
    whole = len(key) // 4 * 4
    for start_of_word in range(0, whole, 4):
        word = int.from_bytes(key[start_of_word : start_of_word + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        value = value * multiplier & mask ^ word
    rest: Sequence[int] = key[whole:]
    if rest:
        for position, byte in enumerate(rest):
            value ^= byte << 8 * position
        value = value * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    value ^= value >> 15
    return (value & 0x7FFFFFFF) % partitions
