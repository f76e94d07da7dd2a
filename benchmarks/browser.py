"""The real browser that benchmarks look through: the machine's own Chromium, kept from calling home."""

from __future__ import annotations

import shutil

__all__ = ["CHROMIUM_ARGUMENTS", "chromium"]

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",  # a container's root cannot use the sandbox; only our own page is opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """Return the path of the installed Chromium or Chrome."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"))), None)
    if found is None:
        raise SystemExit("no Chromium found: install one, for example `apt install chromium`, or run `make test` once")
    return found
