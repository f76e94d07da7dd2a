"""The pages of streams, phone and health on real servers: what they read, and that they say so when one is gone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from flask.testing import FlaskClient
from pydantic import SecretStr

from dashboard.access import Access
from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.health_desk import HealthDesk
from dashboard.health_services import Services
from dashboard.phone_desk import PhoneDesk
from dashboard.phone_reader import Reader as PhoneReader
from dashboard.streams_desk import StreamsDesk
from storage.census import take_census
from storage.documents import Sample
from storage.roles import Role
from storage.streams_queries import StreamsReader
from tests.e2e.pages_world import walk
from tests.integration.storage_world import batch, both, group, token, transaction, writing
from tests.logins import from_page
from veilocity import metrics
from veilocity.contracts import Fix, encode
from veilocity.errors import StoreUnavailableError
from veilocity.kafka import producer_config, topic_name
from veilocity.settings import Settings, load
from veilocity.topics import FIXES

pytestmark = pytest.mark.services
_NOWHERE = "mongodb://127.0.0.1:1/?directConnection=true"


def until(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(name="reader")
def _reader(service_settings: Settings) -> Iterator[StreamsReader]:
    reader = StreamsReader(service_settings)
    yield reader
    reader.close()


def test_an_empty_store_is_read_as_empty(reader: StreamsReader) -> None:
    assert (reader.sketches(), reader.sample(), reader.groups(5), reader.group("none"), reader.payments([])) == (None, None, [], None, [])
    exact = reader.exact(9)
    assert (exact.payments, exact.flagged, exact.merchants, exact.places, exact.means) == (0, 0, 0, 0, ())


def test_exact_answers_are_those_of_the_payments_up_to_a_batch(service_settings: Settings, reader: StreamsReader) -> None:
    batches = [batch(seq) for seq in range(3)]
    with writing(service_settings) as writer:
        for one in batches:
            writer.write(both(one))
    payments = [payment for one in batches[:2] for payment in one.transactions]
    exact = reader.exact(1)
    assert exact.payments == len(payments)
    assert exact.flagged == sum(payment.verdict == "flagged" for payment in payments)
    assert exact.merchants == len({payment.merchant for payment in payments})
    assert exact.places == len({payment.place.cell for payment in payments if payment.place})
    by_currency: dict[str, list[float]] = {}
    for payment in payments:
        by_currency.setdefault(payment.currency, []).append(payment.amount)
    assert {mean.currency: mean.payments for mean in exact.means} == {name: len(amounts) for name, amounts in by_currency.items()}
    for mean in exact.means:
        assert mean.mean == pytest.approx(sum(by_currency[mean.currency]) / mean.payments)
    assert {type(mean.payments) for mean in exact.means} == {int}, "and nothing of the driver's own"


def test_groups_are_newest_first_bounded_and_of_complete_batches(service_settings: Settings, reader: StreamsReader) -> None:
    with writing(service_settings) as writer:
        for seq in range(6):
            writer.write(both(batch(seq)))
        unfinished = msgspec.structs.replace(batch(6), groups=(group(6, 6),))
        writer.write(both(msgspec.structs.replace(unfinished, progress=batch(5).progress)))
    assert [one.seq for one in reader.groups(4)] == [5, 4, 3, 2]
    found = reader.group(group(3, 3).id)
    assert found is not None
    assert found.features == ("category=groceries",)


def test_the_page_of_streams_shows_what_the_store_holds(service_settings: Settings, reader: StreamsReader) -> None:
    with writing(service_settings) as writer:
        for seq in range(4):
            writer.write(both(batch(seq)))
        members = tuple(sorted(token("transaction", number) for number in range(0, 80, 4)))
        writer.write(both(msgspec.structs.replace(batch(4), sample=Sample("sample", 4, 100, members))))
    client = create_server(Hub(), desks=Desks(streams=StreamsDesk(lambda: reader)), access=Access(role=Role.ADMIN)).test_client()
    told = client.get("/streams/state").get_json()
    assert (told["store"], told["counts"]["payments"], told["sample"]["size"], told["sample"]["found"]) == ("up", 100, 20, 20)
    share = next(one for one in told["sample"]["estimates"] if one["what"] == "Flagged share")
    truth = sum(transaction(number, 0).verdict == "flagged" for number in range(100)) / 100
    assert share["exact"] == pytest.approx(truth)
    assert [one["what"] for one in told["distinct"]] == ["People"]
    assert len(told["groups"]["groups"]) == 5
    rows = client.get(f"/streams/group?id={group(2, 2).id}").get_json()
    assert (rows["named"], len(rows["rows"])) == (1, 1)


def test_a_store_that_is_gone_is_said_to_be_down() -> None:
    settings = load({}, mongodb_uri=SecretStr(_NOWHERE))
    with closing(StreamsReader(settings)) as reader:
        client = create_server(Hub(), desks=Desks(streams=StreamsDesk(lambda: reader)), access=Access(role=Role.ADMIN)).test_client()
        told = client.get("/streams/state").get_json()
        assert (told["store"], told["loaded"]) == ("down", False)
        with pytest.raises(StoreUnavailableError):
            reader.sketches()


def send(settings: Settings, *fixes: Fix) -> None:
    """Write fixes as the gateway does."""
    producer = Producer(producer_config(settings))
    for fix in fixes:
        producer.produce(topic_name(settings, FIXES), key=fix.subject.encode(), value=encode(fix))
    assert producer.flush(20.0) == 0


class Phone:
    """A page, and the desk behind it."""

    def __init__(self, settings: Settings) -> None:
        self.desk = PhoneDesk(settings, lambda room: PhoneReader(settings, room))
        self.client: FlaskClient = from_page(create_server(Hub(), desks=Desks(phone=self.desk), access=Access(role=Role.ADMIN)))
        self.me = {"Veilocity-Viewer": self.client.post("/phone/enter", json={}).get_json()["viewer"]}

    def state(self, after: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/phone/state?after={after}", headers=self.me).get_json()
        return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_a_phone_that_begins_is_offered_and_its_readings_come_from_kafka_to_its_page_alone(service_settings: Settings) -> None:
    settings = service_settings.model_copy(update={"dashboard_phone": "on"})
    device = f"phone-{uuid.uuid4().hex}"
    send(settings, *walk(device, now_ms() - 60_000, 5))
    page = Phone(settings)
    until(lambda: page.state()["store"] == "up", "Kafka is read")
    assert page.state()["candidates"] == [], "what was there before is not read"
    send(settings, *walk(device, now_ms(), 2, session="s2"))
    until(lambda: bool(page.state()["candidates"]), "the phone is offered")
    (offered,) = page.state()["candidates"]
    assert offered["tail"] == device[-4:]
    page.client.post("/phone/pair", json={"candidate": offered["handle"]}, headers=page.me)
    path = walk(device, now_ms(), 40, session="s2", first=3)
    send(settings, *walk("another-phone", now_ms(), 40), *path)
    until(lambda: len(page.state()["readings"]) == 40, "its readings are here")
    rows = page.state()["readings"]
    assert [(row[2], row[3]) for row in rows] == [(fix.lat, fix.lon) for fix in path]
    page.client.post("/phone/leave", json={}, headers=page.me)
    thread = page.desk._source._thread  # type: ignore[attr-defined]  # the reader's own
    thread.join(10.0)
    assert not thread.is_alive(), "nobody looks, nobody reads"


def test_a_record_that_does_not_decode_costs_nothing_but_itself(service_settings: Settings) -> None:
    settings = service_settings.model_copy(update={"dashboard_phone": "on"})
    page = Phone(settings)
    until(lambda: page.state()["store"] == "up", "Kafka is read")
    page.client.post("/phone/pair", json={"device": "phone-a"}, headers=page.me)
    producer = Producer(producer_config(settings))
    producer.produce(topic_name(settings, FIXES), key=b"phone-a", value=b"{")
    assert producer.flush(20.0) == 0
    send(settings, *walk("phone-a", now_ms(), 1))
    until(lambda: len(page.state()["readings"]) == 1, "the next one is here")
    page.desk.stop()


def test_a_kafka_that_is_gone_is_told_and_found_again(service_settings: Settings) -> None:
    gone = service_settings.model_copy(update={"dashboard_phone": "on", "kafka_bootstrap": "127.0.0.1:1"})
    page = Phone(gone)
    until(lambda: page.state()["store"] == "down", "Kafka is missed")
    page.desk.stop()


@pytest.fixture(name="settings")
def _settings(service_settings: Settings) -> Iterator[Settings]:
    """Give settings under which something answers for the rules service, and nothing for the others."""
    server = metrics.serve(service_settings.rules_metrics_port)
    yield service_settings
    assert server is not None
    server.shutdown()
    server.server_close()


@pytest.fixture(name="services")
def _services(settings: Settings) -> Iterator[Services]:
    with closing(Services(settings)) as services:
        yield services


def test_who_answers_is_told_and_who_is_silent_is_named_with_what_to_do(settings: Settings, services: Services) -> None:
    with writing(settings) as writer:
        writer.write(both(batch(0)))
    desk = HealthDesk(lambda: services, lambda: take_census(settings))
    client = create_server(Hub(), desks=Desks(health=desk), access=Access(role=Role.ADMIN)).test_client()
    told = client.get("/health/state").get_json()
    assert {one["name"]: one["state"] for one in told["services"]} == {
        "kafka": "answers",
        "mongodb": "answers",
        "elasticsearch": "answers",
        "ingest": "silent",
        "rules": "answers",
        "privacy": "silent",
        "dashboard": "silent",
    }
    advice = {one["name"]: one["advice"] for one in told["services"]}
    assert "`veilocity privacy`" in advice["privacy"]
    assert not advice["kafka"]
    assert (told["store"], told["event_ms"] > 0) == ("up", True)
    until(lambda: client.get("/health/state").get_json()["balance"] is not None, "the stores were counted")
    sums = {one["name"]: one["state"] for one in client.get("/health/state").get_json()["balance"]["sums"]}
    assert sums["stored payments = documents in MongoDB"] == "holds"
    assert sums["stored payments = documents in Elasticsearch"] == "holds"


def test_when_every_server_is_gone_each_is_named_within_seconds_and_no_password_is_told() -> None:
    settings = load(
        {},
        mongodb_uri=SecretStr("mongodb://user:not-a-secret@127.0.0.1:1/?directConnection=true"),
        kafka_bootstrap="127.0.0.1:1",
        elasticsearch_url="http://127.0.0.1:1",
        dashboard_services="ingest=http://127.0.0.1:1,rules=http://127.0.0.1:1,privacy=http://127.0.0.1:1,dashboard=http://127.0.0.1:1",
    )
    services = Services(settings)
    found = []
    asking = Thread(target=lambda: found.append(services.ask()))
    asking.start()
    asking.join(20.0)
    assert not asking.is_alive()
    services.close()
    assert [one.state for one in found[0].services] == ["silent"] * 7
    assert "not-a-secret" not in str(found[0])
    assert found[0].progress is None


def test_a_kafka_without_our_topics_is_not_ready(service_settings: Settings) -> None:
    other = service_settings.model_copy(update={"kafka_topic_prefix": "nobody-made-these."})
    with closing(Services(other)) as services:
        kafka = next(one for one in services.ask().services if one.name == "kafka")
    assert (kafka.state, "veilocity topics" in kafka.advice) == ("unready", True)
