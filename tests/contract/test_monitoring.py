"""Grafana and Prometheus held to the code: what is committed is what is generated, and all it asks for exists."""

from __future__ import annotations

import ast
import importlib
import json
import re
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins

from storage.kinds import TRANSACTIONS
from storage.mappings import alias, mapping
from veilocity import monitoring, settings
from veilocity.contracts import AlertState, Channel, Severity, Verdict
from veilocity.metrics import declared
from veilocity.monitoring.catalogue import SCRAPE_LABELS, Catalogue
from veilocity.monitoring.dashboards import DASHBOARDS, fraud_pipeline
from veilocity.monitoring.panels import Dashboard, render
from veilocity.monitoring.promql import asked, concrete
from veilocity.monitoring.rules import ALERTS, RECORDINGS, STATE_LIMIT_BYTES, Alert, markdown, runbook_of

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("ingest", "rules", "privacy", "storage", "dashboard")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
EXPRESSIONS = {
    **{
        f"{dashboard.name}: {panel.title} {place}": target.expr
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for place, target in enumerate(panel.targets)
    },
    **{recording.name: recording.expr for recording in RECORDINGS},
    **{alert.name: alert.expr for alert in ALERTS},
}
each_expression = pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def _declares(file: Path) -> bool:
    calls = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return any(getattr(call.func, "attr", getattr(call.func, "id", "")) in ("counter", "gauge", "histogram") for call in calls)


@cache
def catalogue() -> Catalogue:
    """Return what the services tell, from what they declare when they are imported."""
    ours = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")) if _declares(file)]
    for file in ours:
        importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    families = [family for family in declared() if not family.name.startswith("veilocity_test_")]
    assert len(families) > 40
    return Catalogue(families, {one.name: one.labels for one in RECORDINGS})


@cache
def words_of_the_code() -> frozenset[str]:
    """Return every string in the rooms, and the values of what is counted by: from these come the values of labels."""
    files = [
        file for room in (*ROOMS, "veilocity") for file in (ROOT / room).rglob("*.py") if "monitoring" not in file.relative_to(ROOT).parts
    ]
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in files)
    found = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return frozenset(found | {one.value for kind in (AlertState, Channel, Severity, Verdict) for one in kind})


def test_the_committed_files_are_the_generated_ones() -> None:
    made = monitoring.files()
    for path, text in made.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"run `make monitoring`: {path}"
    committed = {f"deploy/grafana/dashboards/{file.name}" for file in (ROOT / "deploy/grafana/dashboards").iterdir()}
    assert committed == {path for path in made if "/dashboards/" in path}


def test_writing_twice_changes_nothing_and_what_is_no_more_goes(tmp_path: Path) -> None:
    assert len(monitoring.write(tmp_path)) == len(DASHBOARDS) + 1
    assert monitoring.write(tmp_path) == []
    old = tmp_path / "deploy/grafana/dashboards/old.json"
    old.write_text("{}", encoding="utf-8")
    assert monitoring.write(tmp_path) == ["deploy/grafana/dashboards/old.json"]
    assert not old.exists()


@each_expression
def test_every_metric_and_label_exists_in_the_code(expression: str) -> None:
    assert catalogue().faults(concrete(expression)) == []


@each_expression
def test_every_value_of_a_label_exists_in_the_code(expression: str) -> None:
    services = {config["labels"]["service"] for config in PROMETHEUS["scrape_configs"][0]["static_configs"]}
    known = words_of_the_code() | services | {PROMETHEUS["scrape_configs"][0]["job_name"], "firing"}
    for selector in asked(expression).selectors:
        for matcher in selector.matchers:
            for value in matcher.value.split("|") if matcher.operator in ("=~", "!~") and "(" not in matcher.value else [matcher.value]:
                pattern = re.compile(value if "~" in matcher.operator else re.escape(value))
                assert any(pattern.fullmatch(word) for word in known), f"nothing in the code says {value}"


