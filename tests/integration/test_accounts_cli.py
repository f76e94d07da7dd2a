"""`veilocity accounts` as a person types it, on a real MongoDB."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from storage.accounts import AccountStore, LoginDoor
from storage.roles import Role
from tests.logins import NOW_MS, PASSWORD
from veilocity.cli import app
from veilocity.cli.accounts import first_account
from veilocity.errors import InvalidInputError
from veilocity.settings import Settings, load

pytestmark = pytest.mark.services
HOME = "192.0.2.7"


@pytest.fixture(name="settings")
def _settings(mongodb_server: str, tmp_path: Path) -> Settings:
    name = f"cli{uuid.uuid4().hex[:10]}"
    return load({}, mongodb_uri=SecretStr(mongodb_server), mongodb_database=name, state_dir=tmp_path)


def run(settings: Settings, *words: str, stdin: str = "") -> Result:
    """Run a command in this process: a start of Python for each would take longer than all of them."""
    environment = {
        "VEILOCITY_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "VEILOCITY_MONGODB_DATABASE": settings.mongodb_database,
        "VEILOCITY_STATE_DIR": str(settings.state_dir),
    }
    return CliRunner().invoke(app, ["accounts", *words], input=stdin, env=environment)


def outcome(settings: Settings, name: str, password: str) -> str:
    with LoginDoor(settings) as door:
        return door.log_in(name, password, HOME, NOW_MS).outcome


def test_a_person_is_let_in_renamed_in_role_shut_out_and_let_in_again(settings: Settings) -> None:
    assert run(settings, "list").stdout == "none: `veilocity accounts add NAME --role admin` makes the first\n"
    made = run(settings, "add", "ada", "--role", "triage")
    password = re.fullmatch(r"ada may log in as triage.\nOne-time password, printed this once: (\S+)\n", made.stdout)
    assert password is not None, made.output
    assert outcome(settings, "ada", password[1]) == "opened"
    assert run(settings, "add", "ben", "--role", "view", "--ask", stdin=f"{PASSWORD}\n").stdout == "ben may log in as view.\n"
    assert outcome(settings, "ben", PASSWORD) == "opened"
    assert run(settings, "role", "ben", "unmask").stdout == "ben is unmask now.\n"
    assert run(settings, "disable", "ben").stdout == "ben may log in no more.\n"
    assert outcome(settings, "ben", PASSWORD) == "wrong"
    told = json.loads(run(settings, "list", "--json").stdout)
    assert [(one["id"], one["role"], one["disabled"], one["must_change"]) for one in told] == [
        ("ada", "triage", False, True),
        ("ben", "unmask", True, False),
    ]
    assert "hash" not in told[0]
    assert run(settings, "enable", "ben").exit_code == 0
    again = run(settings, "password", "ben").stdout
    assert outcome(settings, "ben", again.split()[-1]) == "opened"
    assert "ben  unmask  must change the password" in run(settings, "list").stdout


def test_what_cannot_be_is_one_sentence(settings: Settings) -> None:
    weak = run(settings, "add", "ada", "--ask", stdin="short\n").exception
    assert isinstance(weak, InvalidInputError)
    assert "fewer than 15 characters" in str(weak)
    assert "no such account" in str(run(settings, "disable", "nobody").exception)
    king = run(settings, "add", "ada", "--role", "king")
    assert (king.exit_code, "view, triage, unmask, admin" in " ".join(king.output.split())) == (2, True)


def test_a_demo_prints_its_password_once(settings: Settings) -> None:
    told = first_account(settings)
    password = re.match(r"Log in as admin with the password (\S+) ", told)
    assert password is not None
    assert outcome(settings, "admin", password[1]) == "opened"
    again = first_account(settings)
    assert again == "Log in with an account that you have; `veilocity accounts password admin` makes a new password."
    with AccountStore(settings) as accounts:
        assert [(one.id, one.role, one.must_change) for one in accounts.accounts()] == [("admin", Role.ADMIN, False)]
    off = load({}, mongodb_uri=settings.mongodb_uri, mongodb_database=f"{settings.mongodb_database}x", dashboard_login="off")
    assert first_account(off) == "Nobody has to log in (VEILOCITY_DASHBOARD_LOGIN=off)."
