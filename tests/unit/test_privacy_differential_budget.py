from __future__ import annotations

import math
from typing import Any

import pytest

from privacy.differential.budget import Budget, BudgetPolicy, Charge, composed
from veilocity.errors import BudgetExhaustedError, StateError, UnsafePolicyError

HOUR = 3_600_000
DAY = 24 * HOUR


def policy(**change: Any) -> BudgetPolicy:
    figures = {"release_epsilon": 1.0, "release_delta": 1e-6, "person_epsilon": 3.0, "person_delta": 1e-5, "horizon_ms": DAY}
    return BudgetPolicy(**figures | change)


def charge(hour: int, epsilon: float = 1.0, delta: float = 0.0, what: str = "counts") -> Charge:
    return Charge(hour * HOUR, (hour + 1) * HOUR, what, epsilon, delta)


def test_the_fourth_release_within_a_day_is_refused_and_leaves_the_budget_as_it_was() -> None:
    budget = Budget(policy()).charge(charge(0)).charge(charge(5)).charge(charge(9))
    before = budget.to_bytes()
    with pytest.raises(BudgetExhaustedError, match="nothing was published"):
        budget.charge(charge(12))
    assert budget.to_bytes() == before


def test_a_day_begins_anywhere_and_not_at_midnight() -> None:
    budget = Budget(policy()).charge(charge(21)).charge(charge(22)).charge(charge(23))
    for hour in (24, 44, 45):
        with pytest.raises(BudgetExhaustedError):
            budget.charge(charge(hour))
    # The first stretch of a day that touches hour 46 ends at its first millisecond and begins after hour 21.
    assert charge(46) in budget.charge(charge(46)).charges


@pytest.mark.parametrize("turn", [1, -1])
def test_a_stretch_is_as_long_as_the_horizon_to_the_millisecond(turn: int) -> None:
    short = policy(person_epsilon=1.0, person_delta=0.0, release_delta=0.0, horizon_ms=10)
    budget = Budget(short).charge(Charge(100, 101, "counts", 1.0))
    with pytest.raises(BudgetExhaustedError):
        budget.charge(Charge(100 + 9 * turn, 101 + 9 * turn, "counts", 1.0))
    assert len(budget.charge(Charge(100 + 10 * turn, 101 + 10 * turn, "counts", 1.0)).charges) == 2


def test_a_hole_between_old_charges_is_not_free() -> None:
    budget = Budget(policy()).charge(charge(0)).charge(charge(1)).charge(charge(30)).charge(charge(31))
    budget = budget.charge(charge(15))
    with pytest.raises(BudgetExhaustedError):
        budget.charge(charge(16))


def test_windows_that_overlap_are_charged_both() -> None:
    day = Charge(0, DAY, "counts", 1.0)
    budget = Budget(policy()).charge(day).charge(charge(3)).charge(charge(4))
    with pytest.raises(BudgetExhaustedError):
        budget.charge(charge(5))


def test_charging_again_is_free_and_another_figure_is_refused() -> None:
    budget = Budget(policy()).charge(charge(0))
    assert budget.charge(charge(0)) is budget
    assert budget.find(charge(0)) == charge(0)
    assert budget.find(charge(1)) is None
    for other in (charge(0, 0.5), charge(0, 1.0, 1e-7)):
        with pytest.raises(UnsafePolicyError, match="new name"):
            budget.charge(other)
    assert len(budget.charge(charge(0, what="totals")).charges) == 2


def test_one_release_may_not_cost_more_than_a_release_may() -> None:
    for costly in (charge(0, 1.01), charge(0, 0.1, 2e-6)):
        with pytest.raises(BudgetExhaustedError, match="one release"):
            Budget(policy()).charge(costly)


def test_delta_runs_out_too() -> None:
    budget = Budget(policy())
    for hour in range(10):
        budget = budget.charge(charge(hour, 0.001, 1e-6))
    with pytest.raises(BudgetExhaustedError):
        budget.charge(charge(10, 0.001, 1e-6))
    assert len(budget.charge(charge(10, 0.001)).charges) == 11


