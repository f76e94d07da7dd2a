"""What the test of the main job needs: sending like a stubborn client, reading topics and stores to the end, looking for identifiers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from pymongo import MongoClient

from veilocity.contracts import Alert, AlertState, decode
from veilocity.kafka import consumer_config, end_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import Topic

_Record = TypeVar("_Record", bound=msgspec.Struct)


def until(condition: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Wait for a condition, or fail saying what did not happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.2)


class StubbornClient:
    """Sends a body until it is answered, as every sender must: the gateway may be killed at any moment."""

    def __init__(self, url: str, token: str = "") -> None:
        self._client = httpx.Client(base_url=url, timeout=10.0, headers={"Authorization": f"Bearer {token}"} if token else {})
        self.answers: Counter[str] = Counter()
        self.repeats = 0

    def send(self, path: str, body: bytes, method: str = "POST") -> None:
        """Send once, and again until the answer is not 503."""
        deadline = time.monotonic() + 90.0
        while True:
            try:
                answer = self._client.request(method, path, content=body)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                break
            assert time.monotonic() < deadline, f"{path} was not answered for 90 s"
            self.repeats += 1
            time.sleep(0.1)
        assert answer.status_code == 200, answer.text
        counts = answer.json()
        self.answers.update({name: counts[name] for name in ("accepted", "rejected", "ignored")})

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def read_topic(settings: Settings, topic: Topic, kind: type[_Record]) -> list[_Record]:
    """Return every committed record of a topic."""
    consumer = Consumer(consumer_config(settings, f"{settings.kafka_topic_prefix}test-reader", **{"enable.partition.eof": True}))
    try:
        name = topic_name(settings, topic)
        ends = end_offsets(settings, topic)
        consumer.assign([TopicPartition(name, partition, 0) for partition in ends])
        records: list[_Record] = []
        open_partitions = set(ends)
        deadline = time.monotonic() + 60.0
        while open_partitions:
            assert time.monotonic() < deadline, f"{topic.name} could not be read to its end"
            for message in consumer.consume(1000, 0.5):
                error, value = message.error(), message.value()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    open_partitions.discard(message.partition() or 0)
                elif value is not None:
                    records.append(decode(value, kind))
        return records
    finally:
        consumer.close()


def final_alerts(revisions: Iterable[Alert]) -> dict[str, Alert]:
    """Return the newest revision of every alert that was not taken back."""
    newest: dict[str, Alert] = {}
    for alert in revisions:
        if alert.id not in newest or newest[alert.id].revision < alert.revision:
            newest[alert.id] = alert
    return {name: alert for name, alert in newest.items() if alert.state is not AlertState.RETRACTED}


def mongodb_documents(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield collection and text of every document."""
    with MongoClient[dict[str, object]](settings.mongodb_uri.get_secret_value()) as client:
        database = client[settings.mongodb_database]
        for name in sorted(database.list_collection_names()):
            for document in database[name].find():
                yield name, repr(document)


def elasticsearch_documents(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield index and text of every document."""
    with Elasticsearch(settings.elasticsearch_url) as client:
        client.indices.refresh(index=f"{settings.elasticsearch_index_prefix}-*")
        for hit in scan(client, index=f"{settings.elasticsearch_index_prefix}-*", size=2000):
            yield hit["_index"], repr({"_id": hit["_id"], **hit["_source"]})


def files_below(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of every file."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes().decode("latin-1")


def leaks(texts: Iterable[tuple[str, str]], identifiers: Iterable[str]) -> list[str]:
    """Return where identifiers stand, without printing them: `place: number of different ones`."""
    places: dict[str, list[str]] = {}
    for place, text in texts:
        places.setdefault(place, []).append(text)
    wanted = set(identifiers)
    assert wanted
    assert places
    found = {place: sum(identifier in whole for identifier in wanted) for place, whole in ((p, "\n".join(t)) for p, t in places.items())}
    return [f"{place}: {count}" for place, count in sorted(found.items()) if count]
