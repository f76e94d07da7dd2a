"""What every Kafka client is told, whatever the cluster's security."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer

from veilocity import settings as kernel_settings
from veilocity.kafka import client_config, consumer_config, producer_config, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS, TOPICS


def loaded(**variables: str) -> Settings:
    return kernel_settings.load({f"VEILOCITY_KAFKA_{name.upper()}": value for name, value in variables.items()})


def test_plain_clients_send_no_credentials() -> None:
    assert not [name for name in client_config(loaded()) if name.startswith(("sasl", "ssl"))]


@pytest.mark.parametrize(("protocol", "sasl", "tls"), [("SASL_PLAINTEXT", True, False), ("SSL", False, True), ("SASL_SSL", True, True)])
def test_credentials_and_authority_go_where_the_protocol_uses_them(protocol: str, sasl: bool, tls: bool) -> None:
    config = client_config(loaded(security_protocol=protocol, username="u", password="p", ca_file="/ca.pem"))  # noqa: S106  # no real password
    assert ("sasl.password" in config) is sasl
    assert ("ssl.ca.location" in config) is tls


def test_a_producer_loses_and_doubles_nothing_and_places_keys_as_java_does() -> None:
    config = producer_config(loaded())
    assert (config["acks"], config["enable.idempotence"], config["partitioner"]) == ("all", True, "murmur2_random")


def test_a_consumer_reads_committed_records_from_the_beginning_and_commits_nothing_by_itself() -> None:
    config = consumer_config(loaded(), "group")
    assert (config["isolation.level"], config["auto.offset.reset"], config["enable.auto.commit"]) == ("read_committed", "earliest", False)


def test_the_library_knows_every_setting() -> None:
    Producer(producer_config(loaded())).flush(0)
    Consumer(consumer_config(loaded(), "group")).close()


def test_topics_have_one_prefix_and_distinct_names() -> None:
    assert topic_name(loaded(topic_prefix="team."), DECISIONS) == "team.decisions"
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)


def test_only_what_is_needed_by_key_is_compacted() -> None:
    assert {topic.name for topic in TOPICS if topic.configuration()["cleanup.policy"] == "compact"} == {
        "directory",
        "rules-state",
        "rules-progress",
    }
