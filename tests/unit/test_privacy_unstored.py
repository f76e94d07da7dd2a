"""Payments that no store keeps: their rows are those of the ordinary way, and they are counted as what they are."""

from collections import Counter
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import numpy as np
import pytest

from privacy.arrivals import row_of
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.sealing import MemorySubjectKeyStore
from privacy.masking import MONGODB, Masker
from privacy.parts import MaskedPart, PartBuilder
from privacy.policies import DEFAULT_FILE, compile_policy, read_policy
from privacy.policies.compiling import CompiledPolicy
from privacy.policies.model import Policy as WrittenPolicy
from privacy.table import Row, RowTable
from privacy.unstored import MaskedColumns, UnstoredPayments, _Answer
from storage.documents import Progress
from tests.unit.privacy_world import POLICY as PROMISE
from tests.unit.privacy_world import Store, stage
from tests.unit.test_privacy_masking import alert
from veilocity.contracts import Channel, Decision, DeviceId, Fix, SubjectId, Transaction, Verdict, encode
from veilocity.errors import FatalError

RING = KeyRing([(1, ALWAYS_MS, b"k" * 32)])
HOUR_MS = 3_600_000
START_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS


def dropping(*records: str) -> CompiledPolicy:
    written: WrittenPolicy = read_policy(DEFAULT_FILE)
    return compile_policy(msgspec.structs.replace(written, records={**written.records, **dict.fromkeys(records, "drop")}))


def decision(number: int, **changes: object) -> Decision:
    dice = np.random.default_rng(number)
    place = (round(51.5 + float(dice.normal(0, 0.02)), 6), round(-0.1 + float(dice.normal(0, 0.02)), 6))
    payment = Transaction(
        id=f"payment-{number}",
        subject=SubjectId(f"person-{number * 7 % 40}"),
        authorised_ms=START_MS + number * 18_000 + int(dice.integers(0, 60_000)),
        received_ms=0,
        amount_minor=int(dice.integers(-500, 20_000)),
        currency=("EUR", "JPY")[number % 3 == 0],
        merchant="shop",
        category=("cafe", "5812", "fuel")[number % 3],
        channel=Channel.CARD_PRESENT,
        lat=place[0] if number % 4 else None,
        lon=place[1] if number % 4 else None,
    )
    return Decision(msgspec.structs.replace(payment, **changes), list(Verdict)[number % 3], 0.5, (), {})


def part_of(policy: CompiledPolicy, *runs: tuple[int, list[bytes | None]]) -> MaskedPart:
    made = PartBuilder(Masker(policy, RING, MemorySubjectKeyStore), seq=1)
    for partition, values in runs:
        made.add("decisions", partition, range(len(values)), values)
    return made.finish()


def columns_of(part: MaskedPart) -> MaskedColumns:
    assert part.columns is not None
    return part.columns


def test_rows_are_those_that_stored_payments_would_give() -> None:
    records: list[bytes | None] = [encode(decision(number)) for number in range(300)]
    stored = part_of(dropping(), (3, records))
    unstored = part_of(dropping("transaction"), (3, records))
    columns = columns_of(unstored)
    assert (unstored.payments, unstored.decisions) == ([], 300)
    assert RowTable.unpacked(columns.table).rows() == [row_of(payment) for payment in stored.payments]
    assert np.frombuffer(columns.minutes_ms, dtype="<i8").tolist() == [payment.minute_ms for payment in stored.payments]
    assert columns.runs == [(3, 300)]


def test_what_does_not_decode_costs_only_itself_and_later_answers_make_no_row() -> None:
    later = msgspec.structs.replace(decision(1), revision=2)
    newer = encode(msgspec.structs.replace(decision(3), schema=99))
    misplaced = encode(decision(5, lat=95.0, lon=0.0))
    part = part_of(
        dropping("transaction"), (0, [b"{", encode(decision(1)), None, newer, encode(later)]), (1, [misplaced, encode(decision(2))])
    )
    assert part.rejected == {"invalid_coordinates": 1, "undecodable": 2, "unknown_schema": 1}
    assert (part.decisions, part.amended, columns_of(part).runs) == (7, 1, [(0, 1), (1, 1)])
    (one, other) = RowTable.unpacked(columns_of(part).table).rows()
    assert one.quasi.category == "5812"
    assert other.quasi.category == "fuel"


