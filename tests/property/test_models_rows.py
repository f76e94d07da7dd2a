"""The rows that a model sees: equal bit for bit in training and in the stream, however the stream was cut, interrupted or repeated."""

from __future__ import annotations

import math
from functools import cache
from random import Random

import numpy as np
import pytest

from ingest.simulator.weeks import WeekPlan, labelled_week
from rules import Engine, SubjectState, default_rule_book
from rules.codec import dump, load
from rules.models.features import FEATURES, habits_before, row_of
from rules.models.observing import observe
from rules.models.table import FeatureTable, feature_table
from tests.unit.rules_world import LAGOS, LONDON, PARIS, fix, payment
from veilocity.contracts import Fix, Transaction
from veilocity.errors import InvalidInputError

ENGINE = Engine(default_rule_book())
SLOW_ENGINE = Engine(default_rule_book(), shortcuts=False)


@cache
def week() -> tuple[Fix | Transaction, ...]:
    """A week of five people with every confuser and fraud, as it arrives: late, in batches, some of it twice."""
    return tuple(labelled_week(WeekPlan(seed=3, people=5, days=5)).events)


@cache
def table() -> FeatureTable:
    return feature_table(week(), ENGINE)


def column(name: str, row: tuple[float, ...]) -> float:
    return row[FEATURES.index(name)]


@pytest.mark.parametrize("seed", range(2))
def test_a_stream_that_is_cut_and_restored_anywhere_has_the_same_rows(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # a seeded test, nothing secret
    states: dict[str, SubjectState] = {}
    rows: dict[str, tuple[float, ...]] = {}
    for event in week():
        state = states.pop(event.subject, None) or SubjectState()
        if random.random() < 0.05:
            # As after a crash: the state as it was saved, on another engine.
            state = load(dump(state))
        outcome, found = observe(random.choice((ENGINE, SLOW_ENGINE)), state, event)
        states[event.subject] = state
        for decision, row in zip(outcome.decisions, found, strict=True):
            if decision.revision == 1 and row is not None:
                assert decision.transaction.id not in rows
                rows[decision.transaction.id] = row
    assert list(rows) == table().transaction_ids
    assert np.array(list(rows.values())).tobytes() == table().rows.tobytes()


def test_watching_changes_nothing_that_the_engine_says_or_remembers() -> None:
    watched: dict[str, SubjectState] = {}
    alone: dict[str, SubjectState] = {}
    for event in week():
        one, other = watched.setdefault(event.subject, SubjectState()), alone.setdefault(event.subject, SubjectState())
        assert observe(ENGINE, one, event)[0] == ENGINE.process(other, event)
    assert {name: dump(state) for name, state in watched.items()} == {name: dump(state) for name, state in alone.items()}


def test_a_payment_out_of_order_is_given_the_habits_before_it() -> None:
    events = [payment(number * 60.0, (LONDON, PARIS)[number % 2], id=f"t{number}", amount_minor=100 + number) for number in range(12)]
    late, rest = events[5], [*events[:5], *events[6:]]
    state = SubjectState()
    for event in rest:
        ENGINE.process(state, event)
    outcome, rows = observe(ENGINE, state, late)
    row = next(row for decision, row in zip(outcome.decisions, rows, strict=True) if decision.transaction.id == late.id)
    in_order = SubjectState()
    for event in events[:5]:
        ENGINE.process(in_order, event)
    assert row is not None
    assert np.array(row).tobytes() == np.array(row_of(in_order, late, ENGINE.sight(late))).tobytes()
    assert column("payments_24h", row) == 5.0


def test_a_later_decision_has_the_row_of_the_time_before_the_payment() -> None:
    state = SubjectState()
    for event in (fix(0.0), fix(60.0), payment(300.0, id="before")):
        ENGINE.process(state, event)
    odd = payment(1_500.0, LAGOS, id="odd")
    outcome, (first,) = observe(ENGINE, state, odd)
    assert outcome.decisions[0].revision == 1
    # A phone that turns out to be beside the card: the answer changes, and so does what is known of the time before.
    outcome, rows = observe(ENGINE, state, fix(1_490.0, LAGOS))
    again = [row for decision, row in zip(outcome.decisions, rows, strict=True) if decision.transaction.id == "odd"]
    assert again
    assert first is not None
    assert again[0] is not None
    assert column("payments_24h", again[0]) == column("payments_24h", first) == 1.0
    assert column("phone_km_log", again[0]) < column("phone_km_log", first)


def test_a_payment_that_is_too_late_or_impossible_has_no_row() -> None:
    state = SubjectState()
    ENGINE.process(state, payment(100_000.0, id="now"))
    outcome, rows = observe(ENGINE, state, payment(10.0, id="late"))
    assert (len(outcome.decisions), rows) == (1, (None,))
    impossible = Transaction(**{**{name: getattr(payment(0.0), name) for name in Transaction.__struct_fields__}, "authorised_ms": 10**400})
    with pytest.raises(InvalidInputError):
        observe(ENGINE, state, impossible)


def test_figures_are_what_their_names_say() -> None:
    state = SubjectState()
    for event in (
        fix(0.0),
        payment(0.0, id="a", amount_minor=1_000, merchant="m"),
        payment(3_000.0, id="b", amount_minor=500, country="GB"),
    ):
        ENGINE.process(state, event)
    last = payment(4_000.0, PARIS, id="c", amount_minor=1_000, merchant="m", country="FR")
    row = row_of(state, last, ENGINE.sight(last))
    assert len(row) == len(FEATURES)
    wanted = {"payments_10min": 0.0, "payments_1h": 1.0, "payments_24h": 2.0, "same_merchant_24h": 1.0, "same_amount_24h": 1.0}
    assert {name: column(name, row) for name in wanted} == wanted
    assert math.expm1(column("spent_24h_log", row)) == pytest.approx(1_500.0)
    assert math.expm1(column("last_payment_s_log", row)) == pytest.approx(1_000.0)
    assert math.expm1(column("usual_place_km_log", row)) == pytest.approx(343.5, abs=1.0)
    assert math.expm1(column("phone_s_log", row)) == pytest.approx(4_000.0)
    assert (column("new_country", row), column("is_card_present", row), column("weekend", row)) == (1.0, 1.0, 0.0)
    assert math.isnan(column("new_device", row))


def test_habits_before_do_not_change_the_state() -> None:
    state = SubjectState()
    for event in (payment(0.0, id="a"), payment(60.0, id="b"), payment(120.0, id="c")):
        ENGINE.process(state, event)
    written = dump(state)
    assert habits_before(state, ENGINE.sight(payment(60.0, id="b"))).payments == 1
    assert dump(state) == written
