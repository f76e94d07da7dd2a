"""The subject directory in memory, its changes and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest import directory
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.outcome import DirectoryChange, Outcome, records
from veilocity.contracts import CardId, DeviceId, DirectoryEntry, IdentifierKind, SubjectId, UserId, decode
from veilocity.errors import RejectReason, SettingsError
from veilocity.topics import DIRECTORY, REJECTS

ENTRY = {"kind": "card", "id": "c-1", "subject": "p-1"}


def parse(body: Any) -> Outcome:
    return directory.parse(body if isinstance(body, bytes) else msgspec.json.encode(body), Arrival(1_700_000_000_000, 300.0))


@pytest.mark.parametrize("body", [ENTRY, [ENTRY], {"entries": [ENTRY]}])
def test_one_many_and_wrapped_are_the_same(body: Any) -> None:
    assert parse(body).accepted == [DirectoryChange(kind=IdentifierKind.CARD, id="c-1", subject=SubjectId("p-1"))]


def test_a_change_becomes_a_record_by_kind_and_id_and_a_deletion_has_no_value() -> None:
    written, deleted = records(parse([ENTRY, ENTRY | {"subject": None}]))
    assert (written.topic, written.key) == (deleted.topic, deleted.key) == (DIRECTORY, b"card:c-1")
    assert written.value is not None
    assert decode(written.value, DirectoryEntry).subject == "p-1"
    assert deleted.value is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "phone"}, RejectReason.INVALID_FIELD),
        ({"kind": ["card"]}, RejectReason.INVALID_FIELD),
        ({"id": ""}, RejectReason.MISSING_FIELD),
        ({"id": "4.5E+15"}, RejectReason.DAMAGED_IDENTIFIER),
        ({"subject": " "}, RejectReason.INVALID_FIELD),
        ({"subject": 4.5}, RejectReason.DAMAGED_IDENTIFIER),
    ],
)
def test_a_bad_entry_is_rejected_and_its_neighbour_is_not(changes: dict[str, Any], reason: RejectReason) -> None:
    outcome = parse([ENTRY | changes, ENTRY])
    assert len(outcome.accepted) == 1
    assert [reject.reason for reject in outcome.rejects] == [reason]
    assert [record.topic for record in records(outcome)] == [DIRECTORY, REJECTS]


def test_a_missing_subject_deletes_nothing() -> None:
    assert parse({"kind": "card", "id": "c-1"}).rejects[0].reason is RejectReason.MISSING_FIELD


def test_a_body_that_is_no_list_is_one_reject() -> None:
    assert parse(b"garbage").body_refused


def test_deleting_brings_the_next_entry_into_force() -> None:
    people = Directory()
    for kind, key in ((IdentifierKind.CARD, "c"), (IdentifierKind.USER, "u"), (IdentifierKind.DEVICE, "d")):
        people.put(DirectoryEntry(kind=kind, id=key, subject=SubjectId(f"p-{kind.value}")))
    assert len(people) == 3
    found = []
    for key in ("", "card:c", "user:u", "device:d", "device:d", "nonsense", "phone:d"):
        people.delete(key)
        found.append(people.subject(card=CardId("c"), user=UserId("u"), device=DeviceId("d")))
    assert found == ["p-card", "p-user", "p-device", "d", "d", "d", "d"]
    assert len(people) == 0


def test_a_key_may_hold_colons() -> None:
    people = Directory()
    people.put(DirectoryEntry(kind=IdentifierKind.DEVICE, id="a:b:c", subject=SubjectId("p")))
    people.delete("device:a:b:c")
    assert people.get(IdentifierKind.DEVICE, "a:b:c") is None


def test_only_what_differs_is_loaded() -> None:
    people = Directory()
    known = DirectoryChange(kind=IdentifierKind.CARD, id="c-1", subject=SubjectId("p-1"))
    other = DirectoryChange(kind=IdentifierKind.CARD, id="c-2", subject=SubjectId("p-1"))
    people.put(DirectoryEntry(kind=known.kind, id=known.id, subject=SubjectId("p-1")))
    assert directory.differences(people, [known, other]) == [other]


@pytest.mark.parametrize(
    "content",
    [
        "kind,id,subject\ncard,c-1,p-1\n",
        "\ufeffsubject,comment,id,kind\np-1,hello,c-1,card\n",
        '{"kind": "card", "id": "c-1", "subject": "p-1"}\n\n',
    ],
)
def test_files_of_csv_and_json_lines_are_read(tmp_path: Path, content: str) -> None:
    path = tmp_path / "directory"
    path.write_text(content, encoding="utf-8")
    assert directory.read_file(path) == [DirectoryChange(kind=IdentifierKind.CARD, id="c-1", subject=SubjectId("p-1"))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("kind,id,subject\ncard,c-1,p-1\ncard,4.5E+15,p-2\n", "line 3"),
        ("kind,id,subject\ncard,c-1\n", "line 2"),
        ('{"kind": "card", "id": "c-1", "subject": "p-1"}\n{"kind"\n', "line 2"),
    ],
)
def test_a_wrong_line_stops_the_start_and_is_named_without_its_values(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "directory"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=said) as error:
        directory.read_file(path)
    assert "4.5E+15" not in str(error.value)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="VEILOCITY_INGEST_DIRECTORY_FILE"):
        directory.read_file(tmp_path / "nowhere")
