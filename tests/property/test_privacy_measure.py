"""Measures of tables beside plain loops over the definitions, on tables with missing values, repeated people and any dtype."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.measure import (
    alpha_k,
    beta_likeness,
    class_sizes,
    delta_disclosure,
    discernibility,
    enhanced_beta_likeness,
    entropy_diversity,
    information_loss,
    journalist_risk,
    k_anonymity,
    l_diversity,
    matching_people,
    measure,
    prosecutor_risk,
    recursive_diversity,
    t_closeness,
    unicity,
    uniqueness,
)

Row = tuple[Any, ...]
QUASI = ["zip", "age"]
PATHS = {
    "flu": ("flu", "lung", "any", "*"),
    "cold": ("cold", "lung", "any", "*"),
    "ulcer": ("ulcer", "stomach", "any", "*"),
    "burn": ("burn", "skin", "skin", "*"),
}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", None]),
        st.sampled_from([20, 30, None]),
        st.sampled_from(["flu", "cold", "ulcer", "burn", None]),
        st.sampled_from([1, 2, 3, 5, 8]),
        st.sampled_from(["ann", "bob", "cyd", "dan", None]),
    ),
    min_size=1,
    max_size=24,
)


def frame(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["zip", "age", "illness", "income", "who"]).astype({"age": "Int64"})


def groups(rows: list[Row]) -> dict[Hashable, list[Row]]:
    found: dict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[:2]].append(row)
    return found


def shares(rows: list[Row], place: int) -> list[tuple[Counter[Any], int]]:
    """The values of the sensitive column of each class with their counts, and of the whole table last."""
    return [(Counter(row[place] for row in members), len(members)) for members in [*groups(rows).values(), rows]]


def people(rows: list[Row]) -> int:
    return max(1, len({row[4] for row in rows} - {None}))


def earth_movers(q: list[float], p: list[float]) -> float:
    moved, total = 0.0, 0.0
    for here, there in zip(q, p, strict=True):
        moved += here - there
        total += abs(moved)
    return total / max(1, len(q) - 1)


def tree_distance(q: dict[Any, float], p: dict[Any, float]) -> float:
    """Li's own formula: for each inner node its height times what its children cannot settle below it."""
    paths: dict[Any, Row] = {**PATHS, None: (None, (), (), "*")}
    cost = 0.0
    for level in range(1, 4):
        extra: dict[Any, float] = defaultdict(float)
        for value in set(q) | set(p):
            extra[paths[value][level - 1 :]] += q.get(value, 0.0) - p.get(value, 0.0)
        inner: dict[Any, list[float]] = defaultdict(list)
        for node, over in extra.items():
            inner[node[1:]].append(over)
        for overs in inner.values():
            cost += level / 3 * min(sum(max(over, 0.0) for over in overs), -sum(min(over, 0.0) for over in overs))
    return cost


@given(ROWS)
def test_classes_and_people_are_counted_as_by_hand(rows: list[Row]) -> None:
    table, found = frame(rows), groups(rows)
    assert k_anonymity(table, QUASI) == min(len(members) for members in found.values())
    assert k_anonymity(table, QUASI, "who") == min(people(members) for members in found.values())
    assert class_sizes(table, QUASI, "who").classes == len(found)
    assert discernibility(table, QUASI) == sum(len(members) ** 2 for members in found.values())
    risks = [1 / people(found[row[:2]]) for row in rows]
    risk = prosecutor_risk(table, QUASI, "who", threshold=0.4)
    assert (risk.highest, risk.average) == pytest.approx((max(risks), sum(risks) / len(rows)))
    assert risk.at_risk == pytest.approx(sum(one > 0.4 for one in risks) / len(rows))
    assert uniqueness(table, QUASI, "who") == pytest.approx(risks.count(1.0) / len(rows))


