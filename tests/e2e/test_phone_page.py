"""The page of the phone in a real Chromium, in each of its states.

Every test also fails on a request to another origin, a console error or a policy violation.
"""

from __future__ import annotations

import pytest

from tests.e2e.dashboard_browser import OpenPage, Watched
from tests.e2e.dashboard_server import TOKEN, DashboardServer, now_ms
from tests.e2e.dashboard_world import World
from tests.e2e.pages_world import walk
from veilocity.settings import load

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
_DESK = {"viewport": {"width": 1280, "height": 720}}
PHONE = "99dac4cb-7c11-4f0e-8d13-0b6e7a31f4d2"


def opened(open_page: OpenPage, server: DashboardServer, **options: object) -> Watched:
    watched = open_page(server, "phone", **{**_DESK, **options})
    watched.until(lambda: watched.state().get("entered", False), "the page has entered")
    watched.until(lambda: watched.state()["phase"] == "waiting", "it waits for a phone")
    return watched


def text(watched: Watched, selector: str) -> str:
    return " ".join(watched.page.locator(selector).inner_text().split())


def paired(watched: Watched, server: DashboardServer, count: int = 400, **options: object) -> None:
    """Let a phone begin, choose it, and send its path."""
    server.phone.send(*walk(PHONE, now_ms() - count * 1_000, 2))
    watched.until(lambda: watched.state()["candidates"] == 1, "the phone is offered")
    watched.page.locator("button[data-candidate]").click()
    watched.until(lambda: watched.state()["phase"] == "paired", "the phone is paired")
    server.phone.send(*walk(PHONE, now_ms(), count, first=3, **options))  # type: ignore[arg-type]  # passed on
    watched.until(lambda: watched.state()["readings"] == count, "its readings are here")


def test_a_page_that_is_off_says_so_and_how_to_turn_it_on(open_page: OpenPage) -> None:
    with DashboardServer(World(), settings=load({})) as server:
        watched = open_page(server, "phone", **_DESK)
        watched.until_connection("off")
        assert text(watched, ".pill") == "off"
        assert "VEILOCITY_DASHBOARD_PHONE=on" in text(watched, "#pair-body")
        assert server.phone.woken == 0
        watched.shots("phone-off")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_phone_is_connected_chosen_and_followed(open_page: OpenPage, theme: str) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server, color_scheme=theme)
        assert "https://phones.example/v1/sensor-logger" in text(watched, "#connect-body")
        watched.until(lambda: watched.page.locator(".code svg path").count() > 0, "the code is drawn")
        watched.shot(f"phone-connect-{theme}")
        paired(watched, server, 900, flagged=True, gap=(300, 120))
        watched.until(lambda: watched.page.locator("#map .path").count() == 2, "the path is drawn")
        assert "The first reading arrived at" in text(watched, "#pair-body")
        assert "first reading arrived" in (watched.page.locator("#announcer").text_content() or "")
        assert watched.page.locator("#gauges svg.figure").count() == 4
        assert text(watched, "#gauges .place-now b >> nth=0").count(".") == 1
        assert len(text(watched, "#gauges .place-now b >> nth=0").split(".")[1]) == 7, "six digits and the sign"
        assert watched.page.locator("#lines .track").count() == 2
        assert watched.page.locator("#latest tbody tr").count() == 40
        assert "cloaked" in text(watched, "#latest tbody tr:first-child")
        assert "from the middle of" in text(watched, "#map .note")
        assert PHONE not in watched.page.content()
        watched.shot(f"phone-{theme}")


