from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from privacy.anonymise import Hierarchy, Proof, anonymise, loss_curve, verify
from privacy.anonymise.proof import check_classes, checksum
from veilocity.errors import SettingsError, UnsafePolicyError, UnsafeReleaseError

CITY = Hierarchy.from_mapping({"Lyon": ["FR"], "Nice": ["FR"], "Bonn": ["DE"], "Kiel": ["DE"]})
AGE = Hierarchy.intervals(0, 120, (1, 5, 20))
QUASI = {"city": CITY, "age": AGE}


def table(rows: int = 60) -> pd.DataFrame:
    random = np.random.Generator(np.random.Philox(7))
    return pd.DataFrame(
        {
            "name": [f"person-{number % 25}" for number in range(rows)],
            "city": random.choice(["Lyon", "Nice", "Bonn", "Kiel"], rows),
            "age": random.integers(20, 60, rows),
            "ill": random.choice(["yes", "no"], rows),
            "income": random.integers(0, 5, rows) * 100,
        }
    )


def test_kind_of_the_output_is_that_of_the_input_and_both_say_the_same() -> None:
    frame = anonymise(table(), QUASI, 4)
    arrow = anonymise(pa.Table.from_pandas(table()), QUASI, 4)
    assert isinstance(frame.table, pd.DataFrame)
    assert isinstance(arrow.table, pa.Table)
    assert arrow.table.to_pandas().equals(frame.table)
    assert frame.proof == arrow.proof


def test_only_what_was_named_is_in_the_output() -> None:
    done = anonymise(table().set_index("name", drop=False), QUASI, 4, person="name", sensitive="ill", keep=["income"])
    assert list(done.table.columns) == ["city", "age", "ill", "income"]
    assert done.table.index.equals(pd.RangeIndex(len(done.table)))
    assert "person-" not in done.proof.to_json().decode()


def test_input_is_not_changed() -> None:
    given = table()
    anonymise(given, QUASI, 4)
    assert given.equals(table())


def test_suppressed_rows_are_starred_on_request_and_hide_everything() -> None:
    frame = pd.concat([table(), pd.DataFrame({"city": [None], "age": [None], "ill": ["yes"], "income": [7]})], ignore_index=True)
    lonely = anonymise(frame.iloc[-1:], QUASI, 4, sensitive="ill", keep=["income"], suppressed="starred")
    assert lonely.table["city"].tolist() == ["*"]
    assert lonely.table[["ill", "income"]].isna().all(axis=None)
    assert lonely.classes.tolist() == [-1]
    verify(lonely.table, lonely.proof)


def test_too_few_rows_are_all_suppressed() -> None:
    done = anonymise(table(5), QUASI, 6)
    assert (len(done.table), done.proof.suppressed, done.proof.loss) == (0, 5, 1.0)
    verify(done.table, done.proof)


def test_empty_table_stays_empty() -> None:
    done = anonymise(table(0), QUASI, 6, sensitive="ill", l=2)
    assert (len(done.table), done.proof.rows, done.proof.loss) == (0, 0, 0.0)
    assert list(done.table.columns) == ["city", "age", "ill"]


def test_rows_of_one_person_are_one_person() -> None:
    frame = table().assign(name="always-the-same")
    assert anonymise(frame, QUASI, 2, person="name").proof.released == 0


def test_rows_without_a_name_are_suppressed_since_they_might_be_anybodys() -> None:
    assert anonymise(table().assign(name=None), QUASI, 2, person="name").proof.released == 0
    some = table()
    some["name"] = [None, *range(1, len(some))]
    proof = anonymise(some, QUASI, 2, person="name").proof
    assert (proof.rows, proof.released, proof.suppressed) == (len(some), len(some) - 1, 1)


