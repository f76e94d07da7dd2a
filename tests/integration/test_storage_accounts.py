"""Accounts, sessions and the limit on guessing on a real MongoDB, with a clock of the test's own."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.database import Database

from storage.accounts import AccountStore, LoginDoor, passwords
from storage.accounts.limiter import ACCOUNT, ADDRESS, KNOWN_MS, bucket
from storage.accounts.model import ACCOUNTS, LOGIN_ATTEMPTS, SESSIONS
from storage.accounts.sessions import MOST_SESSIONS
from storage.kinds import Document
from storage.roles import Role
from storage.schema import ensure_collections
from tests.logins import NOW_MS, PASSWORD
from veilocity.errors import ConflictError, InvalidInputError
from veilocity.settings import Settings, load

pytestmark = pytest.mark.services
HOME, STRANGER = "192.0.2.7", "198.51.100.9"
MINUTE_MS = 60_000
OTHER = "another long phrase"


@pytest.fixture(autouse=True)
def _light_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hashes cost little: what they are is tested elsewhere, here they are many."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))


@pytest.fixture(name="settings", scope="module")
def _settings(mongodb_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Return settings of a database whose collections the stores' own code made."""
    name = f"accounts{uuid.uuid4().hex[:10]}"
    folder: Path = tmp_path_factory.mktemp("accounts")
    settings = load({}, mongodb_uri=SecretStr(mongodb_server), mongodb_database=name, state_dir=folder)
    with MongoClient[Document](mongodb_server) as client:
        ensure_collections(client[name])
        yield settings
        client.drop_database(name)


@pytest.fixture(name="database")
def _database(settings: Settings) -> Iterator[Database[Document]]:
    with MongoClient[Document](settings.mongodb_uri.get_secret_value()) as client:
        yield client[settings.mongodb_database]


@pytest.fixture(name="accounts")
def _accounts(settings: Settings, database: Database[Document]) -> Iterator[AccountStore]:
    """Return the store with one account, ada."""
    for kind in (ACCOUNTS, SESSIONS, LOGIN_ATTEMPTS):
        database[kind.name].delete_many({})
    with AccountStore(settings) as accounts:
        accounts.add("ada", Role.TRIAGE, PASSWORD, NOW_MS, must_change=False)
        yield accounts


@pytest.fixture(name="door")
def _door(settings: Settings, accounts: AccountStore) -> Iterator[LoginDoor]:
    assert accounts.has_any()
    with LoginDoor(settings) as door:
        yield door


def token_of(door: LoginDoor, name: str = "ada", password: str = PASSWORD, now_ms: int = NOW_MS, address: str = HOME) -> str:
    found = door.log_in(name, password, address, now_ms)
    assert found.outcome == "opened"
    return found.token


def test_an_account_is_made_once_and_changed_by_name(accounts: AccountStore) -> None:
    with pytest.raises(ConflictError, match="there is an account ada already"):
        accounts.add("ADA", Role.ADMIN, PASSWORD, NOW_MS, must_change=False)
    accounts.add("ben", Role.VIEW, PASSWORD, NOW_MS, must_change=True)
    accounts.set_role("ben", Role.UNMASK, NOW_MS)
    assert [(one.id, one.role, one.must_change) for one in accounts.accounts()] == [("ada", "triage", False), ("ben", "unmask", True)]
    with pytest.raises(InvalidInputError, match="no such account"):
        accounts.set_disabled("nobody", NOW_MS, disabled=True)


def test_neither_password_nor_token_is_in_the_store(door: LoginDoor, database: Database[Document]) -> None:
    token = token_of(door)
    written = str([list(database[name].find()) for name in database.list_collection_names()])
    assert "ada" in written
    assert token not in written
    assert PASSWORD not in written
    assert HOME not in written


def test_a_session_is_the_same_behind_every_door_until_somebody_logs_out(settings: Settings, door: LoginDoor) -> None:
    token = token_of(door)
    with LoginDoor(settings) as other:
        found = other.look(token, NOW_MS)
        assert found is not None
        assert (found.account.id, found.account.role) == ("ada", Role.TRIAGE)
        other.log_out(token)
    assert door.look(token, NOW_MS) is None
    assert [door.look(wrong, NOW_MS) for wrong in ("", "x", token[:-1], f"{token[:-1]}é", "A" * 43)] == [None] * 5


