"""A page that is watched: it remembers requests to other origins, console errors and policy violations, and waits by asking."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from tests.e2e.accessibility import settled

_THEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
OpenPage = Callable[..., "Watched"]


@dataclass
class Watched:
    """A page and what happened in it that must not happen."""

    page: Page
    origin: str
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """Return what the page believes; empty until its scripts run."""
        found: dict[str, Any] | None = self.page.evaluate("window.veilocity ? window.veilocity.state() : null")
        return found or {}

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        """Wait until the condition holds, or fail with what did not happen and what the page believes."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what}: not within {timeout_s:.0f} s; page says {self.state()}, complaints {self.complaints}")
            # Waits in the browser's event loop, so that its requests and messages are handled meanwhile.
            self.page.wait_for_timeout(50)

    def until_connection(self, wanted: str, timeout_s: float = 30.0) -> None:
        """Wait for the connection state that the page shows."""
        self.until(lambda: self.page.evaluate("document.body.dataset.connection") == wanted, f"connection {wanted}", timeout_s)

    def until_ready(self) -> None:
        """Wait for the map."""
        self.until(lambda: bool(self.state().get("mapReady")) and self.state()["drawn"] > 0, "the map is drawn", 60.0)

    def shots(self, name: str) -> None:
        """Keep a screenshot in each theme; the reader has chosen none."""
        for theme in _THEMES:
            self.page.emulate_media(color_scheme=theme)
            self.shot(f"{name}-{theme}")
        self.page.emulate_media(color_scheme=_THEMES[0])

    def shot(self, name: str) -> Path:
        """Keep a screenshot among the artifacts, once nothing fades in or out."""
        if "mapReady" in self.state():
            self.until_ready()
        settled(self.page)
        folder = Path(__file__).parents[1] / "artifacts"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.png"
        self.page.screenshot(path=path)
        return path


def watch(page: Page, url: str, *, may_lose_line: bool = False, may_refuse: tuple[int, ...] = ()) -> Watched:
    """Begin to watch; the page was not opened yet.

    Args:
        page: an empty page.
        url: of the only origin that may be asked.
        may_lose_line: whether the test stops the server.
        may_refuse: answers that the test brings about, which a browser reports by itself.
    """
    watched = Watched(page, url.rstrip("/"))
    page.on("request", lambda request: _note_outside(watched, request.url))
    page.on("pageerror", lambda error: watched.complaints.append(f"error: {error}"))
    page.on("console", lambda message: _note_complaint(watched, message.type, message.text, may_lose_line, may_refuse))
    page.add_init_script("document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))")
    return watched


def _note_outside(watched: Watched, url: str) -> None:
    if not url.startswith((watched.origin, "data:", "blob:")):
        watched.outside.append(url)


def _note_complaint(watched: Watched, kind: str, text: str, may_lose_line: bool, may_refuse: tuple[int, ...]) -> None:
    # A test that stops the server makes the browser report the lost connection; nothing else may be reported.
    if may_lose_line and "ERR_" in text and "CSP" not in text:
        return
    if any(f"status of {status} " in text for status in may_refuse):
        return
    # Only a test reads pixels back; the page never does.
    if "willReadFrequently" in text:
        return
    if kind in ("error", "warning"):
        watched.complaints.append(f"{kind}: {text}")
