"""`measure` and `anonymise` of tables on disk: what they print, write and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import typer
from pyarrow import parquet
from typer.testing import CliRunner

from privacy.anonymise import Proof, verify
from privacy.measure import information_loss, k_anonymity, l_diversity, measure
from privacy.measure.files import read_hierarchy, read_table
from veilocity.cli import privacy_tables
from veilocity.cli.privacy_tables import read_policy
from veilocity.errors import SettingsError, UnsafePolicyError, UnsafeReleaseError

app = typer.Typer()
app.command()(privacy_tables.measure)
app.command()(privacy_tables.anonymise)

CARDS = ["4111111111111111", "4222222222222", "5105105105105100", "340000000000009"]
TABLE = pd.DataFrame(
    {
        "card": [CARDS[place % 4] for place in range(24)],
        "age": [str(20 + place % 8) for place in range(24)],
        "city": [["Lyon", "Nice", "Bonn", "Kiel"][place % 4] for place in range(24)],
        "illness": [["flu", "cold", "ulcer"][place % 3] for place in range(24)],
        "note": ["call back"] * 24,
    }
)
CITY = "Lyon;FR;*\nNice;FR;*\nBonn;DE;*\nKiel;DE;*\n"
POLICY = """
k: 2
l: 2
person: card
sensitive: illness
quasi:
  city: {hierarchy: city.csv}
  age: {interval: [0, 120, 1, 5, 20]}