def test_a_new_login_ends_the_session_that_it_replaces(door: LoginDoor) -> None:
    before = token_of(door)
    after = door.log_in("ada", PASSWORD, HOME, NOW_MS, instead=before).token
    assert (door.look(before, NOW_MS), door.look(after, NOW_MS) is not None) == (None, True)


def test_disabling_a_role_and_a_password_are_in_force_at_once(accounts: AccountStore, door: LoginDoor) -> None:
    tokens = [token_of(door), token_of(door)]
    accounts.set_role("ada", Role.VIEW, NOW_MS)
    found = door.look(tokens[0], NOW_MS)
    assert found is not None
    assert found.account.role == Role.VIEW, "the session goes on with the new role"
    accounts.set_password("ada", OTHER, NOW_MS, must_change=True)
    assert [door.look(token, NOW_MS) for token in tokens] == [None, None]
    assert door.log_in("ada", PASSWORD, HOME, NOW_MS).outcome == "wrong"
    token = token_of(door, password=OTHER)
    accounts.set_disabled("ada", NOW_MS, disabled=True)
    assert door.look(token, NOW_MS) is None
    assert door.log_in("ada", OTHER, HOME, NOW_MS).outcome == "wrong"
    accounts.set_disabled("ada", NOW_MS, disabled=False)
    assert door.look(token, NOW_MS) is None, "what was ended stays ended"
    assert token_of(door, password=OTHER)


def test_a_session_that_a_crash_left_behind_is_over_all_the_same(
    accounts: AccountStore, door: LoginDoor, database: Database[Document]
) -> None:
    token = token_of(door)
    kept = list(database[SESSIONS.name].find())
    accounts.set_password("ada", OTHER, NOW_MS, must_change=False)
    # As if the program had died between the account and its sessions.
    database[SESSIONS.name].insert_many(kept)
    assert door.look(token, NOW_MS) is None
    assert database[SESSIONS.name].count_documents({}) == 0


def test_who_changes_the_own_password_goes_on_and_nobody_else(door: LoginDoor) -> None:
    mine, other = token_of(door), token_of(door)
    visitor = door.look(mine, NOW_MS)
    assert visitor is not None
    assert door.change_password(visitor, "wrong", OTHER, HOME, NOW_MS).outcome == "wrong"
    with pytest.raises(InvalidInputError, match="fewer than 15"):
        door.change_password(visitor, PASSWORD, "short", HOME, NOW_MS)
    with pytest.raises(InvalidInputError, match="the one that it was"):
        door.change_password(visitor, PASSWORD, PASSWORD, HOME, NOW_MS)
    opened = door.change_password(visitor, PASSWORD, OTHER, HOME, NOW_MS)
    assert [door.look(token, NOW_MS) is not None for token in (mine, other, opened.token)] == [False, False, True]


def test_a_session_ends_when_nobody_uses_it_and_at_its_limit(settings: Settings, door: LoginDoor) -> None:
    idle_ms, absolute_ms = round(settings.dashboard_idle_s * 1000), round(settings.dashboard_session_s * 1000)
    token = token_of(door)
    assert door.look(token, NOW_MS + idle_ms - 1, used=False) is not None
    assert door.look(token, NOW_MS + idle_ms) is None
    token, now_ms = token_of(door), NOW_MS
    while now_ms < NOW_MS + absolute_ms - idle_ms:
        now_ms += idle_ms - 1
        assert door.look(token, now_ms) is not None
    assert door.look(token, NOW_MS + absolute_ms) is None


def test_sessions_are_bounded_and_those_that_are_over_are_deleted(
    door: LoginDoor, settings: Settings, database: Database[Document]
) -> None:
    first = token_of(door)
    visitor = door.look(first, NOW_MS)
    assert visitor is not None
    for number in range(MOST_SESSIONS):
        door._sessions.begin(visitor.account, NOW_MS + number + 1)
    assert database[SESSIONS.name].count_documents({}) == MOST_SESSIONS
    assert door.look(first, NOW_MS) is None
    token_of(door, now_ms=NOW_MS + 2 * round(settings.dashboard_idle_s * 1000))
    assert database[SESSIONS.name].count_documents({}) == 1


