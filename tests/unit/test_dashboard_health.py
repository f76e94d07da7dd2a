"""The page of health without a browser: percentiles from buckets, what is lately, who is silent, and when anybody is asked."""

from __future__ import annotations

import math
import random
import re
import time

import httpx
import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.health_desk import HealthDesk
from dashboard.health_figures import Look, figures, latency, quantile
from dashboard.scraping import EMPTY, ask, parse, targets
from tests.e2e.health_world import HealthWorld, health_day, scrapes
from tests.e2e.privacy_world import HOUR_MS, START_MS
from tests.unit.hand_clock import Clock
from veilocity.errors import SettingsError, StoreUnavailableError
from veilocity.settings import load

NOW_MS = START_MS + 15 * HOUR_MS
INF = math.inf


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock(NOW_MS)


def desk_of(world: HealthWorld, clock: Clock) -> HealthDesk:
    return HealthDesk(lambda: world, world.count, clock_ms=clock)


def counted(desk: HealthDesk) -> HealthDesk:
    """Return the desk once its stores were counted, in the background."""
    deadline = time.monotonic() + 10.0
    while desk.state().balance is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return desk


def test_what_is_parsed_is_what_was_exposed() -> None:
    registry = CollectorRegistry()
    Counter("veilocity_a", "Of a test.", ["kind"], registry=registry).labels("x").inc(3)
    gauge = Gauge("veilocity_b", "Of a test.", registry=registry)
    gauge.set(math.nan)
    histogram = Histogram("veilocity_c_seconds", "Of a test.", buckets=(0.1, 1.0), registry=registry)
    for value in (0.05, 0.5, 5.0):
        histogram.observe(value)
    told = parse(generate_latest(registry).decode())
    assert told.total("veilocity_a_total", kind="x") == 3.0
    assert told.value("veilocity_b") is None, "a gap is no number"
    assert told.by("veilocity_c_seconds_bucket", "le") == {"+Inf": 3.0, "0.1": 1.0, "1.0": 2.0}


def test_a_percentile_is_never_further_off_than_its_bucket_is_wide() -> None:
    draw = random.Random(5)  # noqa: S311  # made-up latencies
    ends = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, INF]
    values = sorted(draw.lognormvariate(-3.4, 0.7) for _ in range(4_000))
    buckets = [(end, float(sum(value <= end for value in values))) for end in ends]
    for q in (0.5, 0.9, 0.99):
        found = quantile(q, buckets)
        truth = values[math.ceil(q * len(values)) - 1]
        upper = next(end for end in ends if end >= truth)
        lower = max([0.0, *(end for end in ends if end < truth)])
        assert found is not None
        assert lower <= found[0] <= upper


def test_the_percentiles_are_of_what_came_lately() -> None:
    before = [(0.1, 1_000.0), (1.0, 1_000.0), (INF, 1_000.0)]
    now = [(0.1, 1_000.0), (1.0, 1_010.0), (INF, 1_010.0)]
    found = latency("Alert", "", now, before)
    assert found is not None
    assert (found.count, found.lately) == (10, True)
    assert found.p50_s == pytest.approx(0.55)


def test_without_news_the_percentiles_are_of_the_whole_time_and_say_so() -> None:
    buckets = [(0.1, 7.0), (INF, 7.0)]
    found = latency("Alert", "", buckets, buckets)
    assert found is not None
    assert (found.count, found.lately) == (7, False)
    assert latency("Alert", "", [(0.1, 0.0), (INF, 0.0)], []) is None


def test_a_process_that_began_anew_is_counted_from_its_beginning() -> None:
    found = latency("Alert", "", [(0.1, 4.0), (INF, 4.0)], [(0.1, 9.0), (INF, 900.0)])
    assert found is not None
    assert (found.count, found.lately) == (4, True)
    looks = [Look(0, {"ingest": parse('# TYPE a counter\nveilocity_ingest_rejects_total{kind="k",reason="r"} 50\n')})]
    looks.append(Look(1_000, {"ingest": parse('# TYPE a counter\nveilocity_ingest_rejects_total{kind="k",reason="r"} 2\n')}))
    assert [(one.lately, one.ever) for one in figures(looks).problems] == [(2, 2)]


def test_what_lies_above_the_last_bucket_is_told_as_at_least() -> None:
    found = latency("Alert", "", [(0.1, 1.0), (INF, 100.0)], [])
    assert found is not None
    assert (found.p99_s, found.above) == (0.1, True)


def test_figures_of_two_moments() -> None:
    told = figures([Look(NOW_MS, scrapes(1)), Look(NOW_MS + 4_000, scrapes(2))])
    assert {(lag.service, lag.topic): lag.records for lag in told.lags}["rules", "fixes"] == 21
    assert told.waiting[-1][1] == sum(lag.records for lag in told.lags)
    items = told.flows[0]
    assert list(items.per_s) == pytest.approx([(700 + 90 + 41) / 4])
    assert [one.name for one in told.latencies] == ["Alert", "Commit", "Gateway", "Mask", "Write", "MongoDB", "Elasticsearch", "Release"]
    reasons = {one.reason: (one.lately, one.ever) for one in told.problems}
    assert reasons["damaged_identifier"] == (1, 4)
    assert not {"ok", "decided", "fixes_kept", "answered", "undecodable"} & set(reasons), "what went well, and what never happened"
    assert {one.name: one.value for one in told.sizes}["People remembered"] == 400


