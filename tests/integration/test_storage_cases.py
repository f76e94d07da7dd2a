"""Cases on a real MongoDB: two who decide at once, a writer killed in the middle, broken trails, a forgotten person, bounded questions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from prometheus_client import REGISTRY
from pymongo import MongoClient
from pymongo.database import Database

from devstack.environment import base
from devstack.services import service
from privacy.audit import audit_stores
from storage.cases import Case, CaseFilter, CaseReader, CaseWriter, Label, Status, forget_cases, read_labels, verify_trails
from storage.cases.collections import CASE_EVENTS, CASES, MISSED_FRAUDS, ensure_case_collections
from storage.cases.labelling import publish, read_precision
from storage.cases.watch import LabelWatch
from storage.kinds import ALERTS, TRANSACTIONS, Document
from storage.roles import Actor, Role
from storage.unmaskings import UNMASKINGS
from tests.integration.case_world import (
    ADA,
    BEN,
    CHIEF,
    NOW_MS,
    REASON,
    SUBJECT,
    mongodb,
    payments_of_person,
    to,
    write_alerts,
)
from tests.integration.storage_world import START_MS, alert, minute, token, transaction
from tests.integration.test_storage_queries import _Questions, _scans
from veilocity.errors import ConflictError, ErasedError, ForbiddenError, InvalidInputError
from veilocity.settings import Settings

pytestmark = pytest.mark.services
ALERT_COUNT = 8
FIRST = token("alert", 0)


@pytest.fixture
def settings(service_settings: Settings) -> Settings:
    write_alerts(
        service_settings, tuple(alert(number, 0, minute_ms=minute(number // 3)) for number in range(ALERT_COUNT)), payments_of_person()
    )
    return service_settings


@pytest.fixture
def writer(settings: Settings) -> Iterator[CaseWriter]:
    with CaseWriter(settings) as found:
        yield found


@pytest.fixture
def reader(settings: Settings) -> Iterator[CaseReader]:
    with CaseReader(settings) as found:
        yield found


@pytest.fixture
def database(settings: Settings) -> Iterator[Database[Document]]:
    with mongodb(settings) as found:
        yield found


def decided(writer: CaseWriter, identity: str, status: Status) -> Case:
    writer.change(identity, 0, to(Status.ACKNOWLEDGED))
    return writer.change(identity, 1, to(status, reason=REASON))


def test_a_case_goes_its_way_and_its_trail_tells_who_and_why(settings: Settings, writer: CaseWriter, reader: CaseReader) -> None:
    assert reader.cases([FIRST]) == {}
    writer.change(FIRST, 0, to(None, assignee="ada", note="looks like a copied card"))
    writer.change(FIRST, 1, to(Status.ACKNOWLEDGED))
    writer.change(FIRST, 2, to(Status.CONFIRMED_FRAUD, BEN, reason=REASON))
    closed = writer.change(FIRST, 3, to(Status.CLOSED, BEN))
    assert reader.cases([FIRST, token("alert", 1)]) == {FIRST: closed}
    assert (closed.status, closed.label, closed.assignee, closed.author) == (Status.CLOSED, Label.CONFIRMED_FRAUD, "ada", "ben")
    assert (closed.rule, closed.minute_ms, closed.subject, closed.cell) == (
        "impossible-travel",
        minute(0),
        token("subject", 0),
        "871fb4662ffffff",
    )
    trail = reader.history(FIRST)
    assert [(one.revision, one.author, one.after.value) for one in trail] == [
        (1, "ada", "new"),
        (2, "ada", "acknowledged"),
        (3, "ben", "confirmed_fraud"),
        (4, "ben", "closed"),
    ]
    assert (trail[0].note, trail[2].reason) == ("looks like a copied card", REASON)
    assert verify_trails(settings).whole
    counts = reader.counts()
    assert (counts[Status.CLOSED], counts[Status.NEW]) == (1, ALERT_COUNT - 1)


def test_of_two_who_decide_at_once_one_is_told_what_the_other_did(settings: Settings, writer: CaseWriter, reader: CaseReader) -> None:
    writer.change(FIRST, 0, to(Status.ACKNOWLEDGED))
    for revision in (1, 3, 5):
        choices = [Status.CONFIRMED_FRAUD, Status.FALSE_POSITIVE]
        people = [Actor(f"person{number}", Role.TRIAGE) for number in range(8)]

        def decide(number: int, revision: int = revision, people: list[Actor] = people, choices: list[Status] = choices) -> Case | str:
            try:
                return writer.change(FIRST, revision, to(choices[number % 2], people[number], reason=REASON))
            except ConflictError as conflict:
                return str(conflict)

        with ThreadPoolExecutor(8) as threads:
            results = list(threads.map(decide, range(8)))
        (won,) = [one for one in results if isinstance(one, Case)]
        told = {one for one in results if isinstance(one, str)}
        assert told == {f"conflict: {won.author} changed the case to {won.status} (revision {revision + 1}): read it again and decide anew"}
        assert reader.cases([FIRST]) == {FIRST: won}
        writer.change(FIRST, revision + 1, to(Status.ACKNOWLEDGED, reason="looked at it again"))
    assert [one.revision for one in reader.history(FIRST)] == list(range(1, 8))
    assert verify_trails(settings).whole


def test_what_is_not_allowed_writes_nothing(settings: Settings, writer: CaseWriter, database: Database[Document]) -> None:
    with pytest.raises(ForbiddenError, match="needs the role triage, and this is view"):
        writer.change(FIRST, 0, to(Status.ACKNOWLEDGED, Actor("eve", Role.VIEW)))
    with pytest.raises(InvalidInputError, match="what can is acknowledged"):
        writer.change(FIRST, 0, to(Status.CLOSED))
    with pytest.raises(InvalidInputError, match="card number"):
        writer.change(FIRST, 0, to(Status.ACKNOWLEDGED, note="4111-1111-1111-1111"))
    with pytest.raises(InvalidInputError, match="no such alert"):
        writer.change(token("alert", 99), 0, to(Status.ACKNOWLEDGED))
    with pytest.raises(ConflictError, match="nobody has changed this case yet"):
        writer.change(FIRST, 4, to(Status.ACKNOWLEDGED))
    assert [database[name].count_documents({}) for name in (CASES.name, CASE_EVENTS.name)] == [0, 0]


KILLED = """
import os, signal, sys
from storage.cases.shelf import MongoShelf
from storage.cases import CaseWriter, Change, Status
from storage.roles import Actor, Role
from veilocity.settings import load

