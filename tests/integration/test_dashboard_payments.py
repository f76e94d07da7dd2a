"""The page of payments on real servers: what it counts, that a batch appears by itself, and which store is said to be gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.payments_desk import PaymentsDesk
from storage.documents import MaskedBatch, Progress
from storage.queries import Reader
from tests.integration.query_world import MINUTE_MS, SPAN_MINUTES, write_world
from tests.integration.storage_world import START_MS, both, transaction, writing
from veilocity.settings import Settings

pytestmark = pytest.mark.services
_EVENT_MS = START_MS + SPAN_MINUTES * MINUTE_MS


def page_of(settings: Settings) -> Iterator[FlaskClient]:
    reader = Reader(settings)
    yield create_server(Hub(), desks=Desks(payments=PaymentsDesk(lambda: reader, read_every_s=0.1))).test_client()
    reader.close()


@pytest.fixture(name="page")
def _page(service_settings: Settings) -> Iterator[FlaskClient]:
    yield from page_of(service_settings)


def state(page: FlaskClient, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = page.get(f"/payments/state?{query}").get_json()
    return found


def until(page: FlaskClient, query: str, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30.0
    while not condition(found := state(page, query)):
        assert time.monotonic() < deadline, (what, found)
        time.sleep(0.05)
    return found


def test_the_page_counts_what_the_stores_hold_and_a_batch_appears_by_itself(service_settings: Settings, page: FlaskClient) -> None:
    assert (state(page)["loaded"], state(page)["panels"]) == (True, None)
    _, paid = write_world(service_settings)
    atm = [one for one in paid if one.channel == "atm" and one.minute_ms <= _EVENT_MS]
    found = until(page, "last=7d&channel=atm", lambda told: (told["panels"] or {}).get("payments") == len(atm), "the payments are counted")
    assert found["panels"]["people"] == len({one.subject for one in atm})
    assert sum(found["panels"]["volume"]) == len(atm) > 0
    assert found["panels"]["until_ms"] == found["panels"]["first_ms"] + len(found["panels"]["volume"]) * found["step_ms"]
    since_ms = START_MS + 60 * MINUTE_MS
    shown = [one for one in paid if since_ms <= one.minute_ms < since_ms + 600 * MINUTE_MS]
    query = f"since={since_ms}&until={since_ms + 600 * MINUTE_MS}"
    until(page, query, lambda told: (told["panels"] or {}).get("payments") == len(shown), "a stretch of time is counted")
    more = tuple(msgspec.structs.replace(transaction(10_000 + number, 4, _EVENT_MS), channel=atm[0].channel) for number in range(7))
    with writing(service_settings) as writer:
        writer.write(both(MaskedBatch(progress=Progress(id="privacy", seq=4, event_ms=_EVENT_MS), transactions=more)))
    # Nobody asks Elasticsearch to refresh: it finds them within its own interval.
    until(page, "last=7d&channel=atm", lambda told: told["panels"]["payments"] == len(atm) + 7, "the new batch is counted")


def test_which_store_is_gone_is_told(service_settings: Settings) -> None:
    with writing(service_settings) as writer:
        writer.write(both(MaskedBatch(progress=Progress(id="privacy", seq=0, event_ms=START_MS), transactions=(transaction(1, 0),))))
    without_counts = service_settings.model_copy(update={"elasticsearch_url": "http://127.0.0.1:1"})
    for page in page_of(without_counts):
        told = state(page)
        assert (told["store"], told["silent"], told["loaded"]) == ("down", "Elasticsearch", False)
    without_record = service_settings.model_copy(update={"mongodb_uri": SecretStr("mongodb://127.0.0.1:1/?directConnection=true")})
    for page in page_of(without_record):
        assert (state(page)["store"], state(page)["silent"]) == ("down", "MongoDB")
