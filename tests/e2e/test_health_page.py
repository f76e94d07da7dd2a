"""The page of health in a real Chromium, in each of its states.

Every test also fails on a request to another origin, a console error or a policy violation.
"""

from __future__ import annotations

import pytest

from tests.e2e.dashboard_browser import OpenPage, Watched
from tests.e2e.dashboard_server import DashboardServer, now_ms
from tests.e2e.dashboard_world import World
from tests.e2e.health_world import HealthWorld, health_day
from tests.e2e.privacy_world import progress

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
_DESK = {"viewport": {"width": 1280, "height": 720}}


def opened(open_page: OpenPage, server: DashboardServer, connection: str = "live", **options: object) -> Watched:
    watched = open_page(server, "health", **{**_DESK, **options})
    watched.until_connection(connection)
    return watched


def text(watched: Watched, selector: str) -> str:
    return " ".join(watched.page.locator(selector).inner_text().split())


def flowing(watched: Watched) -> None:
    watched.until(lambda: watched.page.locator("#flow .spark").count() == 3, "two moments were compared")
    watched.until(lambda: watched.page.locator("#balance .sum-line").count() > 0, "the stores were counted")


def test_before_the_first_answer_the_outline_stands(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = open_page(server, "health", java_script_enabled=False, **_DESK)
        assert watched.page.locator(".panel .bones").count() == 8
        assert "veilocity doctor" in text(watched, "noscript")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_good_day_is_told_in_figures_and_words(open_page: OpenPage, theme: str) -> None:
    with DashboardServer(World(), health=health_day(now_ms())) as server:
        watched = opened(open_page, server, color_scheme=theme)
        flowing(watched)
        assert watched.page.locator('.service[data-state="answers"]').count() == 7
        assert "all 7 answer" in text(watched, "#services-aside")
        assert "/s" in text(watched, "#flow")
        assert watched.page.locator("#lag .lag-bar").count() == 5
        assert watched.page.locator("#latency tbody tr").count() == 8
        assert text(watched, "#latency tbody tr:first-child th") == "Alert"
        title = watched.page.locator("#latency tbody tr:first-child th span").get_attribute("title") or ""
        assert "From Kafka taking the oldest event" in title
        assert "Damaged identifier" in text(watched, "#errors")
        assert "3.6 MB" in text(watched, "#sizes")
        assert watched.page.locator("#models tbody tr").count() == 2
        learned = text(watched, "#models tbody tr:last-child")
        for told in ("learned-boosting", "0003-3f2a9c1d", "34 of 40", "much usual_place_km_log 0.31"):
            assert told in learned
        assert "no label yet" in text(watched, "#models tbody tr:first-child")
        assert watched.page.locator('.sum-line[data-state="holds"]').count() >= 8
        # So many moments that the lines are lines.
        watched.until(lambda: server.health.step > 6, "a stretch was seen")
        watched.shot(f"health-{theme}")
        watched.page.locator("#models").scroll_into_view_if_needed()
        watched.shot(f"health-models-{theme}")


def test_who_is_silent_is_named_with_what_to_do_and_comes_back(open_page: OpenPage) -> None:
    world = health_day(now_ms())
    with DashboardServer(World(), health=world) as server:
        watched = opened(open_page, server)
        world.silent = {"rules", "kafka"}
        watched.until(lambda: watched.state()["services"]["rules"] == "silent", "the rules service is missed")
        assert "Kafka, Rules do not answer." in text(watched, "#notice")
        row = text(watched, '.service[data-service="rules"]')
        assert "silent" in row
        assert "Start veilocity rules" in row
        assert "docs/runbooks/service-down.md" in row
        watched.shots("health-silent")
        world.silent = set()
        watched.until(lambda: watched.state()["services"]["rules"] == "answers", "it is back")
        watched.until(lambda: watched.page.locator("#notice").is_hidden(), "the notice goes")


def test_a_dead_store_is_told_and_what_was_lost_too(open_page: OpenPage) -> None:
    world = health_day(now_ms())
    world.lost = 3
    with DashboardServer(World(), health=world) as server:
        watched = opened(open_page, server, viewport={"width": 1280, "height": 1000}, color_scheme="light")
        flowing(watched)
        assert watched.page.locator('.sum-line[data-state="violated"]').count() == 2
        assert "Something was lost or doubled" in text(watched, "#balance")
        world.silent = {"mongodb"}
        watched.until_connection("store-down")
        assert "MongoDB does not answer" in text(watched, "#notice")
        watched.shots("health-store-down")


def test_when_nobody_answers_every_panel_says_what_is_missing(open_page: OpenPage) -> None:
    world = HealthWorld(silent={"kafka", "mongodb", "elasticsearch", "ingest", "rules", "privacy", "dashboard"})
    with DashboardServer(World(), health=world) as server:
        watched = opened(open_page, server, "store-down")
        watched.until(lambda: watched.page.evaluate("document.body.dataset.content") == "empty", "nobody answers")
        for panel, words in (
            ("flow", "A rate needs two moments"),
            ("lag", "neither answers"),
            ("latency", "Nothing was timed"),
            ("sizes", "Nobody tells"),
            ("models", "No learned rule is in force"),
        ):
            assert words in text(watched, f"#{panel}-body")
        watched.shots("health-empty")


def test_silence_of_the_stage_is_told_and_a_lost_server_too(open_page: OpenPage) -> None:
    world = HealthWorld(progress(now_ms() - 300_000))
    with DashboardServer(World(), health=world) as server:
        watched = open_page(server, "health", may_lose_line=True, **_DESK)
        watched.until_connection("stale")
        assert "Nothing new for 5 min" in text(watched, "#notice")
        server.stop()
        watched.until_connection("disconnected")
        watched.shots("health-disconnected")
        world.progress_document = progress(now_ms())
        server.start()
        watched.until_connection("live")


def test_everything_is_a_table_too(open_page: OpenPage) -> None:
    with DashboardServer(World(), health=health_day(now_ms())) as server:
        watched = opened(open_page, server)
        flowing(watched)
        for figure in watched.page.locator("svg.figure").all():
            assert figure.get_attribute("role") == "img"
            assert len(figure.get_attribute("aria-label") or "") > 5
        watched.page.keyboard.press("m")
        watched.until(lambda: watched.page.locator("svg.figure").count() == 0, "no figure is left")
        assert watched.page.locator("#flow tbody tr").count() > 0
        assert watched.page.locator("#lag tbody tr").count() == 5
        watched.shots("health-tables")


def test_without_permission_nothing_is_shown(open_page: OpenPage) -> None:
    with DashboardServer(World(), health=health_day(now_ms())) as server:
        server.forbidden = {"/health/state"}
        watched = opened(open_page, server, "forbidden")
        assert not watched.page.locator(".sheet").is_visible()
        watched.complaints[:] = [one for one in watched.complaints if "403" not in one]


@pytest.mark.parametrize(("name", "width", "height"), [("tablet", 820, 1180), ("phone", 390, 844)])
def test_the_page_fits_a_narrow_screen(open_page: OpenPage, name: str, width: int, height: int) -> None:
    with DashboardServer(World(), health=health_day(now_ms())) as server:
        watched = opened(open_page, server, viewport={"width": width, "height": height}, color_scheme="light")
        flowing(watched)
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        watched.shot(f"health-{name}")


def test_the_keys_of_the_bar_open_every_page(open_page: OpenPage) -> None:
    with DashboardServer(World(), health=health_day(now_ms())) as server:
        watched = opened(open_page, server)
        for key, path in (("s", "streams"), ("o", "phone"), ("p", "privacy"), ("h", "health"), ("l", "")):
            watched.page.keyboard.press(key)
            watched.page.wait_for_url(f"{server.url}{path}")
            watched.until(lambda: bool(watched.state()), "the page has its scripts")
        watched.until_ready()
        watched.page.keyboard.press("h")
        watched.page.wait_for_url(f"{server.url}health")
