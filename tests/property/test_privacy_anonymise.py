"""Whatever the table, the hierarchies and the promise: what comes out keeps it, and nothing of the input's order reaches it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from privacy.anonymise import Anonymised, Hierarchy, anonymise, loss_curve, verify

SECRETS: list[list[Any]] = [["yes", "no", None], [1, 2, 3, 10]]
NAMES = st.text("abcdefgh", min_size=1, max_size=2)


@st.composite
def hierarchies(draw: st.DrawFn) -> tuple[Hierarchy, list[Any]]:
    """Any mapping, groups that share names with values and with each other among them; or intervals."""
    if draw(st.booleans()):
        return Hierarchy.intervals(0, 24, (1, 3, 12)), list(range(24))
    height = draw(st.integers(0, 2))
    leaves = draw(st.lists(NAMES, min_size=1, max_size=8, unique=True))
    above = {leaf: [f"group {draw(st.sampled_from('xyz'))}" for _ in range(height)] for leaf in leaves}
    return Hierarchy.from_mapping(above, unknown="root"), [*leaves, "stranger"]


@st.composite
def requests(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table with nulls, few values, people who come again, and a promise that it may be unable to keep."""
    chosen = draw(st.lists(hierarchies(), min_size=1, max_size=3))
    rows = draw(st.integers(0, 40))
    columns: dict[str, list[Any]] = {
        f"q{at}": draw(st.lists(st.none() | st.sampled_from(values), min_size=rows, max_size=rows)) for at, (_, values) in enumerate(chosen)
    }
    columns["who"] = draw(st.lists(st.none() | st.integers(0, draw(st.integers(0, 40))), min_size=rows, max_size=rows))
    secrets: list[Any] = draw(st.sampled_from(SECRETS))
    columns["secret"] = draw(st.lists(st.sampled_from(secrets), min_size=rows, max_size=rows))
    quasi = {f"q{at}": hierarchy for at, (hierarchy, _) in enumerate(chosen)}
    request = {
        "quasi": quasi,
        "k": draw(st.integers(2, 8)),
        "person": draw(st.sampled_from(["who", None])),
        "sensitive": "secret",
        "l": draw(st.integers(1, 3)),
        "t": draw(st.sampled_from([0.0, 0.1, 0.3, 1.0])),
        "effort": draw(st.sampled_from(["fast", "fine"])),
        "suppressed": draw(st.sampled_from(["removed", "starred"])),
    }
    return pd.DataFrame(columns).astype({name: object for name in quasi}), request


def run(frame: pd.DataFrame, request: dict[str, Any], **change: Any) -> Anonymised[pd.DataFrame]:
    return anonymise(frame, **{**request, **change})


@given(requests())
def test_output_proves_itself_and_loses_no_row(case: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, request = case
    done = run(frame, request)
    verify(done.table, done.proof)
    assert done.proof.released + done.proof.suppressed == len(frame)
    assert len(done.table) == (len(frame) if request["suppressed"] == "starred" else done.proof.released)
    assert 0 <= done.proof.loss <= 1


@given(requests())
def test_k_and_l_hold_by_plain_counting(case: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, request = case
    # The marker tells the test who is behind a row; it is unique, and copied.
    marked = frame.assign(marker=range(len(frame)))
    done = run(marked, request, keep=["marker"], suppressed="removed")
    people: dict[tuple[str, ...], set[object]] = defaultdict(set)
    secrets: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in done.table.to_dict("records"):
        printed = tuple(row[name] for name in request["quasi"])
        source = marked.iloc[row["marker"]]
        who = source["who"] if request["person"] else row["marker"]
        # A row without a name might be anybody's: it is not in the output at all.
        assert not pd.isna(who)
        people[printed].add(who)
        secrets[printed].add("missing" if pd.isna(source["secret"]) else str(source["secret"]))
        for name, hierarchy in request["quasi"].items():
            value = source[name]
            path = hierarchy.path(None if pd.isna(value) else value)
            assert row[name] in path or row[name].strip("[]") in {"/".join(reversed(path[at:-1])) for at in range(len(path))}
            if row[name] not in ("*", *path[:1]) and pd.isna(value):
                raise AssertionError("a missing value lies under a wider one")
    assert all(len(found) >= request["k"] for found in people.values())
    assert all(len(found) >= request["l"] for found in secrets.values())


@given(requests(), st.randoms(use_true_random=False))
def test_order_and_index_of_the_input_do_not_reach_the_output(case: tuple[pd.DataFrame, dict[str, Any]], random: Any) -> None:
    frame, request = case
    places = list(range(len(frame)))
    random.shuffle(places)
    moved = frame.iloc[places]
    moved.index = pd.Index([f"row {place}" for place in range(len(frame))], dtype=object)
    first, second = run(frame, request), run(moved, request)
    assert first.proof.to_json() == second.proof.to_json()
    assert first.table.astype(object).equals(second.table.astype(object))
    assert first.classes.tolist() == second.classes.tolist()


@given(requests())
def test_more_people_than_there_are_suppresses_everything(case: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, request = case
    people = len({"nobody" if pd.isna(who) else who for who in frame["who"]}) if request["person"] else len(frame)
    assert run(frame, request, k=people + 2).proof.released == 0


@given(requests())
def test_every_point_of_the_curve_is_valid(case: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    frame, request = case
    curve = loss_curve(frame, request["quasi"], range(2, 12), person=request["person"])
    for k in curve.ks:
        labels = curve.labels(k).tolist()
        behind = [("nobody" if pd.isna(who) else who) if request["person"] else at for at, who in enumerate(frame["who"])]
        sizes = Counter(label for label, _ in set(zip(labels, behind, strict=True)) if label >= 0)
        assert all(size >= k for size in sizes.values())
    losses = [curve.loss[k] for k in curve.ks]
    assert losses == sorted(losses)
