from __future__ import annotations

import hmac
import math
from fractions import Fraction

import msgspec
import pytest

from privacy.differential.bounding import kept
from privacy.differential.budget import Budget, BudgetPolicy
from privacy.differential.keyed import KeyedDraws, discrete_laplace
from privacy.differential.noise import _loss, _threshold, add_laplace, laplace_radius, laplace_variance, scale_for, select, threshold_for
from privacy.differential.saved import from_saved, to_saved
from privacy.differential.tree import TreePolicy
from sketches.frame import pack
from veilocity.errors import SettingsError, StateError, UnsafePolicyError, UnsafeReleaseError

KEY = bytes(range(32))


def law(scale: float, reach: int) -> list[float]:
    """Return the chances of -reach .. reach."""
    decay = math.exp(-1.0 / scale)
    return [(1 - decay) / (1 + decay) * decay ** abs(value) for value in range(-reach, reach + 1)]


@pytest.mark.parametrize("scale", [0.3, 1.0, 8.0])
def test_variance_and_radius_are_those_of_the_law_summed_up(scale: float) -> None:
    reach = 400
    one = law(scale, reach)
    two = [
        sum(one[i] * one[total - i] for i in range(max(0, total - 2 * reach), min(total, 2 * reach) + 1)) for total in range(4 * reach + 1)
    ]
    assert laplace_variance(scale) == pytest.approx(
        sum(value**2 * chance for value, chance in zip(range(-reach, reach + 1), one, strict=True))
    )
    for terms, chances in ((1, one), (2, two)):
        middle = len(chances) // 2
        for confidence in (0.5, 0.9, 0.95, 0.999):
            radius = laplace_radius(scale, confidence, terms)
            assert sum(chances[middle - radius : middle + radius + 1]) >= confidence - 1e-12
            assert radius == 0 or sum(chances[middle - radius + 1 : middle + radius]) < confidence


@pytest.mark.parametrize(("sensitivity", "epsilon"), [(1, 0.1), (3, 0.7), (40, 10.0)])
def test_the_scale_is_proven_by_opendp_and_no_larger_than_needed(sensitivity: int, epsilon: float) -> None:
    scale = scale_for(sensitivity, epsilon)
    assert scale >= sensitivity / epsilon * (1 - 1e-12)
    assert scale <= sensitivity / epsilon * (1 + 1e-9)


def test_the_threshold_is_the_least_for_delta() -> None:
    for sensitivity, scale, delta in ((1, 2.0, 1e-6), (4, 8.0, 1e-6), (3, 0.4, 1e-9)):
        threshold = threshold_for(sensitivity, scale, delta)
        assert _loss(_threshold(scale, threshold), (sensitivity,) * 3)[1] <= delta
        assert _loss(_threshold(scale, threshold - 1), (sensitivity,) * 3)[1] > delta


def test_figures_that_give_no_guarantee_are_refused() -> None:
    for sensitivity, epsilon in ((0, 1.0), (1, 0.0), (1, math.inf), (1, math.nan)):
        with pytest.raises(UnsafePolicyError, match="positive"):
            scale_for(sensitivity, epsilon)
    for delta in (0.0, 1.0, math.nan):
        with pytest.raises(UnsafePolicyError, match="delta"):
            threshold_for(1, 1.0, delta)
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(UnsafePolicyError, match="confidence"):
            laplace_radius(1.0, confidence)


def test_each_value_gets_noise_of_its_own() -> None:
    # A chance of (1 - a) / (1 + a) squared a thousand times, below 1e-300, that all are equal.
    assert len(set(add_laplace([0] * 1000, 50.0))) > 1


def test_selection_keeps_busy_keys_in_order_and_drops_lonely_ones() -> None:
    # A chance of e^-900 / 2 that one of them goes the other way.
    assert list(select({"z": 2000, "a": 2000, "lonely": 1}, 1.0, 1000)) == ["a", "z"]
    assert select({}, 1.0, 1000) == {}


