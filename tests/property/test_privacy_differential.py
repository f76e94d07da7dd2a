from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.differential.bounding import kept
from privacy.differential.budget import Budget, BudgetPolicy, Charge
from privacy.differential.counts import HOUR_MS, CountsPolicy, CountsRecord, NoisyBin, Payment, Window, _plan, draw
from privacy.differential.keyed import KeyedDraws
from privacy.differential.noise import _laplace, _loss, scale_for
from privacy.differential.places import destination, noisy_place
from privacy.differential.publication import publish
from privacy.differential.tree import Tree, TreePolicy, _parts
from veilocity.errors import BudgetExhaustedError, UnsafePolicyError
from veilocity.geo import great_circle_m

KEY = bytes(range(32))
HORIZON = 20

charges = st.builds(
    lambda start, width, what, epsilon, delta: Charge(start, start + width, what, epsilon, delta),
    st.integers(0, 100),
    st.integers(1, 15),
    st.sampled_from("ab"),
    st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5]),
    st.sampled_from([0.0, 1e-8, 1e-7]),
)
policies = st.builds(
    BudgetPolicy,
    release_epsilon=st.sampled_from([0.25, 0.5]),
    release_delta=st.just(1e-7),
    person_epsilon=st.sampled_from([0.5, 1.0, 2.5]),
    person_delta=st.sampled_from([1e-7, 1e-6]),
    horizon_ms=st.just(HORIZON),
)


def charged(policy: BudgetPolicy, wanted: list[Charge]) -> tuple[Budget, list[Charge]]:
    budget, taken = Budget(policy), []
    for charge in wanted:
        try:
            budget = budget.charge(charge)
        except (BudgetExhaustedError, UnsafePolicyError):
            continue
        taken.append(charge)
    return budget, taken


def cost(together: list[Charge], person_delta: float) -> tuple[float, float]:
    """Return epsilon and delta of a set of charges, by the textbook."""
    basic = math.fsum(one.epsilon for one in together), math.fsum(one.delta for one in together)
    rho = sum(one.epsilon**2 for one in together) / 2
    left = person_delta - basic[1]
    by_zcdp = (rho + 2 * math.sqrt(rho * math.log(1 / left)), person_delta) if left > 0 else (math.inf, math.inf)
    return min(basic, by_zcdp)


@given(policies, st.lists(charges, max_size=40))
def test_no_order_of_charges_exceeds_the_budget_in_any_stretch(policy: BudgetPolicy, wanted: list[Charge]) -> None:
    budget, taken = charged(policy, wanted)
    assert set(budget.charges) == set(taken)
    for begin in range(-HORIZON, 120):
        together = [one for one in budget.charges if one.window_start_ms < begin + HORIZON and one.window_end_ms > begin]
        epsilon, delta = cost(together, policy.person_delta)
        assert epsilon <= policy.person_epsilon * (1 + 1e-12)
        assert delta <= policy.person_delta


@given(policies, st.lists(charges, max_size=25))
def test_only_what_would_exceed_is_refused(policy: BudgetPolicy, wanted: list[Charge]) -> None:
    budget, _ = charged(policy, wanted)
    for charge in wanted:
        if charge.epsilon > policy.release_epsilon or any(held[:3] == charge[:3] for held in budget.charges):
            continue
        costs = [
            cost([charge, *(one for one in budget.charges if one[0] < begin + HORIZON and one[1] > begin)], policy.person_delta)
            for begin in range(charge.window_start_ms - HORIZON + 1, charge.window_end_ms)
        ]
        assert any(epsilon > policy.person_epsilon * (1 - 1e-12) or delta > policy.person_delta for epsilon, delta in costs)


@given(policies, st.lists(charges, max_size=25), st.data())
def test_replays_are_free_and_bytes_bring_everything_back(policy: BudgetPolicy, wanted: list[Charge], data: st.DataObject) -> None:
    budget, taken = charged(policy, wanted)
    for charge in data.draw(st.permutations(taken)):
        assert budget.charge(charge) is budget
    assert Budget.from_bytes(budget.to_bytes()) == budget


@given(policies, st.lists(charges, max_size=15), st.integers(0, 100), st.sampled_from([0.0, 1e-8]))
def test_what_remains_fits(policy: BudgetPolicy, wanted: list[Charge], start: int, delta: float) -> None:
    budget, _ = charged(policy, wanted)
    left = budget.remaining(start, start + 5, delta)
    new = Charge(start, start + 5, "new", left, delta)
    if left > 0.0:
        budget = budget.charge(new)
        assert new in budget.charges
    if left < policy.release_epsilon:
        with pytest.raises(BudgetExhaustedError):
            budget.charge(Charge(start, start + 5, "more", max(left, 1e-6), delta))


@given(policies, st.lists(charges, max_size=25), st.integers(0, 120), charges)
def test_forgetting_never_lets_more_through(policy: BudgetPolicy, wanted: list[Charge], before: int, later: Charge) -> None:
    budget, _ = charged(policy, wanted)
    shift = before + later.window_start_ms
    later = later._replace(window_start_ms=shift, window_end_ms=shift + 5, what="later")
    outcomes = []
    for one in (budget, budget.forget(before)):
        try:
            one.charge(later)
        except BudgetExhaustedError:
            outcomes.append(False)
        else:
            outcomes.append(True)
    assert outcomes[0] == outcomes[1]


class Grown(NamedTuple):
    tree: Tree
    windows: int


trees = st.builds(
    lambda first, values: Grown(_grown(first, values), len(values)),
    st.sampled_from([1, 2, 8]),
    st.lists(st.integers(0, 50), min_size=1, max_size=60),
)


