"""The state machine of a case, the texts people may write, the labels, and what an audit says of it all; no server."""

from __future__ import annotations

import math
from itertools import pairwise, product

import msgspec
import pytest

from storage.cases.collections import CASE_EVENTS, CASE_INDEXES, CASE_KINDS, CASES, MISSED_FRAUDS, MissedFraud
from storage.cases.labels import Flag, measure_rules, wilson
from storage.cases.model import TRANSITIONS, Case, CaseEvent, Change, Facts, Label, Status, advance, digest, fold, next_event
from storage.cases.texts import LONGEST_NOTE, LONGEST_REASON, checked_text
from storage.kinds import Document, from_document, to_document
from storage.roles import Actor, Role, require
from storage.unmaskings import UNMASKINGS, About, Outcome, Unmasking, broken_links, link
from storage.validation import validator
from tests.unit.audit_world import audited, clean_world, token
from veilocity.contracts import Severity
from veilocity.errors import ForbiddenError, InvalidInputError, StateError

ADA = Actor("ada", Role.TRIAGE)
ALERT, SUBJECT = token("mongodb", "alert", 3), token("mongodb", "subject", 3)
FACTS = Facts(1_795_305_600_000, Severity.HIGH, "impossible-travel", SUBJECT, None)
REASON = "the bank called the holder"
HOUR_MS = 3_600_000
changed = msgspec.structs.replace


def change(to: Status | None = None, reason: str = REASON, **fields: str) -> Change:
    return Change(actor=ADA, written_ms=1_795_400_000_123, to=to, reason=reason, **fields)


def way(*statuses: Status) -> list[CaseEvent]:
    """Return the events that lead a new alert through these statuses."""
    events: list[CaseEvent] = []
    for status in statuses:
        events.append(next_event(fold(events), ALERT, FACTS, change(status)))
    return events


def case_in(status: Status) -> Case | None:
    ways = {
        Status.NEW: (),
        Status.ACKNOWLEDGED: (Status.ACKNOWLEDGED,),
        Status.CONFIRMED_FRAUD: (Status.ACKNOWLEDGED, Status.CONFIRMED_FRAUD),
        Status.FALSE_POSITIVE: (Status.ACKNOWLEDGED, Status.FALSE_POSITIVE),
        Status.CLOSED: (Status.ACKNOWLEDGED, Status.CONFIRMED_FRAUD, Status.CLOSED),
    }
    return fold(way(*ways[status]))


@pytest.mark.parametrize(("before", "after"), list(product(Status, Status)))
def test_a_status_follows_another_only_where_the_table_says_so(before: Status, after: Status) -> None:
    case = case_in(before)
    if (before, after) not in TRANSITIONS:
        with pytest.raises(InvalidInputError, match=f"{after} cannot follow {before}"):
            next_event(case, ALERT, FACTS, change(after))
        return
    assert advance(case, next_event(case, ALERT, FACTS, change(after))).status == after
    without = change(after, reason=" ")
    if TRANSITIONS[before, after]:
        with pytest.raises(InvalidInputError, match="needs a reason"):
            next_event(case, ALERT, FACTS, without)
    else:
        assert next_event(case, ALERT, FACTS, without).reason == ""


def test_every_status_can_be_reached_and_reopened() -> None:
    assert {after for _, after in TRANSITIONS} == set(Status) - {Status.NEW}
    assert all((status, Status.ACKNOWLEDGED) in TRANSITIONS for status in Status if status != Status.ACKNOWLEDGED)


def test_a_label_is_the_decision_until_the_case_is_reopened() -> None:
    steps = (Status.ACKNOWLEDGED, Status.FALSE_POSITIVE, Status.CLOSED, Status.ACKNOWLEDGED, Status.CONFIRMED_FRAUD, Status.CLOSED)
    events = way(*steps)
    labels = [case.label for count in range(1, 7) if (case := fold(events[:count]))]
    assert labels == [None, Label.FALSE_POSITIVE, Label.FALSE_POSITIVE, None, Label.CONFIRMED_FRAUD, Label.CONFIRMED_FRAUD]
    assert fold(way(Status.ACKNOWLEDGED, Status.CLOSED)) == changed(fold(way(Status.ACKNOWLEDGED, Status.CLOSED)), label=None)  # type: ignore[type-var]  # never None


