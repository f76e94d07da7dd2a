"""The linter on broken objects: each check is red once. And the pure parts beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from storage.kibana import DASHBOARDS, Dashboard, bodies, check_bodies, check_lines, objects, parse, render
from storage.kibana.charts import Chart, Metric, Terms, Times, Where
from storage.kibana.client import Kibana, faults_of_import, missing_of_export
from storage.kibana.dashboards import INVESTIGATION
from storage.kibana.dashboards_api import api_body
from storage.kibana.lens import lens_attributes
from storage.kibana.maps import geotile
from storage.kibana.objects import Json, compact
from storage.kibana.probe import alike
from storage.kibana.questions import MISSING, Question
from storage.kibana.scatter import Scatter
from storage.kinds import TRANSACTIONS
from veilocity import settings
from veilocity.cli import app
from veilocity.errors import ServiceUnavailableError, SettingsError, StateError

MADE = objects("veilocity")


def lines() -> list[Json]:
    return parse(render(MADE))


def first(found: list[Json], kind: str) -> Json:
    return next(line for line in found if line.get("type") == kind)


def inside(line: Json, name: str, change: Callable[[Any], None]) -> None:
    """Change what lies as a string of JSON in the attributes."""
    content = json.loads(line["attributes"][name])
    change(content)
    line["attributes"][name] = compact(content)


def panels(found: list[Json], change: Callable[[list[Json]], None]) -> None:
    inside(first(found, "dashboard"), "panelsJSON", change)


def lens_of(content: list[Json], title: str) -> Json:
    found: Json = next(panel for panel in content if panel.get("title") == title)["embeddableConfig"]["attributes"]["state"]
    return found


def column_of(content: list[Json], title: str, name: str) -> Json:
    found: Json = lens_of(content, title)["datasourceStates"]["formBased"]["layers"]["layer_0"]["columns"][name]
    return found


def rename_field(found: list[Json]) -> None:
    panels(found, lambda content: column_of(content, "Top 5 merchant categories", "bucket_0").update(sourceField="merchant_category"))


def average_a_word(found: list[Json]) -> None:
    panels(found, lambda content: column_of(content, "Average amount", "metric_0").update(sourceField="merchant"))


def lose_a_view(found: list[Json]) -> None:
    found.remove(first(found, "index-pattern"))
    found[-1]["exportedCount"] -= 1


def repeat_a_view(found: list[Json]) -> None:
    found.insert(0, first(found, "index-pattern"))
    found[-1]["exportedCount"] += 1


def rank_by_a_place(found: list[Json]) -> None:
    ranking = {"operationType": "max", "sourceField": "place.point"}
    panels(found, lambda content: column_of(content, "Average amount", "bucket_0")["params"].update(orderAgg=ranking))


def break_a_layer(found: list[Json]) -> None:
    inside(first(found, "map"), "layerListJSON", lambda layers: layers[0]["sourceDescriptor"].update(geoField="place.cell"))


def break_a_specification(found: list[Json]) -> None:
    dashboard = found[-2]
    inside(
        dashboard,
        "panelsJSON",
        lambda content: next(panel for panel in content if panel.get("title") == "Distance against time")["embeddableConfig"]["savedVis"][
            "params"
        ].update(spec="{"),
    )


BROKEN: dict[str, tuple[Callable[[list[Json]], None], str, str]] = {
    "no summary": (lambda found: found.__delitem__(-1), "summary", "no summary"),
    "another count": (lambda found: found[-1].update(exportedCount=3), "summary", "counts 3 objects"),
    "no version": (lambda found: first(found, "map").pop("typeMigrationVersion"), "envelope", "lacks typeMigrationVersion"),
    "another version": (lambda found: first(found, "map").update(typeMigrationVersion="7.9.3"), "envelope", "migration versions"),
    "an unknown type": (lambda found: first(found, "map").update(type="canvas"), "envelope", "canvas is no type"),
    "one id twice": (repeat_a_view, "ids", "2 objects have the id"),
    "an empty id": (lambda found: first(found, "map").update(id=""), "ids", "an id is empty"),
    "one panel twice": (lambda found: panels(found, lambda each: each[1].update(panelIndex=each[0]["panelIndex"])), "ids", "2 panels have"),
    "another place": (lambda found: panels(found, lambda each: each[1]["gridData"].update(i="x")), "ids", "its place differ"),
    "a view that is gone": (lose_a_view, "references", "is not in the file"),
    "an unused reference": (
        lambda found: first(found, "search")["references"].append({"type": "map", "id": first(found, "map")["id"], "name": "spare"}),
        "references",
        "spare is a reference that nothing uses",
    ),
    "a missing reference": (lambda found: first(found, "map")["references"].pop(), "references", "is used and not among the references"),
    "one name twice": (
        lambda found: first(found, "map")["references"].append(first(found, "map")["references"][0]),
        "references",
        "two references have one name",
    ),
    "no JSON": (lambda found: first(found, "map")["attributes"].update(mapStateJSON="{"), "json", "mapStateJSON is not JSON"),
    "loose JSON": (lambda found: first(found, "map")["attributes"].update(uiStateJSON="{ }"), "json", "not in the one form"),
    "a broken specification": (break_a_specification, "json", "the specification is not JSON"),
    "an unknown field": (rename_field, "fields", "merchant_category is no field of transactions"),
    "an unfit field": (average_a_word, "fields", "merchant of transactions is keyword, which does not do for average"),
    "an unfit ranking": (rank_by_a_place, "fields", "place.point of transactions is geo_point, which does not do for max"),
    "no place": (break_a_layer, "fields", "place.cell of transactions is keyword, which does not do for geo"),
    "another index": (lambda found: first(found, "index-pattern")["attributes"].update(title="logs-*"), "fields", "for no index of ours"),
    "another column": (
        lambda found: first(found, "search")["attributes"]["columns"].append("sealed"),
        "fields",
        "sealed is no field of alerts",
    ),
    "a free query": (
        lambda found: panels(found[-2:], lambda each: lens_of(each, "Timeline")["query"].update(query="state != retracted")),
        "queries",
        "not of the form",
    ),
    "an overlap": (lambda found: panels(found, lambda each: each[1]["gridData"].update(w=10)), "grid", "it overlaps the panel Total count"),
    "too wide": (lambda found: panels(found, lambda each: each[0]["gridData"].update(w=49)), "grid", "within 48 columns"),
    "no order": (
        lambda found: panels(
            found, lambda each: lens_of(each, "Total count")["datasourceStates"]["formBased"]["layers"]["layer_0"].update(columnOrder=[])
        ),
        "lens",
        "the order of the columns",
    ),
    "an undrawn column": (
        lambda found: panels(found, lambda each: lens_of(each, "Average amount")["visualization"].pop("breakdownByAccessor")),
        "lens",
        "bucket_0 is a column that nothing draws",
    ),
    "an unknown column": (
        lambda found: panels(found, lambda each: lens_of(each, "Total count")["visualization"].update(metricAccessor="other")),
        "lens",
        "other is drawn and no column",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_each_check_is_red_on_what_it_is_for(fault: str) -> None:
    change, check, words = BROKEN[fault]
    broken = lines()
    change(broken)
    found = check_lines(broken)
    assert any(finding.check == check and words in finding.sentence for finding in found), [str(finding) for finding in found]


def test_objects_that_nobody_broke_are_fine() -> None:
    assert check_lines(lines()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda body: body["panels"][1]["grid"].update(w=10), "overlaps"),
        (lambda body: body["pinned_panels"][0]["config"].update(field_name="amount"), "does not do for control"),
        (lambda body: body["pinned_panels"][0]["config"].update(data_view_id="x"), "is not in the file"),
        (lambda body: body["panels"][2]["config"]["metrics"][0].update(field="person"), "person is no field"),
        (lambda body: body["panels"][6]["config"]["layers"][0]["x"].update(field="amount"), "does not do for date_histogram"),
        (lambda body: body["panels"][5]["config"]["breakdown_by"]["rank_by"].update(field="place.point"), "does not do for sort"),
        (lambda body: body["panels"][8]["config"]["group_by"][0].update(fields=["kind"]), "kind is no field"),
        (lambda body: body["panels"][1]["config"].update(query={"language": "kql", "expression": "a = b"}), "not of the form"),
    ],
)
def test_bodies_for_the_api_are_checked_too(change: Callable[[Json], None], words: str) -> None:
    body = bodies("veilocity")["payments.dashboard.json"]
    change(body)
    assert any(words in finding.sentence for finding in check_bodies({"payments": body}, lines()[:-1]))


CHARTS = [(dashboard, placed.panel) for dashboard in DASHBOARDS for placed in dashboard.panels if isinstance(placed.panel, Chart)]
_FIGURES = {"average": "avg", "max": "max", "unique_count": "cardinality"}


def asked(buckets: list[Json], figures: list[Json]) -> Json:
    """Return the aggregations that what a form says would be turned into by Kibana: of each a field, and what it is for."""
    inner: Json = {f"metric_{number}": each for number, each in enumerate(figures) if "count" not in each}
    for number, bucket in reversed(list(enumerate(buckets))):
        inner = {f"bucket_{number}": {**bucket, **({"aggs": inner} if inner else {})}}
    return inner


def figure(operation: str, field: str | None) -> Json:
    return {"count": {}} if operation == "count" else {_FIGURES[operation]: {"field": field}}


def terms(field: str, size: int, *, rest: bool) -> Json:
    return {"terms": {"field": field, "size": size, "order": {"_count": "desc"}, **({"missing": MISSING} if rest else {})}}


def times(field: str, interval: str) -> Json:
    return {"date_histogram": {"field": field, "fixed_interval": interval, "time_zone": "UTC", "min_doc_count": 1}}


@pytest.mark.parametrize(("dashboard", "chart"), CHARTS, ids=lambda each: each.name)
def test_lens_asks_what_elasticsearch_is_asked(dashboard: Dashboard, chart: Chart) -> None:
    state = lens_attributes("veilocity", chart)["state"]
    layer = state["datasourceStates"]["formBased"]["layers"]["layer_0"]
    columns = [layer["columns"][name] for name in layer["columnOrder"]]
    buckets = []
    for each in (column for column in columns if column["isBucketed"]):
        params = each["params"]
        if each["operationType"] == "terms":
            ranking = layer["columns"][params["orderBy"]["columnId"]] if params["orderBy"]["type"] == "column" else params["orderAgg"]
            assert (ranking["operationType"], params["orderDirection"]) == ("count", "desc")
            buckets.append(terms(each["sourceField"], params["size"], rest=params["missingBucket"]))
        else:
            buckets.append(times(each["sourceField"], params["interval"]))
    figures = [figure(each["operationType"], each["sourceField"]) for each in columns if not each["isBucketed"]]
    assert asked(buckets, figures) == chart.query()["aggs"]
    assert state["query"]["query"] == (chart.where.kql() if chart.where else "")


@pytest.mark.parametrize(("dashboard", "chart"), CHARTS, ids=lambda each: each.name)
def test_the_api_form_asks_the_same(dashboard: Dashboard, chart: Chart) -> None:
    config = next(each["config"] for each in api_body("veilocity", dashboard)["panels"] if each["config"].get("title") == chart.title)
    holder = config["layers"][0] if "layers" in config else config
    found = [*([holder["breakdown_by"]] if "breakdown_by" in holder else []), *([holder["x"]] if "x" in holder else [])]
    found += [*holder.get("group_by", []), *holder.get("rows", [])]
    if "layers" in config and isinstance(chart.buckets[0], Terms) and not any(isinstance(each, Times) for each in chart.buckets):
        found.reverse()  # without time the outer bucket lies along the axis
    buckets = [
        terms(each["fields"][0], each["limit"], rest="other_bucket" in each)
        if each["operation"] == "terms"
        else times(each["field"], each["suggested_interval"])
        for each in found
    ]
    shown = [*holder.get("metrics", []), *holder.get("y", [])]
    for rank in (each["rank_by"] for each in found if "rank_by" in each):
        ranking = shown[rank["metric_index"]] if rank["type"] == "metric" else rank
        assert (ranking["operation"], rank["direction"]) == ("count", "desc")
    figures = [figure(each["operation"], each.get("field")) for each in shown]
    assert asked(buckets, figures) == chart.query()["aggs"]
    assert config.get("query", {}).get("expression") == (chart.where.kql() if chart.where else None)


def test_the_drawn_dots_are_the_asked_ones_and_what_the_dashboard_filters() -> None:
    scatter = next(placed.panel for placed in INVESTIGATION.panels if isinstance(placed.panel, Scatter))
    drawn, plain = scatter.spec("veilocity")["data"]["url"]["body"], scatter.query()
    assert drawn["query"]["bool"]["filter"] == [*plain["query"]["bool"]["filter"], "%dashboard_context-filter_clause%"]
    assert drawn["query"]["bool"]["must"] == ["%dashboard_context-must_clause%", {"range": {"minute_ms": {"%timefilter%": True}}}]
    assert {name: drawn[name] for name in ("size", "_source", "sort")} == {name: plain[name] for name in ("size", "_source", "sort")}


def test_a_file_that_is_not_whole_is_told() -> None:
    with pytest.raises(StateError, match="line 2 is not JSON"):
        parse('{"a": 1}\n{"a":')
    with pytest.raises(StateError, match="line 1 is not an object"):
        parse("[]")


def test_the_command_checks_a_file_that_somebody_changed(tmp_path: Any) -> None:
    file = tmp_path / "changed.ndjson"
    file.write_text(render(MADE).replace('sourceField\\":\\"merchant', 'sourceField\\":\\"shop'), encoding="utf-8")
    result = CliRunner().invoke(app, ["kibana", "lint", str(file)])
    assert result.exit_code == 1
    assert "fields: dashboard Veilocity: payments, panel Unique merchants: shop is no field of transactions" in result.output
    assert CliRunner().invoke(app, ["kibana", "lint"]).exit_code == 0


def test_where_says_the_same_in_both_languages() -> None:
    one = Where("severity", ("high", "low"))
    assert (one.kql(), one.clause()) == ('severity : ("high" or "low")', {"terms": {"severity": ["high", "low"]}})
    other = Where("state", ("retracted",), negated=True)
    assert other.clause() == {"bool": {"must_not": [{"terms": {"state": ["retracted"]}}]}}
    assert [other.holds(value) for value in ("retracted", "open")] == [False, True]


def test_reckoning_orders_cuts_and_keeps_gaps_as_elasticsearch_does() -> None:
    documents = [{"device_type": name, "minute_ms": 0, "amount": 2.0} for name in ("b", "a", "c", "c", None, None)]
    chart = Chart("n", "", "", TRANSACTIONS, "donut", (Metric(""),), (Terms("device_type", "", 3),))
    assert Question.of(chart).reckon(documents) == [("c", 2), ("a", 1), ("b", 1)]
    chart = Chart("n", "", "", TRANSACTIONS, "donut", (Metric(""),), (Terms("device_type", "", 2, rest=True),))
    assert Question.of(chart).reckon(documents) == [(MISSING, 2), ("c", 2)]
    chart = Chart("n", "", "", TRANSACTIONS, "line", (Metric("", "average", "amount"),), (Times(10, ""),))
    assert Question.of(chart).reckon([*documents, {"minute_ms": 600_001, "amount": None}]) == [(0, 2.0), (600_000, None)]


def test_squares_at_the_edges_of_the_world_exist() -> None:
    assert geotile(89.9, 180.0, 6) == "6/63/0"
    assert geotile(-89.9, -180.0, 6) == "6/0/63"


def test_answers_differ_in_length_key_and_figure() -> None:
    assert alike([("a", 1, None)], [("a", 1, None)])
    for other in ([], [("b", 1, None)], [("a", 2, None)], [("a", 1, 0.5)], [("a", 1)]):
        assert not alike([("a", 1, None)], other)


def test_what_kibana_did_not_take_or_give_back_is_named() -> None:
    assert faults_of_import({"success": False}) == ["it says no success and no error"]
    text = "".join(f"{compact(each.document())}\n" for each in MADE[1:])
    assert missing_of_export(MADE, text) == ["index-pattern veilocity-transactions"]
    assert missing_of_export(MADE, text.replace("Veilocity: payments", "Mine")) == [
        "index-pattern veilocity-transactions",
        "dashboard Veilocity: payments",
    ]


def test_without_a_kibana_the_command_says_so() -> None:
    nobody = Kibana("http://127.0.0.1:9", settings.load({}))
    with pytest.raises(ServiceUnavailableError, match=r"no Kibana answers there .* name its address with --url"):
        nobody.version()
    nobody.close()
    for address in ("nonsense", "http://[::1"):
        with pytest.raises(SettingsError, match="http://HOST:PORT"):
            Kibana(address, settings.load({})).version()