def test_what_does_not_exist_is_found() -> None:
    assert catalogue().faults('sum by (card) (veilocity_rules_lag_records{topics="fixes"} + veilocity_nothing)') == [
        "veilocity_rules_lag_records has no label topics",
        "there is no veilocity_nothing",
        "nothing here has the label card",
    ]


def test_every_metric_is_shown_or_watched() -> None:
    named = {selector.metric for expression in EXPRESSIONS.values() for selector in asked(concrete(expression)).selectors}
    whole = {re.sub(r"_(bucket|count|sum)$", "", name) if name.endswith("_bucket") else name for name in named}
    ours = {name for name in catalogue().series if name.startswith("veilocity_") and not name.endswith(("_bucket", "_sum", "_count"))}
    assert ours - whole == set()
    histograms = {name.removesuffix("_bucket") for name in catalogue().series if name.endswith("_bucket")}
    assert histograms - whole == set()


@each_dashboard
def test_a_legend_names_labels_that_are_left(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        for target in panel.targets:
            used = set(re.findall(r"\{\{(\w+)\}\}", target.legend))
            assert used <= asked(target.expr).labels, panel.title


@each_dashboard
def test_panels_lie_beside_each_other(dashboard: Dashboard) -> None:
    panels = render(dashboard)["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def unknown_to_grafana(model: dict[str, Any]) -> list[str]:
    """Return what is lost when Grafana's own types read a dashboard and write it again."""
    with warnings.catch_warnings():
        # It would rather have the model that files cannot provision in the Grafana of docker-compose.yml.
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard
    register_default_plugins()
    back = json.loads(JSONEncoder(sort_keys=True).encode(GrafanaDashboard.from_json(model)))
    return list(_lost(model, back, ""))


def _lost(ours: object, theirs: object, path: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            yield from _lost(value, theirs.get(name, ...), f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(one, other, f"{path}[{place}]")
    elif ours != theirs:
        yield path


@each_dashboard
def test_grafana_knows_every_field(dashboard: Dashboard) -> None:
    model = render(dashboard)
    assert unknown_to_grafana(model) == []
    model["panels"][1]["options"]["colourMode"] = "value"
    assert unknown_to_grafana(model) == [".panels[1].options.colourMode"]


@each_dashboard
def test_data_sources_are_provisioned(dashboard: Dashboard) -> None:
    folder = ROOT / "deploy/grafana/provisioning/datasources"
    given = [source for file in folder.iterdir() for source in yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]]
    sources = {(source["type"], source["uid"]) for source in given}
    for panel in render(dashboard)["panels"]:
        for one in [panel, *panel.get("targets", [])] if panel["type"] != "row" else []:
            assert (one["datasource"]["type"], one["datasource"]["uid"]) in sources
    assert {source["url"].split("/")[2].split(":")[0] for source in given} <= set(COMPOSE)


def test_grafana_finds_the_dashboards() -> None:
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/veilocity.yml").read_text(encoding="utf-8"))["providers"][0]
    folder = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{folder}:ro" in COMPOSE["grafana"]["volumes"]
    assert COMPOSE["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{folder}/{DASHBOARDS[0].name}.json"
    assert "./deploy/prometheus:/etc/prometheus:ro" in COMPOSE["prometheus"]["volumes"]
    assert PROMETHEUS["rule_files"] == ["rules.yml"]


def test_labels_of_targets_are_those_that_are_known() -> None:
    for job in PROMETHEUS["scrape_configs"]:
        told = {label for config in job.get("static_configs", []) for label in config["labels"]}
        made = {one["target_label"] for one in job.get("relabel_configs", [])}
        assert told | made | {"job", "instance"} == SCRAPE_LABELS, job["job_name"]


def test_the_fraud_pipeline_has_its_seven_panels() -> None:
    (dashboard,) = (one for one in DASHBOARDS if one.name == "fraud-pipeline")
    assert [panel.kind for panel in dashboard.panels] == ["stat", "timeseries", "gauge", "bargauge", "geomap", "barchart", "table"]
    assert (dashboard.refresh, dashboard.since) == ("5s", "now-10m")


def test_the_table_of_payments_reads_fields_that_are_indexed() -> None:
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/elasticsearch.yml").read_text(encoding="utf-8"))[
        "datasources"
    ][0]
    prefix = settings.load({}).elasticsearch_index_prefix
    assert source["jsonData"] == {"index": alias(prefix, TRANSACTIONS), "timeField": fraud_pipeline.TIME_FIELD}
    properties = mapping(TRANSACTIONS)["properties"]
    assert properties[fraud_pipeline.TIME_FIELD]["type"] == "date"
    for field in [name for name in fraud_pipeline.COLUMNS if name != "_id"]:
        inside = properties
        for name in field.split("."):
            assert name in inside, field
            inside = inside[name].get("properties", {})
    (question,) = next(panel for panel in fraud_pipeline.FRAUD_PIPELINE.panels if panel.kind == "table").questions
    assert question["query"] == f"verdict:{Verdict.FLAGGED.value}"


def test_the_sensors_are_three_needles_and_three_lines_of_six_decimals() -> None:
    (dashboard,) = (one for one in DASHBOARDS if one.name == "sensors")
    for kind in ("gauge", "timeseries"):
        shown = [panel for panel in dashboard.panels if panel.kind == kind][:3]
        assert [re.findall("latitude|longitude|altitude", panel.title.lower()) for panel in shown] == [
            ["latitude"],
            ["longitude"],
            ["altitude"],
        ]
        assert all(panel.defaults["decimals"] >= 6 for panel in shown)
    assert not [
        metric for panel in dashboard.panels[:6] for metric in (panel.targets[0].expr,) if not metric.startswith("veilocity_privacy_")
    ]


@each_alert
def test_an_alert_has_a_runbook_that_says_what_to_do(alert: Alert) -> None:
    text = (ROOT / runbook_of(alert)).read_text(encoding="utf-8")
    assert re.findall(r"^#+ .*$", text, re.MULTILINE) == [f"# {alert.name}", "## What it means", "## What to look at", "## What to do"]
    assert 10 < len(text.splitlines()) < 40
    assert alert.severity in ("critical", "warning")


def test_a_runbook_has_an_alert() -> None:
    pages = {f"docs/runbooks/{file.name}" for file in (ROOT / "docs/runbooks").iterdir()}
    assert pages == {runbook_of(alert) for alert in ALERTS}


@each_alert
def test_a_sentence_uses_labels_that_are_left(alert: Alert) -> None:
    used = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))
    wanted = asked(alert.expr)
    aggregated = re.match(r"(sum|count|max|min)\b", alert.expr)
    left = wanted.labels if aggregated else set().union(*(_labels_of(one.metric) for one in wanted.selectors))
    assert used <= left


def _labels_of(metric: str) -> set[str]:
    candidates = {family.name: set(family.labels) for family in declared()} | {one.name: set(one.labels) for one in RECORDINGS}
    return candidates.get(metric, set()) | SCRAPE_LABELS


def test_the_table_of_alarms_is_fresh() -> None:
    assert markdown() in (ROOT / "docs/monitoring.md").read_text(encoding="utf-8"), "put `veilocity.monitoring.rules.markdown()` there"


def test_every_alert_has_a_story_in_which_it_sounds() -> None:
    stories = yaml.safe_load((ROOT / "deploy/prometheus/rules_test.yml").read_text(encoding="utf-8"))["tests"]
    sounding = set(re.findall(r'alertname="(\w+)"', json.dumps([story.get("promql_expr_test") for story in stories]).replace("\\", "")))
    sounding |= {one["alertname"] for story in stories for one in story.get("alert_rule_test", []) if one.get("exp_alerts")}
    assert sounding == {alert.name for alert in ALERTS}


def test_large_states_are_told_before_the_memory_is_spent() -> None:
    limit = COMPOSE["rules"]["deploy"]["resources"]["limits"]["memory"]
    assert STATE_LIMIT_BYTES < int(limit.removesuffix("m")) * 2**20 / 2
