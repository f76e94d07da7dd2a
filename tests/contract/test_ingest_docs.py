"""docs/http-api.md is held to the code: addresses, reasons, channels, metrics, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest import app, telemetry
from ingest.directory import Directory
from ingest.outcome import MAXIMUM_RECORDS
from veilocity import settings
from veilocity.contracts import Channel, FixFlag, IdentifierKind
from veilocity.errors import RejectReason

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "http-api.md").read_text(encoding="utf-8")


class Nobody:
    directory = Directory()
    ready = True


def routes() -> set[str]:
    gateway = app.create_app(settings.load({}), Nobody(), Nobody())  # type: ignore[arg-type]  # only its addresses are asked for
    return {f"{verb} {rule.rule}" for rule in gateway.url_map.iter_rules() for verb in (rule.methods or set()) - {"HEAD", "OPTIONS"}}


def test_every_address_is_described_and_no_other() -> None:
    gateway = TEXT.split("## What the dashboard's pages ask")[0]
    described = {line.split("`")[1] for line in gateway.splitlines() if line.startswith(("| `POST ", "| `PUT ", "| `GET "))}
    assert described == routes()


@pytest.mark.parametrize("reason", list(RejectReason))
def test_every_reason_is_described(reason: RejectReason) -> None:
    assert f"\n| `{reason.value}` |" in TEXT


@pytest.mark.parametrize("word", [*Channel, *FixFlag, *IdentifierKind])
def test_every_word_of_the_protocol_is_described(word: str) -> None:
    assert f"`{word}`" in TEXT


@pytest.mark.parametrize(
    "metric", [telemetry.ITEMS, telemetry.REJECTS, telemetry.REQUESTS, telemetry.REQUEST_SECONDS, telemetry.DIRECTORY_ENTRIES]
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
