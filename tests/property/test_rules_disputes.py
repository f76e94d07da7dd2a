"""A phone that contradicts itself for hours, and payments all the while: forgetting gives the answers that a long memory gives.

Every cause of a jump looks at fixes before and after it, and forgetting makes the answer to a payment final while the story goes on. So
what is said of a payment must not depend on fixes later than the look-ahead after it: else it would depend on when they arrive.
"""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from rules import Engine
from rules.catalogue import RULE_TYPES
from rules.codec import dump, load
from tests.unit.rules_world import LAGOS, LONDON, PARIS, SUVA, Event, Tally, book, fix, payment
from veilocity.contracts import Alert, Channel, Decision, Fix, FixFlag, Transaction

CHUNKS, STORIES, ORDERS = 4, 20, 2
HISTORY_S, LOOK_AHEAD_S, SLOT_S = 1_800, 900, 15
LATEST_S = float(HISTORY_S - SLOT_S - 1)
SHORT = Engine(book(*RULE_TYPES, history_s=HISTORY_S, look_ahead_s=LOOK_AHEAD_S, slot_s=SLOT_S, episode_s=3_600))
LONG = Engine(book(*RULE_TYPES, history_s=30 * 86_400, look_ahead_s=LOOK_AHEAD_S, slot_s=SLOT_S, episode_s=3_600))
CAMDEN, READING, DOVER = (51.5390, -0.1426), (51.4552, -0.9714), (51.1279, 1.3134)
PAIRS = ((LONDON, LAGOS), (LONDON, PARIS), (LONDON, DOVER), (READING, DOVER), (SUVA, LAGOS))
Result = tuple[dict[str, Alert], dict[str, Decision]]


def story(random: Random) -> list[Event]:
    """Return the events, in order of time, of a phone that is now here, now there, for a few hours."""
    pair, events, clock = random.choice(PAIRS), list[Event](), 0.0
    devices = random.choice((("phone",), ("phone",), ("phone",), ("phone", "tablet")))
    for number in range(random.randint(8, 24)):
        place = pair[number % 2] if random.random() < 0.9 else random.choice((PARIS, SUVA, LONDON))
        step_s = random.choice((16.0, 31.0, 70.0, 200.0, 400.0))
        flags = (FixFlag.MOCK,) if random.random() < 0.03 else ()
        device = devices[number % 5 == 0 if len(devices) > 1 else 0]
        for _ in range(random.choice((1, 1, 2, 2, 3, 5, 11))):
            spot = (place[0] + random.uniform(0.0, 2e-4), place[1])
            events.append(fix(clock, spot, accuracy_m=random.choice((12.3, 20.0)), device=device, flags=flags))
            clock += step_s
        clock += random.choice((0.0, 0.0, 0.0, 60.0, 500.0, 700.0, 1_500.0, 3_700.0, 9_000.0))
        for _ in range(random.choice((0, 0, 1, 2))):
            events.append(_paid(random, round(random.uniform(clock - 2_400.0, clock + 300.0)) + 0.3, pair))
    named = [msgspec.structs.replace(one, id=f"t{number}") if isinstance(one, Transaction) else one for number, one in enumerate(events)]
    return sorted(named, key=_at_s)


def _paid(random: Random, at_s: float, pair: tuple[tuple[float, float], ...]) -> Transaction:
    place = random.choice((*pair, *pair, CAMDEN, SUVA))
    channel = random.choice((Channel.CARD_PRESENT, Channel.CARD_PRESENT, Channel.ATM))
    return payment(max(0.3, at_s), place, channel=channel, merchant=random.choice("ABCDEF"), card=random.choice((None, "1", "2")))


def _at_s(event: Event) -> float:
    return event.authorised_ms / 1e3 if isinstance(event, Transaction) else event.fix_ns / 1e9


def delayed(random: Random, events: list[Event]) -> list[Event]:
    """Return the events in an order of arrival in which none is later than the lateness bound; the phones or the cards may be on time."""
    delays = random.choice(((0.0, LATEST_S), (0.0, 0.0, 30.0, 300.0, LATEST_S), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, LATEST_S)))
    punctual = random.choice((None, Transaction, Fix))
    stamped = [
        (_at_s(event) + (0.0 if punctual is not None and isinstance(event, punctual) else random.choice(delays)), number, event)
        for number, event in enumerate(events)
    ]
    return [event for _, _, event in sorted(stamped, key=lambda one: one[:2])]


def judged(engine: Engine, events: list[Event], *, reload: bool = False) -> Result:
    tally = Tally()
    for number, event in enumerate(events):
        tally.outcomes.append(engine.process(tally.state, event))
        if reload and number % 7 == 0:
            tally.state = load(dump(tally.state))
    return tally.standing, tally.decisions


