"""The login in a real Chromium, a real dashboard and MongoDB behind it: by keyboard, wrongly, without scripts, when a session is over."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from pydantic import SecretStr
from pymongo import MongoClient

from storage.accounts.model import SESSIONS
from storage.documents import MaskedBatch, Progress
from storage.kinds import Document
from storage.mongo import MongoStore
from storage.roles import Role
from storage.schema import ensure_collections
from tests.e2e.accessibility import barriers
from tests.e2e.dashboard_browser import Watched, watch
from tests.e2e.dashboard_world import LONDON, START_MS, make_alert
from tests.integration.test_dashboard_service import dashboard, free_port, until_healthy
from tests.logins import PASSWORD, log_in, make_account
from veilocity.settings import Settings, load

pytestmark = [pytest.mark.services, pytest.mark.browser]
DESK = {"width": 1440, "height": 900}
Visit = Callable[..., Watched]


@pytest.fixture(name="settings", scope="module")
def _settings(mongodb_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Return settings of a dashboard that runs, with one alert and two accounts."""
    name, port = f"page{uuid.uuid4().hex[:10]}", free_port()
    folder: Path = tmp_path_factory.mktemp("page")
    settings = load({}, mongodb_uri=SecretStr(mongodb_server), mongodb_database=name, state_dir=folder, dashboard_port=port)
    store = MongoStore(settings)
    ensure_collections(store.database)
    progress = Progress(id="privacy", seq=0, event_ms=START_MS, alerts=1, written_ms=START_MS)
    assert store.write(MaskedBatch(progress=progress, alerts=(make_alert(1, LONDON, LONDON, minute_ms=START_MS, seq=0),))) == []
    store.write_progress(progress)
    make_account(settings, "ada", Role.TRIAGE)
    make_account(settings, "new", Role.VIEW, must_change=True)
    make_account(settings, "eve", Role.ADMIN)
    variables = {"VEILOCITY_MONGODB_URI": mongodb_server, "VEILOCITY_MONGODB_DATABASE": name, "VEILOCITY_STATE_DIR": str(folder)}
    with dashboard(port, **variables) as process:
        until_healthy(port, process)
        yield settings
    store._client.drop_database(name)
    store.close()


@pytest.fixture(name="url")
def _url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.dashboard_port}"


@pytest.fixture(name="visit")
def _visit(browser: Browser, url: str) -> Iterator[Visit]:
    """Return a function that opens an empty page and watches it; at the end no page asked outside or broke a policy."""
    opened: list[Watched] = []
    contexts = []

    def begin(**options: object) -> Watched:
        context = browser.new_context(**{"viewport": DESK, "color_scheme": "dark", **options})  # type: ignore[arg-type]  # options of Chromium
        contexts.append(context)
        # Without an Elasticsearch nobody counts alerts by rule; the page does without.
        opened.append(watch(context.new_page(), url, may_refuse=(401, 503)))
        return opened[-1]

    yield begin
    for context in contexts:
        context.close()
    for watched in opened:
        assert watched.outside == []
        assert watched.complaints == []


def menu(page: Page) -> str:
    return page.locator(".account-menu summary").inner_text()


def test_somebody_logs_in_by_keyboard_and_is_named_in_the_bar(visit: Visit, url: str) -> None:
    watched = visit()
    page = watched.page
    page.goto(f"{url}/privacy", wait_until="domcontentloaded")
    page.wait_for_url(f"{url}/login?next=/privacy")
    watched.shot("login-dark")
    assert barriers(page) == []
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/privacy")
    watched.until(lambda: page.locator(".account-menu").count() == 1, "the account's menu")
    assert menu(page).split() == ["ada", "triage"]
    page.goto(url, wait_until="domcontentloaded")
    watched.until_ready()
    watched.until(lambda: page.locator(".account-menu").count() == 1, "the account's menu on the live map")
    page.locator(".account-menu summary").focus()
    page.keyboard.press("Enter")
    assert page.locator(".account-sheet li").all_inner_texts() == ["see masked alerts", "judge alerts"]
    watched.shot("account-menu")
    assert barriers(page) == []
    page.keyboard.press("Escape")
    assert not page.locator(".account-sheet").is_visible()
    assert page.evaluate("fetch('https://example.org/').then(() => 'let out', () => 'kept in')") == "kept in"
    # The policy tells of that one request, which this test made on purpose.
    watched.until(lambda: any("CSP connect-src" in one for one in watched.complaints), "the policy's complaint")
    watched.complaints[:] = [one for one in watched.complaints if "example.org" not in one and "CSP connect-src" not in one]
    watched.outside[:] = [one for one in watched.outside if "example.org" not in one]


def test_a_wrong_password_is_told_and_the_name_stays(visit: Visit, url: str) -> None:
    page = visit().page
    page.goto(f"{url}/login")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    error = page.get_by_role("alert")
    error.wait_for()
    assert error.inner_text() == "Name or password is wrong."
    assert (page.get_by_label("Name").input_value(), page.get_by_label("Password").input_value()) == ("ada", "")
    assert page.evaluate("document.activeElement.id") == "password"
    assert barriers(page) == []
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/")


def test_a_session_that_is_over_leads_to_the_login_and_back_to_the_alert(visit: Visit, url: str, settings: Settings) -> None:
    watched = visit()
    page = watched.page
    log_in(page, url)
    page.goto(f"{url}/#alert=alert00001")
    watched.until(lambda: watched.state().get("selected") == "alert00001", "the alert of the link")
    with MongoClient[Document](settings.mongodb_uri.get_secret_value()) as client:
        client[settings.mongodb_database][SESSIONS.name].update_many({"account": "ada"}, {"$set": {"used_ms": 0}})
    page.wait_for_url(f"{url}/login?next=*", timeout=40_000)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/#alert=alert00001")
    watched.until(lambda: watched.state().get("selected") == "alert00001", "the alert of the link again")


def test_whoever_logs_out_cannot_go_back(visit: Visit, url: str) -> None:
    watched = visit()
    page = watched.page
    log_in(page, url)
    watched.until(lambda: page.locator(".account-menu").count() == 1, "the account's menu")
    page.locator(".account-menu summary").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{url}/login")
    assert [cookie["name"] for cookie in page.context.cookies()] == []
    page.go_back()
    page.wait_for_url(f"{url}/login*")


def test_a_one_time_password_is_replaced_before_anything_else(visit: Visit, url: str) -> None:
    watched = visit(color_scheme="light")
    page = watched.page
    page.goto(f"{url}/login")
    watched.shot("login-light")
    assert barriers(page) == []
    page.get_by_label("Name").fill("new")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/password")
    watched.shot("password-light")
    assert barriers(page) == []
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("a phrase of my own")
    page.get_by_label("New password again").fill("a phrase of my own")
    page.get_by_role("button", name="Change it").click()
    page.wait_for_url(f"{url}/")
    watched.until(lambda: page.locator(".account-menu").count() == 1, "the account's menu")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_page_of_accounts_keeps_nobody_out(visit: Visit, url: str, theme: str) -> None:
    watched = visit(color_scheme=theme)
    log_in(watched.page, url, "eve")
    watched.page.goto(f"{url}/accounts")
    assert "ada" in watched.page.locator("main").inner_text()
    assert barriers(watched.page) == []
    watched.shot(f"accounts-{theme}")


def test_the_login_works_without_scripts_and_on_a_phone(visit: Visit, url: str) -> None:
    watched = visit(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = watched.page
    page.goto(url)
    watched.shot("login-phone")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")
    assert "needs JavaScript" in page.locator("noscript").inner_text()
