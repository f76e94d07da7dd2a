"""What axe-core says of a page: the findings that keep somebody out.

axe is run in the page's own context by the browser's debugger, so the content security policy stays as strict as it is for everybody.

Source: axe-core 4.12 (Deque), rules of WCAG 2.2 A and AA and best practices; `serious` and `critical` are its own two gravest impacts.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

__all__ = ["barriers", "settled"]

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
_GRAVE = ("serious", "critical")
_STILL = 3
"""Looks in a row: between the end of one movement and the beginning of the next lies a frame."""
_MOVES = """() => Boolean(document.querySelector("[data-moving]")) || document.getAnimations()
  .some(one => one.playState === "running" && one.effect.getComputedTiming().iterations !== Infinity)"""
_RUN = "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"


def settled(page: Page) -> None:
    """Wait until nothing fades in or out, whose colours would be those of a moment."""
    still = 0
    while still < _STILL:
        still = 0 if page.evaluate(_MOVES) else still + 1
        page.wait_for_timeout(30)


def barriers(page: Page) -> list[str]:
    """Return every grave finding as `rule (impact): element, what is wrong`; empty where nobody is kept out."""
    settled(page)
    page.evaluate(_AXE)
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return [f"{one['id']} ({one['impact']}): {_told(node)}" for one in found if one["impact"] in _GRAVE for node in one["nodes"]]


def _told(node: dict[str, Any]) -> str:
    reasons = " ".join(str(node["failureSummary"]).split())
    return f"{node['target']}, {reasons}"
