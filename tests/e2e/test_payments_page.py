"""The page of payments in a real Chromium: every state, both themes, links that reproduce a view, keys alone, text instead of figures.

Every test also fails on a request to another origin, a console error or a policy violation.
"""

from __future__ import annotations

import random

import msgspec
import pytest

from storage.documents import MaskedTransaction
from tests.e2e.dashboard_browser import OpenPage, Watched
from tests.e2e.dashboard_server import DashboardServer, now_ms
from tests.e2e.dashboard_world import World
from tests.e2e.pages_world import payment
from tests.e2e.payments_world import payments_day
from tests.e2e.privacy_world import HOUR_MS, START_MS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
_DESK = {"viewport": {"width": 1280, "height": 720}}
_TEN = ("total", "average", "people", "cards", "merchants", "volume", "averages", "categories", "channels", "devices")


def opened(open_page: OpenPage, server: DashboardServer, path: str = "payments", connection: str = "live", **options: object) -> Watched:
    watched = open_page(server, path, **{**_DESK, **options})
    watched.until_connection(connection)
    return watched


def text(watched: Watched, selector: str) -> str:
    return " ".join(watched.page.locator(selector).inner_text().split())


def drawn(watched: Watched, payments: int | None = None) -> None:
    def holds() -> bool:
        state = watched.state()
        return state.get("figures") == "these" and (payments is None or state["payments"] == payments)

    watched.until(holds, "the figures are those of the address")


def one_more(number: int) -> MaskedTransaction:
    return msgspec.structs.replace(payment(number, random.Random(number)), minute_ms=START_MS + 24 * HOUR_MS - 60_000)  # noqa: S311  # made up


def test_before_the_first_answer_the_outline_stands_and_says_that_it_is_connecting(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = open_page(server, "payments", java_script_enabled=False, **_DESK)
        assert watched.page.locator(".panel .bones").count() == 10
        assert text(watched, ".pill") == "connecting"
        assert "Kibana" in text(watched, "noscript")
        watched.shots("payments-loading")


def test_an_empty_system_says_what_to_do(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        watched.until(lambda: "veilocity simulate" in text(watched, "#notice"), "it says what to do")
        assert watched.page.evaluate("document.body.dataset.content") == "empty"
        watched.shots("payments-empty")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_ten_panels_of_a_day_are_told(open_page: OpenPage, theme: str) -> None:
    world = payments_day(now_ms())
    with DashboardServer(World(), payments=world) as server:
        watched = opened(open_page, server, color_scheme=theme)
        drawn(watched, 2_600)
        assert [watched.page.locator(f"#{name}-body").inner_text().strip() != "" for name in _TEN] == [True] * 10
        assert text(watched, "#total .big") == "2,600"
        assert text(watched, "#cards .big") == "402"
        assert "counted exactly" in text(watched, "#people-body")
        assert "GBP" in text(watched, "#average .big")
        assert watched.page.locator("#volume .volume-bar").count() > 100
        assert watched.page.locator("#averages .average-line").count() == 3
        assert watched.page.locator("#categories .ranks li").count() == 10
        assert "Card present" in text(watched, "#channels-body")
        assert "Not known" in text(watched, "#devices-body")
        assert watched.page.evaluate("document.documentElement.dataset.theme") == theme
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        watched.shot(f"payments-{theme}")


def test_filters_make_a_link_and_the_link_makes_the_same_view(open_page: OpenPage) -> None:
    world = payments_day(now_ms())
    with DashboardServer(World(), payments=world) as server:
        watched = opened(open_page, server)
        drawn(watched, 2_600)
        watched.page.locator("#categories .name", has_text="Fuel").first.click()
        watched.page.get_by_label("Currency").select_option("EUR")
        watched.page.get_by_label("Lowest amount").fill("20")
        watched.page.get_by_label("Lowest amount").press("Enter")
        watched.page.get_by_role("button", name="7 d").click()
        wanted = sum(one.category == "fuel" and one.currency == "EUR" and one.amount >= 20 for one in world.payments)
        drawn(watched, wanted)
        assert watched.page.url.endswith("payments?category=fuel&currency=EUR&amount=20..&last=7d")
        watched.shots("payments-filtered")
        again = opened(open_page, server, path=watched.page.url.removeprefix(server.url))
        drawn(again, wanted)
        for name in _TEN:
            assert text(again, f"#{name}-body") == text(watched, f"#{name}-body"), name
        assert again.page.get_by_label("Currency").input_value() == "EUR"
        assert again.page.get_by_label("Lowest amount").input_value() == "20"
        assert again.page.get_by_role("button", name="7 d").get_attribute("aria-pressed") == "true"
        watched.page.go_back()
        watched.until(lambda: watched.state()["query"] == "category=fuel&currency=EUR&amount=20..", "the way back works")
        watched.page.get_by_role("button", name="Clear").click()
        drawn(watched, 2_600)


def test_a_drag_over_a_chart_chooses_its_time(open_page: OpenPage) -> None:
    world = payments_day(now_ms())
    with DashboardServer(World(), payments=world) as server:
        watched = opened(open_page, server, timezone_id="Asia/Kolkata")
        drawn(watched, 2_600)
        box = watched.page.locator("#volume svg.figure").bounding_box()
        assert box is not None
        watched.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60)
        watched.page.mouse.down()
        watched.page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=4)
        watched.page.mouse.up()
        watched.until(lambda: "since=" in watched.state()["query"], "a time is chosen")
        drawn(watched)
        since, until = (int(part.split("=")[1]) for part in watched.state()["query"].split("&"))
        assert since % 600_000 == until % 600_000 == 0
        assert 4 * HOUR_MS < until - since < 6 * HOUR_MS
        assert watched.state()["payments"] == sum(since <= one.minute_ms < until for one in world.payments)
        written = watched.page.evaluate("new Date(document.querySelector('input[aria-label=From]').value).getTime()")
        assert written == since, "the control tells the same time by the reader's clock"


