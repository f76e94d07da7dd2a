"""The page of privacy in a real Chromium, in each of its states.

Every test also fails on a request to another origin, a console error or a policy violation.
"""

from __future__ import annotations

import msgspec
import pytest

from storage.privacy_queries import AuditFault
from tests.e2e.dashboard_browser import OpenPage, Watched
from tests.e2e.dashboard_server import DashboardServer, now_ms
from tests.e2e.dashboard_world import World
from tests.e2e.privacy_world import HOUR_MS, PrivacyWorld, audits, good_day, progress, published, releases

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
_DESK = {"viewport": {"width": 1280, "height": 720}}


def opened(open_page: OpenPage, server: DashboardServer, connection: str = "live", **options: object) -> Watched:
    watched = open_page(server, "privacy", **{**_DESK, **options})
    watched.until_connection(connection)
    return watched


def text(watched: Watched, selector: str) -> str:
    return " ".join(watched.page.locator(selector).inner_text().split())


def unequal(now: int) -> PrivacyWorld:
    """Return a system whose audit failed twice and whose counters lost three payments; its budget is spent."""
    fault = AuditFault("mongodb", "transactions", "#3", "merchant", "holds an e-mail address")
    form = AuditFault("elasticsearch", "transactions", "(not kept)", "card", "is a token where another document has a truncation")
    found = audits(now - 60_000, failed={"identifiers": [fault] * 12, "cards": [form]})
    return PrivacyWorld(progress(now, lost=3), found, releases(), published(refused=3))