def test_many_guesses_at_once_wait_like_many_one_after_the_other(door: LoginDoor) -> None:
    def guess(number: int) -> str:
        return door.log_in("ada", f"a wrong password {number}", f"203.0.113.{number}", NOW_MS).outcome

    with ThreadPoolExecutor(8) as threads:
        outcomes = Counter(threads.map(guess, range(24)))
    assert outcomes == {"wrong": ACCOUNT.free, "limited": 24 - ACCOUNT.free}
    assert door.log_in("ada", PASSWORD, STRANGER, NOW_MS).outcome == "limited", "the right password waits as well"
    assert door.log_in("ada", PASSWORD, STRANGER, NOW_MS + 1_000).outcome == "opened"


def test_a_stranger_does_not_make_the_owner_wait_at_home(door: LoginDoor) -> None:
    token_of(door)
    for number in range(ACCOUNT.free + 1):
        door.log_in("ada", "a wrong password", f"203.0.113.{number}", NOW_MS + MINUTE_MS)
    assert door.log_in("ada", PASSWORD, STRANGER, NOW_MS + MINUTE_MS).outcome == "limited"
    assert door.log_in("ada", PASSWORD, HOME, NOW_MS + MINUTE_MS).outcome == "opened"
    found = door.log_in("ada", PASSWORD, STRANGER, NOW_MS + KNOWN_MS + MINUTE_MS)
    assert found.outcome == "opened", "all is forgotten after a silence"


def test_one_address_waits_whatever_names_it_tries(door: LoginDoor) -> None:
    outcomes = [door.log_in(f"name{number}", "a wrong password", STRANGER, NOW_MS).outcome for number in range(ADDRESS.free + 2)]
    assert outcomes == ["wrong"] * ADDRESS.free + ["limited"] * 2
    assert door.log_in("ada", PASSWORD, STRANGER, NOW_MS).wait_ms == 1_000
    assert door.log_in("ada", PASSWORD, HOME, NOW_MS).outcome == "opened"


def test_right_logins_cost_nothing_and_what_is_forgotten_is_deleted(door: LoginDoor, database: Database[Document]) -> None:
    door.log_in("nobody", "a wrong password", STRANGER, NOW_MS)
    for _ in range(3):
        token_of(door)
    failures = {one["_id"]: one["failures"] for one in database[LOGIN_ATTEMPTS.name].find()}
    assert failures[bucket("account", "ada")] == failures[bucket("address", HOME)] == failures[bucket("known", "ada", HOME)] == 0
    assert failures[bucket("account", "nobody")] == failures[bucket("address", STRANGER)] == 1
    door.log_in("ada", "a wrong password", "203.0.113.1", NOW_MS + 2 * KNOWN_MS)
    assert database[LOGIN_ATTEMPTS.name].count_documents({"kept_until_ms": {"$lt": NOW_MS + 2 * KNOWN_MS}}) == 0


def test_a_hash_with_older_parameters_is_made_anew_at_the_next_login(door: LoginDoor, database: Database[Document]) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    database[ACCOUNTS.name].update_one({"_id": "ada"}, {"$set": {"hash": weak}})
    token = token_of(door)
    kept = database[ACCOUNTS.name].find_one({"_id": "ada"})
    assert kept is not None
    assert kept["hash"].startswith("$argon2id$v=19$m=1024,t=1,p=1$")
    assert door.look(token, NOW_MS) is not None
    assert token_of(door)


def test_an_account_that_two_change_at_once_has_both_changes(accounts: AccountStore) -> None:
    with ThreadPoolExecutor(4) as threads:
        for done in [
            threads.submit(accounts.set_role, "ada", Role.UNMASK, NOW_MS),
            threads.submit(accounts.set_disabled, "ada", NOW_MS, disabled=True),
            threads.submit(accounts.set_password, "ada", OTHER, NOW_MS, must_change=True),
        ]:
            done.result()
    (ada,) = accounts.accounts()
    assert (ada.role, ada.disabled, ada.must_change, ada.epoch) == (Role.UNMASK, True, True, 3)
    assert msgspec.structs.asdict(ada)["hash"].startswith("$argon2id$")
