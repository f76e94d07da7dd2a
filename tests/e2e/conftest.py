"""A real Chromium, and pages that tell when something went wrong in them."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.dashboard_browser import OpenPage, Watched, watch
from tests.e2e.dashboard_server import DashboardServer

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, the system's own."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on the PATH: install it, for example `apt install chromium`")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield started
        started.close()


_DESK: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of its own."""
    context = browser.new_context(**_DESK)
    yield context.new_page()
    context.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Return a function that opens a server's page and watches it; at the end no page may have asked outside or complained."""
    opened: list[Watched] = []

    def begin(
        server: DashboardServer, path: str = "", *, may_lose_line: bool = False, may_refuse: tuple[int, ...] = (), **options: Any
    ) -> Watched:
        context = browser.new_context(**{**_DESK, **options})
        server.visitors.append(context.close)
        watched = watch(context.new_page(), server.url, may_lose_line=may_lose_line, may_refuse=may_refuse)
        opened.append(watched)
        watched.page.goto(f"{server.url}{path}", wait_until="domcontentloaded")
        return watched

    yield begin
    for watched in opened:
        assert watched.outside == []
        assert watched.complaints == []


@pytest.fixture(autouse=True)
def _no_leftover_threads() -> Iterator[None]:
    """Fail a test that leaves a server or poller of its own running."""
    before = {thread.ident for thread in threading.enumerate()}
    yield
    deadline = time.monotonic() + 5.0
    names = ("poller", "dashboard-server")
    while left := [thread.name for thread in threading.enumerate() if thread.ident not in before and thread.name in names]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
