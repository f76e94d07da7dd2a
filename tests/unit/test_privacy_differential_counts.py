from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from privacy.differential import counts, publications
from privacy.differential.budget import Budget, BudgetPolicy, Charge
from privacy.differential.counts import HOUR_MS, CountsPolicy, CountsRecord, NoisyBin, Payment, Window, draw
from privacy.differential.publication import publish
from privacy.differential.publications import PublicationLog
from veilocity.errors import BudgetExhaustedError, StateError, UnsafePolicyError, UnsafeReleaseError

KEY = bytes(range(32))
TWO_HOURS = Window(0, 2 * HOUR_MS)
PUBLIC = CountsPolicy(name="public", epsilon=1.0, payments_per_person=2, public_cells=("b", "a"))
HIDDEN = CountsPolicy(name="hidden", epsilon=1.0, payments_per_person=2, delta=1e-6)


def payment(number: int, person: str, cell: str = "a", hour: int = 0, *, flagged: bool = False) -> Payment:
    return Payment(f"t{number}", person, hour * HOUR_MS + number, cell, flagged)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the noise away, so that what is counted can be seen."""

    def shown(counted: Mapping[str, int], scale: float, threshold: int) -> dict[str, int]:
        del scale
        return {label: count for label, count in counted.items() if count >= threshold}

    def unchanged(values: Sequence[int], scale: float) -> list[int]:
        del scale
        return list(values)

    monkeypatch.setattr(counts, "add_laplace", unchanged)
    monkeypatch.setattr(counts, "select", shown)


@pytest.mark.usefixtures("silent")
def test_public_cells_are_shown_for_every_hour_and_others_count_in_the_whole_only() -> None:
    payments = [payment(1, "ann"), payment(2, "bob", hour=1, flagged=True), payment(3, "eve", "elsewhere"), payment(4, "joe")]
    record = draw(payments, TWO_HOURS, PUBLIC, KEY)
    assert record.bins == (
        NoisyBin("a", 0, 2, 0),
        NoisyBin("a", HOUR_MS, 0, 1),
        NoisyBin("b", 0, 0, 0),
        NoisyBin("b", HOUR_MS, 0, 0),
    )
    assert (record.overall_unflagged, record.overall_flagged) == (3, 1)


@pytest.mark.usefixtures("silent")
def test_a_person_counts_as_often_as_allowed() -> None:
    payments = [payment(number, "ann", flagged=number % 2 == 0) for number in range(50)] + [payment(99, "bob")]
    record = draw(payments, TWO_HOURS, PUBLIC, KEY)
    assert record.overall_unflagged + record.overall_flagged == 3
    assert sum(one.unflagged + one.flagged for one in record.bins) == 3


@pytest.mark.usefixtures("silent")
def test_cells_that_are_not_public_are_shown_from_the_threshold_on() -> None:
    record = draw([], TWO_HOURS, HIDDEN, KEY)
    assert record.bins == ()
    assert record.threshold is not None
    busy = [payment(number, f"p{number}", "z z") for number in range(record.threshold)]
    quiet = [payment(10_000 + number, f"q{number}", "y") for number in range(record.threshold - 1)]
    flagged = [payment(20_000 + number, f"f{number}", "x", flagged=True) for number in range(2 * record.threshold)]
    more = [payment(30_000 + number, f"m{number}", "z z", flagged=True) for number in range(7)]
    assert draw(busy + quiet + flagged + more, TWO_HOURS, HIDDEN, KEY).bins == (NoisyBin("z z", 0, record.threshold, 7),)


@pytest.mark.usefixtures("silent")
def test_the_order_of_payments_changes_nothing() -> None:
    payments = [payment(number, f"p{number % 4}", "ab"[number % 2], number % 3 % 2, flagged=number % 5 == 0) for number in range(40)]
    assert draw(payments, TWO_HOURS, PUBLIC, KEY) == draw(payments[::-1], TWO_HOURS, PUBLIC, KEY)


def test_another_draw_has_other_noise_and_its_record_does_not() -> None:
    policy = CountsPolicy(name="many", epsilon=0.1, payments_per_person=5, public_cells=tuple(f"c{number}" for number in range(100)))
    first, second = (draw([], TWO_HOURS, policy, KEY) for _ in range(2))
    # 400 draws of scale 62.5 agree with a chance below 1e-800.
    assert first.bins != second.bins
    again = CountsRecord.from_bytes(first.to_bytes())
    assert msgspec.json.encode(publish(again)) == msgspec.json.encode(publish(first))


def test_a_payment_that_does_not_belong_stops_everything() -> None:
    for event_ms in (-1, 2 * HOUR_MS):
        with pytest.raises(UnsafeReleaseError, match="outside"):
            draw([Payment("t", "ann", event_ms, "a", flagged=False)], TWO_HOURS, PUBLIC, KEY)
    with pytest.raises(UnsafeReleaseError, match="same name"):
        draw([payment(1, "ann"), payment(1, "bob")], TWO_HOURS, PUBLIC, KEY)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": 10.1}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"payments_per_person": 0}, "payments_per_person"),
        ({"overall_share": 0.0}, "overall_share"),
        ({"overall_share": 1.0}, "overall_share"),
        ({"confidence": 1.0}, "confidence"),
        ({"delta": 1e-4}, "its delta is 0"),
        ({"public_cells": None}, "needs a delta"),
        ({"public_cells": None, "delta": 1e-3}, "needs a delta"),
        ({"public_cells": ("a", "a")}, "once"),
    ],
)
def test_a_policy_without_a_guarantee_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnsafePolicyError, match=sentence):
        msgspec.convert({"name": "p", "epsilon": 1.0, "payments_per_person": 2, "public_cells": ("a",)} | change, CountsPolicy)


@pytest.mark.parametrize("window", [(0, 0), (1, HOUR_MS), (0, HOUR_MS + 1), (HOUR_MS, 0)])
def test_a_window_is_whole_hours(window: tuple[int, int]) -> None:
    with pytest.raises(UnsafePolicyError, match="whole hours"):
        Window(*window)


def record_of(unflagged: int, flagged: int) -> CountsRecord:
    return CountsRecord(
        policy=PUBLIC,
        window=TWO_HOURS,
        cells_scale=2.5,
        overall_scale=10.0,
        threshold=None,
        bins=(NoisyBin("a", 0, unflagged, flagged),),
        overall_unflagged=500,
        overall_flagged=20,
    )


@pytest.mark.parametrize(
    ("unflagged", "flagged", "payments", "shown", "rate"),
    [(90, 10, 100, 10, 0.1), (-3, 8, 5, 5, 1.0), (8, -3, 5, 0, 0.0), (-3, -4, 0, 0, None), (-9, 4, 0, 0, None), (0, 0, 0, 0, None)],
)
def test_negative_noise_is_cut_after_the_draw(unflagged: int, flagged: int, payments: int, shown: int, rate: float | None) -> None:
    cell = publish(record_of(unflagged, flagged)).cells[0]
    assert (cell.payments.value, cell.flagged.value, cell.fraud_rate.value) == (payments, shown, rate)


def test_intervals_are_wider_where_two_draws_meet() -> None:
    shown = publish(record_of(1000, 100))
    payments, flagged, rate = shown.cells[0].payments, shown.cells[0].flagged, shown.cells[0].fraud_rate
    # Radii of one and of two draws of scale 2.5 at 95 %, by summing the law; the rate's, of one draw at 97.5 %.
    assert (flagged.low, flagged.high) == (93, 107)
    assert (payments.low, payments.high) == (1090, 1110)
    assert (rate.low, rate.high) == (91 / (91 + 1009), 109 / (109 + 991))
    assert payments.standard_error == pytest.approx(flagged.standard_error * 2**0.5, abs=0.01)
    assert shown.overall.payments.standard_error > payments.standard_error
    assert (shown.selection, shown.threshold, shown.epsilon, shown.payments_per_person) == ("public", None, 1.0, 2)


def budget(windows: int = 1) -> Budget:
    week = 7 * 24 * HOUR_MS
    policy = BudgetPolicy(release_epsilon=1.0, release_delta=1e-6, person_epsilon=windows, person_delta=1e-5, horizon_ms=week)
    return Budget(policy)


def test_a_replay_finds_the_record_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log, record = PublicationLog(budget()).drawn([payment(1, "ann")], TWO_HOURS, PUBLIC, KEY)
    restored = PublicationLog.from_bytes(log.to_bytes())
    monkeypatch.setattr(publications, "draw", None)
    again, same = restored.drawn([], TWO_HOURS, PUBLIC, KEY)
    assert again is restored
    assert publish(same) == publish(record)


def test_nothing_is_drawn_when_the_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    log, _ = PublicationLog(budget()).drawn([], TWO_HOURS, PUBLIC, KEY)
    monkeypatch.setattr(publications, "draw", None)
    with pytest.raises(BudgetExhaustedError, match="spent"):
        log.drawn([], Window(2 * HOUR_MS, 4 * HOUR_MS), PUBLIC, KEY)


def test_nothing_is_charged_when_nothing_can_be_drawn() -> None:
    log = PublicationLog(budget())
    with pytest.raises(UnsafeReleaseError):
        log.drawn([payment(1, "ann", hour=2)], TWO_HOURS, PUBLIC, KEY)
    assert log == PublicationLog(budget())


def test_a_changed_policy_needs_a_new_name() -> None:
    log, _ = PublicationLog(budget(windows=2)).drawn([], TWO_HOURS, PUBLIC, KEY)
    with pytest.raises(UnsafePolicyError, match="new name"):
        log.drawn([], TWO_HOURS, msgspec.structs.replace(PUBLIC, epsilon=0.5), KEY)
    renamed, _ = log.drawn([], TWO_HOURS, msgspec.structs.replace(PUBLIC, name="other"), KEY)
    assert len(renamed.records) == 2


def test_a_charge_whose_record_is_lost_is_never_drawn_again() -> None:
    charged = budget(windows=5).charge(Charge(0, 2 * HOUR_MS, "public", 1.0))
    with pytest.raises(StateError, match="not remembered"):
        PublicationLog(charged).drawn([], TWO_HOURS, PUBLIC, KEY)


def test_what_is_forgotten_is_never_drawn_again() -> None:
    log, _ = PublicationLog(budget(windows=9)).drawn([], TWO_HOURS, PUBLIC, KEY)
    later, record = log.drawn([], Window(2 * HOUR_MS, 4 * HOUR_MS), PUBLIC, KEY)
    short = later.forget(2 * HOUR_MS)
    assert short.records == (record,)
    with pytest.raises(StateError):
        short.drawn([], TWO_HOURS, PUBLIC, KEY)
    years = later.forget(10**12)
    with pytest.raises(StateError):
        years.drawn([], TWO_HOURS, PUBLIC, KEY)