MongoShelf.put = lambda shelf, case: os.kill(os.getpid(), signal.SIGKILL)
with CaseWriter(load()) as writer:
    change = Change(actor=Actor("ada", Role.TRIAGE), written_ms=1, to=Status.ACKNOWLEDGED)
    writer.change(sys.argv[1], 0, change)
"""


def test_a_writer_killed_between_event_and_case_is_made_good_by_the_next(
    settings: Settings, writer: CaseWriter, reader: CaseReader, database: Database[Document]
) -> None:
    environment = dict(service("privacy", settings, base(os.environ)).environment)
    for identity in (FIRST, token("alert", 1), token("alert", 2)):
        killed = subprocess.run([sys.executable, "-c", KILLED, identity], env=environment, check=False, capture_output=True)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert database[CASES.name].count_documents({}) == 0
    # Who looks sees the event; who writes goes on from it; who verifies finds it no fault, and repairs the rest.
    assert reader.cases([FIRST])[FIRST].status == Status.ACKNOWLEDGED
    with pytest.raises(ConflictError, match="ada changed the case to acknowledged"):
        writer.change(FIRST, 0, to(Status.ACKNOWLEDGED, BEN))
    assert writer.change(FIRST, 1, to(Status.FALSE_POSITIVE, BEN, reason=REASON)).revision == 2
    found = verify_trails(settings)
    assert (found.whole, found.behind, found.events, found.cases) == (True, 2, 4, 1)
    with pytest.raises(ForbiddenError):
        verify_trails(settings, repair=BEN)
    assert verify_trails(settings, repair=CHIEF).behind == 2
    assert (verify_trails(settings).behind, database[CASES.name].count_documents({})) == (0, 3)


def damage(database: Database[Document], collection: str, identity: str, **fields: object) -> None:
    database.command("collMod", collection, validator={})
    assert database[collection].update_one({"_id": identity}, {"$set": fields}).modified_count == 1


def test_every_damage_to_a_trail_is_noticed_where_it_is(settings: Settings, writer: CaseWriter, database: Database[Document]) -> None:
    ids = [token("alert", number) for number in range(7)]
    for identity in ids:
        decided(writer, identity, Status.CONFIRMED_FRAUD)
        writer.change(identity, 2, to(Status.CLOSED))
    before = verify_trails(settings)
    assert before.whole
    damage(database, CASE_EVENTS.name, f"{ids[0]}-000002", reason="something else")
    damage(database, CASE_EVENTS.name, f"{ids[1]}-000003", author="eve")
    damage(database, CASE_EVENTS.name, f"{ids[2]}-000001", added=1)
    damage(database, CASES.name, ids[3], label="false_positive")
    for identity in (f"{ids[4]}-000002", f"{ids[5]}-000003", *[f"{ids[6]}-00000{number}" for number in (1, 2, 3)]):
        assert database[CASE_EVENTS.name].delete_one({"_id": identity}).deleted_count == 1
    found = verify_trails(settings)
    # A changed event shows at the next one, which holds its digest, and the last one at the case, which does.
    assert sorted(fault.at for fault in found.faults) == sorted(
        [f"{ids[0]}-000003", ids[1], f"{ids[2]}-000001", ids[3], f"{ids[4]}-000002", f"{ids[5]}-000003", f"{ids[6]}-000001"]
    )
    assert (found.whole, found.fault_count) == (False, 7)
    assert found.digest != before.digest


def test_a_forgotten_persons_cases_go_and_nobody_elses(
    settings: Settings, writer: CaseWriter, reader: CaseReader, database: Database[Document]
) -> None:
    for number in range(3):
        decided(writer, token("alert", number), Status.FALSE_POSITIVE)
    payment = transaction(1, 0).id
    writer.report_missed(payment, ADA, REASON, NOW_MS)
    database[ALERTS.name].delete_one({"_id": token("alert", 1)})
    gone = {token("subject", 1)}
    assert forget_cases(database, sorted(gone)) == {CASES.name: 1, CASE_EVENTS.name: 2, MISSED_FRAUDS.name: 1}
    assert forget_cases(database, sorted(gone)) == {}
    assert set(reader.cases([token("alert", number) for number in range(3)])) == {token("alert", 0), token("alert", 2)}
    assert verify_trails(settings).whole
    with pytest.raises(InvalidInputError, match="no such alert"):
        writer.change(token("alert", 1), 0, to(Status.ACKNOWLEDGED))


def test_who_writes_while_the_person_is_forgotten_leaves_nothing(
    settings: Settings, writer: CaseWriter, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = writer._shelf
    append = shelf.append

    def erased(what: object) -> bool:
        database[ALERTS.name].delete_one({"_id": FIRST})
        forget_cases(database, [token("subject", 0)])
        return append(what)  # type: ignore[arg-type]  # what the writer hands over

    for revision in (0, 1):
        if revision:
            write_alerts(settings, (alert(0, 0),))
            writer.change(FIRST, 0, to(Status.ACKNOWLEDGED))
        monkeypatch.setattr(shelf, "append", erased)
        with pytest.raises(ErasedError, match="forgotten at this moment"):
            writer.change(FIRST, revision, to(None, note="x") if revision else to(Status.ACKNOWLEDGED))
        monkeypatch.setattr(shelf, "append", append)
        assert [database[name].count_documents({}) for name in (CASES.name, CASE_EVENTS.name)] == [0, 0]


def test_the_audit_finds_nothing_wrong_with_cases_and_reads_their_texts(
    settings: Settings, writer: CaseWriter, database: Database[Document]
) -> None:
    for number in range(3):
        decided(writer, token("alert", number), Status.CONFIRMED_FRAUD)
    writer.report_missed(transaction(2, 0).id, ADA, REASON, NOW_MS)

    def faults() -> set[str]:
        report = audit_stores(settings, keep=False)
        ours = {one.name for one in (CASES, CASE_EVENTS, MISSED_FRAUDS, UNMASKINGS)}
        assert {"mongodb/cases", "mongodb/case_events", "mongodb/missed_frauds"} <= report.read.keys()
        return {fault.sentence() for check in report.checks if check.name != "tokens" for fault in check.faults if fault.collection in ours}

    assert faults() == set()
    # Past the writer, which would refuse it: as an older program or a hand could.
    damage(database, CASE_EVENTS.name, f"{FIRST}-000002", note="card 4111 1111 1111 1111", at_ms=1_795_305_600_123)
    assert faults() == {
        f"mongodb case_events {FIRST}-000002 note: holds a card number (11 to 19 digits that pass Luhn's test)",
        f"mongodb case_events {FIRST}-000002 at_ms: is a time finer than a minute",
    }


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not met():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_labels_say_how_often_a_rule_is_right_and_what_it_missed(settings: Settings, writer: CaseWriter) -> None:
    # Alert 4 is of another rule; the others are of impossible travel.
    for number, status in (
        (0, Status.CONFIRMED_FRAUD),
        (1, Status.CONFIRMED_FRAUD),
        (2, Status.FALSE_POSITIVE),
        (4, Status.CONFIRMED_FRAUD),
    ):
        decided(writer, token("alert", number), status)
    payment = transaction(2, 0)
    writer.report_missed(payment.id, ADA, REASON, NOW_MS)
    with pytest.raises(ConflictError, match="reported already"):
        writer.report_missed(payment.id, BEN, REASON, NOW_MS)
    with pytest.raises(InvalidInputError, match="needs a reason"):
        writer.report_missed(transaction(3, 0).id, BEN, "  ", NOW_MS)
    with pytest.raises(InvalidInputError, match="no such payment"):
        writer.report_missed(token("transaction", 99), BEN, REASON, NOW_MS)
    found = read_labels(settings, START_MS - 86_400_000, START_MS + 86_400_000)
    assert (found.complete, found.reported) == (True, 1)
    travel, counts = found.rules
    assert (travel.rule, travel.confirmed, travel.false_positives, travel.unlabelled) == ("impossible-travel", 2, 1, 4)
    assert travel.precision.value == pytest.approx(2 / 3)
    assert counts.precision.value == 1.0
    # Four frauds: three people's, and one more of person 1, whose alert was two hours before the reported payment.
    assert [(one.recall.hits, one.recall.of) for one in (travel, counts)] == [(2, 4), (1, 4)]
    assert not read_labels(settings, START_MS - 86_400_000, START_MS + 86_400_000, most=3).complete
    assert {rule: (one.hits, one.of) for rule, one in read_precision(settings, 0, NOW_MS).items()} == {
        "impossible-travel": (2, 3),
        "payments-count": (1, 1),
    }
    watch = LabelWatch(settings)
    watch.start()
    until(lambda: REGISTRY.get_sample_value("veilocity_rule_precision", {"rule": "impossible-travel"}) == pytest.approx(2 / 3))
    watch.stop()
    publish({})
    assert REGISTRY.get_sample_value("veilocity_rule_precision", {"rule": "impossible-travel"}) is None


def test_pages_give_each_case_once_in_order_and_by_filter(settings: Settings, writer: CaseWriter, reader: CaseReader) -> None:
    for number in range(ALERT_COUNT):
        identity = token("alert", number)
        writer.change(identity, 0, to(Status.ACKNOWLEDGED, assignee="ada" if number % 2 else ""))
        if number < 3:
            writer.change(identity, 1, to(Status.CONFIRMED_FRAUD, reason=REASON))
    everything = sorted(
        reader.cases([token("alert", number) for number in range(ALERT_COUNT)]).values(), key=lambda case: (case.minute_ms, case.id)
    )
    everything.reverse()
    for which, wanted in (
        (CaseFilter(), everything),
        (CaseFilter(status=Status.ACKNOWLEDGED), [one for one in everything if one.status == Status.ACKNOWLEDGED]),
        (CaseFilter(assignee="ada"), [one for one in everything if one.assignee == "ada"]),
        (CaseFilter(rule="payments-count"), [one for one in everything if one.rule == "payments-count"]),
        (CaseFilter(since_ms=minute(1), until_ms=minute(2)), [one for one in everything if one.minute_ms == minute(1)]),
    ):
        pages: list[Case] = []
        while page := reader.page(which, 2, after=pages[-1].id if pages else None):
            pages += page
        assert pages == wanted, which
    assert len(everything) == ALERT_COUNT
    with pytest.raises(InvalidInputError, match="no such case"):
        reader.page(CaseFilter(), 2, after=token("alert", 99))


def test_every_question_is_answered_from_an_index(settings: Settings, writer: CaseWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    decided(writer, FIRST, Status.CONFIRMED_FRAUD)
    questions = _Questions()

    def connect_noting(settings: Settings, *, socket_timeout_ms: int) -> MongoClient[Document]:
        return MongoClient(settings.mongodb_uri.get_secret_value(), socketTimeoutMS=socket_timeout_ms, event_listeners=[questions])

    for module in ("store", "labelling"):
        monkeypatch.setattr(f"storage.cases.{module}.connect", connect_noting)
    with CaseReader(settings) as reader, CaseWriter(settings) as noted:
        noted.change(FIRST, 2, to(Status.CLOSED))
        for which in (CaseFilter(), CaseFilter(status=Status.CLOSED), CaseFilter(assignee="ada"), CaseFilter(since_ms=0, until_ms=NOW_MS)):
            reader.page(which, 5)
            reader.page(which, 5, after=FIRST)
        reader.cases([FIRST, token("alert", 1)])
        reader.history(FIRST)
        reader.unmaskings(FIRST)
        reader.alert(FIRST)
        reader.payments(SUBJECT, 0, NOW_MS, 5)
    read_labels(settings, 0, NOW_MS)
    with mongodb(settings) as database:
        plans = [(question, _scans(database.command("explain", question)["queryPlanner"]["winningPlan"])) for question in questions.finds]
    assert len(plans) > 20
    # SecantusDB sorts what it has found; then that must be of a range of time or of one person.
    wrong = [
        (question, scans)
        for question, scans in plans
        if not scans <= {"IXSCAN", "IDHACK", "EXPRESS_IXSCAN", *(["SORT"] if "minute_ms" in question["filter"] else [])}
    ]
    assert not wrong


def test_the_collections_are_made_once_and_refuse_another_shape(
    settings: Settings, writer: CaseWriter, database: Database[Document]
) -> None:
    ensure_case_collections(database)
    decided(writer, FIRST, Status.CONFIRMED_FRAUD)
    stored = database[CASE_EVENTS.name].find_one({"_id": f"{FIRST}-000002"}) or {}
    for wrong in (
        {**stored, "_id": "x", "more": 1},
        {**stored, "_id": "y", "after": "gone"},
        {name: stored[name] for name in ("_id", "alert")},
    ):
        with pytest.raises(Exception, match="validation"):
            database[CASE_EVENTS.name].insert_one(wrong)
    assert Counter(database[TRANSACTIONS.name].index_information()).keys() >= {"subject_1_minute_ms_1"}
    assert msgspec.json.encode(stored["note"]) == b'""'