def test_more_diversity_than_there_are_values_suppresses_everything() -> None:
    assert anonymise(table(), QUASI, 2, sensitive="ill", l=3).proof.released == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"k": 1}, UnsafePolicyError),
        ({"l": 0}, UnsafePolicyError),
        ({"t": 1.5}, UnsafePolicyError),
        ({"l": 2}, UnsafePolicyError),
        ({"person": "city"}, UnsafePolicyError),
        ({"person": "name", "keep": ["name"]}, UnsafePolicyError),
        ({"person": "nobody"}, SettingsError),
        ({"keep": ["city"]}, SettingsError),
        ({"quasi": {}}, SettingsError),
        ({"quasi": {"planet": CITY}}, SettingsError),
    ],
)
def test_request_that_promises_nothing_or_cannot_be_met_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    request: dict[str, Any] = {"quasi": QUASI, "k": 4, **change}
    with pytest.raises(error):
        anonymise(table(), request.pop("quasi"), request.pop("k"), **request)


def test_search_that_errs_releases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from privacy.anonymise import recode

    def one_row_lost(*_: object) -> tuple[Any, Any]:
        labels = np.zeros(60, dtype=np.int64)
        labels[0] = 1
        return labels, np.array([[2, 3], [0, 0]])

    monkeypatch.setattr(recode, "_classes", one_row_lost)
    with pytest.raises(UnsafeReleaseError, match="1 people and 4"):
        anonymise(table(), QUASI, 4)


def test_search_that_counts_rows_for_people_releases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from privacy.anonymise import recode

    monkeypatch.setattr(recode, "_classes", lambda *_: (np.zeros(60, dtype=np.int64), np.array([[2, 3]])))
    assert anonymise(table(), QUASI, 25, person="name").proof.released == 60
    with pytest.raises(UnsafeReleaseError, match="25 people and 26"):
        anonymise(table(), QUASI, 26, person="name")


def test_rows_stand_in_the_order_of_what_is_printed_and_not_of_what_was_true() -> None:
    done = anonymise(table(400), QUASI, 20, sensitive="ill", keep=["income"])
    rows = list(done.table.itertuples(index=False, name=None))
    assert rows == sorted(rows)
    assert len(done.proof.classes) > 3


def test_large_table_in_any_order_gives_the_same_proof() -> None:
    frame = table(900)
    moved = frame.sample(frac=1, random_state=5)
    for person in (None, "name"):
        first, second = (anonymise(one, QUASI, 7, person=person, sensitive="ill", l=2) for one in (frame, moved))
        assert first.proof.to_json() == second.proof.to_json()


def test_proof_that_lost_a_row_fails_even_with_a_fitting_loss() -> None:
    done = anonymise(table(), QUASI, 4)
    lie = msgspec.structs.replace(done.proof, rows=61, loss=done.proof.loss * 60 / 61)
    with pytest.raises(UnsafeReleaseError, match="lost"):
        verify(done.table, lie)


def test_printed_value_that_does_not_cover_releases_nothing() -> None:
    from privacy.anonymise import recode

    tree, _ = CITY.tree([])
    with pytest.raises(UnsafeReleaseError, match="does not cover"):
        recode._check_cover(pd.Series(["Lyon"]), pd.Series(["DE"], name="city"), tree, CITY)


def test_proof_survives_json_and_proves_the_table_again() -> None:
    done = anonymise(table(), QUASI, 4, sensitive="ill", l=2, t=0.4)
    again = Proof.from_json(done.proof.to_json())
    assert again == done.proof
    verify(done.table.sample(frac=1, random_state=3), again)
    verify(pa.Table.from_pandas(done.table), again)


def test_changed_table_fails_its_proof() -> None:
    done = anonymise(table(), QUASI, 4, sensitive="ill")
    for changed in (done.table.iloc[1:], done.table.assign(city="*"), done.table.drop(columns="age")):
        with pytest.raises(UnsafeReleaseError, match="one run"):
            verify(changed, done.proof)


@pytest.mark.parametrize(
    "lie",
    [
        {"k": 30},
        {"l": 3},
        {"t": 0.0},
        {"loss": 0.0},
        {"rows": 61},
        {"classes": ()},
        {"released": 59},
        {"value_loss": {"city": {}, "age": {}}},
    ],
)
def test_proof_that_lies_fails_even_with_the_right_checksum(lie: dict[str, Any]) -> None:
    done = anonymise(table(), QUASI, 4, sensitive="ill", l=2)
    with pytest.raises(UnsafeReleaseError):
        verify(done.table, msgspec.structs.replace(done.proof, **lie))


