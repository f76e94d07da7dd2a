"""What a rule book decides: lists, caps, terminals, and the version that tells of every change."""

from __future__ import annotations

import msgspec
import pytest

from rules import Engine, RuleBook
from rules.book import Allowed, RuleEntry
from rules.catalogue import RULE_TYPES
from tests.unit.rules_world import LAGOS, LONDON, Event, book, fix, payment, play
from veilocity.contracts import Severity, Verdict

MINUTE = 60.0
TRAVEL = book("impossible-travel", "phone-far-from-card", "simultaneous-use", "atm-hop")


def stay(start_s: float, place: tuple[float, float] = LONDON) -> list[Event]:
    """Eleven fixes at one place, one a minute."""
    return [fix(start_s + number * MINUTE, place) for number in range(11)]


def book_with(**changes: object) -> RuleBook:
    rule = RULE_TYPES["impossible-travel"]
    entry = RuleEntry(rule(rule.parameter_type()), **changes)  # type: ignore[arg-type]  # fields of an entry
    return RuleBook((entry,))


def test_a_rule_book_may_cap_the_severity_of_a_rule() -> None:
    tally = play([*stay(0), payment(10 * MINUTE + 20, LAGOS, id="t1")], book_with(severity_cap=Severity.LOW))
    assert next(iter(tally.newest.values())).severity is Severity.LOW
    assert tally.decisions["t1"].verdict is Verdict.CLEAR
    assert tally.decisions["t1"].reasons == ("impossible_travel",)


@pytest.mark.parametrize(
    ("allowed", "is_silent"),
    [
        (Allowed(merchants=("Duty Free",)), True),
        (Allowed(categories=("travel",)), True),
        (Allowed(cards=("card-1",)), True),
        (Allowed(subjects=("anna",)), True),
        (Allowed(countries=("NG",)), True),
        (Allowed(merchants=("Other",), countries=("FR",)), False),
    ],
)
def test_a_payment_on_an_allow_list_is_not_accused(allowed: Allowed, is_silent: bool) -> None:
    far = payment(10 * MINUTE + 20, LAGOS, merchant="Duty Free", category="travel", card="card-1", country="NG")
    assert (not play([*stay(0), far], book_with(allowed=allowed)).revisions) is is_silent


def test_a_subject_on_an_allow_list_may_jump() -> None:
    events = [*stay(0), *stay(11 * MINUTE, LAGOS)]
    assert play(events, book_with()).standing
    assert not play(events, book_with(allowed=Allowed(subjects=("anna",)))).revisions


def test_the_spread_of_a_chain_is_the_radius_of_its_terminals() -> None:
    places = msgspec.structs.replace(TRAVEL.places, terminals={"Chain": 6_000_000.0})
    events = [*stay(0), payment(10 * MINUTE + 20, LAGOS, merchant="Chain")]
    assert play(events, TRAVEL).revisions
    assert not play(events, RuleBook(TRAVEL.entries, places=places)).revisions


def test_the_version_tells_every_change_of_the_rule_book() -> None:
    same = (Engine(TRAVEL).version, Engine(book("impossible-travel", "phone-far-from-card", "simultaneous-use", "atm-hop")).version)
    assert same[0] == same[1]
    others = {Engine(one).version for one in (book("impossible-travel"), book_with(severity_cap=Severity.LOW), book(slot_s=30), book())}
    assert len(others | {same[0]}) == 5
