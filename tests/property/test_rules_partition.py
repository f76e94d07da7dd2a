"""A partition that dies anywhere and recovers leaves what an unbroken one leaves, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.partition import Partition, Record
from rules.store import PagedStore
from tests.property.test_rules_order import LIMITS, arrivals
from tests.unit.rules_world import Event
from veilocity.contracts import Fix, RulesProgress, decode, encode
from veilocity.topics import ALERTS, DECISIONS, FIXES, REJECTS, RULES_PROGRESS, RULES_STATE, TRANSACTIONS, Topic


@dataclass
class Log:
    """What a Kafka would hold: only committed records, and the offsets committed with them."""

    records: list[tuple[str, bytes, bytes | None]] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)

    def of(self, topic: Topic) -> list[tuple[bytes, bytes | None]]:
        return [(key, value) for name, key, value in self.records if name == topic.name]


class FakeOutbox:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._open: list[tuple[str, bytes, bytes | None]] = []

    def send(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        self._open.append((topic.name, key, value))

    def commit(self, offsets: Mapping[str, int]) -> None:
        self._log.records += self._open
        self._log.offsets.update(offsets)
        self._open = []


def _recover(log: Log) -> tuple[Partition, PagedStore]:
    store = PagedStore(LIMITS, busy_subjects=1)
    for key, value in log.of(RULES_STATE):
        store.restore(key, value)
    progress = [decode(value or b"", RulesProgress) for _, value in log.of(RULES_PROGRESS)]
    return Partition(LIMITS, store, FakeOutbox(log), progress[-1] if progress else RulesProgress(partition=0)), store


def _records(events: Sequence[Event]) -> list[Record]:
    records, offsets = [], {FIXES.name: 0, TRANSACTIONS.name: 0}
    for event in events:
        topic = FIXES if isinstance(event, Fix) else TRANSACTIONS
        records.append(Record(topic, offsets[topic.name], event.subject.encode(), encode(event), 0))
        offsets[topic.name] += 1
    records.append(Record(FIXES, offsets[FIXES.name], b"anna", b"not json", 7))
    return records


def _run(records: Sequence[Record], log: Log, breaks: Sequence[tuple[int, bool]]) -> tuple[Partition, PagedStore]:
    """Process the records; at each break either commit or die with what was not committed."""
    partition, store = _recover(log)
    pending = dict(breaks)
    while True:
        for step, record in enumerate(records):
            if record.offset < log.offsets.get(record.topic.name, 0):
                continue
            partition.process(record)
            if step not in pending:
                continue
            if pending.pop(step):
                partition.commit()
            else:
                partition, store = _recover(log)
                break
        else:
            partition.commit()
            return partition, store


breaks = st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=8)


@settings(max_examples=150)
@given(arrivals(), breaks)
def test_crashes_and_batch_splits_change_nothing(events: list[Event], where: list[tuple[int, bool]]) -> None:
    records = _records(events)
    unbroken, broken = Log(), Log()
    first, first_store = _run(records, unbroken, [])
    second, second_store = _run(records, broken, where)
    for topic in (DECISIONS, ALERTS, REJECTS):
        assert broken.of(topic) == unbroken.of(topic)
    assert first.progress == second.progress
    assert broken.offsets == unbroken.offsets
    assert first_store.load("anna") == second_store.load("anna")


@settings(max_examples=50)
@given(arrivals())
def test_the_counters_add_up(events: list[Event]) -> None:
    log = Log()
    partition, _ = _run(_records(events), log, [(3, True), (9, True)])
    one = partition.progress
    assert one.fixes_read == one.fixes_kept + one.fixes_duplicate + one.fixes_thinned + one.fixes_late + one.fixes_rejected
    assert one.transactions_read == one.decided + one.transactions_duplicate + one.transactions_rejected
    assert one.decided == one.flagged + one.clear + one.not_scorable == len(log.of(DECISIONS))
    assert one.alerts_opened + one.alerts_amended + one.alerts_retracted == len(log.of(ALERTS))
    assert one.fixes_rejected == len(log.of(REJECTS)) == 1


@settings(max_examples=50)
@given(arrivals())
def test_what_is_restored_is_what_was_written_and_the_size_is_known(events: list[Event]) -> None:
    log = Log()
    _, store = _run(_records(events), log, [(step, True) for step in range(0, 40, 3)])
    _, restored = _recover(log)
    newest = {key: value for key, value in log.of(RULES_STATE)}
    assert restored.size_bytes == store.size_bytes == sum(len(value) for value in newest.values() if value is not None)
    assert restored.subjects == store.subjects == 1