@given(ROWS)
def test_disclosure_is_measured_as_by_its_definitions(rows: list[Row]) -> None:
    table = frame(rows)
    *classes, (whole, n) = shares(rows, 2)
    q = [{value: count / size for value, count in counts.items()} for counts, size in classes]
    p = {value: count / n for value, count in whole.items()}
    assert l_diversity(table, QUASI, "illness") == min(map(len, q))
    assert entropy_diversity(table, QUASI, "illness") == pytest.approx(
        min(math.exp(-sum(share * math.log(share) for share in one.values())) for one in q)
    )
    assert alpha_k(table, QUASI, "illness").alpha == max(max(one.values()) for one in q)
    falling = [sorted(counts.values(), reverse=True) for counts, _ in classes]
    for least in (1, 2, 3):
        expected = max(counts[0] / sum(counts[least - 1 :]) if len(counts) >= least else math.inf for counts in falling)
        assert recursive_diversity(table, QUASI, "illness", least) == pytest.approx(expected)
    gains = [(one.get(value, 0.0) / p[value] - 1, p[value]) for one in q for value in p]
    assert beta_likeness(table, QUASI, "illness") == pytest.approx(max(0.0, *(gain for gain, _ in gains)), abs=1e-12)
    broken = any(gain > 1e-12 and gain > -math.log(share) for gain, share in gains)
    assert (enhanced_beta_likeness(table, QUASI, "illness") == math.inf) == broken
    if all(value in one for one in q for value in p):
        expected = max(abs(math.log(one[value] / p[value])) for one in q for value in p)
        assert delta_disclosure(table, QUASI, "illness") == pytest.approx(expected)
    else:
        assert delta_disclosure(table, QUASI, "illness") == math.inf


@given(ROWS)
def test_closeness_is_the_earth_movers_distance(rows: list[Row]) -> None:
    table = frame(rows)
    *classes, (whole, n) = shares(rows, 2)
    q = [{value: count / size for value, count in counts.items()} for counts, size in classes]
    p = {value: count / n for value, count in whole.items()}
    equal = max(sum(abs(one.get(value, 0.0) - p[value]) for value in p) / 2 for one in q)
    assert t_closeness(table, QUASI, "illness") == pytest.approx(equal, abs=1e-12)
    tree = max(tree_distance(one, p) for one in q)
    assert t_closeness(table, QUASI, "illness", distance=PATHS) == pytest.approx(tree, abs=1e-12)
    *classes, (whole, n) = shares(rows, 3)
    values = sorted(whole)
    ordered = max(
        earth_movers([counts[value] / size for value in values], [whole[value] / n for value in values]) for counts, size in classes
    )
    assert t_closeness(table, QUASI, "income") == pytest.approx(ordered, abs=1e-12)


@given(st.lists(st.integers(0, 12), min_size=2, max_size=40), st.lists(st.integers(0, 12), min_size=2, max_size=40))
def test_the_mover_turns_back_where_the_two_distributions_cross(left: list[int], right: list[int]) -> None:
    """Two classes with several values each: between two values of a class the table's cumulated share passes the class's."""
    table = pd.DataFrame({"side": [0] * len(left) + [1] * len(right), "income": left + right})
    values = sorted({*left, *right})
    p = [(left + right).count(value) / len(table) for value in values]
    expected = max(earth_movers([side.count(value) / len(side) for value in values], p) for side in (left, right))
    assert t_closeness(table, "side", "income") == pytest.approx(expected, abs=1e-12)


@given(ROWS)
def test_a_missing_number_never_makes_t_smaller_than_it_is(rows: list[Row]) -> None:
    """The true distance, missing 1 away from all numbers: at least the change of the missing share, at most the equal distance."""
    table = frame([(zip_, age, illness, None if illness is None else income, who) for zip_, age, illness, income, who in rows])
    *classes, (whole, n) = shares([(*row[:3], None if row[2] is None else row[3]) for row in rows], 3)
    found = t_closeness(table, QUASI, "income", distance="ordered")
    assert found >= max(abs(counts[None] / size - whole[None] / n) for counts, size in classes) - 1e-12
    assert found <= 1.0 + 1e-12
    if None not in whole:
        assert found == t_closeness(frame(rows), QUASI, "income")


@given(ROWS)
def test_votes_count_each_person_once(rows: list[Row]) -> None:
    once = list(dict.fromkeys((*row[:3], 0, row[4]) for row in rows))
    for measure_of in (entropy_diversity, beta_likeness, t_closeness, recursive_diversity):
        assert measure_of(frame(rows), QUASI, "illness", person="who") == measure_of(frame(once), QUASI, "illness")


@given(ROWS)
def test_wildcards_are_matched_as_by_their_definition(rows: list[Row]) -> None:
    def hides(row: Row, other: Row) -> bool:
        return all(theirs is None or theirs == own for own, theirs in zip(row[:2], other[:2], strict=True))

    def agrees(row: Row, other: Row) -> bool:
        return all(theirs is None or own is None or theirs == own for own, theirs in zip(row[:2], other[:2], strict=True))

    table = frame(rows)
    for person, count in ((None, len), ("who", people)):
        expected = [count([other for other in rows if hides(row, other)]) for row in rows]
        found = matching_people(table, QUASI, person, missing="wildcard").tolist()
        assert found == expected
        assert k_anonymity(table, QUASI, person) <= min(found)
        assert all(own <= count([other for other in rows if agrees(row, other)]) for own, row in zip(found, rows, strict=True))


