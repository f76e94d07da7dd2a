from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingest.cdc.feed import Feed
from ingest.cdc.mapping import Mapping
from ingest.cdc.pgoutput import Begin, Change, Column, Commit, Decoder, Unchanged, Value
from ingest.cdc.progress import Progress, ProgressFile
from ingest.cdc.slot import Slot
from ingest.cdc.writer import Row, Writer
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.outcome import Record
from veilocity.contracts import Reject, Transaction, decode
from veilocity.errors import BrokerUnavailableError, InvalidInputError, RejectReason, SettingsError, StateError
from veilocity.topics import REJECTS

NAMES = ("id", "card", "authorised_at", "amount", "currency", "merchant", "category", "channel")
COLUMNS = tuple(Column(name, 1184 if name == "authorised_at" else 25) for name in NAMES)
ARRIVAL = Arrival(1_800_000_000_000, 300.0)
WHOLE: dict[str, Value] = dict(zip(NAMES, ("p1", "c1", "2026-11-20 10:00:00+00", "1.50", "EUR", "shop", "food", "atm"), strict=True))


def relation(number: int = 7) -> bytes:
    columns = b"".join(b"\0" + column.name.encode() + b"\0" + struct.pack(">Ii", column.type_oid, -1) for column in COLUMNS)
    return b"R" + struct.pack(">I", number) + b"public\0payments\0d" + struct.pack(">H", len(COLUMNS)) + columns


def row(values: Sequence[Value]) -> bytes:
    parts = [
        b"n" if one is None else b"u" if isinstance(one, Unchanged) else b"t" + struct.pack(">I", len(one)) + one.encode() for one in values
    ]
    return struct.pack(">H", len(values)) + b"".join(parts)


def change(kind: str, body: bytes) -> bytes:
    return kind.encode() + struct.pack(">I", 7) + body


def begin(commit_lsn: int) -> bytes:
    return b"B" + struct.pack(">QQI", commit_lsn, 0, 1)


def commit(end_lsn: int) -> bytes:
    return b"C\0" + struct.pack(">QQQ", end_lsn - 8, end_lsn, 0)


def test_the_messages_of_a_transaction() -> None:
    decoder, values = Decoder(), list(WHOLE.values())
    assert decoder.read(begin(90)) == Begin(90)
    assert decoder.read(relation()) is None
    found = decoder.read(change("I", b"N" + row(values)))
    assert isinstance(found, Change)
    assert (found.kind, found.relation.name, found.row) == ("insert", "public.payments", WHOLE)
    found = decoder.read(change("U", b"O" + row(values) + b"N" + row(["p2", Unchanged.UNCHANGED, *values[2:]])))
    assert isinstance(found, Change)
    assert (found.row["id"], found.row["card"], found.before) == ("p2", "c1", WHOLE)
    found = decoder.read(change("U", b"N" + row([*values[:-1], Unchanged.UNCHANGED])))
    assert isinstance(found, Change)
    assert (found.row["channel"], found.before) == (Unchanged.UNCHANGED, None)
    found = decoder.read(change("U", b"K" + row(["p1"]) + b"N" + row(values)))
    assert isinstance(found, Change)
    assert found.before is None
    found = decoder.read(change("D", b"K" + row(["p1", *[None] * 7])))
    assert isinstance(found, Change)
    assert found.kind == "delete"
    found = decoder.read(b"T" + struct.pack(">IBI", 1, 0, 7))
    assert isinstance(found, Change)
    assert found.kind == "truncate"
    assert [decoder.read(kind + b"anything") for kind in (b"O", b"Y", b"M")] == [None] * 3
    assert decoder.read(commit(98)) == Commit(98)


@pytest.mark.parametrize("message", [b"I\0", change("I", b"N" + row(["p1"])), b"?" + bytes(20), b"R\0\0\0\1public"], ids=repr)
def test_what_is_no_message_of_this_protocol_stops(message: bytes) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        Decoder().read(message)


def test_a_message_that_is_cut_off_stops() -> None:
    whole = change("I", b"N" + row(list(WHOLE.values())))
    decoder = Decoder()
    decoder.read(relation())
    for end in range(1, len(whole)):
        with pytest.raises(StateError):
            decoder.read(whole[:end])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id=number", "says nothing of amount"),
        ("id=a b", "must be FIELD=COLUMN"),
        ("name=x", "must be FIELD=COLUMN"),
        ("id=a,id=b", "must be FIELD=COLUMN"),
        ("id=a,card=c,amount=d,currency='EUR',merchant=e,category=f,channel=g", "authorised_at or authorised_ms"),
    ],
)
def test_a_mapping_that_makes_no_payment_is_refused(text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Mapping(text)


def test_a_time_without_a_zone_is_refused_unless_it_is_said_to_be_utc() -> None:
    columns = [column._replace(type_oid=1114) if column.name == "authorised_at" else column for column in COLUMNS]
    with pytest.raises(SettingsError, match="no time zone"):
        Mapping("").resolved(columns)
    payment = Mapping("", utc=True).payment(columns, WHOLE | {"authorised_at": "2026-11-20 10:00:00.5"})
    assert payment["authorised_at"] == "2026-11-20 10:00:00.5+00:00"


def test_a_value_that_the_log_left_out_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="REPLICA IDENTITY FULL"):
        Mapping("").payment(COLUMNS, WHOLE | {"merchant": Unchanged.UNCHANGED})


