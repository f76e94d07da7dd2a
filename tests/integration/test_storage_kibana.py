"""Kibana's panels on a real Elasticsearch: known answers, and fields that are what the data views say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch
from typer.testing import CliRunner

from storage.elastic import connect
from storage.kibana import DASHBOARDS
from storage.kibana.charts import Chart, Metric
from storage.kibana.dashboards import PAYMENTS
from storage.kibana.probe import alike, ask, check_answers, check_fields, trial_indices
from storage.kibana.questions import MISSING, Question
from storage.kibana.trial import START_MS, trial
from storage.kinds import ALERTS, TRANSACTIONS
from storage.mappings import alias
from tests.integration.storage_world import batch, both, writing
from veilocity.cli import app
from veilocity.settings import Settings, load

pytestmark = pytest.mark.services

QUESTIONS = [question for dashboard in DASHBOARDS for question in dashboard.questions()]


@pytest.fixture(scope="module")
def client(elasticsearch_server: str) -> Iterator[Elasticsearch]:
    with connect(load({}, elasticsearch_url=elasticsearch_server), request_timeout_s=30.0) as found:
        yield found


@pytest.fixture(scope="module")
def indices(client: Elasticsearch) -> Iterator[dict[str, str]]:
    with trial_indices(client, "kibana-test") as names:
        yield names


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_panel_is_answered_as_plain_python_answers_it(client: Elasticsearch, indices: dict[str, str], question: Question) -> None:
    expected = question.reckon(trial()[question.kind.name])
    assert expected
    rows = ask(client, question, indices[question.kind.name])
    assert alike(rows, expected), (rows, expected)


def test_the_ten_panels_have_the_answers_that_were_counted_by_hand(client: Elasticsearch, indices: dict[str, str]) -> None:
    found = {question.name: ask(client, question, indices[question.kind.name]) for question in PAYMENTS.questions()}
    assert len(found) == 10
    assert found["count"] == [(96,)]
    # Squares leave 12 remainders modulo 23, 15 modulo 29 and 9 modulo 17.
    assert (found["people"], found["cards"], found["merchants"]) == ([(12,)], [(15,)], [(9,)])
    # Squares leave six remainders modulo 11, each but 0 twice: the sixth category, grocery, is cut off.
    assert found["categories"] == [("entertainment", 18), ("restaurant", 18), ("fuel", 17), ("online", 17), ("travel", 17)]
    assert found["devices"] == [("mobile", 48), (MISSING, 24), ("tablet", 24)]
    assert found["types"] == [("atm", 34), ("card-present", 33), ("e-commerce", 17), ("recurring", 12)]
    assert sum(count for _, count in found["volume"]) == 96
    assert found["volume"][0] == (START_MS, 4)
    assert [currency for currency, _ in found["amount"]] == ["EUR", "USD", "GBP"]
    assert found["amount"][0][1] == pytest.approx(sum(amount_of_euros()) / len(amount_of_euros()))
    assert found["amount-over-time"][0] == ("EUR", START_MS, pytest.approx((12.0 + 5.5 + 41.0) / 3))


def amount_of_euros() -> list[float]:
    return [document["amount"] for document in trial()["transactions"] if document["currency"] == "EUR"]


def test_our_times_take_the_filter_and_the_empty_buckets_that_kibana_sends(client: Elasticsearch, indices: dict[str, str]) -> None:
    moment = {"gte": "2026-11-22T01:00:00.000Z", "lte": "2026-11-22T01:29:59.999Z", "format": "strict_date_optional_time"}
    bounds = {"min": START_MS + 3_000_000, "max": START_MS + 6_000_000}
    histogram = {"field": "minute_ms", "fixed_interval": "10m", "time_zone": "Europe/Berlin", "min_doc_count": 0, "extended_bounds": bounds}
    answer = client.search(
        index=indices["transactions"],
        size=0,
        query={"bool": {"filter": [{"range": {"minute_ms": moment}}]}},
        aggs={"times": {"date_histogram": histogram}},
    )
    counts = {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["times"]["buckets"]}
    assert counts == {START_MS + 600_000 * number: 4 if number in (6, 7, 8) else 0 for number in range(5, 11)}


def test_the_linter_finds_nothing_on_indices_of_ours_and_leaves_nothing_behind(service_settings: Settings) -> None:
    prefix = service_settings.elasticsearch_index_prefix
    with connect(service_settings, request_timeout_s=30.0) as own:
        assert check_fields(own, prefix) == []  # before the first document
        with writing(service_settings) as writer:
            writer.write(both(batch(0)))
        own.indices.refresh(index=f"{prefix}-*")
        before = {name for name in own.indices.get(index="*") if prefix in name}
        assert check_fields(own, prefix) == []
        assert check_answers(own, prefix) == []
        where = {"VEILOCITY_ELASTICSEARCH_URL": service_settings.elasticsearch_url, "VEILOCITY_ELASTICSEARCH_INDEX_PREFIX": prefix}
        result = CliRunner().invoke(app, ["kibana", "lint", "--elasticsearch"], env=where)
        assert (result.exit_code, result.output) == (0, "No faults.\n")
        assert {name for name in own.indices.get(index="*") if prefix in name} == before


def test_an_index_with_another_type_is_told(service_settings: Settings) -> None:
    prefix = service_settings.elasticsearch_index_prefix
    with connect(service_settings, request_timeout_s=30.0) as own:
        own.indices.create(
            index=f"{prefix}-other", aliases={alias(prefix, ALERTS): {}}, mappings={"properties": {"rule": {"type": "long"}}}
        )
        found = check_fields(own, prefix)
    assert "rule should be keyword and is long" in {finding.sentence for finding in found}
    assert "severity should be keyword and is missing" in {finding.sentence for finding in found}


def test_a_panel_that_asks_something_else_is_told(client: Elasticsearch, indices: dict[str, str]) -> None:
    people = Chart("people", "", "", TRANSACTIONS, "metric", (Metric("", "unique_count", "subject"),))
    cards = Chart("people", "", "", TRANSACTIONS, "metric", (Metric("", "unique_count", "card"),))
    rows = ask(client, Question.of(cards), indices[TRANSACTIONS.name])
    assert not alike(rows, Question.of(people).reckon(trial()[TRANSACTIONS.name]))
