"""What the live map asks beyond its stream: the evidence with its axis, pages of a filter, a replay, and refusals with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.live_desk import LiveDesk, by_cell
from storage.documents import ReleaseDocument
from storage.filters import Filter
from tests.e2e.dashboard_world import FAR, LONDON, MINUTE_MS, START_MS, make_alert
from tests.e2e.live_world import LiveWorld
from tests.e2e.privacy_world import PrivacyWorld
from veilocity.contracts import Release, Severity

ALERTS = 5


@pytest.fixture(name="world")
def _world() -> LiveWorld:
    severities = (Severity.HIGH, Severity.LOW)
    return LiveWorld(
        alerts=[
            make_alert(
                number,
                LONDON,
                FAR["Lagos"],
                minute_ms=START_MS + number * 60 * MINUTE_MS,
                seq=number,
                severity=severities[number % 2],
                subject="ada" if number < 2 else "",
            )
            for number in range(ALERTS)
        ]
    )


@pytest.fixture(name="client")
def _client(world: LiveWorld) -> FlaskClient:
    return create_server(Hub(), desks=Desks(live=LiveDesk(world, PrivacyWorld()))).test_client()


def ids(answer: Any) -> list[str]:
    return [item["alert"]["id"] for item in answer.get_json()["items"]]


def test_evidence_has_related_alerts_and_one_axis_in_order(client: FlaskClient, world: LiveWorld) -> None:
    told = client.get("/evidence?alert=alert00000").get_json()
    assert told["alert"]["id"] == "alert00000"
    assert told["case"] is None
    assert [one["id"] for one in told["related"]] == ["alert00001"]
    minutes = [moment["minute_ms"] for moment in told["moments"]]
    assert minutes == sorted(minutes)
    assert [moment["kind"] for moment in told["moments"]] == ["fix", "alert", "fix", "alert"]
    assert "sealed" not in told["alert"] or told["alert"]["sealed"] is None


def test_cursors_give_every_alert_once_newest_first(client: FlaskClient) -> None:
    found: list[str] = []
    cursor = ""
    while True:
        answer = client.get(f"/alerts?limit=2{cursor}")
        found += ids(answer)
        if answer.get_json()["next"] is None:
            break
        cursor = f"&cursor={answer.get_json()['next']}"
    assert found == [f"alert{number:05d}" for number in reversed(range(ALERTS))]


def test_the_link_of_a_filter_is_the_question(client: FlaskClient) -> None:
    link = Filter(severities=(Severity.HIGH,), since_ms=START_MS + MINUTE_MS).to_query()
    assert ids(client.get(f"/alerts?{link}")) == ["alert00004", "alert00002"]
    assert client.get(f"/facets?{link}").get_json()["severities"] == {"high": 2}
    assert ids(client.get("/alerts?status=acknowledged")) == []


def test_a_replay_is_between_two_times_oldest_first(client: FlaskClient) -> None:
    answer = client.get(f"/replay?since={START_MS}&until={START_MS + 61 * MINUTE_MS}")
    assert ids(answer) == ["alert00000", "alert00001"]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("/evidence", "?alert=ID"),
        ("/evidence?alert=nobody", "there is no such alert"),
        ("/alerts?colour=red", "a filter knows no `colour`"),
        ("/alerts?severity=high&severity=low", "comes twice"),
        ("/alerts?limit=many", "is no number"),
        ("/alerts?limit=501", "1 to 500"),
        ("/alerts?channel=atm", "cannot be limited by channels"),
        ("/alerts?cursor=made-up", "does not follow"),
        ("/replay?since=1", "needs `since` and `until`"),
        ("/replay?since=1&until=2&severity=high", "limited by time alone"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_sentence(client: FlaskClient, question: str, sentence: str) -> None:
    answer = client.get(question)
    assert answer.status_code == 400
    assert sentence in answer.get_json()["error"]


@pytest.mark.parametrize("question", ["/evidence?alert=alert00000", "/alerts", "/facets", "/replay?since=1&until=2"])
def test_a_store_that_does_not_answer_is_told_and_may_be_asked_again(client: FlaskClient, world: LiveWorld, question: str) -> None:
    world.down = True
    answer = client.get(question)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    world.down = False
    assert client.get(question).status_code == 200


def released(number: int, cell: str, *, people: int, payments: int) -> ReleaseDocument:
    release = Release(
        class_id=str(number),
        policy="p",
        window_start_ms=START_MS + number * MINUTE_MS,
        window_end_ms=START_MS + (number + 15) * MINUTE_MS,
        k=5,
        people=people,
        payments=payments,
        loss=0.2,
        cell=cell,
        cell_resolution=7,
        hour="*",
        amount_band="*",
        category="*",
        flagged=1,
    )
    return ReleaseDocument(str(number), 1, release)


def test_people_of_several_classes_are_not_added_up_and_hidden_places_are_counted_apart() -> None:
    cell = "87283472bffffff"
    classes = [released(0, cell, people=5, payments=9), released(1, cell, people=7, payments=8), released(2, "*", people=6, payments=11)]
    found = by_cell(classes)
    assert [(one.cell, one.people, one.payments, one.flagged, one.k) for one in found.cells] == [(cell, 7, 17, 2, 5)]
    assert len(found.cells[0].outline) == 12
    assert (found.without_cell, found.since_ms, found.until_ms) == (11, START_MS, START_MS + 17 * MINUTE_MS)


def test_no_other_host_is_named_unless_a_tile_server_is_set() -> None:
    usual = create_server(Hub()).test_client().get("/")
    assert 'data-tiles=""' in usual.text
    assert "https:" not in usual.headers["Content-Security-Policy"]
    tiled = create_server(Hub(), tiles="https://tiles.example/{z}/{x}/{y}.png").test_client().get("/")
    assert 'data-tiles="https://tiles.example/{z}/{x}/{y}.png"' in tiled.text
    assert "img-src 'self' data: blob: https://tiles.example;" in tiled.headers["Content-Security-Policy"]
    assert "connect-src 'self'" in tiled.headers["Content-Security-Policy"]
