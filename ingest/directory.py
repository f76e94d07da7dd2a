"""The subject directory: which person a device, card or user id belongs to.

`Directory` is the map in memory and the order of resolution; `parse` reads changes from outside. Both are pure. The topic `directory` is
the one truth: `ingest.directory_feed` fills the map from it, in the topic's order, so that several gateways agree.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ingest.fields import Arrival, identifier, reject, required_identifier
from ingest.outcome import DirectoryChange, Outcome, bounded, refuse_body
from ingest.transactions import items_of
from veilocity.contracts import CardId, DeviceId, DirectoryEntry, IdentifierKind, SubjectId, UserId
from veilocity.errors import InvalidInputError, RejectError, RejectReason, SettingsError

__all__ = ["SOURCE", "Directory", "differences", "parse", "read_file"]

SOURCE = "directory"
_KINDS = {kind.value: kind for kind in IdentifierKind}


class Directory:
    """The entries in memory. Reading and writing single entries is safe from any thread.

    >>> directory = Directory()
    >>> directory.subject(card=CardId("c1"), device=DeviceId("d1"))
    'd1'
    >>> directory.put(DirectoryEntry(kind=IdentifierKind.CARD, id="c1", subject=SubjectId("p1")))
    >>> directory.subject(card=CardId("c1"), device=DeviceId("d1"))
    'p1'
    """

    def __init__(self) -> None:
        self._devices: dict[str, SubjectId] = {}
        self._cards: dict[str, SubjectId] = {}
        self._users: dict[str, SubjectId] = {}
        self._by_kind = {
            IdentifierKind.DEVICE: self._devices,
            IdentifierKind.CARD: self._cards,
            IdentifierKind.USER: self._users,
        }

    def __len__(self) -> int:
        """Return the number of entries."""
        return sum(len(entries) for entries in self._by_kind.values())

    def get(self, kind: IdentifierKind, identifier: str) -> SubjectId | None:
        """Return the subject of one identifier, or None without an entry."""
        return self._by_kind[kind].get(identifier)

    def put(self, entry: DirectoryEntry) -> None:
        """Write one entry."""
        self._by_kind[entry.kind][entry.id] = entry.subject

    def delete(self, key: str) -> None:
        """Delete the entry of a topic key, ``kind:id``; one that is not there is deleted already."""
        kind, _, identifier = key.partition(":")
        if kind in _KINDS:
            self._by_kind[_KINDS[kind]].pop(identifier, None)

    def subject(self, *, card: CardId | None = None, user: UserId | None = None, device: DeviceId | None = None) -> SubjectId:
        """Return who an event belongs to.

        The entry of the card, else of the user, else of the device; without any entry the device id is its own subject, and a payment
        without a device is its user's, else its card's. So phones and payments of one device id meet without any set-up.
        """
        found = self._cards.get(card) if card is not None else None
        if found is None and user is not None:
            found = self._users.get(user)
        if found is None and device is not None:
            found = self._devices.get(device)
        return SubjectId(found or device or user or card or "")


def parse(body: bytes, arrival: Arrival) -> Outcome:
    """Return what became of every entry of one ``PUT /v1/directory``.

    A body is one entry ``{"kind", "id", "subject"}``, a list of entries, or ``{"entries": [...]}``; a null subject deletes.

    Guarantee: ``entries = accepted + rejects``. Nothing is raised.
    """
    try:
        items = items_of(body, "entries")
    except InvalidInputError as cause:
        return refuse_body(cause, body, SOURCE, arrival)
    outcome = Outcome()
    for item in items:
        try:
            outcome.accepted.append(_change(item))
        except InvalidInputError as cause:
            outcome.rejects.append(reject(cause, item, SOURCE, arrival))
    return bounded(outcome, body, SOURCE, arrival)


def _change(item: Any) -> DirectoryChange:
    if not isinstance(item, dict):
        raise InvalidInputError(RejectReason.MALFORMED, "an entry must be an object with kind, id and subject")
    kind = item.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidInputError(RejectReason.INVALID_FIELD, f"kind must be one of {', '.join(_KINDS)}")
    if "subject" not in item:
        raise InvalidInputError(RejectReason.MISSING_FIELD, "subject is missing: null deletes the entry")
    subject = identifier(item["subject"], "subject")
    if subject is None and item["subject"] is not None:
        raise InvalidInputError(RejectReason.INVALID_FIELD, "subject must not be blank: null deletes the entry")
    return DirectoryChange(
        kind=_KINDS[kind],
        id=required_identifier(item.get("id"), "id"),
        subject=None if subject is None else SubjectId(subject),
    )


def read_file(path: Path) -> list[DirectoryChange]:
    """Return the entries of a CSV file with the columns kind, id, subject (in any order), or of a file of JSON lines.

    Raises:
        SettingsError: the file cannot be read or one of its lines is wrong: an operator named it, so nothing is skipped silently.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise SettingsError(f"VEILOCITY_INGEST_DIRECTORY_FILE cannot be read ({type(cause).__name__})") from cause
    changes = []
    for line, item in _lines(content):
        try:
            changes.append(_change(msgspec.json.decode(item) if isinstance(item, str) else item))
        except (RejectError, msgspec.MsgspecError) as cause:
            reason = cause.detail if isinstance(cause, RejectError) else "not a JSON object"
            raise SettingsError(f"VEILOCITY_INGEST_DIRECTORY_FILE, line {line}: {reason}") from cause
    return changes


def _lines(content: str) -> Iterable[tuple[int, str | dict[str, str]]]:
    """Yield the number of each entry's line with its JSON text or its CSV fields."""
    if content.lstrip().startswith("{"):
        yield from ((number, line) for number, line in enumerate(content.splitlines(), start=1) if line.strip())
        return
    reader = csv.DictReader(io.StringIO(content))
    for row in reader:
        yield reader.line_num, {key: value for key, value in row.items() if key in ("kind", "id", "subject") and value is not None}


def differences(directory: Directory, changes: Iterable[DirectoryChange]) -> list[DirectoryChange]:
    """Return the changes that would change anything: loading the same file at every start must not grow the topic.

    >>> change = DirectoryChange(kind=IdentifierKind.CARD, id="c1", subject=SubjectId("p1"))
    >>> differences(Directory(), [change]) == [change]
    True
    """
    return [change for change in changes if directory.get(change.kind, change.id) != change.subject]
