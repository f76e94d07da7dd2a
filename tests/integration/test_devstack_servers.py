"""The fixtures themselves: three real servers that take and give back data."""

from __future__ import annotations

import stat
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from elasticsearch import Elasticsearch
from pymongo import MongoClient

from veilocity.kafka import consumer_config, end_offsets, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import FIXES

pytestmark = pytest.mark.services


def test_kafka_takes_a_record_and_gives_it_back(service_settings: Settings) -> None:
    producer = Producer(producer_config(service_settings))
    producer.produce(topic_name(service_settings, FIXES), key=b"somebody", value=b"somewhere")
    assert producer.flush(10) == 0
    consumer = Consumer(consumer_config(service_settings, uuid.uuid4().hex))
    consumer.subscribe([topic_name(service_settings, FIXES)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.value() == b"somewhere"
    assert sum(end_offsets(service_settings, FIXES).values()) == 1


def test_mongodb_takes_a_document_and_gives_it_back(service_settings: Settings) -> None:
    client: MongoClient[dict[str, object]] = MongoClient(service_settings.mongodb_uri.get_secret_value())
    things = client[service_settings.mongodb_database]["things"]
    things.insert_one({"_id": 1, "word": "here"})
    assert things.find_one({"_id": 1}) == {"_id": 1, "word": "here"}
    client.close()


def test_elasticsearch_takes_a_document_and_gives_it_back(service_settings: Settings) -> None:
    with Elasticsearch(service_settings.elasticsearch_url) as search:
        index = f"{service_settings.elasticsearch_index_prefix}-things"
        search.index(index=index, id="1", document={"word": "here"}, refresh=True)
        assert search.count(index=index)["count"] == 1


def test_spark_finds_its_connector(service_settings: Settings) -> None:
    jars = [Path(jar) for jar in service_settings.spark_jars.split(",")]
    assert len(jars) == 4
    assert all(stat.S_ISREG(jar.stat().st_mode) for jar in jars)
