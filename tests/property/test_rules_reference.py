"""The engine against a slow, obvious reference that was written apart from it: 10,000 random small histories.

The reference (`tests/reference`) looks at the whole set at once, measures on the ellipsoid and forgets nothing. Where a distance lies so
near a threshold that sphere and ellipsoid may disagree, a history is passed over; fewer than 5 % may be.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from rules import Engine
from tests.reference.findings import Finding
from tests.reference.measures import NearThresholdError
from tests.reference.oracle import Answer, Answers, answer
from tests.reference.seen import Settings
from tests.reference.stories import HISTORY_S, story
from tests.unit.rules_world import Event, Tally, book

CHUNKS, STORIES = 20, 500
TRAVEL = ("impossible-travel", "phone-far-from-card", "simultaneous-use", "atm-hop")
# Every finding is an alert of its own, so that none hides behind a stronger one of its episode.
ENGINE = Engine(book(*TRAVEL, history_s=HISTORY_S, episode_s=-1))
SETTINGS = Settings(history_s=HISTORY_S)

REACHED = {
    "impossible-travel": {
        "impossible_travel high",
        "phone_not_confirmed low",
        "confirmed_low low",
        "excursion_returned low",
        "two_sources low",
        "clock_shift low",
        "disputed_phone low",
        "swapped_coordinates low",
        "terminal_place low",
        "shared_card low",
        "settled_late low",
    },
    "phone-far-from-card": {
        "out_of_reach medium",
        "out_of_reach_both_sides high",
        "phone_not_confirmed low",
        "disputed_phone low",
        "terminal_place low",
        "shared_card low",
        "settled_late low",
    },
    "simultaneous-use": {
        "two_payments_at_once medium",
        "two_payments_at_once high",
        "new_phone_elsewhere high",
        "new_phone_one_fix low",
        "swapped_coordinates low",
        "terminal_place low",
        "shared_card low",
        "settled_late low",
    },
    "atm-hop": {"many_machines medium", "many_machines low", "machines_out_of_reach medium", "settled_late low"},
}
REASONS = {
    "channel_without_place",
    "coordinates_missing",
    "coordinates_swapped",
    "null_island",
    "moving_terminal",
    "no_neighbour",
    "neighbour_too_old",
    "too_late",
    "future_time",
}


def engine_answers(arrivals: list[Event]) -> Answers:
    tally = Tally()
    for event in arrivals:
        tally.outcomes.append(ENGINE.process(tally.state, event))
    payments = {
        name: Answer(one.verdict, frozenset(one.reasons), frozenset(one.rule_versions), one.severity)
        for name, one in tally.decisions.items()
    }
    return Answers(payments, frozenset(Finding(one.rule, one.anchor, one.severity, one.cause) for one in tally.standing.values()))


@cache
def reached(chunk: int) -> Counter[str]:
    """Compare the histories of one chunk, and count what was reached."""
    counts: Counter[str] = Counter()
    for seed in range(chunk * STORIES, (chunk + 1) * STORIES):
        arrivals = story(seed)
        try:
            expected = answer(arrivals, SETTINGS)
        except NearThresholdError:
            counts["passed over"] += 1
            continue
        found = engine_answers(arrivals)
        assert found == expected, f"story {seed}"
        counts.update(f"{one.rule}: {one.cause} {one.severity}" for one in expected.findings)
        counts.update(one for said in expected.payments.values() for one in {*said.reasons, str(said.verdict)})
    return counts


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_engine_finds_what_the_reference_finds(chunk: int) -> None:
    assert reached(chunk)["passed over"] < 0.05 * STORIES


def test_every_cause_and_reason_was_reached() -> None:
    counts = sum((reached(chunk) for chunk in range(CHUNKS)), Counter[str]())
    wanted = {f"{rule}: {one}" for rule, causes in REACHED.items() for one in causes} | REASONS | {"flagged", "clear", "not-scorable"}
    assert wanted <= counts.keys()
