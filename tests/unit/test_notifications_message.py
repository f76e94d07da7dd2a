"""What a message says, what it leaves out, and that the audit finds nothing in what is kept."""

from __future__ import annotations

import doctest
import hashlib
from pathlib import Path

import msgspec
import numpy as np

from privacy.audit import Limits, StoredDocument, audit
from storage.kinds import to_document
from storage.notifications.documents import CASES, MESSAGES, PROGRESS, Line, Message, Reading
from storage.notifications.grouping import Seen, fold, message_id, new_case, settle
from storage.notifications.message import MOST_LINES, message_of, subject_of, summarise, to_json, to_text, trial_message
from storage.notifications.rules import Channel, Route
from veilocity.contracts import AlertState, Severity

NOW_MS = 1_795_305_612_345
MINUTE_MS = 1_795_305_600_000
URL = "https://fraud.example.com"
CHANNEL = Channel("grave", "desk", ("person", "rule"), Route(name="grave", receivers=("desk",)).timing())


def token(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def line(number: int, severity: Severity = Severity.HIGH) -> Line:
    sentence = "9,000 km in 1 h 00 min: at least 8,800 km/h."
    return Line(token(number), 1, None, severity, "impossible-travel", "impossible_travel", MINUTE_MS, 1 + number % 2, sentence)


def seen(number: int, revision: int = 1, state: AlertState = AlertState.OPEN) -> Seen:
    severity = (Severity.LOW, Severity.MEDIUM, Severity.HIGH)[number % 3]
    return Seen(token(number), revision, "impossible-travel" if number % 2 else "cash-out", severity, state, "p")


def message(alerts: int = 3, cases: int = 1, generation: int = 0) -> Message:
    made = []
    for number in range(cases):
        case = msgspec.structs.replace(new_case(CHANNEL, token(1_000 + number)), generation=generation)
        for alert in range(alerts):
            case = fold(case, seen(alerts * number + alert), CHANNEL.timing, NOW_MS)
        made.append(case)
    summary = summarise(iter(made))
    lines = {one.id: line(0) for one in summary.named} | {one.id: msgspec.structs.replace(line(0), id=one.id) for one in summary.named}
    return message_of(message_id(made[0]), CHANNEL, summary, lines, NOW_MS, made[0] if cases == 1 else None)


def test_a_message_counts_everything_and_names_the_gravest() -> None:
    told = message(alerts=30, cases=2)
    assert (told.cases, told.alerts, told.standing, len(told.lines)) == (2, 60, 60, MOST_LINES)
    assert told.by_rule == {"cash-out": 30, "impossible-travel": 30}
    assert told.by_severity == {"low": 20, "medium": 20, "high": 20}
    gravest = {token(number) for number in range(60) if number % 3 == 2}
    assert {one.id for one in told.lines} == gravest
    data = msgspec.json.decode(to_json(told, URL))["data"]
    assert (len(data["named"]), data["not_named"], data["case"]) == (20, 40, None)
    text = to_text(told, URL)
    assert f"40 more are not named here: {URL}" in text
    assert "By severity: high 20, low 20, medium 20" in text


def test_the_same_message_has_the_same_bytes() -> None:
    told = message()
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=Message)
    assert to_json(told, URL) == to_json(again, URL)
    assert to_text(told, URL) == to_text(again, URL)


def test_a_subject_is_one_line_of_printable_characters() -> None:
    told = msgspec.structs.replace(message(), by_rule={"cash\r\nBcc: all@example.com\x00": 3})
    assert subject_of(told).isprintable()
    assert subject_of(message()) == "Veilocity, high: 3 alerts about one person (cash-out, impossible-travel)"
    assert subject_of(message(alerts=1, cases=4)).startswith("Veilocity, high: many cases at once: 4 alerts of 4 cases")


def test_what_is_repeated_and_what_is_retracted_says_so() -> None:
    case = settle(fold(new_case(CHANNEL, token(1)), seen(2), CHANNEL.timing, NOW_MS), CHANNEL.timing, NOW_MS)
    lines = {token(2): line(2)}
    repeated = message_of("m", CHANNEL, summarise([case]), lines, NOW_MS, case)
    assert subject_of(repeated) == "Veilocity, high: still standing: 1 alert about one person (cash-out)"
    assert repeated.generation == 2
    gone = fold(case, seen(2, 2, AlertState.RETRACTED), CHANNEL.timing, NOW_MS)
    retracted = message_of("m", CHANNEL, summarise([gone]), lines, NOW_MS, gone)
    assert subject_of(retracted) == "Veilocity, high: retracted: 1 alert about one person (cash-out)"
    assert "- HIGH, retracted, 2026-11-22 00:00 UTC, impossible-travel" in to_text(retracted, URL)
    assert retracted.standing == 0


def test_an_alert_that_was_deleted_meanwhile_is_not_named() -> None:
    case = fold(fold(new_case(CHANNEL, token(1)), seen(1), CHANNEL.timing, NOW_MS), seen(2), CHANNEL.timing, NOW_MS)
    told = message_of("m", CHANNEL, summarise([case]), {token(2): line(2)}, NOW_MS, case)
    assert [one.id for one in told.lines] == [token(2)]
    assert told.alerts == 2


def test_a_long_sentence_is_cut() -> None:
    case = fold(new_case(CHANNEL, token(1)), seen(2), CHANNEL.timing, NOW_MS)
    lines = {token(2): msgspec.structs.replace(line(2), sentence="x" * 10_000)}
    assert len(message_of("m", CHANNEL, summarise([case]), lines, NOW_MS, case).lines[0].sentence) == 500


def test_a_test_message_says_only_that_messages_arrive() -> None:
    told = trial_message("m", "desk", NOW_MS)
    assert msgspec.json.decode(to_json(told, URL))["type"] == "notifier.test"
    assert to_text(told, URL) == f"This is a test: messages of Veilocity reach you.\n\n{URL}\n"


def test_the_audit_finds_nothing_in_what_is_kept_and_would_find_an_exact_time() -> None:
    told = msgspec.structs.replace(message(alerts=9), due_ms=NOW_MS + 7, reason="HTTP 503")
    case = settle(fold(new_case(CHANNEL, told.case), seen(1), CHANNEL.timing, NOW_MS), CHANNEL.timing, NOW_MS)
    reading = Reading("reading", 1_234, "abcdefghijklmnop", NOW_MS, 3)
    kept = [
        StoredDocument("mongodb", CASES.name, to_document(CASES, case)),
        StoredDocument("mongodb", MESSAGES.name, to_document(MESSAGES, told)),
        StoredDocument("mongodb", PROGRESS.name, to_document(PROGRESS, reading)),
    ]
    # Other checks miss the rest of the stores.
    looked_at = ("exactness", "identifiers", "tokens")

    def faults(documents: list[StoredDocument]) -> list[str]:
        report = audit(lambda: iter(documents), Limits(), rng=np.random.default_rng(1), now_ms=NOW_MS)
        return [fault.reason for check in report.checks if check.name in looked_at for fault in check.faults]

    assert faults(kept) == []
    exact = to_document(MESSAGES, told)
    exact["lines"][0]["minute_ms"] += 1
    assert faults([StoredDocument("mongodb", MESSAGES.name, exact)]) == ["is a time finer than a minute"]


def test_the_receivers_lines_of_the_documentation_run() -> None:
    page = Path(__file__).parents[2] / "docs" / "notifications.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted == 8
    assert result.failed == 0
    receiver = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert len([row for row in receiver.splitlines() if row.startswith((">>>", "..."))]) <= 15
