"""The pages that are forms or sentences: login, password, and why not. Pure, without scripts that they need, in both themes."""

from __future__ import annotations

from html import escape

__all__ = ["error_line", "frame", "login_page", "message_page", "password_page"]

_GLOBE = """<svg class="globe" viewBox="0 0 400 400" aria-hidden="true" focusable="false">
  <g class="grid"><circle cx="200" cy="200" r="170"/><ellipse cx="200" cy="200" rx="60" ry="170"/>
  <ellipse cx="200" cy="200" rx="120" ry="170"/><path d="M200 30V370M30 200H370M54 114H346M54 286H346"/></g>
  <path class="flight" d="M118 262C142 120 232 92 296 146"/>
  <circle class="end" cx="118" cy="262" r="7"/><circle class="end" cx="296" cy="146" r="7"/>
</svg>"""
_TYPED = 'autocapitalize="none" spellcheck="false" required'


def frame(title: str, body: str, retry_s: int | None = None, *, wide: bool = False) -> str:
    """Return a document with a card.

    Args:
        title: of the window.
        body: markup of the card.
        retry_s: seconds after which the browser asks again; None for never.
        wide: whether the card takes the whole width, without the globe beside it.
    """
    # Somebody whose store is away sees the page again by itself.
    refresh = f'<meta http-equiv="refresh" content="{retry_s}">' if retry_s else ""
    return f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="dark light">
    {refresh}<title>{escape(title)}, Veilocity</title>
    <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
    <script src="/assets/theme.js"></script>
    <link rel="stylesheet" href="/assets/tokens.css">
    <link rel="stylesheet" href="/assets/login.css">
    <script type="module" src="/assets/login.js"></script>
  </head>
  <body{' class="wide"' if wide else ""}>
    <div class="picture">{_GLOBE}</div>
    <main class="card">
      <p class="brand"><img src="/assets/icon.svg" alt="" width="24" height="24">Veilocity</p>
      {body}
    </main>
  </body>
</html>
"""


def error_line(sentence: str) -> str:
    """Return markup of a sentence that says what went wrong; nothing for none."""
    return f'<p class="error" id="error" role="alert">{escape(sentence)}</p>' if sentence else ""


def _field(label: str, name: str, kind: str, autocomplete: str, more: str = "") -> str:
    return (
        f'<label for="{name}">{label}</label><input id="{name}" name="{name}" type="{kind}" autocomplete="{autocomplete}" {_TYPED} {more}>'
    )


def login_page(next_path: str, *, error: str = "", name: str = "", hint: str = "") -> str:
    """Return the page of the login.

    Args:
        next_path: where to go afterwards.
        error: why the last attempt failed, which part of it is never told.
        name: as it was typed before.
        hint: for who has no account at all.
    """
    described = 'aria-describedby="error"' if error else ""
    focus_name, focus_password = ("", "autofocus") if name else ("autofocus", "")
    hinted = f'<p class="hint">{hint}</p>' if hint else ""
    return frame(
        "Log in",
        f"""<h1>Log in</h1>
      <p class="lead">Alerts, cases and evidence are for people with an account.</p>
      {error_line(error)}
      <form method="post" action="/login">
        <input type="hidden" name="next" value="{escape(next_path)}">
        {_field("Name", "name", "text", "username", f'maxlength="64" value="{escape(name)}" {focus_name} {described}')}
        {_field("Password", "password", "password", "current-password", f'maxlength="256" {focus_password} {described}')}
        <button type="submit">Log in</button>
      </form>
      {hinted}""",
    )


def password_page(name: str, forgery_token: str, *, error: str = "", must_change: bool = False) -> str:
    """Return the page on which somebody replaces the own password.

    Args:
        name: of the account.
        forgery_token: of the session.
        error: why the last attempt failed.
        must_change: whether there is no way around.
    """
    lead = "This password was made for you: choose one of your own." if must_change else "All other sessions of yours end."
    back = "" if must_change else '<a class="quiet" href="/">Back</a>'
    hidden = f'<input type="hidden" name="csrf" value="{escape(forgery_token)}">'
    # Password managers look for whose password it is.
    whose = f'<input class="away" type="text" name="name" value="{escape(name)}" autocomplete="username" tabindex="-1" readonly>'
    return frame(
        "Change password",
        f"""<h1>Change password</h1>
      <p class="lead">{lead} At least 15 characters; four words will do.</p>
      {error_line(error)}
      <form method="post" action="/password">
        {hidden}<div aria-hidden="true">{whose}</div>
        {_field("Present password", "old", "password", "current-password", 'maxlength="256" autofocus')}
        {_field("New password", "new", "password", "new-password", 'maxlength="256" minlength="15"')}
        {_field("New password again", "again", "password", "new-password", 'maxlength="256" minlength="15"')}
        <button type="submit">Change it</button>
      </form>
      <div class="ways">{back}
        <form method="post" action="/logout">{hidden}<button class="plain" type="submit">Log out</button></form></div>""",
    )


def message_page(title: str, sentence: str, retry_s: int | None = None) -> str:
    """Return a page that says why something is not shown.

    Args:
        title: in two or three words.
        sentence: what happened and what to do.
        retry_s: seconds after which the browser asks again; None for never.
    """
    told = sentence[:1].upper() + sentence[1:].rstrip(".") + "."
    return frame(
        title,
        f"""<h1>{escape(title)}</h1>
      <p class="lead">{escape(told)}</p>
      <div class="ways"><a class="quiet" href="/">To the live map</a></div>""",
        retry_s,
    )
