"""The frame of the pages that need none of Dash's scripts: bar, banner, panels, and their policy.

Such a page runs files of ours and nothing else: no inline script, no inline style, no other host. Its panels stand in the document as
outlines of the right size before any script ran, so nothing jumps when the figures come.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from flask import Response

from dashboard.access.headers import policy
from dashboard.navigation import html_links

__all__ = ["POLICY", "answer_page", "document", "panel"]

POLICY = policy(script_src="'self'", style_src="'self'", img_src="'self'", connect_src="'self'")
_STYLES = ("tokens", "desk", "status", "account", "privacy", "privacy_figures", "pages")
"""Of every page; the page of privacy was the first, so its files hold what sheets, panels, facts and tables look like."""
_SKELETON = '<div class="bones" aria-hidden="true">' + "<b></b><s></s>" * 3 + "</div>"


def panel(identity: str, title: str, aside: str = "") -> str:
    """Return a panel whose body is filled by a script.

    Args:
        identity: of the section; its body has `-body` appended, the words beside the title `-aside`.
        title: as plain text.
        aside: words beside the title, as plain text.
    """
    return f"""
      <section id="{identity}" class="panel" aria-labelledby="{identity}-title">
        <header class="panel-head"><h2 id="{identity}-title">{escape(title)}</h2>
          <span class="quiet aside" id="{identity}-aside">{escape(aside)}</span></header>
        <div class="panel-body" id="{identity}-body">{_SKELETON}</div>
      </section>"""


def document(name: str, sheet: str, panels: Sequence[str], without_scripts: str) -> str:
    """Return a whole page.

    Args:
        name: of the page, as in `dashboard.navigation`.
        sheet: name of its script and style files, and class of its sheet.
        panels: markup, from `panel`.
        without_scripts: markup for who runs no scripts: where else the same is told.
    """
    styles = "\n    ".join(f'<link rel="stylesheet" href="assets/{style}.css">' for style in (*_STYLES, sheet))
    return f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="dark light">
    <title>{escape(name)}, Veilocity</title>
    <link rel="icon" href="assets/icon.svg" type="image/svg+xml">
    <script src="assets/theme.js"></script>
    {styles}
    <script type="module" src="assets/account.js"></script>
    <script type="module" src="assets/{sheet}.js"></script>
  </head>
  <body data-connection="connecting" data-content="loading">
    <header class="bar">
      <h1 class="brand"><img src="assets/icon.svg" alt="" width="20" height="20">Veilocity</h1>
      {html_links(name)}
      <span class="stretch"></span>
      <button id="tables" class="plain" aria-pressed="false" title="Every figure as text (m)">Tables</button>
      <div class="clock" id="clock-box"><span id="clock">\N{EN DASH}</span><small id="clock-words">&nbsp;</small></div>
      <span id="connection" class="pill" role="status" data-state="connecting"><span id="connection-word">connecting</span><span
        id="connection-age" aria-hidden="true"></span></span>
      <button id="theme" class="round" aria-label="Switch between dark and light (t)"><span class="theme-glyph"
        aria-hidden="true"></span></button>
      <div id="who" class="account"></div>
    </header>
    <div id="notice" class="banner" role="status" hidden></div>
    <main class="sheet {sheet}" aria-busy="true">{"".join(panels)}
    </main>
    <noscript>{without_scripts}</noscript>
  </body>
</html>
"""


def answer_page(markup: str) -> Response:
    """Return a page with its policy."""
    return Response(markup, mimetype="text/html", headers={"Content-Security-Policy": POLICY})
