"""What the bridge makes of messages, with Kafka played by a list; and that messages given again do no harm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.intake import Intake
from ingest.mqtt import Bridge, Message
from ingest.mqtt.session import Session
from ingest.mqtt.topics import topic_filters
from ingest.outcome import Record
from ingest.telemetry import ITEMS, MQTT_MESSAGES
from tests.unit import rules_world
from veilocity import settings
from veilocity.contracts import Fix, FixFilter, Reject, decode
from veilocity.errors import BrokerUnavailableError, RejectReason, SettingsError
from veilocity.topics import FIXES, REJECTS

ARRIVAL = Arrival(1_700_000_000_000, 300.0)
PLACE = {"_type": "location", "lat": 52.516312, "lon": 13.377712, "tst": 1_699_999_000, "acc": 5}


def message(body: Any, topic: str = "owntracks/jane/phone", **changes: Any) -> Message:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(topic, data, 1, 7, False, 1)._replace(**changes)


class Kafka:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.down = False

    def send_all(self, records: Sequence[Record]) -> None:
        if self.down:
            raise BrokerUnavailableError("down")
        self.records.extend(records)

    @property
    def fixes(self) -> list[Fix]:
        return [decode(record.value, Fix) for record in self.records if record.topic is FIXES and record.value is not None]


class Taker:
    """A bridge that takes one batch after the other."""

    def __init__(self, kafka: Kafka, **changes: Any) -> None:
        loaded = settings.load({}, **changes)
        self._kafka, self._bridge = kafka, Bridge(Intake(loaded, Directory()), loaded.ingest_max_body_bytes)

    def take(self, messages: Sequence[Message], arrival: Arrival) -> int:
        batch = self._bridge.judge(messages, arrival)
        self._kafka.send_all(batch.records)
        self._bridge.count(batch)
        return batch.accepted


def bridge(kafka: Kafka, **changes: Any) -> Taker:
    return Taker(kafka, **changes)


def test_messages_of_all_apps_share_one_batch() -> None:
    kafka = Kafka()
    place = {"name": "location", "time": 1_699_999_000_000_000_000, "values": {"latitude": 1.5, "longitude": 2.5}}
    push = {"deviceId": "pad", "payload": [place]}
    accepted = bridge(kafka).take([message(PLACE), message(push, "sensor-logger"), message(push, "sensor-logger/lab")], ARRIVAL)
    assert accepted == 3
    assert [(fix.device, fix.source) for fix in kafka.fixes] == [
        ("jane/phone", "owntracks"),
        ("pad", "sensor-logger"),
        ("pad", "sensor-logger"),
    ]


def test_the_brokers_topic_counts_and_not_what_the_phone_claims() -> None:
    kafka = Kafka()
    bridge(kafka).take([message(PLACE | {"topic": "owntracks/john/phone", "tid": "xx"})], ARRIVAL)
    assert [fix.device for fix in kafka.fixes] == ["jane/phone"]


def test_a_bad_message_costs_nothing_but_itself() -> None:
    kafka = Kafka()
    messages = [message(b"\xff"), message(PLACE), message(b""), message(PLACE | {"lat": 91}), message(PLACE, ""), message(b" " * 2_000)]
    assert bridge(kafka, ingest_max_body_bytes=1_024).take(messages, ARRIVAL) == 1
    rejects = [decode(record.value, Reject).reason for record in kafka.records if record.topic is REJECTS and record.value is not None]
    assert rejects == [RejectReason.MALFORMED, RejectReason.INVALID_COORDINATES, RejectReason.TOO_LARGE]


def test_nothing_is_counted_before_it_is_in_kafka() -> None:
    kafka = Kafka()
    live, accepted = MQTT_MESSAGES.labels("live"), ITEMS.labels("owntracks", "accepted")
    before = live._value.get(), accepted._value.get()
    kafka.down = True
    with pytest.raises(BrokerUnavailableError):
        bridge(kafka).take([message(PLACE)], ARRIVAL)
    assert (live._value.get(), accepted._value.get()) == before
    kafka.down = False
    bridge(kafka).take([message(PLACE)], ARRIVAL)
    assert (live._value.get(), accepted._value.get()) == (before[0] + 1, before[1] + 1)


def test_a_retained_message_is_told_by_its_flag() -> None:
    kafka = Kafka()
    bridge(kafka).take([message(PLACE, retained=True), message(PLACE | {"tst": 1_699_999_500})], ARRIVAL)
    assert [fix.filters for fix in kafka.fixes] == [(FixFilter.RETAINED,), ()]


def test_messages_given_again_change_no_decision() -> None:
    kafka = Kafka()
    track = [message(PLACE | {"tst": 1_699_990_000 + 60 * minute, "lat": 52.516312 + minute * 1e-4}) for minute in range(60)]
    once = bridge(kafka)
    once.take(track, ARRIVAL)
    first = list(kafka.fixes)
    # Lost acknowledgements, a reconnect that gives all again, and what the broker retained, long after.
    once.take(track[20:], ARRIVAL)
    once.take([track[-1]._replace(retained=True)], Arrival(ARRIVAL.received_ms + 86_400_000, 300.0))
    paid = rules_world.payment((1_699_993_000_000 - rules_world.START_MS) / 1000, rules_world.LAGOS, subject=first[0].subject)
    alone, again = rules_world.play([*first, paid]), rules_world.play([*kafka.fixes, paid])
    assert len(kafka.fixes) == 101
    assert len(alone.standing) >= 1
    assert again.decisions == alone.decisions
    assert again.standing == alone.standing


@pytest.mark.parametrize("topics", ["", " , ", "homeassistant/#", "sensor-logger,#", "+/jane/phone"])
def test_topics_that_belong_to_no_app(topics: str) -> None:
    with pytest.raises(SettingsError, match="VEILOCITY_MQTT_TOPICS"):
        topic_filters(topics)


def test_a_bridge_without_a_broker_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="VEILOCITY_MQTT_HOST"):
        Session(settings.load({}))
    with pytest.raises(SettingsError, match="VEILOCITY_MQTT_CA_FILE"):
        Session(settings.load({}, mqtt_host="127.0.0.1", mqtt_tls=True, mqtt_ca_file="/nowhere"))