def test_notes_and_assignees_leave_the_status_and_nothing_is_no_change() -> None:
    first = next_event(None, ALERT, FACTS, change(None, reason="", assignee="ben"))
    case = advance(None, first)
    assert (case.status, case.assignee, case.revision) == (Status.NEW, "ben", 1)
    noted = advance(case, next_event(case, ALERT, FACTS, change(None, reason="", note="seen before")))
    assert (noted.assignee, noted.reason) == ("ben", "")
    assert advance(noted, next_event(noted, ALERT, FACTS, change(None, assignee=""))).assignee is None
    for nothing in (change(None), change(None, assignee="ben")):
        with pytest.raises(InvalidInputError, match="nothing would change"):
            next_event(noted, ALERT, FACTS, nothing)


def test_an_event_is_applied_once_and_in_its_place() -> None:
    events = way(Status.ACKNOWLEDGED, Status.CONFIRMED_FRAUD, Status.CLOSED)
    case = fold(events)
    assert case is not None
    assert fold([*events, *events]) == case
    assert case.head == digest(events[-1])
    assert [one.previous for one in events] == [None, *map(digest, events[:-1])]
    for wrong in ([events[0], events[2]], [events[1]], [events[0], changed(events[1], previous="00" * 32)]):
        with pytest.raises(StateError, match="cases verify"):
            fold(wrong)


def test_a_digest_covers_every_field() -> None:
    event = way(Status.ACKNOWLEDGED)[0]
    others = {
        "role": Role.ADMIN,
        "after": Status.CLOSED,
        "before": Status.CLOSED,
        "facts": changed(FACTS, cell="x"),
        "revision": 9,
        "written_ms": 9,
    }
    for name in CaseEvent.__struct_fields__:
        assert digest(changed(event, **{name: others.get(name, "other")})) != digest(event), name


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("x" * 21, "longer than 20"),
        ("nul \x00 byte", "cannot be printed"),
        ("jo@example.org", "an e-mail address"),
        ("4111111111111111", "a card number"),
        ("4111-1111 1111.1111", "a card number"),
    ],
)
def test_a_text_that_must_not_be_kept_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(InvalidInputError, match=wrong) as refused:
        checked_text(text, "the note", 20)
    assert text not in str(refused.value)


def test_dates_tokens_and_other_numbers_may_be_written() -> None:
    for text in (f"as alert {ALERT}", "called 2026-11-22 14:30, twice", "case 4111111111111112", "order 12345"):
        assert checked_text(text, "the note", LONGEST_NOTE) == text
    with pytest.raises(InvalidInputError, match="the reason"):
        next_event(None, ALERT, FACTS, change(Status.ACKNOWLEDGED, reason="x" * (LONGEST_REASON + 1)))


def test_roles_ascend_and_staff_have_plain_names() -> None:
    assert [one.allows(other) for one, other in pairwise(reversed(Role))] == [True] * 3
    assert [one.allows(other) for one, other in pairwise(Role)] == [False] * 3
    for name in ("", "a b", "jo@example.org", "x" * 65, ".hidden"):
        with pytest.raises(InvalidInputError, match="the author is"):
            Actor(name, Role.VIEW)
    with pytest.raises(ForbiddenError):
        require(ADA, Role.ADMIN, "repairing")


def test_wilsons_interval_is_the_set_of_shares_that_a_test_would_not_reject() -> None:
    # Definition: the ends are where (p - share)^2 = z^2 share (1 - share) / n.
    for of, hits in ((1, 0), (1, 1), (10, 9), (200, 3), (1_000, 500)):
        found = wilson(hits, of)
        assert 0.0 <= found.low <= (found.value or 0.0) <= found.high <= 1.0
        for end in (found.low, found.high):
            if 0.0 < end < 1.0:
                assert math.isclose((hits / of - end) ** 2, 1.959963984540054**2 * end * (1 - end) / of, rel_tol=1e-9), (hits, of)


FRAUD, WRONG = Label.CONFIRMED_FRAUD, Label.FALSE_POSITIVE


def figures(flags: list[Flag]) -> dict[str, tuple[int, int, int, int, int]]:
    measured = measure_rules(flags)
    return {one.rule: (one.confirmed, one.false_positives, one.unlabelled, one.recall.hits, one.recall.of) for one in measured}


def test_two_rules_that_flag_the_same_fraud_both_recall_it() -> None:
    flags = [Flag("a", "anna", 0, FRAUD), Flag("b", "anna", HOUR_MS, FRAUD), Flag("c", "anna", 2 * HOUR_MS + 1, None)]
    assert figures(flags) == {"a": (1, 0, 0, 1, 1), "b": (1, 0, 0, 1, 1), "c": (0, 0, 1, 0, 1)}


