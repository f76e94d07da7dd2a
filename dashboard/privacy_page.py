"""The page `/privacy`: audit, releases, k against risk and loss, budget. The frame stands in the document, scripts put the figures into it.

It needs none of Dash's scripts, so its policy is stricter than that of the live page: scripts and styles from files of ours, nothing else.
It asks `/privacy/state` every few seconds and holds no stream, so that it takes no place from the live map.
"""

from __future__ import annotations

import msgspec
from flask import Flask, Response

from dashboard.access.headers import policy
from dashboard.navigation import html_links
from dashboard.privacy_desk import PrivacyDesk

__all__ = ["PATH", "STATE_PATH", "add_privacy"]

PATH = "/privacy"
STATE_PATH = "/privacy/state"

_POLICY = policy(script_src="'self'", style_src="'self'", img_src="'self'", connect_src="'self'")
_CHECKS = 9
_SKELETON = '<div class="bones" aria-hidden="true">' + "<b></b><s></s>" * 3 + "</div>"
_CHECK_BONES = "".join('<li class="check bones"><i></i><b></b><s></s></li>' for _ in range(_CHECKS))


def _panel(identity: str, title: str) -> str:
    return f"""
      <section id="{identity}" class="panel" aria-labelledby="{identity}-title">
        <header class="panel-head"><h2 id="{identity}-title">{title}</h2>
          <span class="quiet aside" id="{identity}-aside"></span></header>
        <div class="panel-body" id="{identity}-body">{_SKELETON}</div>
      </section>"""


_PAGE = f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="dark light">
    <title>Privacy, Veilocity</title>
    <link rel="icon" href="assets/icon.svg" type="image/svg+xml">
    <script src="assets/theme.js"></script>
    <link rel="stylesheet" href="assets/tokens.css">
    <link rel="stylesheet" href="assets/desk.css">
    <link rel="stylesheet" href="assets/status.css">
    <link rel="stylesheet" href="assets/account.css">
    <link rel="stylesheet" href="assets/privacy.css">
    <link rel="stylesheet" href="assets/privacy_audit.css">
    <link rel="stylesheet" href="assets/privacy_figures.css">
    <script type="module" src="assets/account.js"></script>
    <script type="module" src="assets/privacy.js"></script>
  </head>
  <body data-connection="connecting" data-content="loading">
    <header class="bar">
      <h1 class="brand"><img src="assets/icon.svg" alt="" width="20" height="20">Veilocity</h1>
      {html_links("Privacy")}
      <span class="stretch"></span>
      <button id="tables" class="plain" aria-pressed="false" title="Every figure as text (m)">Tables</button>
      <div class="clock" id="clock-box"><span id="clock">\N{EN DASH}</span><small id="clock-words">event time</small></div>
      <span id="connection" class="pill" role="status" data-state="connecting"><span id="connection-word">connecting</span><span
        id="connection-age" aria-hidden="true"></span></span>
      <div id="who" class="account"></div>
      <button id="theme" class="round" aria-label="Switch between dark and light (t)"><span class="theme-glyph"
        aria-hidden="true"></span></button>
    </header>
    <div id="notice" class="banner" role="status" hidden></div>
    <main class="sheet" aria-busy="true">
      <section id="audit" class="panel audit" aria-labelledby="audit-title">
        <header class="panel-head"><h2 id="audit-title">Audit</h2><span class="quiet aside" id="audit-aside">the stores, as a thief
          would read them</span></header>
        <div id="audit-body" class="panel-body"><ol class="checks">{_CHECK_BONES}</ol></div>
      </section>
      {_panel("account", "Where every payment is")}
      {_panel("sizes", "People in a released class")}
      {_panel("trade", "k against risk and loss")}
      {_panel("budget", "Counts with noise")}
      {_panel("windows", "Last windows released")}
    </main>
    <noscript>This page needs JavaScript. <code>veilocity privacy audit</code> and <code>veilocity doctor</code> tell the same.</noscript>
  </body>
</html>
"""


def add_privacy(server: Flask, desk: PrivacyDesk) -> None:
    """Let a server answer `/privacy` with the page and `/privacy/state` with what it shows, as JSON that nobody keeps."""

    def page() -> Response:
        return Response(_PAGE, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})

    def state() -> Response:
        return Response(msgspec.json.encode(desk.state()), mimetype="application/json", headers={"Cache-Control": "no-store"})

    server.add_url_rule(PATH, endpoint="privacy", view_func=page)
    server.add_url_rule(STATE_PATH, endpoint="privacy_state", view_func=state)