def test_only_what_came_since_is_asked_for_and_the_path_grows(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        asked: list[str] = []
        watched.page.on("request", lambda request: asked.append(request.url) if "phone/state" in request.url else None)
        paired(watched, server, 120)
        server.phone.send(*walk(PHONE, now_ms() + 30_000, 30, first=200))
        watched.until(lambda: watched.state()["readings"] > 120, "the path grows")
        watched.until(lambda: any(url.endswith("after=120") for url in asked), "it asks for what came since")


def test_the_token_is_shown_only_when_somebody_presses_for_it(open_page: OpenPage) -> None:
    secret = TOKEN.get_secret_value()
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        watched.until(lambda: watched.page.locator(".code svg path").count() > 0, "the code is drawn")
        assert secret not in watched.page.content()
        before = watched.page.locator(".code svg").inner_html()
        watched.page.locator("#token").click()
        watched.until(lambda: secret in text(watched, ".fields"), "the token is shown")
        assert "Holds address and token" in text(watched, "#connect figure")
        assert watched.page.locator(".code svg").inner_html() != before
        watched.shots("phone-token")
        watched.page.locator("#token").click()
        watched.until(lambda: secret not in watched.page.content(), "the token is hidden again")


def test_a_gateway_that_no_phone_reaches_is_told(open_page: OpenPage) -> None:
    with DashboardServer(World(), settings=load({}, dashboard_phone="on")) as server:
        watched = opened(open_page, server)
        assert "The gateway listens on 127.0.0.1, which no phone reaches" in text(watched, "#connect-body")
        watched.shots("phone-loopback")


def test_a_phone_is_paired_by_its_id_with_the_keyboard_alone(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        watched.page.locator("#device").focus()
        watched.page.keyboard.press("Enter")
        watched.until(lambda: "Type the device id" in text(watched, "#pair-body"), "an empty id is refused")
        watched.complaints.clear()  # the browser reports the refusal
        watched.page.locator("#device").focus()
        # `s`, `o`, `h` and `t` open pages elsewhere; in a field they are letters.
        watched.page.keyboard.type("soht-phone")
        watched.page.keyboard.press("Enter")
        watched.until(lambda: watched.state()["phase"] == "paired", "it is paired")
        assert "Waiting for the first reading" in text(watched, "#pair-body")
        server.phone.send(*walk("soht-phone", now_ms(), 3, first=700))
        watched.until(lambda: watched.state()["readings"] == 3, "its readings are here")


def test_a_moment_is_pointed_at_by_the_slider_and_marked_on_the_map(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        paired(watched, server, 200)
        before = watched.page.locator("#map .now").get_attribute("transform")
        watched.page.locator("#moment").focus()
        watched.page.keyboard.press("Home")
        watched.until(lambda: watched.page.locator("#map .now").get_attribute("transform") != before, "the map follows")
        assert "km/h" in (watched.page.locator("#moment").get_attribute("aria-valuetext") or "")
        assert not text(watched, ".moment-words").startswith("now")
        watched.page.keyboard.press("End")
        watched.until(lambda: text(watched, ".moment-words").startswith("now"), "it follows the newest again")


def test_what_the_page_held_is_forgotten_when_it_closes_or_takes_another_phone(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        paired(watched, server, 60)
        watched.page.get_by_role("button", name="Another phone").click()
        watched.until(lambda: watched.state()["phase"] == "waiting" and watched.state()["readings"] == 0, "it is forgotten")
        assert server.phone.room.viewers == 1
        watched.page.goto(f"{server.url}privacy")
        watched.until(lambda: server.phone.room.viewers == 0, "the page has left")


def test_a_dead_kafka_a_silent_phone_and_a_lost_server_are_told(open_page: OpenPage) -> None:
    with DashboardServer(World(), stale_s=2.0) as server:
        watched = open_page(server, "phone", may_lose_line=True, **_DESK)
        watched.until(lambda: watched.state().get("phase") == "waiting", "it waits for a phone")
        paired(watched, server, 90)
        watched.until_connection("stale")
        assert "The phone is silent" in text(watched, "#notice")
        watched.shots("phone-stale")
        server.phone.down = True
        watched.until_connection("store-down")
        assert "Kafka does not answer" in text(watched, "#notice")
        assert watched.page.locator("#map .path").count() == 2, "the path stays"
        watched.shots("phone-store-down")
        server.stop()
        watched.until_connection("disconnected")
        assert "No connection to the dashboard" in text(watched, "#notice")
        server.start()
        watched.until(lambda: watched.state()["phase"] == "waiting", "a new dashboard knows nothing, and the page enters anew")


def test_without_permission_nothing_is_shown(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        server.forbidden = {"/phone/state", "/phone/enter", "/phone/connect", "/phone/code"}
        watched = open_page(server, "phone", **_DESK)
        watched.until_connection("forbidden")
        assert not watched.page.locator(".sheet").is_visible()
        watched.shots("phone-forbidden")
        watched.complaints[:] = [one for one in watched.complaints if "403" not in one]


def test_everything_is_a_table_too(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server, timezone_id="America/New_York")
        paired(watched, server, 80)
        for figure in watched.page.locator("svg.figure").all():
            assert len(figure.get_attribute("aria-label") or "") > 10
        watched.page.keyboard.press("m")
        watched.until(lambda: watched.page.locator("#map tbody tr").count() == 80, "the path is listed")
        assert watched.page.locator("#gauges tbody tr").count() == 6
        assert watched.page.locator("#lines tbody tr").count() == 80
        time = watched.page.locator("#latest tbody time").first
        assert (time.get_attribute("title") or "").endswith("UTC")
        assert time.inner_text() not in (time.get_attribute("title") or "")
        watched.shots("phone-tables")


@pytest.mark.parametrize(("name", "width", "height"), [("tablet", 820, 1180), ("narrow", 390, 844)])
def test_the_page_fits_a_narrow_screen(open_page: OpenPage, name: str, width: int, height: int) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server, viewport={"width": width, "height": height}, color_scheme="light")
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        paired(watched, server, 300)
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        watched.shot(f"phone-{name}")