def test_by_keyboard_alone_time_filters_and_charts_are_reached(open_page: OpenPage) -> None:
    world = payments_day(now_ms())
    with DashboardServer(World(), payments=world) as server:
        watched = opened(open_page, server)
        drawn(watched, 2_600)
        keys = watched.page.keyboard
        keys.press("1")
        drawn(watched)
        assert watched.state()["query"] == "last=1h"
        keys.press("3")
        drawn(watched, 2_600)
        keys.press("f")
        assert watched.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Category"
        watched.page.locator("#volume .over-time").focus()
        keys.press("Home")
        assert "payment" in text(watched, "#volume .readout")
        first = text(watched, "#volume .readout")
        keys.press("ArrowRight")
        assert text(watched, "#volume .readout") != first
        world.add(one_more(9_000))
        drawn(watched, 2_601)
        assert watched.page.evaluate("document.activeElement.className") == "over-time", "news leave the focus where it is"
        watched.page.locator("#channels button.name").first.focus()
        keys.press("Enter")
        watched.until(lambda: "channel=" in watched.state()["query"], "a channel is chosen")
        drawn(watched)
        assert watched.page.locator("#channels button.name").get_attribute("aria-pressed") == "true"
        keys.press("c")
        drawn(watched, 2_601)


def test_everything_is_a_table_too(open_page: OpenPage) -> None:
    with DashboardServer(World(), payments=payments_day(now_ms())) as server:
        watched = opened(open_page, server)
        drawn(watched, 2_600)
        for figure in watched.page.locator("svg.figure").all():
            assert figure.get_attribute("role") == "img"
            assert len(figure.get_attribute("aria-label") or "") > 10
        watched.page.keyboard.press("m")
        watched.until(lambda: watched.page.locator("#volume tbody tr").count() == 144, "the volume is listed")
        assert watched.page.locator("#averages thead th").count() == 4
        assert watched.page.locator("#categories tbody tr").count() == 20
        assert watched.page.locator("#channels tbody tr").count() == 4
        assert (watched.page.locator("#volume tbody time").first.get_attribute("title") or "").endswith("UTC")
        watched.shots("payments-tables")


