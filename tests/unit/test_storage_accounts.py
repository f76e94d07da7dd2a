"""Passwords, names and the arithmetic of waiting."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from threading import BoundedSemaphore
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.audit.patterns import in_text
from storage.accounts import account_name, forgery_token, passwords, random_password
from storage.accounts.limiter import ACCOUNT, ADDRESS, KNOWN, Limit, bucket, network
from storage.accounts.model import ACCOUNT_KINDS, LoginAttempts, Session
from storage.accounts.passwords import checked_password, hash_of, matches, outdated
from storage.kinds import to_document
from storage.validation import validator
from tests.unit.audit_world import World, audited, clean_world
from tests.unit.login_world import NOW_MS, account
from veilocity.errors import InvalidInputError, ServiceUnavailableError

PHRASE = "four words will do"
LIMITS = (ACCOUNT, ADDRESS, KNOWN)
times = st.integers(0, 10**13)


def test_a_hash_is_argon2id_with_the_parameters_of_rfc_9106_and_a_salt_of_its_own() -> None:
    made = hash_of(PHRASE)
    assert re.fullmatch(r"\$argon2id\$v=19\$m=65536,t=3,p=4\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", made)
    assert made != hash_of(PHRASE)
    assert matches(made, PHRASE)
    assert not matches(made, PHRASE + " ")
    assert not outdated(made)


def test_the_same_letters_are_the_same_password_however_they_were_composed() -> None:
    assert matches(hash_of("zwo\u0308lf lange Worte"), "zw\u00f6lf lange Worte")


def test_where_there_is_no_account_the_same_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(hasher, name)

        def verify(self, kept: str, password: bytes) -> bool:
            compared.append(kept.rsplit("$", 2)[0])
            return hasher.verify(kept, password)

    hasher = passwords._HASHER
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    kept = hash_of(PHRASE)
    assert (matches(kept, "wrong"), matches(None, PHRASE)) == (False, False)
    assert compared == [kept.rsplit("$", 2)[0]] * 2


def test_a_crowd_of_guesses_does_not_take_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_IN_LINE", BoundedSemaphore(1))
    with passwords._turn(), pytest.raises(ServiceUnavailableError, match="too many people"):
        matches(None, PHRASE)
    assert not matches(None, PHRASE), "the line is free again"


@pytest.mark.parametrize(
    ("password", "wrong"),
    [
        ("short", "fewer than 15"),
        ("x" * 257, "more than 256"),
        ("abababababababab", "repeats a few"),
        ("ada-veilocity-ada-veilocity", "little more than a name"),
    ],
)
def test_a_weak_password_is_refused_with_a_sentence_that_does_not_hold_it(password: str, wrong: str) -> None:
    with pytest.raises(InvalidInputError, match=wrong) as refused:
        checked_password(password, "ada")
    assert password not in str(refused.value)


def test_passwords_that_are_made_here_differ_and_may_be_used() -> None:
    made = {checked_password(random_password(), "admin") for _ in range(50)}
    assert len(made) == 50


@pytest.mark.parametrize("name", ["", "ada@example.org", "a b", "-x", "x" * 65])
def test_a_name_that_is_no_name_of_staff_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        account_name(name)


def test_a_forgery_token_is_of_one_session_and_does_not_tell_it() -> None:
    assert forgery_token("a") != forgery_token("b")
    assert "session-token" not in forgery_token("session-token")


def test_an_account_does_not_show_its_hash() -> None:
    assert repr(account()) == "Account(id='ada', role='view')"


def test_what_is_stored_has_the_shape_of_its_validator_and_looks_like_nobodys_data() -> None:
    records = (account(), Session("a" * 64, "ada", 1, 5, 5), LoginAttempts(bucket("address", "192.0.2.7"), 1, 5, 9))
    for kind, record in zip(ACCOUNT_KINDS, records, strict=True):
        document = to_document(kind, record)
        assert set(document) == set(validator(kind)["$jsonSchema"]["required"])
        assert in_text(str(document)) == ()
    assert in_text(hash_of(PHRASE)) == ()


@pytest.mark.parametrize("limit", LIMITS)
@given(failures=st.integers(0, 10**6), last_ms=times, now_ms=times)
def test_a_wait_is_bounded_and_ends_when_it_was_waited_for(limit: Limit, failures: int, last_ms: int, now_ms: int) -> None:
    wait_ms = limit.wait_ms(failures, last_ms, now_ms)
    assert 0 <= wait_ms <= limit.longest_ms
    assert limit.wait_ms(failures, last_ms, max(now_ms, last_ms) + wait_ms) == 0
    assert limit.wait_ms(failures + 1, last_ms, now_ms) >= wait_ms


@pytest.mark.parametrize("limit", LIMITS)
def test_waits_double_after_the_free_attempts_and_reach_their_bound(limit: Limit) -> None:
    waits = [limit.wait_ms(failures, 0, 0) for failures in range(limit.free + 20)]
    assert waits[: limit.free + 3] == [0] * limit.free + [1_000, 2_000, 4_000]
    assert waits[-1] == limit.longest_ms
    assert limit.wait_ms(limit.free + 20, 0, limit.forgotten_ms) == 0


def test_a_stranger_makes_nobody_wait_for_more_than_a_minute() -> None:
    assert ACCOUNT.longest_ms == 60_000


@given(st.text(max_size=40))
def test_there_are_few_buckets_however_many_names_are_tried(name: str) -> None:
    assert re.fullmatch(r"account-[0-9a-f]{4}", bucket("account", name))


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1))
def test_addresses_of_one_customer_are_one_network(address: int, other: int) -> None:
    first, second = (str(ipaddress.IPv6Address(one)) for one in (address, address >> 64 << 64 | other))
    is_mapped = ipaddress.IPv6Address(address).ipv4_mapped or ipaddress.IPv6Address(address >> 64 << 64 | other).ipv4_mapped
    assert is_mapped or network(first) == network(second)


def test_the_audit_of_the_stores_finds_nothing_wrong_with_accounts() -> None:
    people = [msgspec.structs.replace(account(f"person.{number}"), hash=hash_of(PHRASE)) for number in range(3)]
    tokens = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(200)]
    sessions = [Session(one, f"person.{place % 3}", 1, NOW_MS + place, NOW_MS) for place, one in enumerate(tokens)]
    tried = sorted({bucket("address", f"192.0.2.{number}") for number in range(200)})
    attempts = [LoginAttempts(identity, 3, NOW_MS, NOW_MS) for identity in tried]
    world: World = clean_world()
    written: tuple[list[Any], ...] = (people, sessions, attempts)
    for kind, records in zip(ACCOUNT_KINDS, written, strict=True):
        world["mongodb"][kind.name] = [to_document(kind, record) for record in records]
    report = audited(world)
    assert report.passed, [fault.sentence() for check in report.checks for fault in check.faults]
    assert report.read["mongodb/sessions"] == 200
