"""What is saved of states, and what refuses to be read."""

from __future__ import annotations

import msgspec
import pytest

from rules.hosting import SubjectState, dump
from rules.journal import CYCLE_ENTRIES, RING, Entry, entry_key, pack, unpack
from rules.recovery import Saved
from rules.replay import check_engine, needed
from rules.snapshots import BUCKETS, PART_BYTES, Pace, join, parts, read_key, tombstones
from rules.store import NEVER_NS, Limits, StateStore, bucket_of
from veilocity.errors import StateError

DAY_NS = 86_400 * 10**9


def entry(sequence: int, *, behind: dict[int, int] | None = None, engine: str = "one", runs: int = 1) -> Entry:
    at = (sequence - 1) * 10
    return Entry(1, sequence, engine, (at, 0), [(at + 10, -1)] * runs, 0, 0, [], behind or {})


def store(**states_ns: int) -> StateStore:
    made = StateStore(Limits(10 * DAY_NS, 1000 * BUCKETS))
    for subject, newest_ns in states_ns.items():
        made.keep(subject, bucket_of(subject), SubjectState(newest_ns=newest_ns))
    return made


def subjects_of(bucket: int, count: int) -> list[str]:
    return [name for name in map(str, range(count * BUCKETS * 4)) if bucket_of(name) == bucket][:count]


def save_all(made: StateStore, sequence: int, latest_ns: int = 2**62) -> dict[bytes, bytes | None]:
    return {key: value for bucket in range(BUCKETS) for key, value in made.save(bucket, sequence, latest_ns)}


def test_a_large_bucket_is_cut_into_parts_that_fit_into_a_record() -> None:
    states = [(f"person-{number}", bytes(100_000)) for number in range(12)]
    written = parts(7, 3, 5, states)
    assert len(written) > 2
    assert all(len(value) < 2 * PART_BYTES for _, value in written)
    places = [read_key(key) for key, _ in written]
    assert places == [(7, number) for number in range(len(written))]
    snapshot = join({number: value for number, (_, value) in enumerate(written)})
    assert (snapshot.sequence, snapshot.oldest_ns, snapshot.parts) == (3, 5, len(written))
    assert list(snapshot.states.items()) == states


def test_a_snapshot_that_became_smaller_deletes_what_it_leaves_behind() -> None:
    assert list(tombstones(7, 1, 3)) == [b"bucket/7/1", b"bucket/7/2"]
    assert list(tombstones(7, 3, 1)) == []


def test_a_bucket_that_shrank_leaves_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.snapshots.PART_BYTES", 1)
    names = subjects_of(4, 3)
    made = StateStore(Limits(DAY_NS, 1000 * BUCKETS))
    for name in names:
        made.keep(name, 4, SubjectState(newest_ns=0))
    assert [key for key, _ in made.save(4, 1, 0)] == [b"bucket/4/0", b"bucket/4/1", b"bucket/4/2"]
    made.keep(names[0], 4, SubjectState(newest_ns=9 * DAY_NS))
    written = list(made.save(4, 2, 9 * DAY_NS))
    assert [key for key, value in written if value is None] == [b"bucket/4/1", b"bucket/4/2"]


def test_a_snapshot_of_two_transactions_is_refused() -> None:
    states = [(f"person-{number}", bytes(300_000)) for number in range(4)]
    old, new = parts(0, 1, 0, states), parts(0, 2, 0, states)
    with pytest.raises(StateError, match="incomplete"):
        join({0: new[0][1], 1: old[1][1]})
    with pytest.raises(StateError, match="incomplete"):
        join({0: new[0][1]})


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x95\x01"])
def test_damage_is_refused(data: bytes) -> None:
    with pytest.raises(StateError, match="damaged"):
        join({0: data})
    with pytest.raises(StateError, match="damaged"):
        unpack(data)


def test_a_newer_format_is_refused() -> None:
    newer = msgspec.msgpack.encode([2, "what", "ever"])
    for read in (unpack, lambda data: join({0: data})):
        with pytest.raises(StateError, match="upgrade"):
            read(newer)
    with pytest.raises(StateError, match="upgrade"):
        unpack(msgspec.msgpack.encode([2, *msgspec.to_builtins(entry(1))[1:]]))


def test_an_entry_comes_back_as_it_was_and_knows_where_it_ended() -> None:
    one = Entry(1, 9, "v", (5, 7), [(8, -1), (-1, 9), (12, -1)], 4, 6, [3], {1: 2, 250: 8})
    assert unpack(pack(one)) == one
    assert one.ends == (12, 9)
    assert one.oldest_saved == 2
    assert entry(4).oldest_saved == 4


def test_the_ring_holds_more_than_a_cycle() -> None:
    assert len({entry_key(sequence) for sequence in range(RING)}) == RING
    pace = Pace()
    transactions = BUCKETS / pace.buckets(0, 0.0, 10**7, 10**11)
    assert transactions <= CYCLE_ENTRIES < RING / 2


