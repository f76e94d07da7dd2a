"""Topics on the real broker, by the function and by the command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from devstack.environment import base, changed, variables
from veilocity.errors import BrokerUnavailableError
from veilocity.kafka import client_config, end_offsets, ensure_topics, topic_name, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import DIRECTORY, FIXES, TOPICS

pytestmark = pytest.mark.services


def command(settings: Settings, *options: str) -> int:
    environment = {**base(os.environ), **variables(settings)}
    return subprocess.run([sys.executable, "-m", "veilocity.cli", "topics", *options], check=False, env=environment, timeout=120).returncode


def test_topics_are_made_once_as_declared(service_settings: Settings) -> None:
    assert ensure_topics(service_settings) == []  # the fixture made them
    admin = AdminClient(client_config(service_settings))
    known = admin.list_topics(timeout=10).topics
    for topic in TOPICS:
        name = topic_name(service_settings, topic)
        assert len(known[name].partitions) == (topic.partitions or service_settings.kafka_partitions)
        (described,) = admin.describe_configs([ConfigResource("topic", name)]).values()
        kept = described.result()
        assert {key: kept[key].value for key in topic.configuration()} == topic.configuration()
    assert end_offsets(service_settings, FIXES, timeout_s=60.0) == dict.fromkeys(range(service_settings.kafka_partitions), 0)


def test_the_command_checks_and_creates(service_settings: Settings) -> None:
    assert command(service_settings, "--check") == 0
    other = changed(service_settings, kafka_topic_prefix=f"{service_settings.kafka_topic_prefix}other.")
    admin = AdminClient(client_config(other))
    try:
        assert command(other) == 0
        assert topic_name(other, DIRECTORY) in admin.list_topics(timeout=10).topics
    finally:
        for dropped in admin.delete_topics([topic_name(other, topic) for topic in TOPICS]).values():
            dropped.result()


def test_a_topic_that_is_not_there_has_no_offsets(service_settings: Settings) -> None:
    other = changed(service_settings, kafka_topic_prefix=f"{service_settings.kafka_topic_prefix}absent.")
    assert end_offsets(other, FIXES, timeout_s=60.0) == {}


def test_a_broker_that_does_not_answer_is_a_sentence(service_settings: Settings) -> None:
    nowhere = changed(service_settings, kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(BrokerUnavailableError, match="is it running"):
        ensure_topics(nowhere, timeout_s=1.0)
    with pytest.raises(BrokerUnavailableError, match="start it"):
        wait_for_topics(nowhere, timeout_s=1.0)
    with pytest.raises(BrokerUnavailableError, match="is it running"):
        end_offsets(nowhere, FIXES, timeout_s=1.0)
