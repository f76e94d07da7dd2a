"""docs/http-api.md is held to the code: addresses, reasons, channels, metrics, limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest import app, telemetry
from ingest.directory import Directory
from ingest.filters import FilterLimits
from ingest.outcome import MAXIMUM_RECORDS
from ingest.protocols import PROTOCOLS
from veilocity import settings
from veilocity.contracts import Channel, FixFilter, FixFlag, IdentifierKind
from veilocity.errors import RejectReason

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "http-api.md").read_text(encoding="utf-8")
PHONES = (DOCS / "phones.md").read_text(encoding="utf-8")
GATEWAY, _, _ = TEXT.partition("\n# The dashboard")


class Nobody:
    directory = Directory()
    ready = True


def routes() -> set[str]:
    gateway = app.create_app(settings.load({}), Nobody(), Nobody())  # type: ignore[arg-type]  # only its addresses are asked for
    return {f"{verb} {rule.rule}" for rule in gateway.url_map.iter_rules() for verb in (rule.methods or set()) - {"HEAD", "OPTIONS"}}


def test_every_address_is_described_and_no_other() -> None:
    rows = [line.split("|")[1] for line in GATEWAY.splitlines() if line.startswith(("| `POST ", "| `PUT ", "| `GET "))]
    described = {address for row in rows for address in re.findall(r"`([^`]+)`", row)}
    assert described | {f"{address}/<token>" for address in described if address.split("/v1/")[-1] in PROTOCOLS} == routes()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_phone_protocol_is_described_with_its_answer(name: str) -> None:
    assert f"/v1/{name}" in PHONES
    answer = PROTOCOLS[name].answer
    assert answer is None or f"`{answer.decode()}`" in PHONES


@pytest.mark.parametrize("name", list(FixFilter))
def test_every_filter_is_described(name: FixFilter) -> None:
    assert f"\n| `{name.value}` |" in PHONES


def test_the_defaults_of_the_filters_are_those_of_the_settings() -> None:
    assert FilterLimits.of(settings.load({})) == FilterLimits()


@pytest.mark.parametrize("reason", list(RejectReason))
def test_every_reason_is_described(reason: RejectReason) -> None:
    assert f"\n| `{reason.value}` |" in TEXT


@pytest.mark.parametrize("word", [*Channel, *FixFlag, *IdentifierKind])
def test_every_word_of_the_protocol_is_described(word: str) -> None:
    assert f"`{word}`" in TEXT


@pytest.mark.parametrize(
    "metric",
    [
        telemetry.ITEMS,
        telemetry.REJECTS,
        telemetry.REQUESTS,
        telemetry.REQUEST_SECONDS,
        telemetry.DIRECTORY_ENTRIES,
        telemetry.FILTERED,
        telemetry.REMEMBERED,
    ],
)
def test_every_metric_and_its_labels_are_described(metric: object) -> None:
    (family,) = metric.describe()  # type: ignore[attr-defined]  # every Prometheus metric has it
    name = family.name + ("_total" if family.type == "counter" else "")
    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]
    assert all(f"`{label}`" in line for label in metric._labelnames)  # type: ignore[attr-defined]  # as above


def test_every_ingest_setting_a_sender_meets_is_named_and_the_limit_is_right() -> None:
    named = ("ingest_host", "ingest_port", "ingest_token", "ingest_max_body_bytes", "ingest_future_limit_s", "ingest_directory_file")
    assert all(name in settings.Settings.model_fields and f"VEILOCITY_{name.upper()}" in TEXT for name in named)
    assert f"{MAXIMUM_RECORDS:,}" in TEXT
