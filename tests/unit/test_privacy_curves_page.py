"""The page and the command: closed, escaped, whole; and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from privacy.anonymise import Hierarchy
from privacy.curves import Curve, Limits, curve, recommend
from privacy.curves.page import render
from privacy.curves.plots import cost_plot, risk_plot, score_plot, trade_plot
from veilocity.cli import privacy_curve
from veilocity.errors import SettingsError, UnsafePolicyError

app = typer.Typer()
app.command()(privacy_curve.curve)

EVIL = '</script><img src=x onerror=alert(1)>"'
CITY = "Lyon;FR;*\nNice;FR;*\nBonn;DE;*\nKiel;DE;*\n"
POLICY = """
k: 2
person: card
sensitive: illness
quasi:
  city: {hierarchy: city.csv}
  age: {interval: [0, 120, 1, 5, 20]}
drop: [note]
"""


def table() -> pd.DataFrame:
    random = np.random.Generator(np.random.Philox(3))
    return pd.DataFrame(
        {
            "card": random.integers(4_000_000, 4_000_040, 120),
            "age": random.integers(20, 40, 120),
            "city": random.choice(["Lyon", "Nice", "Bonn", "Kiel"], 120),
            "illness": random.choice(["flu", "cold", "ulcer"], 120),
            "note": "call back",
        }
    )


@pytest.fixture(name="found", scope="module")
def _found() -> Curve:
    return curve(
        table(), {"age": Hierarchy.intervals(0, 120, (1, 5, 20))}, range(2, 31), person="card", sensitive="illness", trace=("city",)
    )


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    table().to_csv(tmp_path / "visits.csv", index=False)
    (tmp_path / "city.csv").write_text(CITY)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def called(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def scripts_of(page: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", page, re.DOTALL)


def drawn_in(page: str) -> Any:
    block = re.search(r'<script type="application/json" id="plots">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    return json.loads(block[1])


def test_the_page_runs_its_own_two_scripts_and_asks_nobody(found: Curve) -> None:
    page = render(found, recommend(found), "visits.csv")
    library, driver = scripts_of(page)
    for script in (library, driver):
        assert f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}" in page
    own = page.replace(library, "")
    assert own.count("sha256-") == 2
    assert "default-src &#x27;none&#x27;" in own
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", own)
    assert not re.search(r"20[2-9]\d-\d\d-\d\d|/work/|/home/|/tmp/", own)
    assert page == render(found, recommend(found), "visits.csv")


def test_every_picture_has_its_place_and_its_words(found: Curve) -> None:
    page = render(found, recommend(found), "visits.csv")
    plots = (score_plot(found), trade_plot(found, recommend(found)), risk_plot(found), cost_plot(found))
    assert len(drawn_in(page)) == len(plots) == page.count('data-plot="')
    for plot in plots:
        assert plot.caption in page
        assert all(len(line.x) == len(line.y) > 0 for line in plot.curves)
    for target in re.findall(r'href="#([a-z-]+)"', page):
        assert f'id="{target}"' in page


def test_without_scripts_the_figures_are_there(found: Curve) -> None:
    page = render(found, recommend(found), "visits.csv")
    advice = recommend(found)
    rows = re.findall(r'<th scope="row">(\d+)</th>(.*?)</tr>', page)
    assert [int(k) for k, _ in rows] == sorted({int(k) for k, _ in rows})
    assert {2, 30, advice.k, advice.knee} - {None} <= {int(k) for k, _ in rows}
    cells = re.findall(r"<td>(.*?)</td>", dict(rows)["2"])
    point = found.at(2)
    assert cells[:4] == [str(point.classes), str(point.smallest), str(point.suppressed), f"{point.loss:.3f}"]
    assert cells[-1] == f"{point.score:.3f}"
    assert advice.why in page


def test_what_is_not_measured_is_a_gap_and_no_line() -> None:
    plain = curve(
        table(), {"city": Hierarchy.from_mapping({"Lyon": ["FR"], "Nice": ["FR"], "Bonn": ["DE"], "Kiel": ["DE"]})}, (2, 3), queries=0
    )
    assert [line.name for line in risk_plot(plain).curves] == ["prosecutor", "journalist", "marketer"]
    assert [line.name for line in cost_plot(plain).curves] == ["loss", "suppressed rows"]
    assert "<td>\N{EN DASH}</td>" in render(plain, recommend(plain), "a table")
    nothing = curve(table().head(3), {"age": Hierarchy.intervals(0, 120, (1, 5))}, (4,))
    page = render(nothing, recommend(nothing), "a table")
    assert "every row would be suppressed" in page
    assert [line.name for line in trade_plot(nothing, recommend(nothing)).curves] == ["every k"]


def test_names_are_never_markup() -> None:
    frame = table().rename(columns={"age": EVIL, "illness": f"{EVIL}2"})
    evil = curve(frame, {EVIL: Hierarchy.intervals(0, 120, (1, 5))}, (2, 3), sensitive=f"{EVIL}2")
    page = render(evil, recommend(evil, Limits(inference=0.0)), EVIL)
    assert len(scripts_of(page)) == 2
    assert "<img" not in page.replace(scripts_of(page)[0], "")


def test_the_score_is_drawn_beside_the_usual_figure(found: Curve) -> None:
    usual, score, _ = score_plot(found).curves
    assert usual.y == tuple(1 - 1 / k for k in range(2, 31))
    assert score.y == tuple(point.score for point in found.points)


def test_the_command_writes_three_files_and_prints_the_recommendation(folder: Path) -> None:
    said = called(folder / "visits.csv", "--policy", folder / "policy.yaml", "--ks", "2-12", "--trace", "city,age", "--max-risk", "1")
    output = folder / "visits-curve"
    found = Curve.from_json((output / "curve.json").read_bytes())
    assert [point.k for point in found.points] == list(range(2, 13))
    assert (found.rows, found.people, found.quasi, found.sensitive, found.trace) == (
        120,
        table()["card"].nunique(),
        ("city", "age"),
        "illness",
        ("city", "age"),
    )
    assert (output / "curve.csv").read_text() == found.to_csv()
    advice = recommend(found, Limits(prosecutor=1.0, unicity=1.0))
    assert advice.k is not None
    assert said.splitlines()[0] == advice.why
    page = (output / "curve.html").read_text()
    assert page == render(found, advice, "visits.csv")
    assert sorted(file.name for file in output.iterdir()) == ["curve.csv", "curve.html", "curve.json"]
    shown = said + (output / "curve.json").read_text() + page.replace(scripts_of(page)[0], "")
    assert not [card for card in map(str, table()["card"]) if card in shown]


def test_the_curve_of_a_file_is_that_of_its_table(folder: Path) -> None:
    called(folder / "visits.csv", "--policy", folder / "policy.yaml", "--ks", "2,5", "--output", folder / "out")
    city = Hierarchy.from_csv(folder / "city.csv")
    quasi = {"city": city, "age": Hierarchy.intervals(0, 120, (1, 5, 20))}
    text = table().astype(str)
    assert Curve.from_json((folder / "out" / "curve.json").read_bytes()) == curve(text, quasi, (2, 5), person="card", sensitive="illness")


def test_where_no_k_fits_the_command_says_so(folder: Path) -> None:
    said = called(folder / "visits.csv", "--policy", folder / "policy.yaml", "--ks", "2-4", "--max-risk", "0.09")
    assert said.startswith("No k of 2 to 4 fits: prosecutor is at least 0.25, not 0.09.")
    said = called(folder / "visits.csv", "--policy", folder / "policy.yaml", "--ks", "2-4", "--max-inference", "0", "--max-suppressed", "0")
    assert "inference is at least" in said


@pytest.mark.parametrize("ks", ["1-5", "9-5", "5-", "-5", "two", "", "2,1", "2-100001", "2-3-4"])
def test_values_of_k_that_are_none_are_refused(folder: Path, ks: str) -> None:
    with pytest.raises(SettingsError, match="--ks is from-to"):
        called(folder / "visits.csv", "--policy", folder / "policy.yaml", "--ks", ks)


def test_columns_that_are_not_there_are_refused(folder: Path) -> None:
    with pytest.raises(UnsafePolicyError, match="'town' is named"):
        called(folder / "visits.csv", "--policy", folder / "policy.yaml", "--trace", "town")
    (folder / "policy.yaml").write_text(POLICY.replace("age:", "years:"))
    with pytest.raises(UnsafePolicyError, match="'years' is named"):
        called(folder / "visits.csv", "--policy", folder / "policy.yaml")
    assert not (folder / "visits-curve").exists()
