"""Sealed evidence opened through its one door: nothing is shown before it is recorded, and what is recorded stays when the person goes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pymongo.database import Database

from privacy.audit import audit_stores
from privacy.erasure import forget, plan
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.sealing import Sealer
from privacy.policy import compiled_policy
from privacy.unsealing import unmask
from storage.cases import CaseWriter, Status, forget_cases, verify_trails
from storage.documents import MaskedAlert
from storage.kinds import ALERTS, Document
from storage.roles import Actor, Role
from storage.unmaskings import UNMASKINGS, Outcome, UnmaskingLog, broken_links
from storage.vault import SubjectKeys
from tests.integration.case_world import (
    ADA,
    BEN,
    NOW_MS,
    PERSON,
    REASON,
    SUBJECT,
    changed,
    exact_alert,
    mongodb,
    sealed_alert,
    to,
    write_alerts,
)
from tests.integration.storage_world import START_MS, alert, token
from veilocity.errors import ErasedError, ForbiddenError, InvalidInputError, KeyMissingError, StateError, StoreUnavailableError
from veilocity.settings import Settings

pytestmark = pytest.mark.services
ROOT = Path(__file__).parents[2]


@pytest.fixture
def masked(service_settings: Settings) -> MaskedAlert:
    found = sealed_alert(service_settings)
    write_alerts(service_settings, (found, changed(alert(2, 0), subject=token("subject", 2))))
    return found


@pytest.fixture
def database(service_settings: Settings, masked: MaskedAlert) -> Iterator[Database[Document]]:
    with mongodb(service_settings) as found:
        yield found


def outcomes(database: Database[Document]) -> list[tuple[str, str, str | None]]:
    return [(one.author, one.outcome.value, one.about.reason if one.about else None) for one in UnmaskingLog(database)]


def test_evidence_is_shown_with_a_role_and_a_reason_and_every_request_is_recorded(
    service_settings: Settings, masked: MaskedAlert, database: Database[Document]
) -> None:
    assert unmask(service_settings, masked.id, BEN, f"  {REASON}  ", NOW_MS) == exact_alert()
    with pytest.raises(ForbiddenError, match="needs the role unmask, and this is triage"):
        unmask(service_settings, masked.id, ADA, REASON, NOW_MS)
    with pytest.raises(ErasedError, match="no sealed evidence"):
        unmask(service_settings, token("alert", 2), BEN, REASON, NOW_MS)
    with pytest.raises(InvalidInputError, match="no such alert"):
        unmask(service_settings, "4111111111111111", BEN, REASON, NOW_MS)
    for reason, wrong in (("", "needs a reason"), ("x" * 201, "longer than 200"), ("card 4111 1111 1111 1111", "card number")):
        with pytest.raises(InvalidInputError, match=wrong):
            unmask(service_settings, masked.id, BEN, reason, NOW_MS)
    service_settings.token_key_file.rename(service_settings.token_key_file.with_suffix(".away"))
    with pytest.raises(KeyMissingError):
        unmask(service_settings, masked.id, BEN, REASON, NOW_MS)
    assert outcomes(database) == [
        ("ben", "opened", REASON),
        ("ada", "refused", REASON),
        ("ben", "erased", REASON),
        ("ben", "missing", None),
        ("ben", "failed", REASON),
    ]
    log = UnmaskingLog(database)
    assert [(one.outcome, one.role) for one in log.of(masked.id)] == [
        (Outcome.OPENED, Role.UNMASK),
        (Outcome.REFUSED, Role.TRIAGE),
        (Outcome.FAILED, Role.UNMASK),
    ]
    assert "4111111111111111" not in str(list(database[UNMASKINGS.name].find()))
    assert PERSON not in str(list(database[UNMASKINGS.name].find()))


def test_evidence_that_cannot_be_recorded_is_not_shown(
    service_settings: Settings, masked: MaskedAlert, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: UnmaskingLog, *_: object) -> None:
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr(UnmaskingLog, "record", fails)
    with pytest.raises(StoreUnavailableError):
        unmask(service_settings, masked.id, BEN, REASON, NOW_MS)


def test_many_who_ask_at_once_make_one_chain(service_settings: Settings, database: Database[Document]) -> None:
    log = UnmaskingLog(database)
    people = [Actor(f"person{number}", Role.UNMASK) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda actor: log.record(actor, Outcome.OPENED, NOW_MS, ("a", "b", "c")), people))
    found = list(log)
    assert [one.id for one in found] == list(range(1, 41))
    assert sorted(made, key=lambda one: one.id) == found
    assert (broken_links(found), len(log), log.newest()) == ([], 40, found[-1])


def test_who_opened_evidence_stays_and_whom_it_was_about_goes_with_the_person(
    service_settings: Settings, masked: MaskedAlert, database: Database[Document]
) -> None:
    for _ in range(3):
        unmask(service_settings, masked.id, BEN, REASON, NOW_MS)
    log = UnmaskingLog(database)
    log.record(BEN, Outcome.OPENED, NOW_MS, (token("alert", 2), token("subject", 2), REASON))
    keys = SubjectKeys(service_settings)
    Sealer(KeyRing.from_file(service_settings.token_key_file), keys).forget(PERSON)
    keys.close()
    with pytest.raises(ErasedError, match="forgotten"):
        unmask(service_settings, masked.id, BEN, REASON, NOW_MS)
    assert forget_cases(database, [SUBJECT]) == {UNMASKINGS.name: 4}
    assert [(author, outcome, bool(reason)) for author, outcome, reason in outcomes(database)] == [
        *[("ben", "opened", False)] * 3,
        ("ben", "opened", True),
        ("ben", "erased", False),
    ]
    stored = str(list(database[UNMASKINGS.name].find()))
    assert masked.id not in stored
    assert SUBJECT not in stored
    assert verify_trails(service_settings).whole


def test_a_request_that_meets_a_forgetting_shows_and_leaves_nothing(
    service_settings: Settings, masked: MaskedAlert, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = UnmaskingLog.record

    def erased(self: UnmaskingLog, *arguments: object) -> object:
        database[ALERTS.name].delete_one({"_id": masked.id})
        forget_cases(database, [SUBJECT])
        return record(self, *arguments)  # type: ignore[arg-type]  # what the door hands over

    monkeypatch.setattr(UnmaskingLog, "record", erased)
    with pytest.raises(ErasedError, match="nothing is shown"):
        unmask(service_settings, masked.id, BEN, REASON, NOW_MS)
    assert outcomes(database) == [("ben", "opened", None)]


def test_damage_to_the_log_is_noticed(service_settings: Settings, masked: MaskedAlert, database: Database[Document]) -> None:
    for number in range(6):
        unmask(service_settings, masked.id, BEN, REASON, NOW_MS + number)
    report = audit_stores(service_settings, keep=False)
    assert not [
        fault for check in report.checks for fault in check.faults if fault.collection == UNMASKINGS.name and check.name != "tokens"
    ]
    database.command("collMod", UNMASKINGS.name, validator={})
    collection = database[UNMASKINGS.name]
    collection.update_one({"_id": 2}, {"$set": {"author": "somebody-else"}})
    collection.update_one({"_id": 3}, {"$set": {"about.reason": "another one"}})
    collection.delete_one({"_id": 5})
    assert [fault.at for fault in verify_trails(service_settings).faults] == ["unmasking 2", "unmasking 3", "unmasking 6"]
    collection.update_one({"_id": 2}, {"$set": {"more": 1}})
    with pytest.raises(StateError, match="unknown shape"):
        verify_trails(service_settings)


def test_the_bare_opening_of_evidence_is_used_by_its_door_alone() -> None:
    users = set()
    for room in ("privacy", "storage", "dashboard", "veilocity", "ingest", "rules"):
        for file in (ROOT / room).rglob("*.py"):
            names = {
                name.name
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.ImportFrom) and node.module == "privacy.unsealing"
                for name in node.names
            }
            users |= {file.relative_to(ROOT)} if "unseal" in names else set()
    assert users == set()


def test_forgetting_a_person_takes_cases_along_and_says_what_went(service_settings: Settings) -> None:
    KeyRing.generate(service_settings.token_key_file)
    found = plan(compiled_policy(service_settings), KeyRing.from_file(service_settings.token_key_file), PERSON, START_MS, START_MS + 1)
    subject = found.subjects["mongodb"][0]
    theirs = changed(sealed_alert(service_settings), subject=subject)
    others = changed(alert(2, 0), subject=token("subject", 2))
    write_alerts(service_settings, (theirs, others))
    for folder in ("ledger", "checkpoint/offsets", "checkpoint/commits"):
        (service_settings.privacy_dir / folder).mkdir(parents=True)
    for folder in ("offsets", "commits"):
        (service_settings.privacy_dir / "checkpoint" / folder / "0").write_text("v1\n")
    with CaseWriter(service_settings) as writer:
        for one in (theirs, others):
            writer.change(one.id, 0, to(Status.ACKNOWLEDGED, note="seen"))
    unmask(service_settings, theirs.id, BEN, REASON, NOW_MS)
    done = forget(service_settings, PERSON, wait_s=0.0)
    assert (done.complete, done.key) == (True, "deleted")
    assert done.stores["mongodb"].erased == {"alerts": 1, "cases": 1, "case_events": 1, "unmaskings": 1}
    with mongodb(service_settings) as database:
        for name in ("cases", "case_events"):
            assert [document["_id"][:32] for document in database[name].find()] == [others.id]
        everything = str([list(database[name].find()) for name in database.list_collection_names()])
    assert theirs.id not in everything
    assert subject not in everything
    assert verify_trails(service_settings).whole
    assert not forget(service_settings, PERSON, wait_s=0.0).found
