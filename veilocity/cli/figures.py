"""Reads the figures of a running system in the order in which the equations may compare them (`veilocity.cli.conservation`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from devstack.services import address
from rules.recovery import read_to_end
from rules.transactions import group_name
from storage.census import take_census
from veilocity.cli.conservation import Figures, RulesFigures, TopicFigures, total
from veilocity.contracts import RulesProgress, decode
from veilocity.errors import BrokerUnavailableError, RetryableError, ServiceUnavailableError
from veilocity.kafka import consumer_config, end_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS, FIXES, RULES_PROGRESS, TRANSACTIONS, Topic

__all__ = ["acknowledged", "read_figures", "spark_positions"]

_TIMEOUT_S = 5.0
_TAIL_OFFSETS = 64
"""Every transaction of the rules service writes its counters, so the newest are among the last few offsets."""
_T = TypeVar("_T")


def read_figures(settings: Settings) -> Figures:
    """Return what can be read; a figure whose service does not answer is None."""
    return Figures(
        acknowledged=_or_none(lambda: acknowledged(settings)),
        spark_read=spark_positions(settings.privacy_dir / "checkpoint", settings.kafka_topic_prefix),
        census=_or_none(lambda: take_census(settings)),
        rules=_or_none(lambda: _rules(settings)),
        ends=_or_none(lambda: {topic.name: _end(settings, topic) for topic in (FIXES, DECISIONS, ALERTS)}),
    )


def _or_none(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except RetryableError:
        # Which service does not answer is told by its own line; here it only means that the figure is unknown.
        return None


def acknowledged(settings: Settings) -> int:
    """Return the number of fixes and payments that the gateway acknowledged since it started.

    Raises:
        ServiceUnavailableError: the gateway does not answer.
    """
    try:
        answer = httpx.get(f"{address('ingest', settings)}/metrics", timeout=_TIMEOUT_S, trust_env=False).raise_for_status()
    except httpx.HTTPError as cause:
        raise ServiceUnavailableError("the gateway does not tell its metrics: is it running?") from cause
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "veilocity_ingest_items_total"
        and sample.labels.get("outcome") == "accepted"
        and sample.labels.get("kind") != "directory"
    )


def spark_positions(checkpoint: Path, prefix: str) -> dict[str, int] | None:
    """Return the offsets behind Spark's last finished batch, by topic and summed over partitions.

    Args:
        checkpoint: Spark's folder; its files are JSON lines of a fixed format, a commit file for each finished batch.
        prefix: of the topic names on this cluster, taken off.

    Returns:
        None where no finished batch can be seen: none yet, or the privacy stage runs on another machine.
    """
    try:
        finished = max(int(file.name) for file in (checkpoint / "commits").iterdir() if file.name.isdecimal())
        lines = (checkpoint / "offsets" / str(finished)).read_text(encoding="utf-8").splitlines()
        # A version, the batch's metadata, then the offsets of each source; the stage has one.
        places: dict[str, dict[str, int]] = json.loads(lines[2])
    except (OSError, ValueError, IndexError):
        return None
    return {topic.removeprefix(prefix): sum(partitions.values()) for topic, partitions in places.items()}


def _rules(settings: Settings) -> RulesFigures:
    """Return where the rules service is: first the committed offsets, then the counters, then the ends."""
    read = {topic.name: _committed(settings, topic) for topic in (FIXES, TRANSACTIONS)}
    done = total(_progress(settings, partition) for partition in end_offsets(settings, RULES_PROGRESS, _TIMEOUT_S))
    return RulesFigures(
        done=done,
        fixes=TopicFigures(read[FIXES.name], _end(settings, FIXES)),
        transactions=TopicFigures(read[TRANSACTIONS.name], _end(settings, TRANSACTIONS)),
    )


def _committed(settings: Settings, topic: Topic) -> int:
    name = topic_name(settings, topic)
    consumer = Consumer(consumer_config(settings, group_name(settings)))
    try:
        partitions = consumer.list_topics(name, timeout=_TIMEOUT_S).topics[name].partitions
        places = consumer.committed([TopicPartition(name, partition) for partition in partitions], timeout=_TIMEOUT_S)
        return sum(max(0, place.offset) for place in places)
    except KafkaException as cause:
        raise BrokerUnavailableError("Kafka does not tell the committed offsets: is it running?") from cause
    finally:
        consumer.close()


def _progress(settings: Settings, partition: int) -> RulesProgress:
    """Return the newest counters of one partition."""
    newest = [RulesProgress(partition)]

    def take(message: Message) -> None:
        if message.key() == str(partition).encode():
            newest[0] = decode(message.value() or b"", RulesProgress)

    end = read_to_end(settings, RULES_PROGRESS, partition, take, tail=_TAIL_OFFSETS)
    if newest[0] == RulesProgress(partition) and end > _TAIL_OFFSETS:
        # Aborted transactions alone in the tail.
        read_to_end(settings, RULES_PROGRESS, partition, take)
    return newest[0]


def _end(settings: Settings, topic: Topic) -> int:
    return sum(end_offsets(settings, topic, _TIMEOUT_S).values())