def test_before_the_first_answer_the_outline_stands_and_says_that_it_is_connecting(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = open_page(server, "privacy", java_script_enabled=False, **_DESK)
        assert watched.page.locator(".check.bones").count() == 9
        assert text(watched, ".pill") == "connecting"
        watched.shots("privacy-loading")


def test_an_empty_system_says_why_it_is_empty_and_what_to_do(open_page: OpenPage) -> None:
    with DashboardServer(World()) as server:
        watched = opened(open_page, server)
        watched.until(lambda: watched.page.evaluate("document.body.dataset.content") == "empty", "nothing is there")
        assert "Never run" in text(watched, "#audit-body")
        assert "veilocity privacy audit" in text(watched, "#audit-body")
        assert "veilocity simulate" in text(watched, "#account-body")
        assert "aggregates" in text(watched, "#budget-body")
        assert "docs/privacy-aggregates.md" in text(watched, "#budget-body")
        watched.shots("privacy-empty")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_good_day_is_told_in_figures_and_sentences(open_page: OpenPage, theme: str) -> None:
    with DashboardServer(World(), privacy=good_day(now_ms())) as server:
        watched = opened(open_page, server, color_scheme=theme)
        watched.until(lambda: watched.state()["verdict"] == "passed", "the audit is shown")
        assert "14 min ago, in 4.2 s, 14,170 documents read" in text(watched, "#audit-body")
        assert watched.page.locator(".check").count() == 9
        assert watched.page.locator('.check[data-outcome="passed"]').count() == 8
        assert "single out 93 % of pseudonyms" in text(watched, '.check[data-check="unicity"]')
        assert watched.page.locator(".history .run").count() == 36
        assert text(watched, ".history") == "36 runs, 1 failed"
        sum_of = "6,412 payments = 5,204 released + 212 suppressed + 31 late + 958 pending + 7 erased adds up"
        assert text(watched, ".sum") == sum_of
        assert "smallest 5 people" in text(watched, "#sizes .facts")
        assert watched.page.locator("#sizes .bar-of-classes").count() > 10
        assert watched.page.locator("#trade .chosen-word").text_content() == "k = 5"
        label = watched.page.locator("#trade svg.figure").get_attribute("aria-label") or ""
        assert "At k = 5 the easiest payment is matched with a chance of 0.20" in label
        assert "a person in 7 days at most 28" in text(watched, "#budget .facts")
        assert watched.page.locator("#budget .interval").count() == 30
        assert watched.page.locator("#windows tbody tr").count() == 16
        assert watched.page.evaluate("document.documentElement.dataset.theme") == theme
        watched.shot(f"privacy-{theme}")


def test_a_failed_audit_names_the_record_and_says_what_to_do(open_page: OpenPage) -> None:
    with DashboardServer(World(), privacy=unequal(now_ms())) as server:
        watched = opened(open_page, server, viewport={"width": 1280, "height": 1080})
        watched.until(lambda: watched.state()["verdict"] == "failed", "the audit is shown")
        audit = text(watched, "#audit-body")
        assert "Failed: 13 faults" in audit
        assert "Stop the privacy stage" in audit
        assert "mongodb transactions #3 merchant: holds an e-mail address" in audit
        assert "and 9 more: veilocity privacy audit names them." in audit
        assert watched.page.locator('.check[data-outcome="failed"] .mark.failed').count() == 2
        assert "3 missing: run veilocity doctor" in text(watched, ".sum")
        assert "refused 3 windows" in text(watched, "#budget .facts")
        assert watched.page.locator("#budget .refused").count() == 3
        watched.shots("privacy-failed")


def test_an_audit_that_is_long_ago_is_told_and_so_is_silence(open_page: OpenPage) -> None:
    now = now_ms()
    world = PrivacyWorld(progress(now - 300_000), audits(now - 9 * HOUR_MS), releases(), [])
    with DashboardServer(World(), privacy=world) as server:
        watched = opened(open_page, server, "stale", color_scheme="light")
        watched.until(lambda: "Passed, but long ago" in text(watched, "#audit-body"), "the audit is old")
        assert "older than twice the hour between two" in text(watched, "#audit-body")
        assert "Nothing new for 5 min" in text(watched, "#notice")
        watched.shots("privacy-stale")
        world.progress_document = progress(now_ms(), seq=41)
        watched.until_connection("live")
        assert watched.page.locator("#notice").is_hidden()


def test_news_arrive_while_one_watches_and_what_did_not_change_stays(open_page: OpenPage) -> None:
    world = good_day(now_ms())
    with DashboardServer(World(), privacy=world) as server:
        watched = opened(open_page, server)
        watched.until(lambda: watched.page.locator("#windows tbody tr").count() == 16, "the windows are listed")
        watched.page.evaluate("document.querySelector('#trade svg').dataset.mine = 'yes'")
        assert world.progress_document is not None
        more = msgspec.structs.replace(world.progress_document, seq=41, transactions=6_422, pending=968, written_ms=now_ms())
        world.progress_document = more
        watched.until(lambda: "6,422 payments" in text(watched, ".sum"), "the sum follows")
        assert watched.page.locator("#trade svg[data-mine]").count() == 1


def test_a_dead_store_is_told_and_the_last_picture_stays(open_page: OpenPage) -> None:
    world = good_day(now_ms())
    with DashboardServer(World(), privacy=world) as server:
        watched = opened(open_page, server)
        world.down = True
        watched.until_connection("store-down")
        assert "The store does not answer" in text(watched, "#notice")
        assert watched.page.locator(".check").count() == 9
        watched.shots("privacy-store-down")
        world.down = False
        world.progress_document = progress(now_ms(), seq=41)
        watched.until_connection("live")


def test_a_store_that_is_down_from_the_beginning_is_told_too(open_page: OpenPage) -> None:
    world = good_day(now_ms())
    world.down = True
    with DashboardServer(World(), privacy=world) as server:
        watched = opened(open_page, server, "store-down")
        assert watched.page.evaluate("document.body.dataset.content") == "loading"
        assert "The page fills as soon as it does" in text(watched, "#notice")
        world.down = False
        watched.until_connection("live")
        assert watched.page.locator(".check:not(.bones)").count() == 9


def test_a_lost_server_is_told_and_its_return_brings_the_newest_picture(open_page: OpenPage) -> None:
    world = good_day(now_ms())
    with DashboardServer(World(), privacy=world) as server:
        watched = opened(open_page, server, may_lose_line=True)
        server.stop()
        watched.until_connection("disconnected")
        assert "No connection to the dashboard" in text(watched, "#notice")
        watched.shots("privacy-disconnected")
        world.audit_documents = audits(now_ms(), runs=3)
        server.start()
        watched.until_connection("live")
        watched.until(lambda: text(watched, ".history") == "3 runs, none failed", "what was missed is shown")


def test_every_figure_is_a_table_too_and_the_keyboard_reaches_all(open_page: OpenPage) -> None:
    with DashboardServer(World(), privacy=good_day(now_ms())) as server:
        watched = opened(open_page, server)
        watched.until(lambda: watched.page.locator("#trade svg.figure").count() == 1, "the figures are drawn")
        for figure in watched.page.locator("svg.figure").all():
            assert figure.get_attribute("role") == "img"
            assert len(figure.get_attribute("aria-label") or "") > 10
        watched.page.keyboard.press("m")
        assert watched.page.locator("#sizes svg.figure, #trade svg.figure, #budget svg.figure, #audit svg.figure").count() == 0
        assert [watched.page.locator(f"#{panel} tbody tr").count() for panel in ("audit", "budget")] == [36, 30]
        assert text(watched, "#trade tbody tr:first-child").startswith("5 0.20 0.09")
        assert watched.page.locator("#tables").get_attribute("aria-pressed") == "true"
        watched.shots("privacy-tables")
        reached = []
        for _ in range(12):
            watched.page.keyboard.press("Tab")
            reached.append(
                watched.page.evaluate("document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.textContent")
            )
        wanted = ["Live", "Privacy", "tables", "theme", "Last audits, newest first", "Released classes by people", "Risk and loss by k"]
        assert [one for one in reached if one in wanted][: len(wanted)] == wanted
        watched.page.keyboard.press("t")
        assert watched.page.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize(("name", "width", "height"), [("tablet", 820, 1180), ("phone", 390, 844)])
def test_the_page_fits_a_narrow_screen(open_page: OpenPage, name: str, width: int, height: int) -> None:
    with DashboardServer(World(), privacy=good_day(now_ms())) as server:
        watched = opened(open_page, server, viewport={"width": width, "height": height}, color_scheme="light")
        watched.until(lambda: watched.page.locator("#windows tbody tr").count() == 16, "everything is drawn")
        assert watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        watched.shot(f"privacy-{name}")


def test_the_pages_lead_to_each_other(open_page: OpenPage) -> None:
    with DashboardServer(World(), privacy=good_day(now_ms())) as server:
        watched = open_page(server, **_DESK)
        watched.until_connection("live")
        watched.until_ready()
        watched.shot("dashboard-with-pages")
        watched.page.locator(".pages a", has_text="Privacy").click()
        watched.page.wait_for_url("**/privacy")
        watched.until(lambda: watched.state().get("verdict") == "passed", "the page of privacy is there")
        watched.page.keyboard.press("l")
        watched.page.wait_for_url(server.url)
        watched.until_ready()
