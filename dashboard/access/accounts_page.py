"""The page of accounts for administrators: who may log in, as what, and one-time passwords. Forms alone, no scripts.

Nobody takes the own role away or shuts oneself out, so there is always an administrator left who can undo it.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Protocol

from flask import Flask, Response, request

from dashboard.access.answers import failure, page_answer
from dashboard.access.gate import caller
from dashboard.access.pages import error_line, frame
from storage.accounts import Account, random_password
from storage.roles import Role
from veilocity.errors import InvalidInputError, RejectError, RejectReason, VeilocityError
from veilocity.eventtime import format_ms

__all__ = ["AccountAdmin", "add_accounts"]


class AccountAdmin(Protocol):
    """`storage.accounts.AccountStore`."""

    def accounts(self) -> list[Account]:
        """Return all accounts by name."""
        ...

    def add(self, name: str, role: Role, password: str, now_ms: int, *, must_change: bool) -> Account:
        """Make an account."""
        ...

    def set_role(self, name: str, role: Role, now_ms: int) -> Account:
        """Give an account another role."""
        ...

    def set_disabled(self, name: str, now_ms: int, *, disabled: bool) -> Account:
        """Let an account log in no more, or again."""
        ...

    def set_password(self, name: str, password: str, now_ms: int, *, must_change: bool) -> Account:
        """Give an account another password."""
        ...


def add_accounts(server: Flask, admin: AccountAdmin, clock_ms: Callable[[], int]) -> None:
    """Let a server answer the page of accounts."""

    def accounts() -> Response:
        try:
            told, wrong, status = "", "", 200
            if request.method == "POST":
                try:
                    told = _change(admin, clock_ms())
                except RejectError as error:
                    wrong, status = f"{error.detail[:1].upper()}{error.detail[1:]}.", 400
            return page_answer(_page(admin.accounts(), told, wrong), status)
        except VeilocityError as error:
            return failure(error)

    server.add_url_rule("/accounts", endpoint="accounts", view_func=accounts, methods=["GET", "POST"])


def _change(admin: AccountAdmin, now_ms: int) -> str:
    """Do what a form asks, and return what to tell."""
    what, name = request.form.get("what", ""), request.form.get("name", "")
    if what in ("role", "disable") and name.strip().lower() == caller().actor.name:
        raise _invalid("nobody takes the own role away: ask another administrator")
    if what == "add":
        password = random_password()
        made = admin.add(name, _role(), password, now_ms, must_change=True)
        return f"{made.id} may log in as {made.role} with the one-time password {password} (shown this once)."
    if what == "password":
        password = random_password()
        made = admin.set_password(name, password, now_ms, must_change=True)
        return f"{made.id} has the one-time password {password} now (shown this once)."
    if what == "role":
        made = admin.set_role(name, _role(), now_ms)
        return f"{made.id} is {made.role} now."
    if what in ("disable", "enable"):
        made = admin.set_disabled(name, now_ms, disabled=what == "disable")
        return f"{made.id} {'may log in no more' if made.disabled else 'may log in again'}."
    raise _invalid("the form asks for nothing that can be done here")


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        raise _invalid(f"the role is one of {', '.join(Role)}") from None


def _invalid(sentence: str) -> InvalidInputError:
    return InvalidInputError(RejectReason.INVALID_FIELD, sentence)


def _page(accounts: list[Account], told: str, wrong: str) -> str:
    token = f'<input type="hidden" name="csrf" value="{escape(caller().forgery_token)}">'
    rows = "".join(_row(account, token) for account in accounts)
    said = f'<p class="told" role="status">{escape(told)}</p>' if told else ""
    return frame(
        "Accounts",
        f"""<h1>Accounts</h1>
      <p class="lead">Each role may do what the ones before it may: view, triage, unmask, admin. Changes are in force at once.</p>
      {said}{error_line(wrong)}
      <table><thead><tr><th scope="col">Name</th><th scope="col">Role</th><th scope="col">State</th><th scope="col">Changed, UTC</th><th
        scope="col"><span class="away">What to do</span></th></tr></thead><tbody>{rows}</tbody></table>
      <form class="line" method="post" action="/accounts">{token}<input type="hidden" name="what" value="add">
        <label for="new">New account</label><input id="new" name="name" type="text" maxlength="64" required autocomplete="off"
          autocapitalize="none" spellcheck="false">{_roles(Role.TRIAGE, "Role of the new account")}<button type="submit">Add</button></form>
      <div class="ways"><a href="/">To the live map</a></div>""",
        wide=True,
    )


def _row(account: Account, token: str) -> str:
    name = escape(account.id)
    state = "disabled" if account.disabled else "must change the password" if account.must_change else "may log in"
    turned, word = ("enable", "Enable") if account.disabled else ("disable", "Disable")
    own = account.id == caller().actor.name

    def form(what: str, inside: str) -> str:
        hidden = f'{token}<input type="hidden" name="what" value="{what}"><input type="hidden" name="name" value="{name}">'
        return f'<form class="line" method="post" action="/accounts">{hidden}{inside}</form>'

    role = (
        escape(account.role)
        if own
        else form("role", f'{_roles(account.role, f"Role of {name}")}<button class="plain" type="submit">Set</button>')
    )
    turn = "" if own else form(turned, f'<button class="plain" type="submit" aria-label="{word} {name}">{word}</button>')
    fresh = form("password", f'<button class="plain" type="submit" aria-label="New password for {name}">New password</button>')
    when = format_ms(account.changed_ms)[:16].replace("T", " ")
    return f'<tr><th scope="row">{name}</th><td>{role}</td><td>{state}</td><td>{when}</td><td class="deeds">{turn}{fresh}</td></tr>'


def _roles(chosen: Role, label: str) -> str:
    options = "".join(f"<option{' selected' if role is chosen else ''}>{role}</option>" for role in Role)
    return f'<select name="role" aria-label="{label}">{options}</select>'
