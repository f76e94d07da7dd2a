"""deploy/kibana held to the code that generates it, and what the requirement asks of the dashboards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.kibana import DASHBOARDS, bodies, check_bodies, check_lines, objects, parse, render
from storage.kibana.charts import Chart
from storage.kibana.dashboards import INVESTIGATION, PAYMENTS, Note
from storage.kibana.maps import LAYERS, MapPanel
from storage.kibana.scatter import Scatter
from storage.kibana.searches import SavedSearch
from storage.kinds import ALERTS
from veilocity import settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kibana"
PREFIX = settings.load({}).elasticsearch_index_prefix
TEXT = render(objects(PREFIX))


def test_the_committed_files_are_what_is_generated(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "veilocity.cli", "kibana", "export", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)} | {"PYTHONHASHSEED": "7"},
        cwd=ROOT,
    )
    assert made.returncode == 0, made.stderr
    found = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert found == {file.name: file.read_bytes() for file in FOLDER.iterdir()}, "run `veilocity kibana export`"
    assert found["veilocity.ndjson"] == TEXT.encode()


@pytest.mark.parametrize("prefix", [PREFIX, "other"])
def test_the_linter_finds_nothing(prefix: str) -> None:
    lines = parse(render(objects(prefix)))
    assert check_lines(lines) == []
    assert check_bodies(bodies(prefix), lines[:-1]) == []


def test_another_prefix_shares_no_id_and_no_index() -> None:
    other = render(objects("other"))
    ids = {(line["type"], line["id"]) for line in parse(TEXT)[:-1]}
    assert not ids & {(line["type"], line["id"]) for line in parse(other)[:-1]}
    assert "veilocity-" not in other


def test_payments_have_the_ten_panels_of_the_bank_project() -> None:
    charts = [placed.panel for placed in PAYMENTS.panels if isinstance(placed.panel, Chart)]
    assert {chart.title for chart in charts} == {
        "Top 5 merchant categories",
        "Volume per 10 minutes",
        "Transaction type",
        "Total count",
        "Average amount",
        "Average amount per 10 minutes",
        "By device type",
        "Distinct users",
        "Distinct cards",
        "Unique merchants",
    }
    notes = {chart.title: chart.note for chart in charts}
    assert "5 %" in notes["Average amount"]
    assert "7 days" in notes["Distinct users"]
    assert "7 days" in notes["Distinct cards"]


def test_money_is_never_added_across_currencies() -> None:
    for chart in (placed.panel for dashboard in DASHBOARDS for placed in dashboard.panels if isinstance(placed.panel, Chart)):
        if "amount" in {metric.field for metric in chart.metrics}:
            assert "currency" in {bucket.field for bucket in chart.buckets}, chart.title


def test_an_investigation_has_map_rules_travel_timeline_and_documents() -> None:
    panels = [placed.panel for placed in INVESTIGATION.panels]
    assert {type(panel) for panel in panels} == {Chart, Scatter, MapPanel, SavedSearch, Note}
    fields = {panel.name: {bucket.field for bucket in panel.buckets} for panel in panels if isinstance(panel, Chart)}
    assert fields["rules"] == {"rule", "severity"}
    assert fields["timeline"] == {"minute_ms", "severity"}
    assert {layer.form for layer in LAYERS} == {"grid", "lines", "points"}


def test_every_panel_but_the_list_by_state_leaves_retracted_alerts_out() -> None:
    for panel in (placed.panel for placed in INVESTIGATION.panels):
        if isinstance(panel, Chart | Scatter) and panel.name != "states":
            assert panel.where is not None
            assert not panel.where.holds("retracted"), panel.title
    assert all(layer.where is not None and not layer.where.holds("retracted") for layer in LAYERS if layer.kind is ALERTS)


def test_nothing_asks_a_map_service_or_any_address_outside() -> None:
    assert "EMS_" not in TEXT
    assert TEXT.count("://") == TEXT.count("https://vega.github.io/schema/") == 1  # a name that Kibana knows, and does not fetch


def test_the_api_form_has_only_panels_with_a_schema_and_says_what_is_left_out() -> None:
    for name, body in bodies(PREFIX).items():
        assert {panel["type"] for panel in body["panels"]} == {"vis", "markdown"}, name
        assert json.loads((FOLDER / name).read_text(encoding="utf-8")) == body
    words = bodies(PREFIX)["investigation.dashboard.json"]["panels"][0]["config"]["content"]
    for placed in INVESTIGATION.panels:
        if not isinstance(placed.panel, Chart | Note):
            assert placed.panel.title in words
