"""A partition that dies anywhere and recovers leaves what an unbroken one leaves, byte for byte."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.hosting import engine_of
from rules.journal import Entry, is_entry, unpack
from rules.merge import FIX, PAYMENT, Record, Run, in_order
from rules.partition import Judge, Partition, Position
from rules.recovery import Saved
from rules.replay import needed, repeat
from rules.snapshots import BUCKETS, Pace
from rules.store import Limits, StateStore
from tests.unit.rules_world import LAGOS, LONDON, PARIS, START_MS, fix, payment
from veilocity.contracts import RulesProgress, decode, encode
from veilocity.settings import load
from veilocity.topics import ALERTS, DECISIONS, FIXES, REJECTS, RULES_PROGRESS, RULES_STATE, TRANSACTIONS, Topic

ENGINE = engine_of(load({}))
PACE = Pace(events=8, events_per_subject=0, seconds=1e9)
"""A cycle of snapshots in eight events, so that every history holds several."""
LONG, SHORT = Limits(10**18, 10_000), Limits(600 * 10**9, 256)


@dataclass
class Log:
    """What a Kafka would hold: only committed records, and the offsets committed with them."""

    records: list[tuple[str, bytes, bytes | None]] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)

    def of(self, topic: Topic) -> list[tuple[bytes, bytes | None]]:
        return [(key, value) for name, key, value in self.records if name == topic.name]

    def journal(self) -> list[Entry]:
        return [unpack(value or b"") for key, value in self.of(RULES_STATE) if is_entry(key)]


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


class Inputs:
    """The two input topics."""

    def __init__(self, records: Sequence[Record], starts: tuple[int, int]) -> None:
        of = [[one for one in records if one.rank == rank and one.offset >= starts[rank]] for rank in (FIX, PAYMENT)]
        self.lanes = (deque(of[FIX]), deque(of[PAYMENT]))

    def fill(self, ends: tuple[int, int]) -> None:
        """Everything is there."""


def recover(log: Log, records: Sequence[Record], limits: Limits) -> tuple[Partition, StateStore]:
    """As `rules.recovery.recover`, without Kafka."""
    saved, store = Saved(), StateStore(limits)
    for key, value in log.of(RULES_STATE):
        saved.take(key, value)
    judge = Judge(ENGINE, store)
    last = saved.restore(store, (log.offsets.get(FIXES.name, -1), log.offsets.get(TRANSACTIONS.name, -1)))
    if last is not None:
        entries = needed(saved.entries())
        if entries:
            repeat(entries, Inputs(records, entries[0].starts), judge)
    progress = [decode(value or b"", RulesProgress) for _, value in log.of(RULES_PROGRESS)]
    position = Position(last.sequence, last.ends) if last is not None else Position(0, (0, 0))
    return Partition(judge, FakeOutbox(log), progress[-1] if progress else RulesProgress(partition=0), position, PACE), store


def states(store: StateStore) -> list[tuple[bytes, bytes | None]]:
    """Return every state as it would be saved, and what is not forgotten by then."""
    return [record for bucket in range(BUCKETS) for record in store.save(bucket, 0, 0)]


def unbroken(log: Log, records: Sequence[Record], limits: Limits) -> tuple[Log, Partition, StateStore]:
    """Do everything that the journal tells of, from the beginning and without a break."""
    again, store = Log(), StateStore(limits)
    partition = Partition(Judge(ENGINE, store), FakeOutbox(again), RulesProgress(0), Position(0, (0, 0)), PACE)
    inputs = Inputs(records, (0, 0))
    for entry in log.journal():
        for ends in entry.runs:
            taken = [one for rank in (FIX, PAYMENT) for one in inputs.lanes[rank] if one.offset < ends[rank]]
            for one in taken:
                inputs.lanes[one.rank].popleft()
            partition.process(Run(in_order(taken), ends))
        partition.commit(0.0)
    return again, partition, store


class Step(Enum):
    """What happens after a run."""

    GO_ON = "go on"
    COMMIT = "commit"
    SAVE = "save"
    DIE = "die"


places = st.sampled_from((LONDON, PARIS, LAGOS))
people = st.sampled_from(("anna", "ben", "carla", "dora", "emil"))
moments = st.integers(0, 240).map(lambda step: step * 15.0)
events = st.one_of(
    st.builds(lambda at_s, place, who: fix(at_s, place, subject=who), moments, places, people),
    st.builds(lambda at_s, place, who: payment(at_s, place, subject=who, id=f"{who}-{at_s}"), moments, places, people),
    st.none(),
)
histories = st.lists(st.tuples(events, st.integers(0, 9)), min_size=1, max_size=50)
"""Each event (None: a record that cannot be read) and when Kafka took it: not always in order."""
steps = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.sampled_from(Step)), min_size=1, max_size=30)
"""How many records of each topic make a run, and what happens then."""


def inputs_of(history: Sequence[tuple[object, int]]) -> list[Record]:
    records, offsets = [], [0, 0]
    for number, (event, jitter) in enumerate(history):
        rank = PAYMENT if hasattr(event, "authorised_ms") else FIX
        value = b"not json" if event is None else encode(event)  # type: ignore[arg-type]  # a contract
        records.append(Record(START_MS + 4 * 3_600_000 + number * 5 + jitter, rank, offsets[rank], value, b""))
        offsets[rank] += 1 + number % 2
    return records


def play(records: Sequence[Record], plan: Sequence[tuple[int, int, Step]], log: Log, limits: Limits) -> tuple[Partition, StateStore]:
    """Process the records by a plan that begins anew when it ends, and die where it says so."""
    partition, store = recover(log, records, limits)
    inputs, at = Inputs(records, (0, 0)), 0
    while any(inputs.lanes):
        *sizes, step = plan[at % len(plan)] if at < 3 * len(plan) else (5, 5, Step.COMMIT)
        at += 1
        taken = [inputs.lanes[rank].popleft() for rank in (FIX, PAYMENT) for _ in range(min(sizes[rank], len(inputs.lanes[rank])))]
        ends = [max((one.offset + 1 for one in taken if one.rank == rank), default=-1) for rank in (FIX, PAYMENT)]
        if taken:
            partition.process(Run(in_order(taken), (ends[FIX], ends[PAYMENT])))
        if step is Step.DIE:
            partition, store = recover(log, records, limits)
            inputs = Inputs(records, partition.position.offsets)
        elif step is not Step.GO_ON:
            partition.commit(0.0, save_all=step is Step.SAVE)
    partition.commit(0.0)
    return partition, store


@settings(max_examples=150, deadline=None)
@given(histories, steps)
def test_crashes_anywhere_change_nothing(history: list[tuple[object, int]], plan: list[tuple[int, int, Step]]) -> None:
    records, log = inputs_of(history), Log()
    partition, store = play(records, plan, log, LONG)
    again, oracle, oracle_store = unbroken(log, records, LONG)
    for topic in (DECISIONS, ALERTS, REJECTS):
        assert log.of(topic) == again.of(topic)
    assert partition.progress == oracle.progress
    assert log.offsets == again.offsets
    recovered, recovered_store = recover(log, records, LONG)
    assert recovered.progress == partition.progress
    assert recovered.position == partition.position
    assert states(recovered_store) == states(store) == states(oracle_store)


@settings(max_examples=100, deadline=None)
@given(histories, steps)
def test_what_is_forgotten_stays_forgotten_after_a_crash(history: list[tuple[object, int]], plan: list[tuple[int, int, Step]]) -> None:
    records, log = inputs_of(history), Log()
    partition, store = play(records, plan, log, SHORT)
    recovered, recovered_store = recover(log, records, SHORT)
    assert recovered.progress == partition.progress
    assert recovered_store.newest_ns == store.newest_ns
    assert (recovered_store.subjects, recovered_store.forgotten) == (store.subjects, store.forgotten)
    assert states(recovered_store) == states(store)


@settings(max_examples=50, deadline=None)
@given(histories, steps)
def test_the_counters_add_up(history: list[tuple[object, int]], plan: list[tuple[int, int, Step]]) -> None:
    log = Log()
    partition, _ = play(inputs_of(history), plan, log, LONG)
    one = partition.progress
    assert one.fixes_read + one.transactions_read == len(history)
    assert one.fixes_read == one.fixes_kept + one.fixes_duplicate + one.fixes_thinned + one.fixes_late + one.fixes_rejected
    assert one.transactions_read == one.decided + one.transactions_duplicate + one.transactions_rejected
    assert one.decided == one.flagged + one.clear + one.not_scorable == len(log.of(DECISIONS)) - one.decisions_amended
    assert one.alerts_opened + one.alerts_amended + one.alerts_retracted == len(log.of(ALERTS))
    assert one.fixes_rejected == len(log.of(REJECTS)) == sum(event is None for event, _ in history)


@settings(max_examples=50, deadline=None)
@given(histories, steps)
def test_who_saves_everything_leaves_nothing_to_process_again(history: list[tuple[object, int]], plan: list[tuple[int, int, Step]]) -> None:
    records, log = inputs_of(history), Log()
    partition, store = play(records, plan, log, LONG)
    partition.commit(0.0, save_all=True)
    assert partition.is_saved
    assert log.journal()[-1].behind == {}
    _, recovered_store = recover(log, [], LONG)
    assert states(recovered_store) == states(store)
