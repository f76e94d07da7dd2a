"""The coverage table, the tour and the code say the same: 55 rows in order, and nothing named that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from benchmarks.coverage import DOCUMENT, ROWS, Row, missing, render
from benchmarks.coverage.document import ROOT, commands
from benchmarks.figures import RESULTS
from veilocity.cli.tour.catalogue import STOPS

TEXT = DOCUMENT.read_text(encoding="utf-8")
LINES = [line for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]
COUNT = 55


def test_the_document_is_fresh() -> None:
    assert render() == TEXT, "run `python -m benchmarks.coverage`"


def test_there_are_55_rows_in_order_each_with_a_stop_of_the_tour() -> None:
    assert [row.number for row in ROWS] == [stop.number for stop in STOPS] == list(range(1, COUNT + 1))
    assert [line.split("|")[2].strip() for line in LINES] == [stop.title for stop in STOPS]
    assert len({stop.title for stop in STOPS}) == COUNT


def test_every_row_says_where_by_which_test_and_what_is_better() -> None:
    assert all(row.where and row.tests and len(row.better) > 15 for row in ROWS)
    assert all(stop.sentence.endswith(".") and len(stop.sentence) < 120 for stop in STOPS)
    assert not re.search(r"TODO|TBD|FIXME", TEXT)


def test_the_figure_is_the_number_of_rows_that_hold() -> None:
    known = commands()
    holding = [row.number for row in ROWS if not missing(row, ROOT, known)]
    (figure,) = msgspec.json.decode((RESULTS / "coverage.json").read_bytes())
    assert (figure["figure"], figure["value"]) == ("coverage.rows_working", len(holding)), "run `python -m benchmarks.coverage`"
    assert TEXT.count("| not in this version | not in this version |") == COUNT - len(holding)


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "one.py").write_text("def test_it() -> None: ...\n", encoding="utf-8")
    (tmp_path / "left" / "__pycache__").mkdir(parents=True)
    row = Row(1, ("kept", "left", "gone.py", "veilocity up", "veilocity down"), ("kept/one.py::test_it", "kept/one.py::test_other"), "")
    assert missing(row, tmp_path, {"up"}) == ["left", "gone.py", "veilocity down", "kept/one.py::test_other"]
