"""The page in a real Chromium, in each of its states.

Every test also fails on a request to another origin, a console error or a policy violation.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from playwright.sync_api import Route

from tests.e2e.dashboard_browser import OpenPage, Watched
from tests.e2e.dashboard_server import DashboardServer, now_ms
from tests.e2e.dashboard_world import FAR, LONDON, MINUTE_MS, World, make_alert, make_alert_without_places
from veilocity.contracts import AlertState, Severity, Verdict

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def city(alerts: int = 12) -> World:
    """Return a world with people, payments and some alerts of every kind."""
    world = World(people=300)
    world.write(positions=world.move(300) + world.travellers(), payments=world.pay(30), written_ms=now_ms())
    severities, states = list(Severity), [AlertState.OPEN, AlertState.OPEN, AlertState.AMENDED, AlertState.RETRACTED]
    found = []
    for number, where in zip(range(alerts), list(FAR.values()) * 2, strict=False):
        world.minute_ms += MINUTE_MS
        alert = make_alert(
            number,
            LONDON,
            where,
            minute_ms=world.minute_ms,
            seq=0,
            elapsed_s=0.0 if number == 5 else 2_460.0,
            severity=severities[number % 3],
            state=states[number % 4],
            revision=1 + (number % 4 > 1),
            count=1 + number % 3,
        )
        found.append(alert)
    world.write(alerts=found, written_ms=now_ms())
    return world


def text(watched: Watched, selector: str) -> str:
    return watched.page.locator(selector).inner_text()


def arrive(world: World, number: int, where: tuple[float, float] = FAR["Lagos"], **options: Any) -> str:
    """Write one alert and return its id."""
    world.minute_ms += MINUTE_MS
    alert = make_alert(number, LONDON, where, minute_ms=world.minute_ms, seq=0, **options)
    world.write(alerts=[alert], written_ms=now_ms())
    return alert.id


def ring_is_drawn(watched: Watched) -> bool:
    """Say whether the ring around the second place of the chosen alert, 13 px from its middle, has the colour of high severity."""
    script = """() => {
        const { arc } = window.veilocity.state();
        const canvas = document.getElementById('overlay');
        const ratio = canvas.width / canvas.clientWidth;
        const [x, y] = arc[1];
        return [...canvas.getContext('2d').getImageData(Math.round(x * ratio), Math.round((y + 13) * ratio), 1, 1).data];
    }"""
    red, green, _, alpha = watched.page.evaluate(script)
    return bool(alpha > 60 and red > green + 40)


def test_an_empty_system_says_why_it_is_empty_and_what_to_do(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = open_page(server)
        watched.until_connection("live")
        watched.until_ready()
        assert watched.page.evaluate("document.body.dataset.content") == "empty"
        watched.until(lambda: "No alerts yet" in text(watched, "#alerts-empty"), "the empty list explains itself")
        assert "veilocity simulate" in text(watched, "#alerts-empty")
        assert "Nothing has arrived yet" in text(watched, "#notice")
        watched.shots("dashboard-empty")


def test_before_the_first_answer_the_outline_stands_and_says_that_it_is_connecting(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = open_page(server, java_script_enabled=False)
        assert watched.page.locator(".row.skeleton").count() == 8
        assert text(watched, ".pill") == "connecting"
        watched.shots("dashboard-loading")


def test_a_live_city_shows_people_payments_alerts_and_counters(open_page: OpenPage) -> None:
    world = city()
    with DashboardServer(world) as server:
        watched = open_page(server, timezone_id="Asia/Tokyo")
        watched.until_connection("live")
        watched.until_ready()
        watched.until(lambda: watched.state()["pixelsPerKm"] > 3, "the map fits the city")
        assert watched.state()["people"] == 360
        assert text(watched, "#count-people") == "360"
        assert text(watched, "#count-payments") == "30"
        assert text(watched, "#count-pending") == "9"
        assert watched.page.locator("#alerts [data-alert-id]").count() == 12
        assert watched.page.locator("#payments li").count() == 12
        assert watched.page.locator('#alerts [data-state="retracted"]').count() == 3
        assert text(watched, "#clock") == "23 Nov, 23:13", "the reader's time"
        assert "2026-11-23 14:13 UTC" in (watched.page.locator("#clock-box").get_attribute("title") or "")
        watched.shots("dashboard-city")


def test_an_alert_appears_with_its_sentence_while_one_watches(open_page: OpenPage) -> None:
    world = city(alerts=2)
    with DashboardServer(world) as server:
        watched = open_page(server)
        watched.until_connection("live")
        identity = arrive(world, 77)
        row = watched.page.locator(f'[data-alert-id="{identity}"]')
        watched.until(lambda: row.count() == 1, "the alert is listed")
        assert "London → Lagos" in row.inner_text()
        assert "5,000 km in 41 min: at least" in row.inner_text()
        assert "high" in row.inner_text().lower()
        assert watched.page.locator("#alerts [data-alert-id]").first.get_attribute("data-alert-id") == identity
        assert text(watched, "#alert-new") == "1 new"
        watched.until(lambda: "New alert: high" in watched.page.locator("#announcer").inner_text(), "readers hear of it")


def test_a_retraction_strikes_the_alert_out(open_page: OpenPage) -> None:
    world = city(alerts=1)
    with DashboardServer(world) as server:
        watched = open_page(server)
        watched.until_connection("live")
        identity = arrive(world, 78)
        row = watched.page.locator(f'[data-alert-id="{identity}"]')
        watched.until(lambda: row.count() == 1, "the alert is listed")
        world.minute_ms -= MINUTE_MS
        arrive(world, 78, state=AlertState.RETRACTED, revision=2)
        watched.until(lambda: row.get_attribute("data-state") == "retracted", "the alert is retracted")
        assert row.count() == 1


def test_choosing_an_alert_draws_its_arc_and_tells_its_evidence(open_page: OpenPage) -> None:
    world = city()
    with DashboardServer(world) as server:
        watched = open_page(server)
        watched.until_connection("live")
        watched.until_ready()
        identity = arrive(world, 90, FAR["Tokyo"])
        watched.page.locator(f'[data-alert-id="{identity}"]').click()
        watched.until(lambda: watched.state()["selected"] == identity, "the alert is chosen")
        box = watched.page.locator("#map-panel").bounding_box()
        assert box is not None

        def both_ends_are_seen() -> bool:
            state = watched.state()
            return state["pixelsPerKm"] < 1 and all(0 < x < box["width"] and 0 < y < box["height"] for x, y in state["arc"])

        watched.until(both_ends_are_seen, "the map shows the whole arc")
        watched.until(lambda: ring_is_drawn(watched), "the ring at the end of the arc")
        assert "at least" in text(watched, "#chip")
        evidence = text(watched, "#evidence")
        arithmetic = ("1,000 km/h", "Fine with", "Score 0.90, possible at most 1 %", "Same place", "Seen")
        for words in ("Impossible travel", "London", "Tokyo", *arithmetic):
            assert words in evidence
        watched.shots("dashboard-evidence")


def test_the_link_of_a_notification_opens_its_alert_even_if_it_comes_later(open_page: OpenPage) -> None:
    world = city()
    with DashboardServer(world) as server:
        # Of an alert that is still to come the store knows nothing.
        watched = open_page(server, may_refuse=(400, 404, 422))
        watched.until_connection("live")
        first = arrive(world, 90, FAR["Tokyo"])
        watched.until(lambda: watched.page.locator(f'[data-alert-id="{first}"]').count() == 1, "the alert is there")
        watched.page.evaluate(f"location.hash = 'alert={first}'")
        watched.until(lambda: watched.state()["selected"] == first, "a link to what is there opens it")
        later = make_alert(91, LONDON, FAR["Lagos"], minute_ms=world.minute_ms + MINUTE_MS, seq=0).id
        watched.page.evaluate(f"location.hash = 'alert={later}'")
        assert watched.state()["selected"] == first
        assert arrive(world, 91) == later
        watched.until(lambda: watched.state()["selected"] == later, "a link to what comes later opens it then")
        watched.page.locator(f'[data-alert-id="{first}"]').click()
        arrive(world, 92)
        watched.until(lambda: watched.state()["alerts"] >= 15, "another alert")
        assert watched.state()["selected"] == first, "whoever chose another is left alone"


def test_an_alert_without_places_is_listed_and_told_and_not_drawn(open_page: OpenPage) -> None:
    world = city(alerts=2)
    with DashboardServer(world) as server:
        watched = open_page(server)
        watched.until_connection("live")
        watched.until_ready()
        watched.until(lambda: watched.state()["pixelsPerKm"] > 3, "the map fits the city")
        world.minute_ms += MINUTE_MS
        alert = make_alert_without_places(60, minute_ms=world.minute_ms)
        world.write(alerts=[alert], written_ms=now_ms())
        row = watched.page.locator(f'[data-alert-id="{alert.id}"]')
        watched.until(lambda: row.count() == 1, "the alert is listed")
        assert "Online" in row.inner_text()
        assert "Payments count: many payments" in row.inner_text()
        row.click()
        watched.until(lambda: watched.state()["selected"] == alert.id, "the alert is chosen")
        evidence = text(watched, "#evidence")
        for words in ("Payments count: many payments", "Score 0.90", "Online", "Cold start"):
            assert words in evidence
        for words in ("null", "NaN", "undefined", "Fine with", "Distance"):
            assert words not in evidence
        assert watched.page.locator("#evidence .figures").count() == 0
        assert watched.page.locator("#chip").is_hidden()
        assert watched.state()["arc"] is None
        assert watched.state()["pixelsPerKm"] > 3
        watched.page.keyboard.press("m")
        assert "Payments count: many payments" in text(watched, "#map-table")
        watched.page.keyboard.press("m")
        watched.shots("dashboard-alert-without-places")


def test_a_payment_that_is_answered_anew_shows_its_new_answer(open_page: OpenPage) -> None:
    world = city(alerts=1)
    with DashboardServer(world) as server:
        watched = open_page(server)
        watched.until_connection("live")
        payment = world.recent_transactions(1)[0]
        row = watched.page.locator(f'[data-payment-id="{payment.id}"]')
        watched.until(lambda: row.count() == 1, "the payment is listed")
        assert "clear" in row.inner_text()
        later = msgspec.structs.replace(payment, revision=2, verdict=Verdict.FLAGGED, severity=Severity.HIGH)
        world.write(payments=[later], written_ms=now_ms())
        watched.until(lambda: "now flagged" in row.inner_text(), "the new answer is shown")
        assert row.count() == 1
        assert "Answered anew, revision 2" in (row.get_attribute("title") or "")
        assert text(watched, "#count-payments") == "30"


def test_the_keyboard_walks_the_list_and_leaves_it(open_page: OpenPage) -> None:
    with DashboardServer(city()) as server:
        watched = open_page(server)
        watched.until_connection("live")
        watched.until_ready()
        keyboard = watched.page.keyboard
        order = watched.page.eval_on_selector_all("#alerts [data-alert-id]", "rows => rows.map(row => row.dataset.alertId)")
        keyboard.press("j")
        assert watched.state()["selected"] == order[0]
        keyboard.press("j")
        keyboard.press("j")
        keyboard.press("k")
        assert watched.state()["selected"] == order[1]
        assert watched.page.locator('[aria-selected="true"]').count() == 1
        keyboard.press("Enter")
        assert watched.page.evaluate("document.activeElement.id") == "evidence"
        keyboard.press("Escape")
        assert watched.state()["selected"] is None
        keyboard.press("1")
        watched.until(lambda: watched.state()["view"] == "world" and watched.state()["pixelsPerKm"] < 0.2, "the whole world")
        watched.shots("dashboard-world")
        keyboard.press("m")
        assert "People by nearest city" in text(watched, "#map-table")
        assert watched.page.locator("#map-table tbody tr").count() > 12


def test_silence_is_told_as_stale_with_its_age(open_page: OpenPage) -> None:
    world = city()
    with DashboardServer(world, stale_s=1.0) as server:
        watched = open_page(server)
        watched.until_connection("stale")
        watched.until(lambda: "Nothing new for" in text(watched, "#notice"), "the page says since when")
        watched.shots("dashboard-stale")

        def lives() -> bool:
            world.write(positions=world.move(3), written_ms=now_ms())
            return bool(watched.page.evaluate("document.body.dataset.connection") == "live")

        watched.until(lives, "news make it live again")


def test_a_lost_server_is_told_and_its_return_brings_the_newest_picture(open_page: OpenPage) -> None:
    world = city(alerts=3)
    with DashboardServer(world) as server:
        watched = open_page(server, may_lose_line=True)
        watched.until_connection("live")
        watched.until_ready()
        server.stop()
        watched.until_connection("disconnected")
        assert "No connection to the dashboard" in text(watched, "#notice")
        watched.shots("dashboard-disconnected")
        identity = arrive(world, 91)
        server.start()
        watched.until_connection("live")
        watched.until(lambda: watched.page.locator(f'[data-alert-id="{identity}"]').count() == 1, "what was missed is shown")
        assert watched.state()["seq"] == world.seq


def test_outlines_and_names_that_were_lost_on_the_way_are_asked_for_again(open_page: OpenPage) -> None:
    with DashboardServer(city()) as server:
        watched = open_page(server, "health", may_lose_line=True)
        lost: list[str] = []

        def lose_once(route: Route) -> None:
            if route.request.url in lost:
                route.continue_()
            else:
                lost.append(route.request.url)
                route.abort()

        for name in ("world_110m.json", "places.json"):
            watched.page.route(f"**/{name}", lose_once)
        watched.page.goto(server.url, wait_until="domcontentloaded")
        watched.until_ready()
        assert len(lost) == 2
        watched.complaints[:] = [one for one in watched.complaints if "topojson" not in one]


def test_without_permission_nothing_is_shown_and_it_says_so(open_page: OpenPage) -> None:
    with DashboardServer(city()) as server:
        server.forbidden = {"/events"}
        watched = open_page(server, may_refuse=(403,))
        watched.until_connection("forbidden")
        assert text(watched, "#connection-word") == "no permission"
        assert "You may not see this page" in text(watched, "#notice")
        assert not watched.page.locator(".side h2").first.is_visible()
        watched.shots("dashboard-no-permission")


def test_a_dashboard_without_room_says_that_and_not_that_it_is_away(open_page: OpenPage) -> None:
    with DashboardServer(city()) as server:
        server.busy = True
        watched = open_page(server, may_refuse=(503,))
        watched.until(lambda: "The dashboard lets this page wait" in text(watched, "#notice"), "it is told")
        assert "close one" in text(watched, "#notice")


def test_a_dead_store_is_told_and_the_last_picture_stays(open_page: OpenPage) -> None:
    world = city(alerts=3)
    with DashboardServer(world) as server:
        watched = open_page(server, may_refuse=(503,))
        watched.until_connection("live")
        world.down = True
        watched.until_connection("store-down")
        assert "The store does not answer" in text(watched, "#notice")
        assert watched.page.locator("#alerts [data-alert-id]").count() == 3
        watched.shots("dashboard-store-down")
        world.down = False
        world.write(positions=world.move(1), written_ms=now_ms())
        watched.until_connection("live")


def test_a_store_that_is_down_from_the_beginning_is_told_too(open_page: OpenPage) -> None:
    world = city(alerts=1)
    world.down = True
    with DashboardServer(world) as server:
        watched = open_page(server, may_refuse=(503,))
        watched.until_connection("store-down")
        assert watched.page.evaluate("document.body.dataset.content") == "loading"
        world.down = False
        watched.until_connection("live")
        assert watched.page.locator("#alerts [data-alert-id]").count() == 1


def test_a_page_that_followed_every_change_equals_one_that_came_later(open_page: OpenPage) -> None:
    world = city()
    with DashboardServer(world) as server:
        early = open_page(server)
        early.until_connection("live")
        for number in range(12):
            world.write(positions=world.move(40), payments=world.pay(9), written_ms=now_ms())
            arrive(world, 100 + number % 7, revision=1 + number // 7)
            early.page.wait_for_timeout(60)
        early.until(lambda: early.state()["seq"] == world.seq, "all batches arrived")
        late = open_page(server)
        late.until_connection("live")
        late.until(lambda: late.state().get("seq") == world.seq, "the snapshot arrived")
        rows = "rows => rows.map(row => row.outerHTML.replace(' arrived', ''))"
        for selector in ("#alerts > li", "#payments > li"):
            assert early.page.eval_on_selector_all(selector, rows) == late.page.eval_on_selector_all(selector, rows)
        for counter in ("people", "payments", "alerts", "released", "suppressed", "pending"):
            assert text(early, f"#count-{counter}") == text(late, f"#count-{counter}")
        assert early.state()["frames"] > 3


@pytest.mark.parametrize(("name", "width", "height"), [("desktop", 1280, 720), ("tablet", 820, 1180), ("phone", 390, 844)])
def test_the_light_page_fits_every_screen(open_page: OpenPage, name: str, width: int, height: int) -> None:
    with DashboardServer(city()) as server:
        watched = open_page(server, color_scheme="light", viewport={"width": width, "height": height})
        watched.until_connection("live")
        watched.until_ready()
        watched.page.keyboard.press("j")
        watched.until(lambda: watched.state()["selected"] is not None, "an alert is chosen")
        assert watched.page.evaluate("document.documentElement.dataset.theme") == "light"
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        watched.shot(f"dashboard-light-{name}")


def test_the_theme_is_switched_and_kept(open_page: OpenPage) -> None:
    with DashboardServer(city(alerts=1)) as server:
        watched = open_page(server)
        watched.until_connection("live")
        watched.page.locator("#theme").click()
        assert watched.page.evaluate("document.documentElement.dataset.theme") == "light"
        watched.page.reload()
        assert watched.page.evaluate("document.documentElement.dataset.theme") == "light"
        watched.until_ready()


def test_a_payment_that_arrives_after_its_frame_began_is_drawn(open_page: OpenPage) -> None:
    """Under load a frame's time lies before the arrival; a ring of negative radius ended the drawing of that frame."""
    with DashboardServer(World()) as server:
        watched = open_page(server)
        watched.until(lambda: bool(watched.state().get("mapReady")), "the map is there")
        script = """async () => {
            const { drawPayments } = await import(new URL("assets/painter.js", location.href));
            const context = document.createElement("canvas").getContext("2d");
            const camera = { size: [100, 100], point: () => [50, 50] };
            drawPayments(context, camera, [{ lat: 0, lon: 0, flagged: false, since: 9000 }], 1000, { payment: "red" }, false);
            return true;
        }"""
        assert watched.page.evaluate(script) is True
