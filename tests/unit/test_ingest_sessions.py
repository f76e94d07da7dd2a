"""Browsing events from outside: what is taken, what is refused, and why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ingest import sessions
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.outcome import Outcome, records
from veilocity.contracts import SessionEvent, SessionEventType, decode
from veilocity.errors import RejectReason
from veilocity.topics import REJECTS, SESSIONS

RECEIVED_MS = 1_700_000_000_000
ARRIVAL = Arrival(received_ms=RECEIVED_MS, future_limit_s=300.0)
EVENT: dict[str, Any] = {
    "session": "s-1",
    "user": "u-1",
    "device": "phone-1",
    "type": "ATC",
    "event_ms": RECEIVED_MS - 1000,
    "traffic_source": "email",
    "device_type": "mobile",
}


def parse(body: Any) -> Outcome:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return sessions.parse(data, ARRIVAL, Directory())


def test_the_normal_form_becomes_an_event_of_the_person() -> None:
    (event,) = parse(EVENT).accepted
    assert isinstance(event, SessionEvent)
    assert (event.session, event.type, event.event_ms, event.traffic_source) == (
        "s-1",
        SessionEventType.ADD_TO_CART,
        EVENT["event_ms"],
        "email",
    )
    assert (event.user, event.device, event.device_type) == ("u-1", "phone-1", "mobile")


@pytest.mark.parametrize(
    "body",
    [
        msgspec.json.encode([EVENT, EVENT]),
        msgspec.json.encode({"sessions": [EVENT, EVENT]}),
        b"\n".join([msgspec.json.encode(EVENT)] * 2),
        b"\r\n".join([msgspec.json.encode(EVENT), b"", msgspec.json.encode(EVENT), b""]),
    ],
    ids=["list", "wrapped", "lines", "windows-lines"],
)
def test_lists_and_lines_are_the_same(body: bytes) -> None:
    outcome = parse(body)
    assert (len(outcome.accepted), outcome.rejects, outcome.body_refused) == (2, [], False)


def test_a_bad_item_or_line_costs_nothing_but_itself() -> None:
    good = msgspec.json.encode(EVENT)
    outcome = parse(b"\n".join([good, b'{"session": ', good, b"[]"]))
    assert (len(outcome.accepted), outcome.reasons()) == (2, {"malformed": 2})
    outcome = parse([EVENT, {**EVENT, "type": "BUY"}, 7])
    assert (len(outcome.accepted), outcome.reasons()) == (1, {"invalid_field": 1, "malformed": 1})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"session": None}, RejectReason.MISSING_FIELD),
        ({"user": "", "device": None}, RejectReason.MISSING_FIELD),
        ({"user": "4.5E+15"}, RejectReason.DAMAGED_IDENTIFIER),
        ({"type": None}, RejectReason.MISSING_FIELD),
        ({"type": "atc"}, RejectReason.INVALID_FIELD),
        ({"event_ms": None}, RejectReason.MISSING_FIELD),
        ({"event_ms": 1.5}, RejectReason.INVALID_TIME),
        ({"event_at": "2023-11-14T22:13:19Z"}, RejectReason.INVALID_TIME),
        ({"event_ms": None, "event_at": 5}, RejectReason.INVALID_TIME),
        ({"event_ms": RECEIVED_MS + 301_000}, RejectReason.FUTURE_TIME),
        ({"event_ms": RECEIVED_MS // 1000}, RejectReason.INVALID_TIME),
        ({"traffic_source": 5}, RejectReason.INVALID_FIELD),
    ],
)
def test_what_is_refused(change: dict[str, Any], reason: RejectReason) -> None:
    outcome = parse({**EVENT, **change})
    assert (outcome.accepted, [item.reason for item in outcome.rejects]) == ([], [reason])


@pytest.mark.parametrize("body", [b"", b"nothing", b"one\ntwo", b"7", b"\xff\n\xfe"])
def test_a_body_that_is_no_list_of_events_is_one_reject(body: bytes) -> None:
    outcome = parse(body)
    assert (outcome.body_refused, len(outcome.rejects)) == (True, 1)


def test_events_go_to_their_topic_by_subject_and_decode_again() -> None:
    event, refused = records(parse([EVENT, {}]))
    assert (event.topic, event.key, refused.topic) == (SESSIONS, b"phone-1", REJECTS)
    assert decode(event.value or b"", SessionEvent).session == "s-1"


def test_levels_are_those_of_the_data_set() -> None:
    levels = {level: {kind.value for kind in SessionEventType if kind.level == level} for level in (1, 2, 3)}
    assert levels == {1: {"AP", "ATC", "CO"}, 2: {"VC", "VP", "VI", "SER"}, 3: {"SCR", "HP", "CL"}}