def test_it_is_live(open_page: OpenPage) -> None:
    world = payments_day(now_ms())
    with DashboardServer(World(), payments=world) as server:
        watched = opened(open_page, server)
        drawn(watched, 2_600)
        world.add(*(one_more(number) for number in range(9_000, 9_025)))
        drawn(watched, 2_625)
        assert text(watched, "#total .big") == "2,625"


def test_what_cannot_be_counted_and_what_fits_nothing_are_told(open_page: OpenPage) -> None:
    world = payments_day(now_ms())
    with DashboardServer(World(), payments=world) as server:
        watched = opened(open_page, server, path="payments?subject=somebody")
        watched.until(lambda: "cannot be limited by subject" in text(watched, "#notice"), "it is refused")
        assert not watched.page.locator("#total .big").is_visible()
        watched.shots("payments-refused")
        watched.page.goto(f"{server.url}payments?amount=1000000..")
        watched.until(lambda: "No payment fits" in text(watched, "#notice"), "nothing fits")
        watched.shots("payments-nothing")
        watched.page.keyboard.press("c")
        drawn(watched, 2_600)


def test_a_silent_store_is_told_by_name_and_the_last_figures_stay(open_page: OpenPage) -> None:
    world = payments_day(now_ms())
    with DashboardServer(World(), payments=world) as server:
        watched = opened(open_page, server)
        drawn(watched, 2_600)
        world.counting = False
        world.add(one_more(9_000))
        watched.until_connection("store-down")
        assert "Elasticsearch does not answer" in text(watched, "#notice")
        assert text(watched, "#total .big") == "2,600"
        watched.shots("payments-elasticsearch-down")
        watched.page.keyboard.press("1")
        watched.until(lambda: watched.state()["figures"] == "none", "figures of another time are not shown in its place")
        assert not watched.page.locator("#total .big").is_visible()
        world.down = True
        watched.page.keyboard.press("3")
        watched.until(lambda: "The store does not answer" in text(watched, "#notice"), "MongoDB is silent, too")
        world.down, world.counting = False, True
        watched.until_connection("live")
        drawn(watched, 2_601)


def test_silence_is_told_and_a_lost_server_too(open_page: OpenPage) -> None:
    world = payments_day(now_ms() - 300_000)
    with DashboardServer(World(), payments=world) as server:
        watched = open_page(server, "payments", may_lose_line=True, color_scheme="light", **_DESK)
        watched.until_connection("stale")
        assert "Nothing new for 5 min" in text(watched, "#notice")
        watched.shots("payments-stale")
        server.stop()
        watched.until_connection("disconnected")
        watched.shots("payments-disconnected")
        assert world.progress_document is not None
        world.progress_document = msgspec.structs.replace(world.progress_document, seq=41, written_ms=now_ms())
        server.start()
        watched.until_connection("live")


def test_without_permission_nothing_is_shown_and_it_says_so(open_page: OpenPage) -> None:
    with DashboardServer(World(), payments=payments_day(now_ms())) as server:
        server.forbidden = {"/payments/state"}
        watched = open_page(server, "payments", may_lose_line=True, **_DESK)
        watched.until_connection("forbidden")
        assert "You may not see this page" in text(watched, "#notice")
        assert not watched.page.locator(".sheet").is_visible()
        watched.shots("payments-forbidden")
        watched.complaints[:] = [one for one in watched.complaints if "403" not in one]


@pytest.mark.parametrize(("name", "width", "height"), [("tablet", 820, 1180), ("phone", 390, 844)])
def test_the_page_fits_a_narrow_screen(open_page: OpenPage, name: str, width: int, height: int) -> None:
    with DashboardServer(World(), payments=payments_day(now_ms())) as server:
        watched = opened(open_page, server, viewport={"width": width, "height": height}, color_scheme="light")
        drawn(watched, 2_600)
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert all(text(watched, f"#{one}-body") for one in _TEN)
        watched.shot(f"payments-{name}")