def _grown(first: int, values: list[int]) -> Tree:
    tree = Tree(TreePolicy(name="p", epsilon=1.0, payments_per_person=2, window_ms=1, first_windows=first), 0)
    for number, value in enumerate(values):
        tree = tree.add(number, value)
    return tree


@given(trees)
def test_a_total_is_the_sum_of_its_nodes_and_stays(grown: Grown) -> None:
    tree, first = grown.tree, grown.tree.policy.first_windows
    half = as_it_was(tree, grown.windows // 2 + 1)
    for index in range(grown.windows):
        parts = [position for position, _ in _parts(index, first)]
        assert len(set(parts)) == len(parts)
        assert max(parts) == index
        assert tree.total(index).value == sum(tree.nodes[position] for position in parts)
        if index < len(half.nodes):
            assert half.total(index) == tree.total(index)


def as_it_was(tree: Tree, windows: int) -> Tree:
    """Return the tree as it was after some windows, as far as totals go."""
    return Tree(tree.policy, tree.first_start_ms, tree.nodes[:windows])


@given(st.floats(0.001, 10.0), st.integers(1, 50), st.floats(0.01, 0.99))
def test_the_shares_of_a_policy_cost_no_more_than_it_says(epsilon: float, most: int, share: float) -> None:
    policy = CountsPolicy(name="p", epsilon=epsilon, payments_per_person=most, public_cells=(), overall_share=share)
    plan = _plan(policy)
    losses = [Fraction(_loss(_laplace(scale), most)) for scale in (plan.cells_scale, plan.overall_scale)]
    assert sum(losses) <= Fraction(epsilon)
    assert float(sum(losses)) >= epsilon * (1 - 1e-6)


@given(st.integers(1, 100), st.floats(0.001, 10.0))
def test_opendp_proves_the_epsilon_of_every_scale(sensitivity: int, epsilon: float) -> None:
    assert _loss(_laplace(scale_for(sensitivity, epsilon)), sensitivity) <= epsilon


payments = st.lists(
    st.tuples(st.sampled_from(["ann", "bob", "eve"]), st.sampled_from("xyz"), st.integers(0, 2 * HOUR_MS - 1), st.booleans()), max_size=30
).map(
    lambda rows: [Payment(f"t{number}", person, event_ms, cell, flagged) for number, (person, cell, event_ms, flagged) in enumerate(rows)]
)


@given(payments, st.integers(1, 6), st.sampled_from(["ann", "bob", "eve"]))
def test_one_person_changes_the_kept_payments_by_no_more_than_allowed(rows: list[Payment], most: int, person: str) -> None:
    def chosen(held: list[Payment]) -> set[str]:
        return {held[position].id for position in kept([one.person for one in held], [one.id for one in held], most, KEY)}

    with_person, without = chosen(rows), chosen([one for one in rows if one.person != person])
    assert without <= with_person
    assert len(with_person - without) <= most


@given(payments)
def test_a_record_survives_its_bytes_and_is_published_alike(rows: list[Payment]) -> None:
    policy = CountsPolicy(name="p", epsilon=1.0, payments_per_person=2, public_cells=("x", "y"))
    record = draw(rows, Window(0, 2 * HOUR_MS), policy, KEY)
    again = CountsRecord.from_bytes(record.to_bytes())
    assert again == record
    assert publish(again) == publish(record)
    assert len(record.bins) == 4


@given(st.integers(-100, 1000), st.integers(-100, 1000), st.floats(0.1, 50.0))
def test_published_figures_agree_with_one_another(unflagged: int, flagged: int, scale: float) -> None:
    record = CountsRecord(
        policy=CountsPolicy(name="p", epsilon=1.0, payments_per_person=1, public_cells=("a",)),
        window=Window(0, HOUR_MS),
        cells_scale=scale,
        overall_scale=scale,
        threshold=None,
        bins=(NoisyBin("a", 0, unflagged, flagged),),
        overall_unflagged=unflagged,
        overall_flagged=flagged,
    )
    for shown in (*publish(record).cells, publish(record).overall):
        assert 0 <= shown.flagged.value <= shown.payments.value
        assert shown.payments.low <= shown.payments.value <= shown.payments.high
        assert 0.0 <= shown.fraud_rate.low <= shown.fraud_rate.high <= 1.0
        assert shown.fraud_rate.value is None or shown.fraud_rate.low <= shown.fraud_rate.value <= shown.fraud_rate.high


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(0, 7e6), st.floats(0, 360))
def test_a_destination_is_as_far_as_asked_wherever(lat: float, lon: float, distance_m: float, azimuth_deg: float) -> None:
    assert great_circle_m(lat, lon, *destination(lat, lon, distance_m, azimuth_deg)) == pytest.approx(distance_m, rel=1e-6, abs=1e-6)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(1e-5, 0.1), st.text(max_size=8))
def test_a_noisy_place_is_a_place_and_the_same_again(lat: float, lon: float, epsilon: float, record: str) -> None:
    moved = noisy_place(lat, lon, epsilon_per_m=epsilon, key=KEY, record=record)
    assert -90.0 <= moved[0] <= 90.0
    assert -180.0 <= moved[1] <= 180.0
    assert moved == noisy_place(lat, lon, epsilon_per_m=epsilon, key=KEY, record=record)


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_different_messages_have_different_draws(first: list[str], second: list[str]) -> None:
    same = KeyedDraws(KEY, first).bits(128) == KeyedDraws(KEY, second).bits(128)
    assert same == (first == second)
