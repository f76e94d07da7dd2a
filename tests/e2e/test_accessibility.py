"""Nobody is kept out: axe-core finds nothing serious or critical on any page, in both themes, with every sheet open."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.roles import Role
from tests.e2e.accessibility import barriers
from tests.e2e.dashboard_browser import OpenPage, Watched
from tests.e2e.dashboard_server import DashboardServer, now_ms
from tests.e2e.dashboard_world import World
from tests.e2e.health_world import health_day
from tests.e2e.pages_world import course, streams_day, walk
from tests.e2e.payments_world import payments_day
from tests.e2e.privacy_world import good_day
from tests.e2e.reports_world import reports_day
from tests.e2e.test_dashboard_page import city

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
THEMES = pytest.mark.parametrize("theme", ["dark", "light"])
_DESK = {"viewport": {"width": 1280, "height": 720}}


def there(watched: Watched, selector: str) -> None:
    watched.until(lambda: watched.page.locator(selector).count() > 0, f"{selector} is there")


@THEMES
def test_the_live_desk_keeps_nobody_out(open_page: OpenPage, theme: str) -> None:
    with DashboardServer(city()) as server:
        watched = open_page(server, color_scheme=theme, **_DESK)
        watched.until_connection("live")
        watched.until_ready()
        press = watched.page.keyboard.press
        assert barriers(watched.page) == []
        press("j")
        there(watched, ".timeline .mark.alert")
        watched.page.locator(".timeline-table summary").click()
        assert barriers(watched.page) == [], "with the evidence of an alert"
        press("c")
        there(watched, "#reason")
        watched.page.locator("#layers-toggle").click()
        watched.page.locator("#filter-toggle").click()
        assert barriers(watched.page) == [], "with a reason asked for, layers and filter"
        press("Escape")
        press("m")
        there(watched, "#map-table table")
        press("r")
        there(watched, "#replay input[type=range]")
        assert barriers(watched.page) == [], "with the table and the replay"
        press("?")
        assert barriers(watched.page) == [], "with the list of keys"


def test_whoever_may_only_look_and_whoever_lost_the_line_is_not_kept_out(open_page: OpenPage) -> None:
    with DashboardServer(city(), role=Role.VIEW) as server:
        watched = open_page(server, may_lose_line=True, color_scheme="light", **_DESK)
        watched.until_connection("live")
        watched.until_ready()
        watched.page.keyboard.press("j")
        there(watched, ".no-permission")
        assert barriers(watched.page) == []
        server.stop()
        watched.until_connection("disconnected")
        assert barriers(watched.page) == []


@THEMES
def test_the_other_pages_keep_nobody_out(open_page: OpenPage, tmp_path: Path, theme: str) -> None:
    course(tmp_path)
    now = now_ms()
    worlds = {"streams": streams_day(now), "health": health_day(now), "payments": payments_day(now), "reports": reports_day(now)}
    with DashboardServer(World(), privacy=good_day(now), report=tmp_path / "rubric.html", **worlds) as server:  # type: ignore[arg-type]  # by name
        for path, ready in (
            ("payments", "#volume .volume-bar"),
            ("privacy", ".history .run"),
            ("streams", ".graph .group"),
            ("reports", "#segments .segment-bubble"),
            ("health", "#balance .sum-line"),
        ):
            watched = open_page(server, path, color_scheme=theme, **_DESK)
            watched.until_connection("live")
            there(watched, ready)
            assert barriers(watched.page) == [], path
            watched.page.keyboard.press("m")
            there(watched, "table")
            assert barriers(watched.page) == [], f"{path} as tables"
            watched.page.close()


@THEMES
def test_the_page_of_the_phone_keeps_nobody_out(open_page: OpenPage, theme: str) -> None:
    phone = "99dac4cb-7c11-4f0e-8d13-0b6e7a31f4d2"
    with DashboardServer(World()) as server:
        watched = open_page(server, "phone", color_scheme=theme, **_DESK)
        watched.until(lambda: watched.state().get("phase") == "waiting", "it waits for a phone")
        assert barriers(watched.page) == []
        server.phone.send(*walk(phone, now_ms() - 60_000, 2))
        there(watched, "button[data-candidate]")
        watched.page.locator("button[data-candidate]").click()
        watched.until(lambda: watched.state()["phase"] == "paired", "the phone is paired")
        server.phone.send(*walk(phone, now_ms(), 60, first=3))
        there(watched, "#map .path")
        assert barriers(watched.page) == [], "with a path"
