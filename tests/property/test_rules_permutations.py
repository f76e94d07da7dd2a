"""One rich history in 1,000 random orders, 5 % repeated, in random batches: the same final decisions and alerts.

Between two batches the state is written and read, as a service does. The events span less than the lateness bound, so any order is allowed.
"""

from __future__ import annotations

from functools import cache
from random import Random

import pytest

from rules import Engine
from rules.catalogue import RULE_TYPES
from rules.codec import dump, load
from tests.unit.rules_world import LAGOS, LONDON, PARIS, SUVA, Event, Tally, book, fix, payment
from veilocity.contracts import Alert, Channel, Decision, FixFlag

CHUNKS, ORDERS = 10, 100
ENGINE = Engine(book(*RULE_TYPES))
CROYDON = (51.3714, -0.1011)
Result = tuple[dict[str, Alert], dict[str, Decision]]


@cache
def history() -> tuple[Event, ...]:
    """An hour of one person: a walk, a glitch, a jump, a new phone, a spoofed place, and payments of every kind among them."""
    events: list[Event] = [fix(number * 70.0, (LONDON[0] - number * 1e-4, LONDON[1])) for number in range(4)]
    events += [fix(300.0, LAGOS), fix(350.0), *(fix(700.0 + number * 65.0, PARIS, accuracy_m=15.0) for number in range(3))]
    events += [fix(1_600.0, CROYDON, speed_mps=1.0), fix(1_000.0, LAGOS, device="tablet"), fix(1_070.0, LAGOS, device="tablet")]
    events += [fix(2_000.0, SUVA, flags=(FixFlag.MOCK,)), fix(2_100.0, LONDON, accuracy_m=10_000.0, flags=(FixFlag.CLOAKED,))]
    events += [fix(71.0, LONDON, accuracy_m=5.0), fix(72.0, LAGOS, accuracy_m=500.0)]
    places = (LONDON, LAGOS, CROYDON, SUVA)
    channels = (Channel.CARD_PRESENT, Channel.ATM, Channel.RECURRING)
    for number in range(9):
        events.append(
            payment(
                160.3 + number * 250.0,
                places[number % 4] if number % 7 else None,
                id=f"t{number}",
                channel=channels[number % 3],
                amount_minor=(490_000, 250, 100)[number % 3],
                merchant=f"m{number % 4}",
                card=f"c{number % 2}",
                country=("GB", "NG", "FR")[number % 3],
                device=("phone", "browser")[number % 2],
            )
        )
    events += [payment(450.0, id="cash-1", channel=Channel.ATM), payment(520.0, CROYDON, id="cash-2", channel=Channel.ATM)]
    events += [payment(2_003.0, SUVA, id="same-2"), payment(2_003.0, LONDON, id="same-1")]
    return tuple(events)


def result(tally: Tally) -> Result:
    return tally.standing, tally.decisions


@cache
def in_order() -> Result:
    tally = Tally()
    for event in sorted(history(), key=lambda one: one.received_ms):
        tally.outcomes.append(ENGINE.process(tally.state, event))
    return result(tally)


def test_the_history_is_rich() -> None:
    alerts, decisions = in_order()
    assert len({alert.rule for alert in alerts.values()}) >= 7
    assert len({alert.cause for alert in alerts.values()}) >= 8
    assert len({decision.verdict for decision in decisions.values()}) == 3
    assert {alert.severity.value for alert in alerts.values()} == {"low", "medium", "high"}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_any_order_any_repetition_and_any_batches_give_the_same_answers(chunk: int) -> None:
    for seed in range(chunk * ORDERS, (chunk + 1) * ORDERS):
        random = Random(seed)  # noqa: S311  # a seeded test, nothing secret
        events = [*history(), *random.choices(history(), k=round(len(history()) * 0.05))]
        random.shuffle(events)
        tally = Tally()
        left_in_batch = random.randint(1, 40)
        for event in events:
            tally.outcomes.append(ENGINE.process(tally.state, event))
            left_in_batch -= 1
            if not left_in_batch:
                tally.state = load(dump(tally.state))
                left_in_batch = random.randint(1, 40)
        assert result(tally) == in_order(), f"order {seed}"