def test_dropped_alerts_and_positions_are_counted_and_no_more() -> None:
    made = PartBuilder(Masker(dropping("alert", "position"), RING, MemorySubjectKeyStore), seq=1)
    made.add("alerts", 0, range(1), [encode(alert(None))])
    fix = Fix(subject=SubjectId("a"), device=DeviceId("d"), source="s", fix_ns=1, received_ms=0, lat=51.5, lon=-0.1)
    made.add("fixes", 0, range(1), [encode(fix)])
    made.add("decisions", 0, range(1), [encode(decision(1))])
    part = made.finish()
    assert (part.alert_revisions, part.alerts_opened, part.alerts) == (1, 0, [])
    assert (part.fixes, part.positions) == (1, [])
    assert len(part.payments) == 1, "payments are still stored"


def test_a_dropped_payment_is_never_masked_for_a_store() -> None:
    with pytest.raises(FatalError, match="drops payments"):
        Masker(dropping("transaction"), RING, MemorySubjectKeyStore).decision(decision(1), 1)


def test_the_verdicts_read_are_those_of_the_contract() -> None:
    assert set(get_args(get_type_hints(_Answer)["verdict"])) == {verdict.value for verdict in Verdict}


def test_no_record_is_lost_among_refused_ones() -> None:
    rejected: Counter[str] = Counter()
    masker = Masker(dropping("transaction"), RING, MemorySubjectKeyStore).unstored
    assert masker is not None
    payments = UnstoredPayments(masker)
    payments.add(0, [encode(decision(number)) if number % 5 else b"?" for number in range(50)], rejected)
    assert (RowTable.unpacked(payments.finish().table).count, rejected["undecodable"]) == (40, 10)


def played(folder: Path, size: int) -> tuple[Store, Progress]:
    """Play payments in batches of a size, then one that closes every window."""
    policy = dropping("transaction")
    records: list[bytes | None] = [encode(decision(number)) for number in range(600)]
    store = Store()
    running = stage(folder, store)
    after = encode(decision(601, authorised_ms=START_MS + 100 * HOUR_MS))
    cuts = [records[start : start + size] for start in range(0, len(records), size)] + [[after]]
    for number, chunk in enumerate(cuts):
        parts = [part_of(policy, (0, chunk[::2])), part_of(policy, (1, chunk[1::2] if len(chunk) > 1 else chunk))]
        running.process([msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=MaskedPart) for one in parts], number, {})
    assert store.progress is not None
    return store, store.progress


def test_the_stage_releases_and_stores_nothing_else(tmp_path: Path) -> None:
    store, done = played(tmp_path, 100)
    assert {kind for kind, _ in store.documents} == {"releases"}
    assert done.transactions == done.unstored == 602 == done.released + done.suppressed + done.late + done.pending
    assert done.released > 300
    assert done.pending == 2


@pytest.mark.parametrize("size", [30, 600])
def test_releases_depend_on_the_records_alone_and_not_on_how_they_are_cut(tmp_path: Path, size: int) -> None:
    whole, _ = played(tmp_path / "one", 100)
    other, _ = played(tmp_path / "other", size)
    assert other.without_seq() == whole.without_seq()


def test_the_stage_can_be_told_apart_from_one_that_stores() -> None:
    assert dropping("transaction").digest != dropping().digest
    assert PROMISE.changes(msgspec.structs.replace(PROMISE, digest=dropping("transaction").digest)) == ("digest",)
    assert (dropping("transaction").keeps("transaction"), dropping().keeps("transaction")) == (False, True)
    assert dropping("transaction", "position").dropped == ("transaction", "position")


def test_rows_survive_their_way() -> None:
    rows = [Row(f"{number:032x}", f"{number % 3:032x}", row.quasi, row.sensitive) for number, row in enumerate(_rows(20))]
    table = RowTable.of(rows)
    assert RowTable.unpacked(table.packed()).rows() == rows
    assert RowTable.joined([table, table.take(np.arange(0))]).rows() == rows
    assert MONGODB == "mongodb"


def _rows(count: int) -> list[Row]:
    part = part_of(dropping("transaction"), (0, [encode(decision(number)) for number in range(count)]))
    return RowTable.unpacked(columns_of(part).table).rows()
