import hmac
import pickle

import numpy as np
import pandas as pd
import pyarrow
import pytest

from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.pseudonyms import EVENT_KINDS, Pseudonymiser
from privacy.tokens import TokenKind
from veilocity.errors import InvalidInputError, KeyMissingError, SettingsError

RING = KeyRing([(1, ALWAYS_MS, bytes(range(32)))])
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
CARD = "4111111111111111"


def test_a_token_is_the_documented_hash() -> None:
    label = b"period\x00card\x00" + WEEK_MS.to_bytes(8, "big") + WEEK_MS.to_bytes(8, "big")
    key = hmac.digest(RING.key("pseudonyms/mongodb"), label, "sha256")
    wanted = hmac.digest(key, b"card\x00" + CARD.encode(), "sha256")[:16].hex()
    made = Pseudonymiser(RING, "mongodb", WEEK_MS)
    assert made.token(TokenKind.CARD, CARD, WEEK_MS + 5) == wanted
    assert made.tokens(TokenKind.CARD, [CARD], WEEK_MS + 5) == [wanted]


def test_people_rotate_and_events_do_not() -> None:
    made = Pseudonymiser(RING, "mongodb", WEEK_MS)
    for kind in TokenKind:
        first, last, after = (made.token(kind, "7", time_ms) for time_ms in (WEEK_MS, 2 * WEEK_MS - 1, 2 * WEEK_MS))
        assert first == last
        assert (after == first) == (kind in EVENT_KINDS)


def test_a_kind_may_have_a_period_of_its_own() -> None:
    made = Pseudonymiser(RING, "mongodb", WEEK_MS, {TokenKind.DEVICE: DAY_MS, TokenKind.USER: 0})
    assert made.token(TokenKind.DEVICE, "7", 0) != made.token(TokenKind.DEVICE, "7", DAY_MS)
    assert made.token(TokenKind.USER, "7", 0) == made.token(TokenKind.USER, "7", 100 * WEEK_MS)
    assert made.token(TokenKind.CARD, "7", 0) == made.token(TokenKind.CARD, "7", DAY_MS)


@pytest.mark.parametrize(
    ("sink", "period_ms", "overrides", "cache_size"),
    [
        ("", WEEK_MS, {}, 0),
        ("a/b", WEEK_MS, {}, 0),
        ("mongodb", -1, {}, 0),
        ("mongodb", WEEK_MS, {TokenKind.CARD: -1}, 0),
        ("mongodb", WEEK_MS, {TokenKind.ALERT: DAY_MS}, 0),
        ("mongodb", WEEK_MS, {}, -1),
    ],
)
def test_rules_that_make_no_sense_are_refused(sink: str, period_ms: int, overrides: dict[TokenKind, int], cache_size: int) -> None:
    with pytest.raises(SettingsError):
        Pseudonymiser(RING, sink, period_ms, overrides, cache_size)


def test_a_person_keeps_the_token_of_a_period_in_which_the_ring_was_rotated() -> None:
    ring = KeyRing([(1, ALWAYS_MS, bytes(range(32))), (2, WEEK_MS + DAY_MS, bytes(32))])
    new, old = Pseudonymiser(ring, "mongodb", WEEK_MS), Pseudonymiser(RING, "mongodb", WEEK_MS)
    for kind in TokenKind:
        assert new.token(kind, "7", WEEK_MS) == old.token(kind, "7", WEEK_MS)
        assert new.token(kind, "7", 2 * WEEK_MS - 1) == old.token(kind, "7", 2 * WEEK_MS - 1)
        # A payment refers to its alert by token, without knowing when the alert was: events keep the oldest version.
        assert (new.token(kind, "7", 2 * WEEK_MS) == old.token(kind, "7", 2 * WEEK_MS)) == (kind in EVENT_KINDS)


def test_a_time_before_the_ring_has_no_token() -> None:
    made = Pseudonymiser(KeyRing([(1, WEEK_MS + 1, bytes(32))]), "mongodb", WEEK_MS)
    with pytest.raises(KeyMissingError):
        made.tokens(TokenKind.CARD, ["7"], WEEK_MS + 1)
    with pytest.raises(KeyMissingError):
        made.tokens(TokenKind.USER, ["7", "8"], np.array([2 * WEEK_MS, WEEK_MS]))
    assert made.token(TokenKind.ALERT, "7", 0)


@pytest.mark.parametrize(
    "column",
    [
        ["7", None, "8", "7"],
        ("7", float("nan"), "8", "7"),
        np.array(["7", None, "8", "7"], dtype=object),
        pyarrow.array(["7", None, "8", "7"]),
        pyarrow.array(["7", None, "8", "7"]).dictionary_encode(),
        pyarrow.chunked_array([["7", None], ["8", "7"]]),
        pyarrow.chunked_array([["7", None], ["8", "7"]]).dictionary_encode(),
        pd.Series(["7", None, "8", "7"]),
        pd.Series(["7", pd.NA, "8", "7"], dtype="string"),
        [np.str_("7"), None, "8", "7"],
    ],
)
def test_every_form_of_column_has_the_same_tokens(column: object) -> None:
    made = Pseudonymiser(RING, "mongodb", WEEK_MS)
    seven, eight = made.token(TokenKind.USER, "7", 0), made.token(TokenKind.USER, "8", 0)
    assert made.tokens(TokenKind.USER, column, 0) == [seven, None, eight, seven]  # type: ignore[arg-type]  # any of the forms