def test_a_cycle_is_bounded_by_events_and_by_seconds() -> None:
    pace = Pace(events=1_000, events_per_subject=2, seconds=10.0, bytes_per_s=100)
    assert pace.buckets(1_000, 0.0, 0, 0) == BUCKETS
    assert pace.buckets(1_000, 0.0, 1_000, 0) == BUCKETS / 2
    assert pace.buckets(0, 5.0, 0, 0) == BUCKETS / 2
    assert pace.buckets(0, 5.0, 0, 4_000) == BUCKETS / 8
    assert pace.buckets(0, 1e9, 0, 0) == BUCKETS


def test_only_entries_after_the_oldest_snapshot_are_needed() -> None:
    entries = {sequence: entry(sequence, behind={0: 3, 9: 4}) for sequence in range(1, 7)}
    assert [one.sequence for one in needed(entries)] == [4, 5, 6]
    assert needed({6: entry(6)}) == []
    del entries[5]
    with pytest.raises(StateError, match="journal"):
        needed(entries)


def test_another_engine_may_not_process_again_but_may_go_on_from_what_is_saved() -> None:
    check_engine([entry(1), entry(2)], "one")
    check_engine([entry(1, runs=0)], "two")
    check_engine([], "two")
    with pytest.raises(StateError, match="SIGTERM"):
        check_engine([entry(1), entry(2, engine="two")], "two")


def test_journal_snapshots_and_offsets_must_belong_together() -> None:
    def saved(behind: dict[int, int]) -> Saved:
        made = Saved()
        made.take(entry_key(1), pack(entry(1, behind=behind)))
        return made

    assert Saved().restore(store(), (-1, -1)) is None
    with pytest.raises(StateError, match="empty"):
        Saved().restore(store(), (4, -1))
    assert saved({}).restore(store(), (10, 0)) == entry(1)
    assert saved({}).restore(store(), (-1, -1)) == entry(1), "offsets of an idle group expire"
    with pytest.raises(StateError, match="by hand"):
        saved({}).restore(store(), (4, 0))
    with pytest.raises(StateError, match="lacks a snapshot"):
        saved({5: 1}).restore(store(), (10, 0))
    with pytest.raises(StateError, match="earlier version"):
        Saved().take(b"annah\0\0\0\0\0\0\0\0", b"")


def test_a_subject_is_forgotten_when_it_was_silent_for_too_long() -> None:
    made = store(anna=0, ben=3 * DAY_NS, carla=12 * DAY_NS)
    written = save_all(made, 1)
    # The buckets before that of the newest event did not know of it yet.
    written |= {key: value for bucket in range(BUCKETS) if made.must_save(bucket) for key, value in made.save(bucket, 2, 2**62)}
    assert made.subjects == 2
    assert made.forgotten == 1
    assert made.newest_ns == 12 * DAY_NS
    left = [join({0: value}).states for value in written.values() if value is not None]
    assert {name for states in left for name in states} == {"ben", "carla"}


def test_a_bucket_is_saved_when_a_subject_in_it_is_to_be_forgotten() -> None:
    made = store(anna=0)
    save_all(made, 1)
    assert made.is_saved
    assert not made.must_save(bucket_of("anna"))
    made.newest_ns = 11 * DAY_NS
    assert made.must_save(bucket_of("anna"))
    assert not made.must_save(bucket_of("ben"))


def test_one_wrong_clock_makes_nobody_look_old() -> None:
    made = store(anna=DAY_NS, zoe=10_000 * DAY_NS)
    save_all(made, 1, latest_ns=2 * DAY_NS)
    assert made.newest_ns == 2 * DAY_NS
    assert made.subjects == 2


def test_too_many_subjects_lose_those_that_are_silent_for_longest() -> None:
    names = subjects_of(4, 5)
    made = StateStore(Limits(DAY_NS, 3 * BUCKETS))
    for number, name in enumerate(names):
        made.keep(name, 4, SubjectState(newest_ns=number))
    list(made.save(4, 1, 2**62))
    assert made.forgotten == 2
    assert [made.load(name, 4) is None for name in names] == [True, True, False, False, False]


def test_the_size_is_known_and_a_silent_subject_is_kept_as_bytes() -> None:
    made = store(anna=0, ben=DAY_NS)
    written = save_all(made, 1)
    written |= save_all(made, 2)
    data = {name: dump(SubjectState(newest_ns=at)) for name, at in (("anna", 0), ("ben", DAY_NS))}
    assert made.size_bytes == sum(map(len, data.values()))
    assert made.largest_bytes == max(map(len, data.values()))
    anna = made.load("anna", bucket_of("anna"))
    assert anna is not None
    assert dump(anna) == dump(SubjectState(newest_ns=0))
    restored = StateStore(Limits(10 * DAY_NS, 1000))
    for key, value in written.items():
        place = read_key(key)
        assert place is not None
        assert value is not None
        restored.restore(place[0], join({0: value}))
    assert (restored.subjects, restored.size_bytes, restored.largest_bytes) == (2, made.size_bytes, made.largest_bytes)
    assert restored.is_saved
    assert restored.newest_ns == NEVER_NS, "it comes from the journal"
