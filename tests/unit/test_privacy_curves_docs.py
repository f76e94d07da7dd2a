"""docs/privacy-curve.md is held to the code: its example runs, every figure is explained, the table is what is measured."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pandas as pd
import pytest

from privacy.anonymise import Hierarchy
from privacy.curves import Curve, Point, curve, recommend
from privacy.curves.page import SCORE

TEXT = (Path(__file__).resolve().parents[2] / "docs/privacy-curve.md").read_text(encoding="utf-8")
SALARY = "salary-class"


def row_of(found: Curve, k: int) -> str:
    point = found.at(k)
    cells = (f"{point.loss:.3f}", f"{point.query_error:.3f}", point.suppressed, f"{point.classes:,}", f"{1 - 1 / k:.3f}")
    return f"| {k} | {' | '.join(str(cell) for cell in cells)} | {point.inference:.3f} | {point.score:.3f} |"


def test_the_example_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    example = doctest.DocTestParser().get_doctest(block, {}, "privacy-curve", None, 0)
    assert example.examples
    said: list[str] = []
    assert doctest.DocTestRunner().run(example, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("figure", Point.__struct_fields__)
def test_every_figure_is_explained(figure: str) -> None:
    rows = [line for line in TEXT.partition("## The figures")[2].splitlines() if line.startswith("|")]
    assert any(f"`{figure}`" in row.split("|")[1] for row in rows)


def test_the_score_is_that_of_the_code() -> None:
    assert f"    {SCORE}\n" in TEXT


def test_the_table_of_adult_is_what_is_measured(shared_data: Path) -> None:
    folder = shared_data / "adult"
    adult = pd.read_csv(folder / "adult.csv", sep=";", dtype=str)
    quasi = {name: Hierarchy.from_csv(folder / f"adult_hierarchy_{name}.csv") for name in adult.columns if name != SALARY}
    found = curve(adult, quasi, sensitive=SALARY)
    ks = [int(k) for k in re.findall(r"^\| (\d+) \| 0\.", TEXT, re.MULTILINE)]
    assert ks == [2, 5, 10, 25, 50, 100, 200]
    assert [row_of(found, k) for k in ks] == [line for line in TEXT.splitlines() if re.match(r"\| \d+ \| 0\.", line)]
    assert recommend(found).k == 10