class World:
    """A writer whose Kafka is a list."""

    def __init__(self) -> None:
        self.sent: list[Record] = []
        self.away = 0
        self.writer = Writer(Mapping(""), Directory(), self.send)

    def send(self, records: Sequence[Record]) -> None:
        if self.away:
            self.away -= 1
            raise BrokerUnavailableError("away")
        self.sent += records

    def ids(self) -> list[str]:
        return [decode(record.value or b"", Transaction).id for record in self.sent]


def test_an_update_of_a_payment_that_was_whole_is_left_out_and_of_another_is_not() -> None:
    world = World()
    rows = [
        Row("insert", COLUMNS, WHOLE),
        Row("update", COLUMNS, WHOLE | {"merchant": "other"}, WHOLE),
        Row("update", COLUMNS, WHOLE | {"id": "p2"}, WHOLE | {"amount": None, "id": "p2"}),
        Row("update", COLUMNS, WHOLE | {"id": "p3"}, WHOLE),
        Row("update", COLUMNS, WHOLE),
    ]
    world.writer.write(rows, ARRIVAL)
    assert world.ids() == ["p1", "p2", "p3", "p1"]


def test_a_row_that_is_no_payment_is_a_reject_of_this_feed_and_costs_nothing_else() -> None:
    world = World()
    outcome = world.writer.write([Row("insert", COLUMNS, WHOLE | {"amount": "-1"}), Row("insert", COLUMNS, WHOLE)], ARRIVAL)
    assert (len(outcome.accepted), len(outcome.rejects)) == (1, 1)
    (refused,) = [decode(record.value or b"", Reject) for record in world.sent if record.topic is REJECTS]
    assert (refused.reason, refused.source) == (RejectReason.INVALID_FIELD, "postgres")


class FakeSlot(Slot):
    """A change log in memory, by the end of each transaction."""

    def __init__(self, log: dict[int, list[bytes]]) -> None:
        self.log, self.confirmed = log, 0

    def end(self) -> int:
        return 0

    def peek(self, changes: int, chunk: int) -> Iterator[list[bytes]]:
        unread = [message for end, messages in self.log.items() if end > self.confirmed for message in messages]
        messages = [relation(), *unread]
        for start in range(0, len(messages), chunk):
            yield messages[start : start + chunk]

    def advance(self, lsn: int) -> None:
        self.confirmed = max(self.confirmed, lsn)


class DiedError(Exception):
    pass


@pytest.mark.parametrize("batch", [1, 3, 4, 100])
@pytest.mark.parametrize("deaths", range(1, 12))
@pytest.mark.parametrize("is_written", [False, True], ids=["before Kafka has it", "after"])
def test_wherever_it_dies_one_batch_comes_again_and_nothing_is_missing(tmp_path: Path, batch: int, deaths: int, is_written: bool) -> None:
    from threading import Event

    def insert(number: int) -> bytes:
        return change("I", b"N" + row([f"p{number}", *list(WHOLE.values())[1:]]))

    small = [begin(100), insert(1), insert(2), commit(110)]
    large = [begin(500), *(insert(number) for number in range(3, 13)), commit(510)]
    slot = FakeSlot({110: small, 510: large, 610: [begin(600), insert(13), commit(610)]})
    file, sent = ProgressFile(tmp_path, "slot"), list[str]()
    file.write(Progress(is_snapshot_read=True))

    def live(calls: int) -> None:
        def send(records: Sequence[Record]) -> None:
            nonlocal calls
            calls -= 1
            if calls == 0 and not is_written:
                raise DiedError
            sent.extend(decode(record.value or b"", Transaction).id for record in records)
            if calls == 0:
                raise DiedError

        feed = Feed(slot, Mapping(""), Writer(Mapping(""), Directory(), send), file, 300.0, batch)
        feed._progress = file.read()
        feed._look(Event())

    try:
        live(deaths)
    except DiedError:
        # Whether Kafka has the batch or not, nobody noted it.
        live(0)
    assert set(sent) == {f"p{number}" for number in range(1, 14)}
    assert len(sent) <= 13 + batch
    assert slot.confirmed == 610


def test_a_file_of_progress_that_is_damaged_stops(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path, "slot")
    assert file.read() == Progress()
    file.write(Progress(after="p7"))
    assert file.read() == Progress(after="p7")
    (tmp_path / "feeds" / "slot.json").write_text("{", encoding="utf-8")
    with pytest.raises(StateError, match="remove it"):
        file.read()
    file.remove()
    assert file.read() == Progress()
