"""The page of reports in a real Chromium, in each of its states; once with MongoDB behind it.

Every test also fails on a request to another origin, a console error or a policy violation.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from storage.reports import ReportDocument, ReportName, ReportReader, ReportStore
from storage.segments import SegmentReader
from storage.segments_writer import SegmentStore
from tests.e2e.dashboard_browser import OpenPage, Watched
from tests.e2e.dashboard_server import DashboardServer, now_ms
from tests.e2e.dashboard_world import World
from tests.e2e.reports_world import SECOND_MS, ReportsWorld, day_of_reports, fraud_window, merchants_window, reports_day, segmentation
from veilocity.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
_DESK = {"viewport": {"width": 1280, "height": 900}}


def opened(open_page: OpenPage, server: DashboardServer, connection: str = "live", **options: object) -> Watched:
    watched = open_page(server, "reports", **{**_DESK, **options})
    watched.until_connection(connection)
    return watched


def text(watched: Watched, selector: str) -> str:
    return " ".join(watched.page.locator(selector).inner_text().split())


def drawn(watched: Watched) -> None:
    watched.until(lambda: watched.page.locator("#frauds .fraud-bar").count() > 0, "the bars are drawn")
    watched.until(lambda: bool(watched.state()["named"]), "names and outlines are there")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_good_day_is_told_in_figures_charts_and_a_map(open_page: OpenPage, theme: str) -> None:
    world = reports_day(now_ms())
    with DashboardServer(World(), reports=world) as server:
        watched = opened(open_page, server, color_scheme=theme, viewport={"width": 1280, "height": 1240})
        drawn(watched)
        watched.shot(f"reports-{theme}")
        assert text(watched, "#high-value .big") == "31"
        assert "812" in text(watched, "#day .bands li:nth-child(1)")
        assert "20 % bought: 131 sessions" in text(watched, "#sessions-body")
        assert "4,120" in text(watched, "#sessions .bands li:nth-child(3)")
        assert "potential frauds 14 2" in text(watched, "#left-out tbody tr:nth-child(1)")
        assert watched.page.locator("#frauds .fraud-bar").count() == 19
        assert watched.page.locator("#frauds .never").count() == 1, "a suppressed window is no empty one"
        assert watched.page.locator("#sales .sales-line").count() == 20
        assert watched.page.locator("#cells .bubble").count() == 4
        assert watched.page.locator("#cells .land").count() == 1
        assert "Paris" in text(watched, "#cells .readout")
        assert watched.page.locator("#segments tbody tr").count() == 4
        assert watched.page.locator("#segments .segment-bubble").count() == 4
        assert "at least 20 in each segment; 11 people are in none" in text(watched, "#segments-body")
        assert watched.page.evaluate("document.documentElement.dataset.theme") == theme


def test_before_the_first_answer_the_outline_stands_and_says_that_it_is_connecting(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = open_page(server, "reports", java_script_enabled=False, **_DESK)
        assert watched.page.locator(".panel .bones").count() == 8
        assert text(watched, ".pill") == "connecting"
        assert "veilocity reports" in text(watched, "noscript")


def test_an_empty_system_says_why_it_is_empty_and_what_to_do(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        watched.until(lambda: watched.page.evaluate("document.body.dataset.content") == "empty", "nothing is there")
        assert "No report yet. Run veilocity reports" in text(watched, "#notice")
        assert "No window was counted yet" in text(watched, "#frauds-body")
        assert "POST /v1/sessions" in text(watched, "#sessions-body")
        assert "No segment was made yet" in text(watched, "#segments-body")
        watched.shots("reports-empty")


def test_a_new_window_comes_by_itself_and_takes_neither_focus_nor_choice(open_page: OpenPage) -> None:
    world = reports_day(now_ms())
    with DashboardServer(World(), reports=world) as server:
        watched = opened(open_page, server)
        drawn(watched)
        watched.page.evaluate("window.unbroken = true")
        watched.page.locator("#sales .merchant").nth(7).click()
        chosen = watched.state()["chosen"]
        assert watched.page.locator("#sales .chosen-line").count() == 1
        before = watched.state()["event_ms"]
        world.documents.append(fraud_window(before + 10 * SECOND_MS, 99, (9, 9)))
        world.documents.append(merchants_window(before // 30_000 * 30_000 + 30_000, random.Random(5)))  # noqa: S311  # made up
        watched.until(lambda: watched.state()["event_ms"] > before, "the new window is there")
        assert "Now 99 potential frauds" in text(watched, "#frauds .readout")
        assert watched.page.locator("#cells .bubble").count() == 2
        assert watched.state()["chosen"] == chosen
        assert watched.page.evaluate("document.activeElement.dataset.name") == f"merchant {chosen}"
        assert watched.page.evaluate("window.unbroken"), "without a reload"


def test_every_chart_is_read_by_keyboard_and_told_as_a_table(open_page: OpenPage) -> None:
    with DashboardServer(World(), reports=reports_day(now_ms())) as server:
        watched = opened(open_page, server)
        drawn(watched)
        for figure in watched.page.locator("svg.figure").all():
            assert figure.get_attribute("role") == "img"
            assert len(figure.get_attribute("aria-label") or "") > 10
        press = watched.page.keyboard.press
        for panel, said in (
            ("frauds", "potential frauds"),
            ("sales", "payments"),
            ("cells", "potential frauds"),
            ("segments", "payments a day"),
        ):
            summary = text(watched, f"#{panel} .readout")
            watched.page.locator(f"#{panel} .reading-box").focus()
            press("End")
            press("ArrowLeft")
            told = text(watched, f"#{panel} .readout")
            assert told != summary
            assert said in told
            press("Escape")
            assert text(watched, f"#{panel} .readout") == summary
        watched.page.locator("#sales .unit", has_text="GBP").click()
        assert "GBP" in text(watched, "#sales .readout")
        press("m")
        watched.until(lambda: watched.page.locator("#frauds tbody tr").count() == 20, "the windows are listed")
        assert "too few people to tell" in text(watched, "#frauds tbody")
        assert watched.page.locator("#sales .table").nth(0).locator("tbody tr").count() == 20
        assert watched.page.locator("#sales .table").nth(1).locator("tbody tr").count() == 40
        assert watched.page.locator("#cells tbody tr").count() == 4
        assert watched.page.locator("#segments tbody tr").count() == 4
        assert watched.page.locator("svg.figure").count() == 0
        watched.shots("reports-tables")


def test_the_map_shows_the_whole_world_on_a_key(open_page: OpenPage) -> None:
    with DashboardServer(World(), reports=reports_day(now_ms())) as server:
        watched = opened(open_page, server)
        drawn(watched)
        near = watched.page.locator("#cells .land").get_attribute("transform")
        watched.page.keyboard.press("w")
        assert watched.state()["whole"]
        assert watched.page.locator("#cells .land").get_attribute("transform") != near
        watched.page.locator("#cells").scroll_into_view_if_needed()
        watched.shots("reports-world")


def test_where_cells_lie_close_the_coarse_outlines_give_way_to_names(open_page: OpenPage) -> None:
    world = reports_day(now_ms())
    world.documents = [msgspec.structs.replace(one, cells=one.cells[:2]) for one in world.documents]
    with DashboardServer(World(), reports=world) as server:
        watched = opened(open_page, server)
        drawn(watched)
        assert watched.page.locator("#cells .bubble").count() == 2
        assert watched.page.locator("#cells .land").count() == 0
        assert watched.page.locator("#cells .place-name").count() > 0
        watched.page.locator("#cells").scroll_into_view_if_needed()
        watched.shot("reports-near")


def test_what_is_withheld_is_told_as_that_and_never_as_nothing(open_page: OpenPage) -> None:
    world = reports_day(now_ms())
    told = {"count": None, "rows": (), "cells": (), "suppressed": 1}
    kept = [one for one in world.documents if one.report == "sessions"]
    world.documents = [msgspec.structs.replace(one, **told) for one in world.documents if one.report != "sessions"]
    world.documents += [msgspec.structs.replace(one, bands=one.bands[1:]) for one in kept]
    with DashboardServer(World(), reports=world) as server:
        watched = opened(open_page, server)
        watched.until(lambda: watched.page.locator("#frauds .never").count() == 20, "every bar is hatched")
        assert text(watched, "#high-value .big") == "withheld"
        assert "Now too few people to tell" in text(watched, "#frauds .readout")
        assert "at most" not in text(watched, "#frauds .readout")
        assert "No merchant can be told" in text(watched, "#sales-body")
        assert "No cell was released" in text(watched, "#cells-body")
        assert "How many bought is withheld" in text(watched, "#sessions-body")
        watched.shots("reports-withheld")


def test_a_dead_store_is_told_and_the_last_picture_stays(open_page: OpenPage) -> None:
    world = reports_day(now_ms())
    with DashboardServer(World(), reports=world) as server:
        watched = opened(open_page, server)
        drawn(watched)
        world.down = True
        watched.until_connection("store-down")
        assert "The store does not answer" in text(watched, "#notice")
        assert watched.page.locator("#sales .sales-line").count() == 20
        world.down = False
        watched.until_connection("live")


def test_silence_is_told_and_a_lost_server_too(open_page: OpenPage) -> None:
    world = ReportsWorld(day_of_reports((now_ms() - 400_000) // 10_000 * 10_000))
    with DashboardServer(World(), reports=world) as server:
        watched = open_page(server, "reports", may_lose_line=True, color_scheme="light", **_DESK)
        watched.until_connection("stale")
        assert "No new window for" in text(watched, "#notice")
        assert "veilocity reports" in text(watched, "#notice")
        watched.shots("reports-stale")
        server.stop()
        watched.until_connection("disconnected")
        assert "No connection to the dashboard" in text(watched, "#notice")
        world.documents.append(fraud_window(now_ms() // 10_000 * 10_000, 3))
        server.start()
        watched.until_connection("live")


def test_without_permission_nothing_is_shown_and_it_says_so(open_page: OpenPage) -> None:
    with DashboardServer(World(), reports=reports_day(now_ms())) as server:
        server.forbidden = {"/reports/state"}
        watched = open_page(server, "reports", may_refuse=(403,), **_DESK)
        watched.until_connection("forbidden")
        assert "You may not see this page" in text(watched, "#notice")
        assert not watched.page.locator(".sheet").is_visible()


@pytest.mark.parametrize(("name", "width", "height"), [("tablet", 820, 1180), ("phone", 390, 844)])
def test_the_page_fits_a_narrow_screen(open_page: OpenPage, name: str, width: int, height: int) -> None:
    with DashboardServer(World(), reports=reports_day(now_ms())) as server:
        watched = opened(open_page, server, viewport={"width": width, "height": height}, color_scheme="light")
        drawn(watched)
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        watched.shot(f"reports-{name}")
        watched.page.locator("#sales").scroll_into_view_if_needed()
        watched.shot(f"reports-{name}-sales")


class StoredWorld(ReportsWorld):
    """What MongoDB holds, read as the dashboard reads it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.reader = ReportReader(settings)
        self.segment_reader = SegmentReader(settings)
        self.segments = self.segment_reader

    def newest(self, report: ReportName, limit: int) -> list[ReportDocument]:
        return self.reader.newest(report, limit)

    def since(self, report: ReportName, end_ms: int) -> list[ReportDocument]:
        return self.reader.since(report, end_ms)