@given(ROWS, st.randoms(use_true_random=False), st.booleans())
def test_order_index_and_dtypes_change_nothing(rows: list[Row], random: Any, arrow: bool) -> None:
    first = frame(rows)
    report = measure(first, QUASI, ["illness", "income"], "who", missing="wildcard", distances={"illness": PATHS})
    shuffled = random.sample(rows, len(rows))
    other: Any = frame(shuffled)[["who", "income", "age", "illness", "zip"]]
    other["zip"] = other["zip"].astype(pd.CategoricalDtype(["0", "2", "1"]))
    other["age"] = other["age"].astype("float64")
    other["who"] = other["who"].astype("string")
    other.index = [random.randrange(3) for _ in rows]
    if arrow:
        other = pa.table({name: pa.array(other[name].tolist(), from_pandas=True) for name in other.columns})
        place, whole = other.schema.get_field_index("illness"), other.column("illness").cast(pa.string()).combine_chunks()
        # Two chunks, each with a dictionary of its own.
        halves = [whole.slice(0, 1).dictionary_encode(), whole.slice(1).dictionary_encode()]
        other = other.set_column(place, "illness", pa.chunked_array(halves))
    again = measure(other, list(reversed(QUASI)), ["illness", "income"], "who", missing="wildcard", distances={"illness": PATHS})
    assert msgspec.json.encode(msgspec.structs.replace(again, quasi=report.quasi)) == msgspec.json.encode(report)


@given(ROWS)
def test_the_report_says_what_each_function_says_alone(rows: list[Row]) -> None:
    table = frame(rows)
    report = measure(table, QUASI, "illness", "who", suppressed=2)
    votes = (report.sensitive_people or {})["illness"]
    assert report.k == k_anonymity(table, QUASI, "who")
    assert report.discernibility == discernibility(table, QUASI, suppressed=2)
    assert report.prosecutor == prosecutor_risk(table, QUASI, "who")
    assert report.sensitive["illness"].t == t_closeness(table, QUASI, "illness")
    assert votes.t == t_closeness(table, QUASI, "illness", "who")
    assert votes.alpha == alpha_k(table, QUASI, "illness", "who").alpha
    assert votes.distinct_l == report.sensitive["illness"].distinct_l
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report


@given(ROWS, st.integers(1, 3), st.integers(0, 2**32))
def test_people_are_unique_exactly_when_nobody_else_has_their_points(rows: list[Row], points: int, seed: int) -> None:
    traces: dict[str, set[Row]] = defaultdict(set)
    for row in rows:
        if row[4] is not None:
            traces[row[4]].add(row[:2])
    drawn = [who for who in traces if len(traces[who]) >= points]
    if not drawn:
        return
    found = unicity(frame(rows), QUASI, "who", points, rng=np.random.default_rng(seed))
    assert (found.people, found.short) == (len(drawn), len(traces) - len(drawn))
    assert found.low <= found.share <= found.high
    # Whoever holds all of another's points makes that one never unique; whoever meets nobody is always unique.
    never = sum(any(traces[who] <= traces[other] for other in traces if other != who) for who in drawn)
    always = sum(not any(traces[who] & traces[other] for other in traces if other != who) for who in drawn)
    assert always <= found.unique <= len(drawn) - never
    again = unicity(frame(rows[::-1]), QUASI, "who", points, rng=np.random.default_rng(seed))
    assert again == found


@given(ROWS)
def test_a_population_that_is_the_table_gives_the_prosecutors_risk(rows: list[Row]) -> None:
    table = frame(rows)
    assert journalist_risk(table, table.iloc[::-1], QUASI, "who") == prosecutor_risk(table, QUASI, "who")
    twice = pd.concat([table, table])
    assert journalist_risk(table, twice, QUASI).highest == prosecutor_risk(table, QUASI).highest / 2


@given(ROWS, st.integers(0, 5))
def test_loss_is_between_the_exact_and_the_empty_table(rows: list[Row], suppressed: int) -> None:
    table = frame(rows)
    loss = information_loss(table, {"illness": PATHS, "age": (0, 100)}, suppressed)
    assert loss.mean == pytest.approx(suppressed / (len(rows) + suppressed))
    hidden = information_loss(table.assign(illness="*", age="*"), {"illness": PATHS, "age": (0, 100)}, suppressed)
    assert hidden.mean == 1.0
