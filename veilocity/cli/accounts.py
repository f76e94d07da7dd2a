"""`veilocity accounts`: who may log in to the dashboard. A password is made and printed once, or read, and never an argument."""

from __future__ import annotations

import getpass
import sys
import time
from typing import Annotated, Any

import msgspec
import typer

from veilocity.cli.doctor import in_force
from veilocity.cli.start import prepare
from veilocity.errors import SettingsError
from veilocity.eventtime import format_ms
from veilocity.settings import Settings

__all__ = ["app", "first_account"]

FIRST = "admin"

Name = Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 letters, digits and ._- ; capitals do not count.")]
Ask = Annotated[bool, typer.Option("--ask", help="Ask for the password, or read it from standard input, instead of making one.")]
RoleName = Annotated[str, typer.Option(help="view, triage, unmask or admin; each may do what the ones before may.")]
app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Say who may log in to the dashboard, and as what.")


@app.command()
def add(name: Name, role: RoleName = "triage", ask: Ask = False) -> None:
    """Make an account; a password that is made here is printed once and must be replaced at the first login."""
    from storage.accounts import AccountStore  # noqa: PLC0415  # a room, imported when needed

    password = _password(ask=ask)
    with AccountStore(in_force(prepare("accounts"))) as accounts:
        made = accounts.add(name, _role(role), password, _now_ms(), must_change=not ask)
    typer.echo(f"{made.id} may log in as {made.role}.")
    _tell(password, ask=ask)


@app.command("list")
def show(json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False) -> None:
    """List the accounts: name, role, whether it may log in, and when it was changed last."""
    from storage.accounts import AccountStore  # noqa: PLC0415  # a room, imported when needed

    with AccountStore(in_force(prepare("accounts"))) as accounts:
        found = accounts.accounts()
    if json:
        kept = ("id", "role", "disabled", "must_change", "made_ms", "changed_ms")
        rows = [{name: getattr(account, name) for name in kept} for account in found]
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(rows)).decode() + "\n")
        return
    for account in found:
        state = "disabled" if account.disabled else "must change the password" if account.must_change else "may log in"
        typer.echo(f"{account.id}  {account.role}  {state}  {format_ms(account.changed_ms)}")
    if not found:
        typer.echo("none: `veilocity accounts add NAME --role admin` makes the first")


@app.command()
def role(name: Name, role: Annotated[str, typer.Argument(metavar="ROLE", help="view, triage, unmask or admin.")]) -> None:
    """Give an account another role; what is open in a browser goes on with it."""
    from storage.accounts import AccountStore  # noqa: PLC0415  # a room, imported when needed

    with AccountStore(in_force(prepare("accounts"))) as accounts:
        changed = accounts.set_role(name, _role(role), _now_ms())
    typer.echo(f"{changed.id} is {changed.role} now.")


@app.command()
def disable(name: Name) -> None:
    """Let an account log in no more; its sessions end at once."""
    _set_disabled(name, disabled=True)


@app.command()
def enable(name: Name) -> None:
    """Let an account log in again, with the password that it had."""
    _set_disabled(name, disabled=False)


@app.command()
def password(name: Name, ask: Ask = False) -> None:
    """Give an account another password; its sessions end at once, and one that is made here must be replaced at the next login."""
    from storage.accounts import AccountStore  # noqa: PLC0415  # a room, imported when needed

    chosen = _password(ask=ask)
    with AccountStore(in_force(prepare("accounts"))) as accounts:
        changed = accounts.set_password(name, chosen, _now_ms(), must_change=not ask)
    typer.echo(f"{changed.id} has another password.")
    _tell(chosen, ask=ask)


def first_account(settings: Settings) -> str:
    """Make the account `admin` where there is none at all, and return what to tell whoever starts the demo.

    Its password is in this sentence and nowhere else: only the hash is kept, so a later start cannot print it again.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    from storage.accounts import AccountStore, random_password  # noqa: PLC0415  # a room, imported when needed
    from storage.roles import Role  # noqa: PLC0415  # as above

    if settings.dashboard_login == "off":
        return "Nobody has to log in (VEILOCITY_DASHBOARD_LOGIN=off)."
    with AccountStore(settings) as accounts:
        if accounts.has_any():
            return f"Log in with an account that you have; `veilocity accounts password {FIRST}` makes a new password."
        made = random_password()
        accounts.add(FIRST, Role.ADMIN, made, _now_ms(), must_change=False)
    return f"Log in as {FIRST} with the password {made} (printed this once; `veilocity accounts password {FIRST}` makes a new one)."


def _set_disabled(name: str, *, disabled: bool) -> None:
    from storage.accounts import AccountStore  # noqa: PLC0415  # a room, imported when needed

    with AccountStore(in_force(prepare("accounts"))) as accounts:
        changed = accounts.set_disabled(name, _now_ms(), disabled=disabled)
    typer.echo(f"{changed.id} {'may log in no more' if disabled else 'may log in again'}.")


def _password(*, ask: bool) -> str:
    from storage.accounts import random_password  # noqa: PLC0415  # a room, imported when needed

    if not ask:
        return random_password()
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise SettingsError("the password was not typed the same twice: nothing was changed")
    return first


def _tell(password: str, *, ask: bool) -> None:
    if not ask:
        typer.echo(f"One-time password, printed this once: {password}")


def _role(value: str) -> Any:
    from storage.roles import Role  # noqa: PLC0415  # a room, imported when needed

    try:
        return Role(value)
    except ValueError:
        raise typer.BadParameter(f"the role is one of {', '.join(Role)}") from None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
