"""The web application: its routes, its headers, and that it asks nothing of anybody else."""

from __future__ import annotations

import gc
import gzip
import re
import warnings
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from dashboard.app import create_server
from dashboard.events import Hub


@pytest.fixture(name="hub")
def _hub() -> Hub:
    hub = Hub(max_streams=1)
    hub.load(None, (), (), ())
    return hub


@pytest.fixture(name="client")
def _client(hub: Hub) -> Iterator[FlaskClient]:
    with create_server(hub).test_client() as client:
        yield client


def test_the_page_names_its_language_and_only_its_own_addresses(client: FlaskClient) -> None:
    page = client.get("/").text
    assert '<html lang="en">' in page
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page) == []


def test_the_policy_allows_nothing_from_elsewhere(client: FlaskClient) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "unsafe" not in rules["script-src"]
    assert not re.search(r"https?:|\*", policy)


def test_every_inline_script_of_the_page_is_in_the_policy_or_is_data(client: FlaskClient) -> None:
    answer = client.get("/")
    scripts = re.findall(r"<script(?![^>]*src=)([^>]*)>", answer.text)
    running = [attributes for attributes in scripts if "application/json" not in attributes]
    assert len(running) == answer.headers["Content-Security-Policy"].count("'sha256-")


def test_the_outline_is_painted_without_scripts(client: FlaskClient) -> None:
    page = client.get("/").text
    assert page.index('class="row skeleton"') < page.index("dash_renderer")


@pytest.mark.parametrize(
    "path", ["assets/main.js", "assets/desk.css", "assets/geo/world_110m.json", "assets/geo/places.json", "_dash-layout"]
)
def test_what_the_page_needs_is_served_here(client: FlaskClient, path: str) -> None:
    assert client.get(f"/{path}", buffered=True).status_code == 200


def test_static_files_are_compressed_for_those_who_take_it(client: FlaskClient) -> None:
    plain = client.get("/assets/geo/places.json", buffered=True)
    packed = client.get("/assets/geo/places.json", headers={"Accept-Encoding": "gzip"}, buffered=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data) / 2
    assert gzip.decompress(packed.data) == plain.data
    assert "Content-Encoding" not in plain.headers


def test_a_reader_who_leaves_leaves_no_file_open(client: FlaskClient) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        client.get("/assets/geo/places.json", headers={"Accept-Encoding": "gzip"}, buffered=False)
        gc.collect()
    assert [one for one in said if one.category is ResourceWarning] == []


def test_a_file_that_did_not_change_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/assets/main.js", buffered=True)
    again = client.get("/assets/main.js", headers={"If-None-Match": first.headers["ETag"]}, buffered=True)
    assert again.status_code == 304


def test_events_are_a_stream_nobody_may_keep(client: FlaskClient) -> None:
    answer = client.get("/events", buffered=False)
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert next(answer.iter_encoded()) == b"retry: 1500\n\n"
    answer.close()


def test_a_viewer_that_left_gives_its_place_back(client: FlaskClient, hub: Hub) -> None:
    answer = client.get("/events", buffered=False)
    assert client.get("/events").status_code == 503
    answer.close()
    assert hub.streams == 0


@pytest.mark.parametrize("how", ["header", "query"])
def test_a_stream_resumes_by_header_and_by_query(client: FlaskClient, hub: Hub, how: str) -> None:
    first = client.get("/events", buffered=False)
    begin = first.iter_encoded()
    identity = [next(begin) for _ in range(3)][2].decode().split("\n")[0].removeprefix("id: ")
    first.close()
    if how == "header":
        second = client.get("/events", headers={"Last-Event-ID": identity}, buffered=False)
    else:
        second = client.get(f"/events?last={identity}", buffered=False)
    rest = second.iter_encoded()
    next(rest)
    next(rest)
    hub.set_store("down")
    assert b"event: status" in next(rest)
    second.close()


def test_health_says_whether_anybody_asks_for_news(hub: Hub) -> None:
    healthy = create_server(hub).test_client().get("/healthz")
    assert healthy.status_code == 200
    assert healthy.text.startswith("ok\nstore ")
    dead = create_server(hub, lambda: False).test_client().get("/healthz")
    assert dead.status_code == 503


def test_metrics_are_told(client: FlaskClient) -> None:
    assert "veilocity_dashboard_streams" in client.get("/metrics").text
