"""Each filter names what it should, on both sides of its threshold, and drops nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ingest.filters import FilterLimits, Filters
from tests.unit import rules_world
from veilocity.contracts import DeviceId, Fix, FixFilter, FixFlag, SubjectId
from veilocity.eventtime import NS_PER_S

NOON_S = 1_700_000_000
HERE = (52.516312, 13.377712)
METRES = 1 / 111_195


def fix(at_s: float = 0.0, **changes: Any) -> Fix:
    fields: dict[str, Any] = {
        "subject": SubjectId("p"),
        "device": DeviceId("d"),
        "source": "owntracks",
        "fix_ns": int((NOON_S + at_s) * NS_PER_S),
        "received_ms": int((NOON_S + at_s) * 1000),
        "lat": HERE[0],
        "lon": HERE[1],
    }
    return Fix(**(fields | changes))


def names(*fixes: Fix, limits: FilterLimits | None = None) -> list[tuple[FixFilter, ...]]:
    return [one.filters for one in Filters(limits or FilterLimits()).name_all(fixes)]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (FixFilter.ZERO, {"lat": 0.0}),
        (FixFilter.FUTURE, {"received_ms": (NOON_S - 31) * 1000}),
        (FixFilter.ACCURACY, {"accuracy_m": 500.1}),
        (FixFilter.APPROXIMATE, {"source": "gpslogger/network"}),
        (FixFilter.APPROXIMATE, {"flags": (FixFlag.CLOAKED,)}),
        (FixFilter.STATIC, {"speed_mps": 0.0}),
    ],
)
def test_a_fix_alone_is_named(name: FixFilter, changes: dict[str, Any]) -> None:
    assert names(fix(**changes)) == [(name,)]


@pytest.mark.parametrize("changes", [{"received_ms": (NOON_S - 29) * 1000}, {"accuracy_m": 500.0}, {"speed_mps": 0.1}, {"source": "x/gps"}])
def test_this_side_of_the_threshold_it_is_not(changes: dict[str, Any]) -> None:
    assert names(fix(**changes)) == [()]


@pytest.mark.parametrize(
    ("name", "second"),
    [
        (FixFilter.DUPLICATE, fix(0, lat=HERE[0] + 11 * METRES)),
        (FixFilter.DISTANCE, fix(5, lat=HERE[0] + 9 * METRES)),
        (FixFilter.MAX_SPEED, fix(5, lat=HERE[0] + 1600 * METRES)),
        (FixFilter.MAX_SPEED, fix(-5, lat=HERE[0] + 1600 * METRES)),
        (FixFilter.MAX_SPEED, fix(5, lat=HERE[0] + 11 * METRES, speed_mps=306.0)),
        (FixFilter.MIN_PERIOD, fix(0.9, lat=HERE[0] + 11 * METRES)),
    ],
)
def test_a_fix_is_compared_with_the_one_before(name: FixFilter, second: Fix) -> None:
    assert names(fix(), second) == [(), (name,)]


def test_an_ordinary_step_has_no_name() -> None:
    assert names(fix(), fix(5, lat=HERE[0] + 1500 * METRES, speed_mps=300.0)) == [(), ()]


def test_after_a_jump_the_way_home_is_not_named() -> None:
    jump = fix(10, lat=HERE[0] + 1.0)
    assert names(fix(), jump, fix(20, lat=HERE[0] + 50 * METRES)) == [(), (FixFilter.MAX_SPEED,), ()]


def test_after_a_long_silence_a_still_phone_is_news() -> None:
    still = fix(3_601, speed_mps=0.0)
    assert names(fix(), fix(3_599, speed_mps=0.0)) == [(), (FixFilter.STATIC, FixFilter.DISTANCE)]
    assert names(fix(), still) == [(), ()]
    assert names(fix(), still, limits=FilterLimits(skip_limit_s=0.0))[1] == (FixFilter.STATIC, FixFilter.DISTANCE)


def test_what_the_sender_said_stays() -> None:
    assert names(fix(filters=(FixFilter.INVALID,))) == [(FixFilter.INVALID,)]


def test_zero_turns_a_filter_off() -> None:
    off = FilterLimits(*(0.0 for _ in FilterLimits._fields))
    odd = fix(0.5, lat=HERE[0] + 1.0, accuracy_m=9_999.0, received_ms=NOON_S * 1000 - 99_000)
    assert names(fix(), odd, limits=off) == [(), ()]


def test_phones_are_apart_and_the_one_silent_for_longest_is_forgotten() -> None:
    filters = Filters(FilterLimits(), devices=2)

    def seen(device: str, step: int) -> tuple[FixFilter, ...]:
        return filters.name_all([fix(10.0 * step, device=DeviceId(device), lat=HERE[0] + step * 1e-3)])[0].filters

    assert (seen("a", 0), seen("b", 0), seen("a", 1)) == ((), (), ())
    assert (seen("c", 0), len(filters)) == ((), 2)
    # `b` was silent for longest: what would be named for `a` is not for `b`.
    assert seen("a", 1) == (FixFilter.DUPLICATE, FixFilter.DISTANCE)
    assert seen("b", 0) == ()


def test_other_items_pass_untouched() -> None:
    assert Filters(FilterLimits()).name_all(["x", 1]) == ["x", 1]


def test_no_rule_reads_the_names() -> None:
    plain = [rules_world.fix(60.0 * minute, accuracy_m=20.0) for minute in range(40)] + [rules_world.fix(2_430, rules_world.LAGOS)]
    named = [msgspec.structs.replace(one, filters=tuple(FixFilter)) for one in plain]
    paid = rules_world.payment(2_460, rules_world.PARIS)
    before, after = rules_world.play([*plain, paid]), rules_world.play([*named, paid])
    assert before.standing
    assert (after.standing, after.decisions) == (before.standing, before.decisions)