def test_columns_without_rows_or_without_identifiers() -> None:
    made = Pseudonymiser(RING, "mongodb", WEEK_MS)
    assert made.tokens(TokenKind.USER, [], 0) == made.tokens(TokenKind.USER, [], np.array([], dtype=np.int64)) == []
    assert made.tokens(TokenKind.USER, [None, None], 0) == [None, None]
    assert made.tokens(TokenKind.USER, np.array(["7", "8"]), 0) == made.tokens(TokenKind.USER, ["7", "8"], np.array([0, 1]))


def test_a_number_is_not_an_identifier() -> None:
    with pytest.raises(InvalidInputError, match="must be text"):
        Pseudonymiser(RING, "mongodb", WEEK_MS).tokens(TokenKind.USER, [7], 0)  # type: ignore[list-item]  # what a careless caller does


@pytest.mark.parametrize("times", [np.array([0]), np.array([0.0, 1.0]), np.array([[0, 1]])])
def test_times_must_fit_the_column(times: np.ndarray) -> None:
    with pytest.raises(SettingsError, match="one event time"):
        Pseudonymiser(RING, "mongodb", WEEK_MS).tokens(TokenKind.USER, ["7", "8"], times)


def test_the_cache_stays_small_and_changes_no_token() -> None:
    small, none, large = (Pseudonymiser(RING, "mongodb", WEEK_MS, cache_size=size) for size in (10, 0, 10_000))
    for start in range(0, 60, 7):
        column = [str(number) for number in range(start, start + 8)] * 2
        times = np.arange(len(column)) % 3 * WEEK_MS
        assert small.tokens(TokenKind.USER, column, times) == none.tokens(TokenKind.USER, column, times)
        assert none.tokens(TokenKind.USER, column, times) == large.tokens(TokenKind.USER, column, times)
        assert sum(len(known) - 1 for known in small._known.values()) == small._known_size <= 10
        assert not none._known_size
    assert large._known_size > 10
    for start in (0, 6, 12):
        small.tokens(TokenKind.USER, [str(number) for number in range(start, start + 6)], 0)
        assert sum(len(known) - 1 for known in small._known.values()) == small._known_size <= 10


def test_a_person_is_found_again_by_every_token_of_a_time() -> None:
    ring = KeyRing([(1, ALWAYS_MS, bytes(range(32))), (2, WEEK_MS + DAY_MS, bytes(32))])
    made = Pseudonymiser(ring, "mongodb", WEEK_MS)
    for kind in (TokenKind.SUBJECT, TokenKind.ALERT):
        for from_ms, until_ms in ((0, 3 * WEEK_MS), (WEEK_MS + 5, 2 * WEEK_MS + 1), (WEEK_MS + DAY_MS, 2 * WEEK_MS), (0, WEEK_MS + DAY_MS)):
            seen = {made.token(kind, "anna", time_ms) for time_ms in [*range(from_ms, until_ms, DAY_MS // 2), until_ms - 1]}
            found = made.tokens_between(kind, "anna", from_ms, until_ms)
            assert set(found) == seen
            assert len(found) == len(seen)
    assert made.tokens_between(TokenKind.SUBJECT, "anna", 5, 5) == []


def test_members_of_a_window_are_of_this_window_alone() -> None:
    mongodb, elasticsearch = (Pseudonymiser(RING, sink, WEEK_MS) for sink in ("mongodb", "elasticsearch"))
    members = [
        made.window_member(start_ms, subject, scope)
        for made in (mongodb, elasticsearch)
        for start_ms in (0, 3_600_000)
        for subject in ("anna", "ben")
        for scope in ("", "hour", "day")
    ]
    assert len(set(members)) == len(members)
    assert mongodb.window_members(0, ["anna", "ben"]) == [mongodb.window_member(0, "anna"), mongodb.window_member(0, "ben")]
    assert mongodb.token(TokenKind.SUBJECT, "anna", 0) not in members


def test_half_a_character_still_has_a_token() -> None:
    made = Pseudonymiser(RING, "mongodb", WEEK_MS)
    column: list[str | None] = ["\ud800", "a", "é"]
    assert made.tokens(TokenKind.USER, column, 0) == [made.token(TokenKind.USER, text, 0) for text in ("\ud800", "a", "é")]
    assert len({made.token(TokenKind.USER, text, 0) for text in ("\ud800", "\udfff", "?", "")}) == 4


def test_a_pseudonymiser_never_travels() -> None:
    made = Pseudonymiser(RING, "mongodb", WEEK_MS)
    made.tokens(TokenKind.CARD, [CARD], 0)
    assert CARD not in repr(made)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(made)