def test_bounding_keeps_as_many_as_allowed_and_the_same_in_any_order() -> None:
    people = ["ann"] * 5 + ["bob"] * 2
    records = [f"r{number}" for number in range(7)]
    chosen = {records[position] for position in kept(people, records, 3, KEY)}
    assert {"r5", "r6"} < chosen
    assert len(chosen) == 5
    turned = {records[::-1][position] for position in kept(people[::-1], records[::-1], 3, KEY)}
    assert turned == chosen


def test_bounding_is_decided_by_the_key_and_not_by_arrival() -> None:
    records = [f"r{number}" for number in range(20)]
    choices = {tuple(kept(["ann"] * 20, records, 3, bytes([number]) * 32)) for number in range(20)}
    assert len(choices) > 15
    assert (0, 1, 2) not in choices


def test_what_one_person_keeps_does_not_depend_on_others() -> None:
    alone = kept(["ann"] * 9, [f"r{number}" for number in range(9)], 2, KEY)
    together = kept(["ann"] * 9 + ["bob"] * 9, [f"r{number}" for number in range(18)], 2, KEY)
    assert [position for position in together if position < 9] == alone


def test_bounding_refuses_what_breaks_its_proof() -> None:
    with pytest.raises(UnsafeReleaseError, match="same name"):
        kept(["ann", "bob"], ["r1", "r1"], 1, KEY)
    with pytest.raises(UnsafePolicyError, match="at least one"):
        kept(["ann"], ["r1"], 0, KEY)
    with pytest.raises(SettingsError, match="31 bytes"):
        kept(["ann"], ["r1"], 1, KEY[:31])


def test_keyed_bits_are_those_of_hmac_in_counter_mode() -> None:
    draws = KeyedDraws(KEY, ["a", "bc"])
    message = b"\x92\xc4\x01a\xc4\x02bc"
    blocks = b"".join(hmac.digest(KEY, message + number.to_bytes(4, "big"), "sha256") for number in range(3))
    expected = int.from_bytes(blocks, "big")
    drawn = 0
    for count in (1, 200, 60, 300, 207):
        drawn = drawn << count | draws.bits(count)
    assert drawn == expected


def test_another_border_between_parts_is_another_message() -> None:
    streams = {KeyedDraws(KEY, message).bits(64) for message in (["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"])}
    assert len(streams) == 4


def test_below_is_uniform_to_the_last_value() -> None:
    draws = KeyedDraws(KEY, ["below"])
    assert {draws.below(3) for _ in range(200)} == {0, 1, 2}
    assert draws.below(1) == 0


def test_keyed_noise_is_the_same_in_every_release() -> None:
    golden = [discrete_laplace(KeyedDraws(KEY, [str(number)]), Fraction(500)) for number in range(4)]
    assert golden == [-849, -294, -287, 791]


def test_saved_state_that_is_not_whole_is_refused() -> None:
    policy = TreePolicy(name="p", epsilon=1.0, payments_per_person=1, window_ms=1)
    data = to_saved(b"TEST", policy)
    assert from_saved(b"TEST", data, TreePolicy) == policy
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    for kind, damaged, form in (
        (b"TEST", data[:-1], TreePolicy),
        (b"TEST", b"", TreePolicy),
        (b"TEST", flipped, TreePolicy),
        (b"ELSE", data, TreePolicy),
        (b"TEST", data, BudgetPolicy),
    ):
        with pytest.raises(StateError, match="never start it anew"):
            from_saved(kind, damaged, form)


def test_saved_state_with_figures_out_of_range_is_refused() -> None:
    policy = BudgetPolicy(release_epsilon=1.0, release_delta=0.0, person_epsilon=1.0, person_delta=0.0, horizon_ms=1)
    data = to_saved(b"DPBU", Budget(policy))
    assert Budget.from_bytes(data).policy == policy
    out_of_range = {"policy": {"release_epsilon": 1.0, "release_delta": 0.0, "person_epsilon": 0.5, "person_delta": 0.0, "horizon_ms": 1}}
    with pytest.raises(StateError, match="never start it anew"):
        Budget.from_bytes(pack(b"DPBU", 1, msgspec.msgpack.encode(out_of_range)))
