"""What becomes of a report: errors, metrics, the command, the kept document, the document that explains it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import typer
from prometheus_client import REGISTRY
from typer.testing import CliRunner

import privacy.audit
from privacy.audit import CHECKS, AuditReport, AuditSchedule, Check, Fault, Limits, StoredDocument, audit, observe
from privacy.audit.columns import TokenColumn
from privacy.audit.model import MOST_FAULTS
from privacy.audit.patterns import in_text
from privacy.audit.run import kept
from privacy.audit.schedule import expect
from storage.audits import audit_id
from tests.unit.audit_world import HOURS, START_MS, World, audited, clean_world, digits, token
from veilocity.cli import privacy_audit
from veilocity.errors import AuditFailedError, SettingsError
from veilocity.settings import Settings

FAULT = Fault("elasticsearch", "transactions", "ab" * 16, "amount", "has more than two significant digits")
FAILED = AuditReport(0, 1.5, {"mongodb/releases": 3, "elasticsearch/releases": 3}, (Check("exactness", False, {}, (FAULT,), 3),), False)
PASSED = AuditReport(0, 0.5, {"mongodb/releases": 2}, (Check("exactness", True, {"places": 4}),), True)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "privacy-audit.md"


def test_an_error_names_the_first_record_at_fault() -> None:
    PASSED.require()
    with pytest.raises(AuditFailedError, match=f"3 faults.*exactness: elasticsearch transactions {'ab' * 16} amount"):
        FAILED.require()


def test_metrics_follow_the_newest_report() -> None:
    expect(3600.0, now_s=1_000.0)
    assert (_metric("veilocity_privacy_audit_every_seconds"), _metric("veilocity_privacy_audit_last_seconds")) == (3600.0, 1_000.0)
    observe(msgspec.structs.replace(FAILED, written_ms=2_000_000))
    assert _metric("veilocity_privacy_audit_last_seconds") == 2_001.5
    assert _metric("veilocity_privacy_audit_passed") == 0.0
    assert _metric("veilocity_privacy_audit_faults", kind="exactness") == 3.0
    assert _metric("veilocity_privacy_audit_records", store="mongodb") == 3.0
    observe(PASSED)
    assert _metric("veilocity_privacy_audit_passed") == 1.0
    assert _metric("veilocity_privacy_audit_faults", kind="exactness") == 0.0
    assert _metric("veilocity_privacy_audit_seconds") == 0.5


def _metric(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_an_audit_is_due_when_the_last_one_began_long_enough_ago() -> None:
    schedule = AuditSchedule(every_s=60.0, first_after_s=100.0)
    assert [schedule.is_due(now_s, last_s) for now_s, last_s in ((99.0, None), (100.0, None), (150.0, 100.0), (160.0, 100.0))] == [
        False,
        True,
        False,
        True,
    ]
    with pytest.raises(SettingsError):
        AuditSchedule(-1.0)


def test_what_is_kept_names_no_document_of_elasticsearch_and_passes_an_audit_itself() -> None:
    mine = msgspec.structs.replace(FAULT, store="mongodb", id=digits("mine"))
    report = msgspec.structs.replace(
        FAILED, checks=(Check("exactness", False, {"places": 1}, (FAULT, mine), 2, "a note"),), written_ms=1234
    )
    fields = kept(report)
    assert FAULT.id not in json.dumps(fields)
    assert digits("mine") in json.dumps(fields)
    assert msgspec.convert(fields, AuditReport).fault_count == 2
    world: World = clean_world()
    world["mongodb"]["audits"] = [{"_id": audit_id(1_795_305_600_123), **kept(audited(clean_world())), "written_ms": 1_795_305_600_123}]
    assert audited(world).passed
    assert in_text(audit_id(1_795_305_600_123)) == ()


def test_faults_are_counted_beyond_those_that_are_named() -> None:
    world = clean_world()
    for store in world:
        for payment in world[store]["transactions"]:
            payment["amount"] = 23.17
    (check,) = (check for check in audited(world).checks if not check.passed)
    assert (check.name, check.fault_count, len(check.faults)) == ("exactness", 320, MOST_FAULTS)


def test_a_token_that_vanished_before_it_was_named_is_still_a_fault() -> None:
    shared = digits("shared")
    documents = [StoredDocument(store, "transactions", {"_id": shared}) for store in ("mongodb", "elasticsearch")]
    looks = iter((documents, []))
    report = audit(lambda: next(looks), Limits(), rng=np.random.default_rng(1), now_ms=0)
    (check,) = (check for check in report.checks if check.name == "tokens")
    assert not check.passed
    assert "audit again" in check.note
    with pytest.raises(AuditFailedError):
        report.require()


def test_a_dead_letter_may_name_a_document_of_the_other_store() -> None:
    world = clean_world()
    refused = world["elasticsearch"]["transactions"].pop()
    world["mongodb"]["dead_letters"] = [
        {
            "_id": f"elasticsearch:transactions:{refused['_id']}",
            "store": "elasticsearch",
            "kind": "transactions",
            "id": refused["_id"],
            "seq": 3,
        }
    ]
    report = audited(world)
    assert report.passed, report.checks


def test_a_batch_that_is_being_written_is_no_fault() -> None:
    world = clean_world()
    world["mongodb"]["progress"][0].update(seq=2, transactions=120, released=120)
    assert audited(world).passed
    del world["mongodb"]["progress"]
    assert [check.name for check in audited(world).checks if not check.passed] == ["conservation"]


def test_a_class_of_a_batch_that_is_being_written_may_come_before_its_payments() -> None:
    world = clean_world()
    world["mongodb"]["progress"][0].update(seq=2, transactions=120, released=120)
    for store in world:
        world[store]["transactions"] = [payment for payment in world[store]["transactions"] if payment["seq"] < 3]
    assert audited(world).passed
    world["mongodb"]["progress"][0].update(seq=3)
    assert "linkage" in [check.name for check in audited(world).checks if not check.passed]


def test_payments_that_the_policy_drops_are_in_no_store_and_are_no_fault() -> None:
    world = clean_world()
    total = world["mongodb"]["progress"][0]["transactions"]
    kept = world["mongodb"]["transactions"]
    for store in world.values():
        for name in ("transactions", "groups", "samples"):
            store.pop(name, None)
    assert [check.name for check in audited(world).checks if not check.passed] == ["conservation"]
    world["mongodb"]["progress"][0].update(unstored=total)
    assert audited(world).passed
    world["mongodb"]["transactions"] = kept[:1]
    assert "conservation" in [check.name for check in audited(world).checks if not check.passed]


def test_members_may_be_other_pseudonyms_in_each_store() -> None:
    world = clean_world()
    for release in world["mongodb"]["releases"]:
        release["release"]["members"] = sorted(digits("mine", member) for member in release["release"]["members"])
    assert audited(world).passed


def test_kinds_that_meet_within_a_store_do_not_meet_across_stores() -> None:
    world = clean_world()
    world["mongodb"]["transactions"][5]["user"] = world["mongodb"]["transactions"][5]["card"]
    (check,) = (check for check in audited(world).checks if not check.passed)
    assert (check.name, check.figures["in_both_stores"]) == ("tokens", 0)


def test_empty_stores_pass() -> None:
    report = audited({"mongodb": {}, "elasticsearch": {}})
    assert report.passed
    assert report.read == {}


def test_a_column_of_tokens_stays_as_small_as_its_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.audit.columns._COMPACT_AT", 8)
    column = TokenColumn()
    for number in range(10_000):
        column.add(number % 7)
    assert column.distinct().tolist() == list(range(7))
    assert len(column._tokens) <= 2 * 7


def test_many_random_tokens_are_random() -> None:
    documents = [StoredDocument("mongodb", "transactions", {"_id": token("m", "t", number)}) for number in range(9_000)]
    report = audit(lambda: documents, Limits(), rng=np.random.default_rng(1), now_ms=0)
    assert [check.name for check in report.checks if not check.passed] == []


@pytest.mark.parametrize(("report", "code"), [(PASSED, 0), (FAILED, 1)])
def test_the_command_prints_and_exits(report: AuditReport, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def stores(settings: Settings, limits: Limits, **options: Any) -> AuditReport:
        asked.append((limits, options))
        return report

    monkeypatch.setenv("VEILOCITY_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(privacy.audit, "audit_stores", stores)
    app = typer.Typer()
    app.command()(privacy_audit.audit)
    shown = CliRunner().invoke(app, ["--period-days", "1", "--allow", "transactions.merchant:phone", "--no-keep"])
    assert shown.exit_code == code
    assert "exactness" in shown.stdout
    assert (FAULT.sentence() in shown.stdout) == (code == 1)
    assert asked[0][0].period_ms == 86_400_000
    assert asked[0][0].allowed == {("transactions.merchant", "phone")}
    assert asked[0][1]["keep"] is False
    as_json = CliRunner().invoke(app, ["--json"])
    assert as_json.exit_code == code
    assert msgspec.json.decode(as_json.stdout.encode(), type=AuditReport) == report
    with pytest.raises(SettingsError, match="--allow"):
        CliRunner().invoke(app, ["--allow", "phone"], catch_exceptions=False)


def test_the_document_explains_every_check_and_every_reason() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in CHECKS if f"## {name}\n" not in page] == []
    for kind in ("card-number", "e-mail", "phone", "iban", "ip-address", "mac-address", "uuid", "known", "plain-hash"):
        assert f"`{kind}`" in page
    fields = list(Limits.__struct_fields__)
    assert [field for field in fields if f"`{field}`" not in page] == []


def test_payments_erased_on_the_day_are_allowed_for_and_on_no_other() -> None:
    world = clean_world()
    for store, collections in world.items():
        gone = token(store, "subject", 2)
        collections["transactions"] = [one for one in collections["transactions"] if one["subject"] != gone]
        step: dict[str, Any] = {"_id": "abc", "store": store, "kind": "transactions", "day_ms": START_MS, "count": HOURS, "done": True}
        world["mongodb"].setdefault("erasures", []).append(step)
    assert [check.name for check in audited(world).checks if not check.passed] == []
    for step in world["mongodb"]["erasures"]:
        step["day_ms"] += 24 * 3_600_000
    assert [check.name for check in audited(world).checks if not check.passed] == ["linkage"]