def test_unsafe_table_fails_its_own_checksum_and_classes() -> None:
    done = anonymise(table(), QUASI, 4)
    raw = done.table.copy()
    raw.loc[0, "city"] = "Lyon" if raw.loc[0, "city"] != "Lyon" else "Bonn"
    with pytest.raises(UnsafeReleaseError):
        verify(raw, msgspec.structs.replace(done.proof, checksum=checksum(raw)))


def test_distance_of_exactly_t_is_allowed() -> None:
    frame = pd.DataFrame({"city": ["Lyon"] * 3 + ["Bonn"] * 3, "ill": ["yes", "no", "no", "yes", "yes", "no"]})
    done = anonymise(frame, {"city": CITY}, 3, sensitive="ill", t=1 / 6)
    assert [one.t for one in done.proof.classes] == [1 / 6, 1 / 6]


def test_numbers_are_compared_by_their_order() -> None:
    near = pd.DataFrame({"city": ["Lyon"] * 2 + ["Bonn"] * 2, "pay": [1, 2, 3, 4]})
    assert [one.t for one in anonymise(near, {"city": CITY}, 2, sensitive="pay").proof.classes] == [1 / 3, 1 / 3]
    named = near.assign(pay=near["pay"].astype(str))
    assert [one.t for one in anonymise(named, {"city": CITY}, 2, sensitive="pay").proof.classes] == [0.5, 0.5]


def test_class_below_its_promise_is_named_by_figures_only() -> None:
    classes = anonymise(table(), QUASI, 4, sensitive="ill").proof.classes
    with pytest.raises(UnsafeReleaseError, match="promised") as refusal:
        check_classes(classes, 50, 1, 1.0)
    assert "person" not in str(refusal.value)


def test_curve_never_falls_and_its_labels_are_valid() -> None:
    curve = loss_curve(table(), QUASI, range(2, 30))
    losses = [curve.loss[k] for k in curve.ks]
    assert losses == sorted(losses)
    for k in curve.ks:
        labels = curve.labels(k)
        assert all(count >= k for count in np.bincount(labels[labels >= 0]) if count)
    with pytest.raises(SettingsError, match="k = 99"):
        curve.labels(99)
    with pytest.raises(UnsafePolicyError):
        loss_curve(table(), QUASI, [1, 2])


def test_curve_counts_people() -> None:
    curve = loss_curve(table(), QUASI, (5, 25, 26), person="name")
    labels = curve.labels(5)
    people = table()["name"].groupby(labels).nunique()
    assert (people.drop(-1, errors="ignore") >= 5).all()
    assert curve.loss[26] == 1.0


def test_import_brings_no_compiler() -> None:
    code = "import sys, privacy.anonymise; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_kept_machine_code_older_than_any_source_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from privacy.anonymise import compiled

    (tmp_path / "__pycache__").mkdir()
    old, new = tmp_path / "__pycache__" / "old.nbi", tmp_path / "__pycache__" / "new.nbi"
    for second, file in enumerate((old, tmp_path / "sweep.py", new)):
        file.touch()
        os.utime(file, (second, second))
    monkeypatch.setattr(compiled, "_FOLDER", tmp_path)
    compiled._forget_stale()
    assert (old.exists(), new.exists()) == (False, True)


def test_nullable_and_categorical_columns_are_columns_like_others() -> None:
    plain = table()
    plain["age"] = plain["age"].where(plain.index > 0)
    typed = plain.astype({"age": "Int64", "city": "category", "ill": "string"})
    done = anonymise(plain, QUASI, 4, sensitive="ill", l=2)
    assert anonymise(typed, QUASI, 4, sensitive="ill", l=2).proof == done.proof


def test_column_that_is_there_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="once"):
        anonymise(pd.concat([table(), table()[["age"]]], axis=1), QUASI, 4)


def test_folder_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import caching

    from privacy.anonymise.compiled import compiled

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    def twice(number: int) -> int:
        return 2 * number

    assert compiled(twice)(21) == 42