def test_frauds_far_apart_or_of_others_are_others() -> None:
    flags = [Flag("a", "anna", 0, FRAUD), Flag("a", "anna", HOUR_MS + 1, FRAUD), Flag("b", "ben", 0, None)]
    assert figures(flags) == {"a": (2, 0, 0, 2, 2), "b": (0, 0, 1, 0, 2)}


def test_a_false_positive_or_a_retracted_alert_recalls_nothing() -> None:
    flags = [
        Flag("a", "anna", 0, WRONG),
        Flag("b", "anna", 0, None, retracted=True),
        Flag("c", "anna", 0, FRAUD, retracted=True),
        Flag(None, "ben", 0, FRAUD),
    ]
    assert figures(flags) == {"a": (0, 1, 0, 0, 2), "c": (1, 0, 0, 1, 2)}
    assert figures([Flag(None, "ben", 0, FRAUD)]) == {}


def test_the_log_of_unmaskings_holds_without_what_was_about_a_person() -> None:
    records: list[Unmasking] = []
    for number in range(4):
        about = About(ALERT, SUBJECT, REASON, f"{number:032x}") if number else None
        records.append(link(records[-1] if records else None, ADA, Outcome.REFUSED, number, about))
    assert broken_links(records) == []
    assert broken_links([changed(one, about=None) for one in records]) == []
    assert broken_links(records[1:]) == [2]
    other = About(ALERT, SUBJECT, "another", "00" * 16)
    for name, value in (("author", "eve"), ("role", Role.ADMIN), ("outcome", Outcome.OPENED), ("written_ms", 9), ("about", other)):
        assert broken_links([*records[:2], changed(records[2], **{name: value}), records[3]]) == [3], name
    assert broken_links([*records[:2], records[3]]) == [4]


def stored() -> dict[str, list[Document]]:
    events = way(Status.ACKNOWLEDGED, Status.CONFIRMED_FRAUD)
    # Behind by an event, as after a crash: its head is what the last event holds of the one before.
    case = fold(events[:1])
    assert case is not None
    fraud = MissedFraud(token("mongodb", "transaction", (0, 5)), SUBJECT, FACTS.minute_ms, REASON, "ada", 1_795_400_000_123)
    last: Unmasking | None = None
    records = [last := link(last, ADA, Outcome.OPENED, 1_795_400_000_123, About(ALERT, SUBJECT, REASON, f"{9:032x}")) for _ in range(2)]
    return {
        CASES.name: [to_document(CASES, case)],
        CASE_EVENTS.name: [to_document(CASE_EVENTS, one) for one in events],
        MISSED_FRAUDS.name: [to_document(MISSED_FRAUDS, fraud)],
        UNMASKINGS.name: [to_document(UNMASKINGS, one) for one in records],
    }


def test_the_validators_ask_for_every_field_and_documents_read_back() -> None:
    for kind in CASE_KINDS:
        for document in stored()[kind.name]:
            assert set(validator(kind)["$jsonSchema"]["required"]) == set(document)
            assert to_document(kind, from_document(kind, dict(document))) == document
    assert CASE_INDEXES.keys() <= {kind.name for kind in CASE_KINDS}


def test_the_audit_finds_nothing_in_cases_and_whatever_is_wrong_in_their_texts() -> None:
    world = clean_world()
    world["mongodb"] |= stored()
    report = audited(world)
    assert report.passed, [fault.sentence() for check in report.checks for fault in check.faults]
    world["mongodb"][CASE_EVENTS.name][1]["note"] = "paid with 4111 1111 1111 1111"
    world["mongodb"][CASES.name][0]["reason"] = f"as {token('elasticsearch', 'alert', 3)}"
    world["mongodb"][UNMASKINGS.name][0]["about"]["reason"] = "seen at 37.76412, -122.41873"
    faults = {fault.sentence() for check in audited(world).checks for fault in check.faults if fault.store == "mongodb"}
    assert faults == {
        f"mongodb case_events {ALERT}-000002 note: holds a card number (11 to 19 digits that pass Luhn's test)",
        f"mongodb cases {ALERT} reason: is a token that the other store has too: the stores can be joined",
        "mongodb unmaskings #0 about.reason: holds what looks like coordinates of more than three decimals",
    }
