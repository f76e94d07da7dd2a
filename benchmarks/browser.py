"""The real browser that benchmarks look through: the machine's own Chromium, kept from calling home."""

from __future__ import annotations

import shutil

from playwright.sync_api import Page

__all__ = ["CHROMIUM_ARGUMENTS", "chromium", "log_in"]

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",  # a container's root cannot use the sandbox; only our own page is opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def log_in(page: Page, url: str, name: str, password: str) -> None:
    """Log in to the dashboard at an address; the page shows the live map afterwards."""
    page.goto(f"{url}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")


def chromium() -> str:
    """Return the path of the installed Chromium or Chrome."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"))), None)
    if found is None:
        raise SystemExit("no Chromium found: install one, for example `apt install chromium`, or run `make test` once")
    return found
