"""The page of streams in a real Chromium, in each of its states.

Every test also fails on a request to another origin, a console error or a policy violation.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.e2e.dashboard_browser import OpenPage, Watched
from tests.e2e.dashboard_server import DashboardServer, now_ms
from tests.e2e.dashboard_world import World
from tests.e2e.pages_world import course, streams_day
from tests.e2e.privacy_world import progress

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
_DESK = {"viewport": {"width": 1280, "height": 720}}


def opened(open_page: OpenPage, server: DashboardServer, connection: str = "live", **options: object) -> Watched:
    watched = open_page(server, "streams", **{**_DESK, **options})
    watched.until_connection(connection)
    return watched


def text(watched: Watched, selector: str) -> str:
    return " ".join(watched.page.locator(selector).inner_text().split())


def drawn(watched: Watched) -> None:
    watched.until(lambda: watched.page.locator(".graph .group").count() > 0, "the graph is drawn")


def test_before_the_first_answer_the_outline_stands_and_says_that_it_is_connecting(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = open_page(server, "streams", java_script_enabled=False, **_DESK)
        assert watched.page.locator(".panel .bones").count() == 7
        assert text(watched, ".pill") == "connecting"
        assert "veilocity rubric" in text(watched, "noscript")
        watched.shots("streams-loading")


def test_an_empty_system_says_why_it_is_empty_and_what_to_do(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        watched.until(lambda: watched.page.evaluate("document.body.dataset.content") == "empty", "nothing is there")
        assert "veilocity simulate" in text(watched, "#estimates-body")
        assert "No group was found yet" in text(watched, "#graph-body")
        assert "veilocity rubric --serve" in text(watched, "#course-body")
        watched.shots("streams-empty")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_good_day_is_told_in_bounds_beside_the_truth(open_page: OpenPage, tmp_path: Path, theme: str) -> None:
    course(tmp_path)
    with DashboardServer(World(), streams=streams_day(now_ms()), report=tmp_path / "rubric.html") as server:
        watched = opened(open_page, server, color_scheme=theme, viewport={"width": 1280, "height": 900})
        drawn(watched)
        assert "1,204" in text(watched, "#estimates tbody tr:nth-child(1)")
        assert "not known" in text(watched, "#estimates tbody tr:nth-child(1)")
        merchants = text(watched, "#estimates tbody tr:nth-child(2)")
        assert "262 254 to 271 265 4.1 kB exactly 4.2 kB" in merchants
        assert watched.page.locator("#estimates svg .true-mark").count() == 4
        assert "5,311" in text(watched, "#filter .facts")
        assert "5,204" in text(watched, "#counts .facts")
        assert watched.page.locator("#counts a").get_attribute("href") == "privacy"
        assert watched.page.locator(".graph .group").count() == 44
        assert watched.page.locator(".graph .alike").count() > 20
        assert watched.page.locator("#sample tbody tr").count() == 60
        assert watched.page.locator("#course tbody tr").count() == 25
        assert "of 22 truths lie inside" in text(watched, "#course-body")
        assert watched.page.evaluate("document.documentElement.dataset.theme") == theme
        watched.page.locator('.graph [data-group="group003"]').click()
        watched.until(lambda: watched.state()["members"] > 0, "its payments are listed")
        watched.shot(f"streams-{theme}")
        watched.page.locator("#course").scroll_into_view_if_needed()
        watched.shot(f"streams-{theme}-course")


def test_a_group_is_reached_chosen_and_left_by_keyboard_and_told_in_words(open_page: OpenPage) -> None:
    with DashboardServer(World(), streams=streams_day(now_ms())) as server:
        watched = opened(open_page, server)
        drawn(watched)
        assert "Choose a group" in text(watched, "#group-body")
        for _ in range(40):
            watched.page.keyboard.press("Tab")
            if watched.page.evaluate("document.activeElement.classList.contains('group')"):
                break
        first = watched.page.evaluate("document.activeElement.dataset.group")
        assert first, "the graph is reached by Tab"
        for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
            watched.page.keyboard.press(key)
        watched.page.keyboard.press("ArrowRight")
        there = watched.page.evaluate("document.activeElement.dataset.group")
        assert there
        watched.page.keyboard.press("Enter")
        watched.until(lambda: watched.state()["selected"] == there and watched.state()["members"] > 0, "the group is chosen")
        body = text(watched, "#group-body")
        assert "Jaccard" in (watched.page.locator("#group-body .facts div:nth-child(3)").get_attribute("title") or "")
        assert "similarity" in body
        assert watched.page.locator(".graph .group.selected").get_attribute("aria-pressed") == "true"
        label = watched.page.locator(".graph .group.selected").get_attribute("aria-label") or ""
        assert "payments of" in label or "payment of" in label
        watched.shots("streams-chosen")
        watched.page.keyboard.press("Escape")
        watched.until(lambda: watched.state()["selected"] is None, "the group is given up")


def test_the_graph_lies_the_same_way_each_time_and_a_choice_outlives_news(open_page: OpenPage) -> None:
    world = streams_day(now_ms())
    with DashboardServer(World(), streams=world) as server:
        watched = opened(open_page, server)
        drawn(watched)
        where = "[...document.querySelectorAll('.graph .group')].map(node => node.getAttribute('transform')).join()"
        before = watched.page.evaluate(where)
        again = opened(open_page, server)
        drawn(again)
        assert again.page.evaluate(where) == before
        watched.page.locator('.graph [data-group="group005"]').click()
        assert world.progress_document is not None
        world.group_documents = world.group_documents[:-1]
        world.progress_document = msgspec.structs.replace(world.progress_document, seq=41, written_ms=now_ms())
        watched.until(lambda: watched.state()["groups"] == 43, "news arrive")
        assert watched.state()["selected"] == "group005"
        assert watched.page.locator(".graph .group.selected").count() == 1


def test_everything_is_a_table_too(open_page: OpenPage) -> None:
    with DashboardServer(World(), streams=streams_day(now_ms())) as server:
        watched = opened(open_page, server)
        drawn(watched)
        for figure in watched.page.locator("svg.figure").all():
            assert figure.get_attribute("role") == "img"
            assert len(figure.get_attribute("aria-label") or "") > 10
        watched.page.keyboard.press("m")
        watched.until(lambda: watched.page.locator("#graph tbody tr").count() == 44, "the groups are listed")
        watched.page.locator("#graph tbody tr:first-child button").click()
        watched.until(lambda: watched.state()["members"] > 0, "a group is chosen from the table")
        watched.shots("streams-tables")


def test_times_are_those_of_the_reader_and_in_utc_on_hover(open_page: OpenPage) -> None:
    with DashboardServer(World(), streams=streams_day(now_ms())) as server:
        watched = opened(open_page, server, timezone_id="Asia/Kolkata")
        watched.until(lambda: watched.page.locator("#sample tbody time").count() > 0, "the sample is listed")
        time = watched.page.locator("#sample tbody time").first
        assert time.inner_text() == "22 Nov, 13:49"
        assert time.get_attribute("title") == "2026-11-22 08:19 UTC"


def test_a_group_that_is_gone_is_told(open_page: OpenPage) -> None:
    world = streams_day(now_ms())
    with DashboardServer(World(), streams=world) as server:
        watched = open_page(server, "streams", may_lose_line=True, **_DESK)
        watched.until_connection("live")
        drawn(watched)
        world.payment_documents = {}
        watched.page.locator('.graph [data-group="group003"]').click()
        watched.until(lambda: "no longer stored" in text(watched, "#group-body"), "its payments are gone")


def test_a_dead_store_is_told_and_the_last_picture_stays(open_page: OpenPage) -> None:
    world = streams_day(now_ms())
    with DashboardServer(World(), streams=world) as server:
        watched = opened(open_page, server)
        drawn(watched)
        world.down = True
        watched.until_connection("store-down")
        assert "The store does not answer" in text(watched, "#notice")
        assert watched.page.locator(".graph .group").count() == 44
        watched.shots("streams-store-down")
        world.down = False
        world.progress_document = progress(now_ms(), seq=41)
        watched.until_connection("live")


def test_silence_is_told_and_a_lost_server_too(open_page: OpenPage) -> None:
    world = streams_day(now_ms() - 300_000)
    with DashboardServer(World(), streams=world) as server:
        watched = open_page(server, "streams", may_lose_line=True, color_scheme="light", **_DESK)
        watched.until_connection("stale")
        assert "Nothing new for 5 min" in text(watched, "#notice")
        watched.shots("streams-stale")
        server.stop()
        watched.until_connection("disconnected")
        assert "No connection to the dashboard" in text(watched, "#notice")
        world.progress_document = progress(now_ms(), seq=41)
        server.start()
        watched.until_connection("live")


def test_without_permission_nothing_is_shown_and_it_says_so(open_page: OpenPage) -> None:
    with DashboardServer(World(), streams=streams_day(now_ms())) as server:
        server.forbidden = {"/streams/state"}
        watched = open_page(server, "streams", may_lose_line=True, **_DESK)
        watched.page.on("console", lambda _: None)
        watched.until_connection("forbidden")
        assert text(watched, ".pill") == "no permission"
        assert "You may not see this page" in text(watched, "#notice")
        assert not watched.page.locator(".sheet").is_visible()
        watched.shots("streams-forbidden")
        watched.complaints[:] = [one for one in watched.complaints if "403" not in one]


@pytest.mark.parametrize(("name", "width", "height"), [("tablet", 820, 1180), ("phone", 390, 844)])
def test_the_page_fits_a_narrow_screen(open_page: OpenPage, tmp_path: Path, name: str, width: int, height: int) -> None:
    course(tmp_path)
    with DashboardServer(World(), streams=streams_day(now_ms()), report=tmp_path / "rubric.html") as server:
        watched = opened(open_page, server, viewport={"width": width, "height": height}, color_scheme="light")
        drawn(watched)
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        watched.shot(f"streams-{name}")