drop: [note]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    TABLE.to_csv(tmp_path / "visits.csv", index=False, sep=";")
    (tmp_path / "city.csv").write_text(CITY)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def called(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    for card in CARDS:
        assert card not in result.output
    return json.loads(result.output)


def test_a_file_is_measured_as_the_function_measures_a_frame(folder: Path) -> None:
    printed = called("measure", folder / "visits.csv", "--qi", "age, city", "--sensitive", "illness", "--person", "card")
    report = measure(TABLE, ["age", "city"], "illness", "card")
    assert (printed["k"], printed["k_rows"], printed["people"]) == (report.k, report.k_rows, 4) == (1, 3, 4)
    assert printed["sensitive"]["illness"]["t"] == report.sensitive["illness"].t
    assert printed["sensitive_people"]["illness"]["distinct_l"] == report.sensitive["illness"].distinct_l
    assert printed["loss"] is None


def test_parquet_is_measured_alike(folder: Path) -> None:
    parquet.write_table(pa.Table.from_pandas(TABLE), folder / "visits.parquet")
    arguments = ("--qi", "age,city", "--sensitive", "illness", "--person", "card")
    assert called("measure", folder / "visits.parquet", *arguments) == called("measure", folder / "visits.csv", *arguments)


def test_hierarchies_give_the_loss_and_the_distance(folder: Path) -> None:
    hierarchies = folder / "hierarchies"
    hierarchies.mkdir()
    (hierarchies / "my_city.csv").write_text(CITY)
    (hierarchies / "illness.csv").write_text("flu;lung;*\ncold;lung;*\nulcer;stomach;*\n")
    pd.DataFrame({"city": ["FR", "Bonn"], "illness": ["flu", "ulcer"]}).to_csv(folder / "released.csv", index=False)
    printed = called("measure", folder / "released.csv", "--qi", "city", "--sensitive", "illness", "--hierarchies", hierarchies)
    assert printed["loss"] == {"mean": pytest.approx(1 / 6), "columns": {"city": pytest.approx(1 / 6)}}
    assert printed["sensitive"]["illness"]["distance"] == "hierarchical"
    with pytest.raises(SettingsError, match=r"holds no age\.csv"):
        called("measure", folder / "visits.csv", "--qi", "age,city", "--hierarchies", hierarchies)
    (hierarchies / "city.csv").write_text(CITY)
    with pytest.raises(SettingsError, match="leave one"):
        called("measure", folder / "released.csv", "--qi", "city", "--hierarchies", hierarchies)


def test_numbers_are_ordered_and_missing_cells_match_as_asked(folder: Path) -> None:
    (folder / "few.csv").write_text("city,salary\nLyon,3\nLyon,11\nnone,5\n,7\n")
    category = called("measure", folder / "few.csv", "--qi", "city", "--sensitive", "salary")
    assert (category["k"], category["sensitive"]["salary"]["distance"]) == (1, "ordered")
    assert called("measure", folder / "few.csv", "--qi", "city", "--missing", "wildcard")["k"] == 2


def test_unicity_is_measured_on_request(folder: Path) -> None:
    printed = called("measure", folder / "visits.csv", "--qi", "city,age", "--person", "card", "--points", "2")
    assert (printed["unicity"]["people"], printed["unicity"]["share"]) == (4, 1.0)
    for wrong in (("--points", "2"), ("--missing", "guess")):
        with pytest.raises(SettingsError):
            called("measure", folder / "visits.csv", "--qi", "city", *wrong)


def test_a_table_is_anonymised_proven_and_written(folder: Path) -> None:
    printed = called("anonymise", folder / "visits.csv", "--policy", folder / "policy.yaml")
    output, proof = folder / printed["output"], folder / printed["proof"]
    assert (output.name, proof.name) == ("visits-anonymous.csv", "visits-anonymous-proof.json")
    released = read_table(output)
    assert released.column_names == ["city", "age", "illness"]
    assert len(released) + printed["suppressed"] == printed["rows"] == 24
    assert printed["dropped"] == ["card", "note"]
    assert k_anonymity(released, ["city", "age"]) >= printed["k"] >= 2
    assert l_diversity(released, ["city", "age"], "illness") >= 2
    verify(released, Proof.from_json(proof.read_bytes()))
    for written in (output, proof):
        assert not any(card in written.read_text() for card in CARDS)
    assert output.read_text().splitlines()[0] == "city;age;illness"


def test_the_loss_that_is_printed_is_the_loss_that_is_there(folder: Path) -> None:
    (folder / "policy.yaml").write_text("k: 5\nquasi:\n  city: {hierarchy: city.csv}\n")
    TABLE[["city"]].head(11).to_csv(folder / "visits.csv", index=False)
    printed = called("anonymise", folder / "visits.csv", "--policy", folder / "policy.yaml")
    released = read_table(folder / printed["output"])
    loss = information_loss(released, {"city": read_hierarchy(folder / "city.csv")}, printed["suppressed"])
    assert loss.mean == pytest.approx(printed["loss"])


def test_a_bound_lies_in_the_interval_that_begins_with_it(folder: Path) -> None:
    """ANJANA prints 20 as [15, 20)."""
    (folder / "policy.yaml").write_text("k: 2\nquasi:\n  age: {interval: [0, 120, 1, 5, 20]}\n")
    pd.DataFrame({"age": [20, 21, 20, 24]}).to_csv(folder / "visits.csv", index=False)
    printed = called("anonymise", folder / "visits.csv", "--policy", folder / "policy.yaml")
    assert set(read_table(folder / printed["output"]).column("age").to_pylist()) <= {"[20, 21)", "[20, 25)", "[20, 40)"}


def test_parquet_and_other_names_are_written_too(folder: Path) -> None:
    numbers = TABLE.assign(age=TABLE["age"].astype(int), weight=60.5)
    parquet.write_table(pa.Table.from_pandas(numbers), folder / "visits.parquet")
    (folder / "policy.yaml").write_text(POLICY + "keep: [weight]\nsuppressed: starred\neffort: fine\n")
    for output in ("out.parquet", "out.csv"):
        arguments = ("--policy", folder / "policy.yaml", "--output", folder / output, "--proof", folder / "why.json")
        printed = called("anonymise", folder / "visits.parquet", *arguments)
        assert (printed["output"], printed["kept"]) == (output, ["weight"])
        verify(read_table(folder / output), Proof.from_json((folder / "why.json").read_bytes()))


def test_nothing_is_written_where_nobody_could_be_released(folder: Path) -> None:
    (folder / "policy.yaml").write_text(POLICY.replace("k: 2", "k: 5"))
    with pytest.raises(UnsafeReleaseError, match="every row would be suppressed"):
        called("anonymise", folder / "visits.csv", "--policy", folder / "policy.yaml")
    assert not list(folder.glob("*anonymous*"))


def test_a_table_that_was_changed_on_its_way_to_the_disk_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from privacy.measure import files

    whole = files.write_table
    monkeypatch.setattr(files, "write_table", lambda table, path, separator: whole(table.slice(1), path, separator))
    with pytest.raises(UnsafeReleaseError):
        called("anonymise", folder / "visits.csv", "--policy", folder / "policy.yaml")
    assert not list(folder.glob("*anonymous*"))


def test_nothing_that_is_read_is_overwritten(folder: Path) -> None:
    for option in ("--output", "--proof"):
        for file in ("visits.csv", "policy.yaml"):
            with pytest.raises(SettingsError, match="four files"):
                called("anonymise", folder / "visits.csv", "--policy", folder / "policy.yaml", option, folder / file)


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ("k: 1\nquasi: {city: {built_in: cell}}", "k is at least 2"),
        ("k: 2\nquasi: {}", "names no column"),
        ("k: 2\nl: 0\nquasi: {city: {built_in: cell}}", "l is at least 1"),
        ("k: 2\nt: 0\nsensitive: a\nquasi: {city: {built_in: cell}}", "t is above 0"),
        ("k: 2\nt: 0.2\nquasi: {city: {built_in: cell}}", "name it with sensitive"),
        ("k: 2\nquasi: {city: {built_in: cell}}\nkeep: [city]", "'city' has two roles"),
        ("k: 2\nquasi: {city: {}}", "exactly one of"),
        ("k: 2\nquasi: {city: {built_in: cell, hierarchy: a.csv}}", "exactly one of"),
        ("k: 2\nquasi: {age: {interval: [0, 9]}}", "at least one width"),
        ("k: 2\nquasi: {city: {built_in: postcode}}", "built_in"),
        ("k: 2\nk: 3\nquasi: {city: {built_in: cell}}", "'k' stands twice"),
        ("k: 2\nquasi: {city: {built_in: cell}}\nsalt: 3", "salt"),
        ("quasi: {city: {built_in: cell}}", "`k`"),
        ("k: 2\nquasi: {town: {built_in: cell}}", "'town', which the table lacks"),
        ("k: 2\nquasi: {city: {hierarchy: gone.csv}}", r"gone\.csv cannot be read"),
    ],
)
def test_a_policy_that_promises_nothing_is_refused(folder: Path, policy: str, sentence: str) -> None:
    (folder / "policy.yaml").write_text(policy)
    with pytest.raises(UnsafePolicyError, match=sentence):
        called("anonymise", folder / "visits.csv", "--policy", folder / "policy.yaml")


def test_a_policy_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(UnsafePolicyError, match=r"lost\.yaml cannot be read"):
        read_policy(folder / "lost.yaml")
