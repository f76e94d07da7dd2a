"""The pages and the way between them: one list that every page of the dashboard draws its navigation from.

A page stands in the list once it can be opened. `key` is the single key that opens it; the browser reads it from `data-key`
(`assets/navigation.js`), so that a page added here is in the bar, in the keyboard and in the documents' test at once.
"""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec
from dash import html

__all__ = ["PAGES", "Page", "dash_links", "html_links"]


class Page(msgspec.Struct, frozen=True):
    """One entry of the bar."""

    name: str
    href: str
    """Relative, so that the dashboard may lie behind a path of a proxy."""
    about: str
    """What one finds there; told on hover."""
    key: str


PAGES = (
    Page("Live", "./", "The live map", "l"),
    Page("Payments", "payments", "How many payments, of what and of how many", "y"),
    Page("Privacy", "privacy", "What the audit found, what was released, and what it cost", "p"),
    Page("Streams", "streams", "What the sketches of the stream say, and how sure they are", "s"),
    Page("Reports", "reports", "Potential frauds, sales and sessions as they are counted, and segments of customers", "e"),
    Page("Phone", "phone", "The path of a phone of your own", "o"),
    Page("Health", "health", "Whether every service answers, and how far behind it is", "h"),
)


def html_links(current: str) -> str:
    """Return the navigation as markup.

    Args:
        current: name of the page that it stands on.

    >>> "aria-current" in html_links("Streams"), html_links("Streams").count("<a ")
    (True, 7)
    """
    links = "\n        ".join(_link(page, current) for page in PAGES)
    return f'<nav class="pages" aria-label="Pages">\n        {links}</nav>'


def dash_links(current: str) -> html.Nav:
    """Return the same navigation as a component of Dash."""
    links = []
    for page in PAGES:
        attributes: dict[str, Any] = {"data-key": page.key}
        if page.name == current:
            attributes["aria-current"] = "page"
        links.append(html.A(page.name, href=page.href, title=_title(page), **attributes))
    label: dict[str, Any] = {"aria-label": "Pages"}
    return html.Nav(links, className="pages", **label)


def _link(page: Page, current: str) -> str:
    here = ' aria-current="page"' if page.name == current else ""
    return f'<a href="{page.href}" data-key="{page.key}" title="{escape(_title(page))}"{here}>{escape(page.name)}</a>'


def _title(page: Page) -> str:
    return f"{page.about} ({page.key})"