def test_a_service_that_is_silent_has_no_figures_and_makes_none_up() -> None:
    told = figures([Look(NOW_MS, {}), Look(NOW_MS + 4_000, scrapes(1, missing=["rules"]))])
    assert {lag.service for lag in told.lags} == {"privacy"}
    assert [flow.per_s for flow in told.flows] == [(None,)] * 3
    empty = figures([Look(NOW_MS, {})])
    assert (empty.lags, empty.latencies, empty.problems, empty.sizes) == ((), (), (), ())


def test_services_are_asked_where_the_settings_say() -> None:
    settings = load({}, rules_metrics_port=0, metrics_host="0.0.0.0", dashboard_services="ingest=http://far:1,notify=http://far:2")  # noqa: S104  # compared, not bound
    assert {one.name: one.url for one in targets(settings)} == {
        "ingest": "http://far:1",
        "rules": None,
        "privacy": "http://127.0.0.1:9102",
        "dashboard": "http://127.0.0.1:8050",
        "notify": "http://far:2",
    }
    wanted = {one.name for one in targets(load({}, reports="on", segments="on"))} - {one.name for one in targets(load({}))}
    assert wanted == {"reports", "segments"}
    with pytest.raises(SettingsError):
        load({"VEILOCITY_DASHBOARD_SERVICES": "kafka=http://far:1"})


def test_who_refuses_or_talks_nonsense_does_not_answer() -> None:
    def refused(url: str, **_: object) -> httpx.Response:
        raise httpx.ConnectError("refused")

    def nonsense(url: str, **_: object) -> httpx.Response:
        return httpx.Response(200, text="<html>{")

    def unwell(url: str, **_: object) -> httpx.Response:
        return httpx.Response(503 if url.endswith("healthz") else 200, text="# TYPE a gauge\na 1\n")

    assert ask("http://x", refused) == (False, EMPTY)
    assert ask("http://x", nonsense) == (False, EMPTY)
    healthy, told = ask("http://x", unwell)
    assert (healthy, told.value("a")) == (False, 1.0)


def test_nobody_is_asked_more_often_than_every_four_seconds(clock: Clock) -> None:
    world = health_day(NOW_MS)
    desk = desk_of(world, clock)
    for _ in range(40):
        assert desk.state().loaded
    assert world.step == 1


def test_looks_of_five_minutes_are_kept_and_forgotten_after_a_pause(clock: Clock) -> None:
    world = health_day(NOW_MS)
    desk = desk_of(world, clock)
    for _ in range(100):
        desk.state()
        clock.ms += 5_000
    state = desk.state()
    assert state.figures is not None
    assert state.now_ms - state.figures.since_ms == 300_000
    clock.ms += 600_000
    again = desk.state()
    assert again.figures is not None
    assert len(again.figures.waiting) == 1


def test_a_silent_mongodb_is_a_store_that_is_down_and_others_are_still_told(clock: Clock) -> None:
    world = health_day(NOW_MS)
    world.silent = {"mongodb", "rules"}
    state = desk_of(world, clock).state()
    assert state.store == "down"
    silent = {one.name: one.advice for one in state.services if one.state == "silent"}
    assert set(silent) == {"mongodb", "rules"}
    assert "`veilocity rules`" in silent["rules"]
    assert state.figures is not None
    assert state.figures.flows[0].name == "Items in"


def test_the_stores_add_up_or_say_what_is_missing(clock: Clock) -> None:
    world = health_day(NOW_MS)
    state = counted(desk_of(world, clock)).state()
    assert state.balance is not None
    assert {one.state for one in state.balance.sums} == {"holds"}
    assert len(state.balance.sums) >= 8
    lossy = health_day(NOW_MS)
    lossy.lost = 3
    broken = counted(desk_of(lossy, Clock(NOW_MS))).state()
    assert broken.balance is not None
    assert {one.name for one in broken.balance.sums if one.state == "violated"} == {
        "stored payments = documents in MongoDB",
        "stored payments = documents in Elasticsearch",
    }


def test_a_store_that_cannot_be_counted_leaves_the_page_as_it_is(clock: Clock) -> None:
    world = health_day(NOW_MS)
    failed = []

    def count() -> object:
        failed.append(1)
        raise StoreUnavailableError("down")

    desk = HealthDesk(lambda: world, count, clock_ms=clock)  # type: ignore[arg-type]  # it never returns
    deadline = time.monotonic() + 10.0
    while len(failed) < 2:
        assert desk.state().balance is None
        assert time.monotonic() < deadline
        clock.ms += 61_000
        time.sleep(0.005)


@pytest.fixture(name="client")
def _client(clock: Clock) -> FlaskClient:
    return create_server(Hub(), desks=Desks(health=desk_of(health_day(NOW_MS), clock))).test_client()


def test_the_page_runs_only_files_of_ours(client: FlaskClient) -> None:
    answer = client.get("/health")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"style=|<script>|<style|https?:", answer.text)
    for path in re.findall(r'(?:src|href)="(assets/[^"]+)"', answer.text):
        assert client.get(f"/{path}", buffered=True).status_code == 200, path


def test_what_it_shows_is_kept_by_nobody(client: FlaskClient) -> None:
    answer = client.get("/health/state")
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()
    assert [one["state"] for one in told["services"]] == ["answers"] * 7
    assert told["figures"]["latencies"][0]["p99_s"] <= 0.1