def test_many_small_releases_cost_less_by_zcdp_and_few_large_ones_by_basic_composition() -> None:
    small = [charge(hour, 0.02) for hour in range(500)]
    rho = 500 * 0.02**2 / 2
    assert composed(small, 1e-6).epsilon == pytest.approx(rho + 2 * math.sqrt(rho * math.log(1e6)))
    assert composed(small, 1e-6).composition == "zCDP"
    assert composed(small, 0.0).epsilon == pytest.approx(10.0)
    assert composed(small, 0.0)[1:] == (0.0, "basic")
    assert composed(small[:3], 1e-6).composition == "basic"


def test_deltas_of_the_releases_leave_less_for_zcdp() -> None:
    spent = composed([charge(hour, 0.02, 1e-9) for hour in range(500)], 1e-6)
    rho = 500 * 0.02**2 / 2
    assert spent.epsilon == pytest.approx(rho + 2 * math.sqrt(rho * math.log(1 / (1e-6 - 500e-9))))
    assert spent.delta == 1e-6
    assert composed([charge(hour, 0.02, 1e-8) for hour in range(500)], 1e-6).composition == "basic"


def test_what_remains_fits_and_a_little_more_does_not() -> None:
    budget = Budget(policy(person_delta=0.0, release_delta=0.0)).charge(charge(0)).charge(charge(1)).charge(charge(2, 0.3))
    left = budget.remaining(5 * HOUR, 6 * HOUR)
    assert left == pytest.approx(0.7)
    assert charge(5, left) in budget.charge(charge(5, left)).charges
    with pytest.raises(BudgetExhaustedError):
        budget.charge(charge(5, left + 1e-9))
    assert budget.remaining(100 * HOUR, 101 * HOUR) == 1.0
    assert budget.remaining(5 * HOUR, 6 * HOUR, delta=1e-9) == 0.0


def test_nothing_remains_of_a_spent_budget() -> None:
    budget = Budget(policy()).charge(charge(0)).charge(charge(1)).charge(charge(2))
    assert budget.remaining(3 * HOUR, 4 * HOUR) < 1e-12
    assert budget.spent() == (3.0, 0.0, "basic")
    assert Budget(policy()).spent() == (0.0, 0.0, "basic")


def test_forgetting_frees_memory_and_nothing_else() -> None:
    budget = Budget(policy()).charge(charge(0)).charge(charge(30)).charge(charge(31)).charge(charge(32))
    short = budget.forget(33 * HOUR)
    assert short.charges == budget.charges[1:]
    with pytest.raises(BudgetExhaustedError):
        short.charge(charge(33))
    with pytest.raises(StateError, match="forgotten"):
        short.charge(charge(0))
    assert short.charge(charge(32)) is short
    assert short.forget(0) == short


def test_bytes_bring_the_budget_back() -> None:
    budget = Budget(policy()).charge(charge(7, 0.1, 1e-7)).charge(charge(2, 0.3))
    assert Budget.from_bytes(budget.to_bytes()) == budget
    assert Budget(policy()).charge(charge(2, 0.3)).charge(charge(7, 0.1, 1e-7)).to_bytes() == budget.to_bytes()


@pytest.mark.parametrize(
    "wrong", [charge(0, -0.1), charge(0, math.nan), charge(0, 0.1, -1e-9), Charge(5, 5, "counts", 0.1), Charge(5, 4, "counts", 0.1)]
)
def test_a_charge_that_is_none_is_refused(wrong: Charge) -> None:
    with pytest.raises(UnsafePolicyError, match="a charge needs"):
        Budget(policy()).charge(wrong)


@pytest.mark.parametrize(
    "change",
    [
        {"release_epsilon": 0.0},
        {"release_epsilon": 4.0},
        {"person_epsilon": math.inf},
        {"person_epsilon": math.nan},
        {"release_delta": -1e-9},
        {"release_delta": 1e-4},
        {"person_delta": 1.0},
        {"horizon_ms": 0},
    ],
)
def test_a_budget_that_bounds_nothing_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UnsafePolicyError):
        policy(**change)