@pytest.fixture(name="stored")
def _stored(service_settings: Settings) -> Iterator[StoredWorld]:
    world = StoredWorld(service_settings)
    with closing(world.reader), closing(world.segment_reader):
        yield world


@pytest.mark.services
def test_what_is_written_to_mongodb_appears_on_an_open_page(open_page: OpenPage, stored: StoredWorld, service_settings: Settings) -> None:
    with closing(ReportStore(service_settings)) as store, DashboardServer(World(), reports=stored) as server:
        store.ensure()
        watched = opened(open_page, server)
        watched.until(lambda: watched.page.evaluate("document.body.dataset.content") == "empty", "nothing is there")
        watched.page.evaluate("window.unbroken = true")
        end_ms = now_ms() // 10_000 * 10_000
        store.write(day_of_reports(end_ms))
        drawn(watched)
        assert watched.page.locator("#frauds .fraud-bar").count() == 19
        assert watched.page.locator("#sales .sales-line").count() == 20
        store.write([fraud_window(end_ms + 10_000, 77, (8,)), merchants_window(end_ms // 30_000 * 30_000 + 30_000, random.Random(7))])  # noqa: S311  # made up
        watched.until(lambda: "Now 77 potential frauds" in text(watched, "#frauds .readout"), "the next window is there")
        with SegmentStore(service_settings) as segments:
            segments.write(segmentation(end_ms - 8 * 86_400_000))
        watched.until(lambda: watched.page.locator("#segments tbody tr").count() == 4, "the segments are there")
        assert watched.page.evaluate("window.unbroken"), "without a reload"
        assert watched.page.evaluate("document.body.dataset.connection") == "live"
