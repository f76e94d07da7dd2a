"""The report of the algorithms in a real Chromium: opened from the disk and as a page of the dashboard, in the dark and in the light.

Every test also fails on a request to another place, a console error or a policy violation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser
from werkzeug.serving import make_server

from dashboard.course import PATH
from dashboard.course_service import _Quiet, create_course_server
from privacy import course
from sketches.course import contents, simulate, write
from tests.e2e.dashboard_browser import Watched, watch

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SEED = 7


@pytest.fixture(name="report", scope="module")
def _report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("course") / "rubric.html"
    stream = simulate(4_000, SEED)
    write(file, stream.source, list(contents.chapters(stream, SEED)), [course.chapter(stream, SEED)], ["A chapter is left out."])
    return file


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Watched]:
    """Open the report; at the end nothing may have been asked outside or complained of."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark", **options})
    watched = watch(context.new_page(), address)
    watched.page.goto(address)
    yield watched
    context.close()
    assert watched.outside == []
    assert watched.complaints == []


def draw_all(watched: Watched) -> None:
    """Scroll through the page, as a reader does, until every plot is drawn."""
    page = watched.page
    for chapter in page.eval_on_selector_all("section", "all => all.map(one => one.id)"):
        page.locator(f"#{chapter}").scroll_into_view_if_needed()
        watched.until(partial(drawn, watched, chapter), f"the plots of {chapter}")


def drawn(watched: Watched, chapter: str) -> bool:
    script = """id => [...document.querySelectorAll(`#${id} .plot`)].every(one =>
        one.dataset.drawn && one.querySelectorAll('.scatterlayer .trace, .barlayer .trace').length > 0)"""
    return bool(watched.page.evaluate(script, chapter))


def bar_colour(watched: Watched) -> str:
    found: str = watched.page.evaluate("getComputedStyle(document.querySelector('#hyperloglog .barlayer .point path')).fill")
    return found


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_from_the_disk_every_plot_of_every_chapter_is_drawn(browser: Browser, report: Path, scheme: Literal["dark", "light"]) -> None:
    with opened(browser, report.as_uri(), color_scheme=scheme) as watched:
        assert watched.page.locator("section").count() == len(contents.COURSE) + 1
        draw_all(watched)
        assert watched.page.locator(".plot").count() == watched.page.locator(".plot[data-drawn]").count() > 4 * 24
        for chapter in ("lsh", "bloom", "k-against-privacy"):
            folder = Path(__file__).parents[1] / "artifacts"
            folder.mkdir(exist_ok=True)
            watched.page.locator(f"#{chapter}").screenshot(path=folder / f"course-{chapter}-{scheme}.png")
        watched.page.evaluate("window.scrollTo(0, 0)")
        watched.shot(f"course-top-{scheme}")


def test_plots_that_nobody_sees_wait(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri()) as watched:
        watched.page.locator("#reservoir-r").scroll_into_view_if_needed()
        watched.until(lambda: drawn(watched, "reservoir-r"), "the first plots")
        assert watched.page.locator("#kll .plot[data-drawn]").count() == 0


def test_colours_follow_the_system_while_one_reads(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri()) as watched:
        watched.page.locator("#hyperloglog").scroll_into_view_if_needed()
        watched.until(lambda: drawn(watched, "hyperloglog"), "the plots")
        dark = bar_colour(watched)
        watched.page.emulate_media(color_scheme="light")
        watched.until(lambda: bar_colour(watched) != dark, "the other colours")


def test_the_contents_lead_to_the_chapters_and_mark_where_one_is(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri()) as watched:
        watched.page.locator('nav a[href="#triest"]').click()
        watched.until(lambda: watched.page.locator("nav a.here").all_inner_texts() == ["TRIÈST"], "the mark in the contents")


def test_a_phone_shows_one_column_without_sideways_scrolling(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri(), viewport={"width": 390, "height": 844}) as watched:
        watched.page.locator("#lsh").scroll_into_view_if_needed()
        watched.until(lambda: drawn(watched, "lsh"), "the plots")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
        watched.shot("course-phone")


def test_without_scripts_the_figures_are_there(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri(), java_script_enabled=False) as watched:
        assert "The plots need JavaScript" in watched.page.locator("#top").inner_text()
        assert watched.page.locator("section table").count() == len(contents.COURSE)


def test_the_dashboard_shows_it_under_its_stricter_policy(browser: Browser, report: Path) -> None:
    server = make_server("127.0.0.1", 0, create_course_server(report), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        with opened(browser, f"http://127.0.0.1:{server.port}{PATH}") as watched:
            watched.page.locator("#lsh").scroll_into_view_if_needed()
            watched.until(lambda: drawn(watched, "lsh"), "the plots")
            assert watched.page.evaluate("self.origin") == "null", "an origin of its own"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)