def test_a_switch_that_arrives_once_a_payment_is_forgotten_changes_nothing_about_it() -> None:
    """Two sources are found five minutes before the payment and renewed sixteen minutes after it, which is beyond the look-ahead."""
    rounds = [fix(turn * 1_200.0 + at_s, (LONDON, LAGOS)[turn % 2]) for turn in range(7) for at_s in (0.0, 60.0)]
    paid = payment(7_500.3, SUVA, id="t1")
    renewal, far_later = fix(8_480.0, LAGOS), payment(10_250.3, None, id="t2", channel=Channel.ECOMMERCE)
    orderly = judged(SHORT, [*rounds, paid, renewal, far_later])
    assert orderly[1]["t1"].reasons == ("disputed_phone",)
    assert judged(SHORT, [*rounds, paid, far_later, renewal]) == orderly
    assert judged(SHORT, [*rounds, paid, far_later]) == orderly


def nothing(at_s: float) -> Transaction:
    """Return a payment that no rule minds, which only moves the horizon."""
    return payment(at_s, None, id=f"at-{at_s}", channel=Channel.ECOMMERCE)


def test_the_fixes_to_fall_back_on_are_not_chosen_by_what_a_late_fix_may_undo() -> None:
    """Ten fixes far away are believed, until a late one before the tenth shows that the phone was at home: those at home count again."""
    home = [fix(number * 60.0) for number in range(5)]
    away = [fix(300.0 + number * 350.0, LAGOS) for number in range(14)]
    early: list[Event] = sorted([*home, *away[:9], nothing(2_200.3), payment(2_310.3, SUVA, id="t1")], key=_at_s)
    late, at_home, later = away[9:], fix(3_205.0), nothing(5_000.3)
    orderly = judged(SHORT, [*early, at_home, *late, later])
    assert judged(LONG, [*early, at_home, *late, later]) == orderly
    assert judged(SHORT, [*early, *late, later, at_home]) == orderly
    assert {alert.facts["sides"] for alert in orderly[0].values() if alert.anchor == "t1"} == {2.0}


def test_a_stale_fix_stays_refuted_when_its_track_turns_out_never_to_have_been() -> None:
    beside = (LAGOS[0] + 0.8, LAGOS[1])
    begun: list[Event] = [*(fix(number * 60.0) for number in range(5)), fix(300.0, LAGOS), fix(360.0, LAGOS)]
    right = fix(1_275.0, LAGOS)
    events: list[Event] = [fix(1_260.0, beside), payment(1_262.3, SUVA, id="t1"), right]
    between, back, later = fix(700.0, LAGOS), fix(2_400.0), nothing(4_000.3)
    orderly = judged(SHORT, [*begun, between, *events, back, later])
    assert {alert.anchor: alert.second.event_ns for alert in orderly[0].values()}["t1"] == right.fix_ns
    assert judged(LONG, [*begun, between, *events, back, later]) == orderly
    assert judged(SHORT, [*begun, between, *events, later, back]) == orderly
    assert judged(SHORT, [*begun, *events, back, between, later]) == orderly


def test_an_episode_stays_open_while_a_silent_phone_may_add_to_it() -> None:
    """Two jumps to one place, of which the former is settled: the latter is among the last fixes of a phone that is silent for hours."""
    places = [(0.0, PARIS, 11), (700.0, LONDON, 4), (820.0, LAGOS, 4), (940.0, LONDON, 1), (970.0, LAGOS, 1), (1_000.0, LONDON, 1)]
    places.append((1_030.0, LAGOS, 3))
    events: list[Event] = [fix(start + number * 30.0, place) for start, place, count in places for number in range(count)]
    events += [nothing(500.3), nothing(9_000.3), nothing(9_100.3)]
    alerts, decisions = judged(SHORT, events)
    assert (alerts, decisions) == judged(LONG, events)
    assert max(alert.episode.count for alert in alerts.values()) == 2


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_what_is_forgotten_was_final(chunk: int) -> None:
    for seed in range(chunk * STORIES, (chunk + 1) * STORIES):
        random = Random(seed)  # noqa: S311  # a seeded test, nothing secret
        events = story(random)
        orderly = judged(SHORT, events)
        for order in range(ORDERS):
            assert judged(SHORT, delayed(random, events), reload=True) == orderly, f"story {seed}: order {order} of arrival shows"
        assert judged(LONG, events) == orderly, f"story {seed}: forgetting shows"


def test_the_stories_are_rich() -> None:
    answers = [judged(SHORT, story(Random(seed))) for seed in range(STORIES)]  # noqa: S311  # a seeded test, nothing secret
    causes = {alert.cause for alerts, _ in answers for alert in alerts.values()}
    assert {"disputed_phone", "two_sources", "excursion_returned", "impossible_travel", "phone_not_confirmed", "settled_late"} <= causes
