"""The stage without Spark: batches cut anyhow, repeated and broken off at any point give the same documents."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from privacy.ledger import Ledger
from privacy.masking import ELASTICSEARCH, MONGODB
from privacy.members import window_salt
from privacy.parts import MaskedPart
from storage.documents import MaskedAmendment, MaskedBatch, MaskedTransaction, Place, Position
from tests.unit.privacy_world import CELLS, MINUTE, PAYMENTS, POLICY, WIDTH, Store, batches, in_store, part, play, released, stage
from veilocity.contracts import Severity, Verdict
from veilocity.errors import StateError, StoreUnavailableError

changed = msgspec.structs.replace


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return play(tmp_path_factory.mktemp("unbroken"), 25)


def test_counters_add_up_and_windows_were_released(unbroken: Store) -> None:
    progress = unbroken.progress
    assert progress is not None
    assert progress.transactions == 400 == progress.released + progress.suppressed + progress.late + progress.pending
    assert min(progress.released, progress.late, progress.pending, progress.classes) > 0
    assert sum(1 for kind, _ in unbroken.documents if kind == "transactions") == 400
    assert sum(1 for kind, _ in unbroken.documents if kind == "groups") > 0


def test_what_finds_no_class_is_released_by_a_wider_window_of_its_time(unbroken: Store) -> None:
    widths = Counter((one.window_end_ms - one.window_start_ms) // WIDTH for one in released(unbroken))
    assert set(widths) == {1, 2, 4}
    assert all(one.window_start_ms % (one.window_end_ms - one.window_start_ms) == 0 for one in released(unbroken))
    hours = {one.window_end_ms - one.window_start_ms: one.hour for one in released(unbroken)}
    assert (len(hours[WIDTH]), hours[2 * WIDTH].count("/"), hours[4 * WIDTH]) == (13, 1, "1970-01-05")
    members = [member for one in released(unbroken) for member in one.members]
    assert all(one.people == len(one.members) for one in released(unbroken))
    assert len(members) == len(set(members)), "a person has the same name in two classes or windows"


def test_both_stores_hold_the_same_but_for_tokens(unbroken: Store) -> None:
    for kind in ("transactions", "releases", "groups"):
        held = [[one for (name, _), one in store.items() if name == kind] for store in (unbroken.documents, unbroken.searched)]
        fields = [[msgspec.structs.asdict(one) for one in documents if isinstance(one, msgspec.Struct)] for documents in held]
        if kind == "releases":
            assert fields[0] == fields[1]
            continue
        bare = [Counter(repr({**one, "id": "", "subject": "", "members": len(one.get("members", ()))}) for one in some) for some in fields]
        assert bare[0] == bare[1]
        tokens = [{token for one in some for token in (one["id"], one.get("subject"), *one.get("members", ())) if token} for some in fields]
        assert not tokens[0] & tokens[1]
        assert len(tokens[0]) == len(tokens[1]) > 0


def test_documents_come_in_the_order_of_their_tokens_and_not_of_arrival(tmp_path: Path) -> None:
    written: list[Mapping[str, MaskedBatch]] = []
    store = Store()
    store.write = written.append  # type: ignore[assignment, method-assign]  # what is written, not what is held
    running = stage(tmp_path, store)
    for number, chunk in enumerate(batches(100)):
        running.process([part(chunk)], number, {})
    for batch in (batch for one in written for batch in one.values()):
        assert [one.id for one in batch.transactions] == sorted(one.id for one in batch.transactions)
        assert [one.id for one in batch.groups] == sorted(one.id for one in batch.groups)
    arrived = [int(one.id[8:], 16) for one in written[0][MONGODB].transactions]
    assert arrived != sorted(arrived) != [int(one.id[8:], 16) for one in written[0][ELASTICSEARCH].transactions]


def test_one_tier_suppresses_at_once_what_finds_no_class(tmp_path: Path, unbroken: Store) -> None:
    one_tier = msgspec.structs.replace(POLICY, windows=msgspec.structs.replace(POLICY.windows, later_ms=()))
    store = Store()
    running = stage(tmp_path, store, policy=one_tier)
    for number, chunk in enumerate(batches(25)):
        running.process([part(chunk)], number, {})
    assert {one.window_end_ms - one.window_start_ms for one in released(store)} == {WIDTH}
    assert store.progress is not None
    assert unbroken.progress is not None
    assert store.progress.pending < unbroken.progress.pending
    assert store.progress.late == unbroken.progress.late


@pytest.mark.parametrize("size", [1, 60, 400])
def test_the_cut_of_batches_changes_only_the_sequence_numbers(tmp_path: Path, unbroken: Store, size: int) -> None:
    other = play(tmp_path, size)
    assert other.without_seq() == unbroken.without_seq()
    assert other.progress is not None
    assert unbroken.progress is not None
    assert msgspec.structs.replace(other.progress, seq=0) == msgspec.structs.replace(unbroken.progress, seq=0)


@pytest.mark.parametrize("seq", range(1, 17))
@pytest.mark.parametrize("moment", ["fail_before", "fail_after", "after_ledger"])
def test_a_crash_at_any_point_of_any_batch_changes_nothing(tmp_path: Path, unbroken: Store, seq: int, moment: str) -> None:
    """The process dies before the store has the batch, after it, or after the ledger entry; another one repeats the batch."""
    store = Store()
    if moment != "after_ledger":
        setattr(store, moment, seq)
    running = stage(tmp_path, store)
    for number, chunk in enumerate(batches(25)):
        try:
            running.process([part(chunk)], number, {})
        except StoreUnavailableError:
            running = stage(tmp_path, store)
            running.process([part(chunk)], number, {})
        if moment == "after_ledger" and number + 1 == seq:
            running = stage(tmp_path, store)
            running.process([part(chunk)], number, {})
    assert store.told() == unbroken.told()
    assert store.progress == unbroken.progress


def test_the_running_state_is_never_used_for_a_repeated_batch(tmp_path: Path, unbroken: Store) -> None:
    store = Store()
    running = stage(tmp_path, store)
    for number, chunk in enumerate(batches(25)):
        running.process([part(chunk)], number, {})
        running.process([part(chunk)], number, {})
    assert store.told() == unbroken.told()


def test_old_entries_and_staged_rows_are_forgotten(tmp_path: Path) -> None:
    play(tmp_path, 10, snapshot_batches=4)
    numbers = sorted(int(path.stem) for path in (tmp_path / "ledger").glob("*.entry"))
    assert numbers[-1] == 39
    assert len(numbers) <= 9
    assert len(list((tmp_path / "ledger").glob("*.places"))) <= 2
    assert len(list((tmp_path / "staged").iterdir())) <= 6


def test_a_salt_lives_from_the_closing_of_its_window_to_the_next_micro_batch(tmp_path: Path) -> None:
    store = Store()
    running = stage(tmp_path, store)
    seen: dict[str, bytes] = {}
    for number, chunk in enumerate(batches(25)):
        running.process([part(chunk)], number, {})
        salts = {path.parent.name: path.read_bytes() for path in (tmp_path / "staged").glob("*/salt")}
        closed = msgspec.msgpack.decode((tmp_path / "ledger" / f"{number:08d}.entry").read_bytes())["closed_windows"]
        assert salts.keys() == {f"{tier}-{start_ms}" for tier, start_ms in closed}
        assert not salts.keys() & seen.keys()
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "staged").glob("*/salt")} <= {0o600}
        seen |= salts
    assert {len(salt) for salt in seen.values()} == {32}
    assert len(set(seen.values())) == len(seen) >= 10


def test_a_salt_that_was_not_written_to_the_end_is_made_anew_and_a_damaged_one_stops_the_stage(tmp_path: Path) -> None:
    (tmp_path / ".salt.draft").write_bytes(b"cut")
    salt = window_salt(tmp_path)
    assert (len(salt), window_salt(tmp_path)) == (32, salt)
    (tmp_path / "salt").write_bytes(salt[:-1])
    with pytest.raises(StateError, match="damaged"):
        window_salt(tmp_path)


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    play(tmp_path, 100)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


def test_a_ledger_of_another_layout_is_refused(tmp_path: Path) -> None:
    play(tmp_path, 100)
    path = tmp_path / "ledger" / "00000003.entry"
    for layout, sentence in ((3, "older than 4: use the program"), (5, "newer than 4: upgrade")):
        path.write_bytes(msgspec.msgpack.encode({"layout": layout, "of": "another time"}))
        with pytest.raises(StateError, match=sentence):
            Ledger(tmp_path, POLICY).check(committed=3, begun=3)


def spoil_checkpoint(ledger: Ledger) -> None:
    ledger.check(committed=20, begun=20)


def spoil_ledger(ledger: Ledger) -> None:
    ledger.check(committed=-1, begun=-1)


@pytest.mark.parametrize("spoil", [spoil_checkpoint, spoil_ledger])
def test_a_checkpoint_and_a_ledger_of_different_lives_are_refused(tmp_path: Path, spoil: Callable[[Ledger], None]) -> None:
    play(tmp_path, 100)
    with pytest.raises(StateError, match="do not belong together"):
        spoil(Ledger(tmp_path, POLICY))
    Ledger(tmp_path, POLICY).check(committed=3, begun=3)
    Ledger(tmp_path, POLICY).check(committed=2, begun=3)


def test_another_promise_is_refused_by_name(tmp_path: Path) -> None:
    play(tmp_path, 100)
    with pytest.raises(StateError, match="other values of k, key_checks: use those again"):
        Ledger(tmp_path, changed(POLICY, k=2, key_checks=("ffff",))).check(committed=3, begun=3)
    with pytest.raises(StateError, match="began with another policy: name that file in VEILOCITY_PRIVACY_POLICY_FILE"):
        Ledger(tmp_path, changed(POLICY, digest="ffff")).check(committed=3, begun=3)
    with pytest.raises(StateError, match="another key ring: put that file back"):
        Ledger(tmp_path, changed(POLICY, key_checks=())).check(committed=3, begun=3)


def test_a_key_that_was_added_is_no_other_promise(tmp_path: Path, unbroken: Store) -> None:
    store = Store()
    running = stage(tmp_path, store)
    for number, chunk in enumerate(batches(25)):
        if number == 7:
            running = stage(tmp_path, store, policy=changed(POLICY, key_checks=("abcd", "ffff")))
        running.process([part(chunk)], number, {})
    assert store.told() == unbroken.told()
    with pytest.raises(StateError, match="another key ring"):
        Ledger(tmp_path, POLICY).check(committed=15, begun=15)


def test_lost_staged_rows_stop_the_stage(tmp_path: Path) -> None:
    store = Store()
    running = stage(tmp_path, store)
    running.process([part(PAYMENTS[:50])], 0, {})
    next(iter((tmp_path / "staged").rglob("*.rows"))).unlink()
    with pytest.raises(StateError, match="lost or added"):
        running.process([part(PAYMENTS[50:300])], 1, {})


def test_a_damaged_entry_stops_the_stage(tmp_path: Path) -> None:
    play(tmp_path, 100)
    path = tmp_path / "ledger" / "00000003.entry"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StateError, match="damaged"):
        Ledger(tmp_path, POLICY).load(3)


def test_of_two_places_of_a_person_the_later_is_written(tmp_path: Path) -> None:
    store = Store()
    written: list[Mapping[str, MaskedBatch]] = []
    store.write = written.append  # type: ignore[assignment, method-assign]  # only this batch matters
    place = Place(CELLS[0], 51.5, -0.1)
    early, late = Position("a", 1, MINUTE, place), Position("a", 1, 3 * MINUTE, place)
    stage(tmp_path, store).process([MaskedPart(positions=[late]), MaskedPart(positions=[early], fixes=9)], 0, {})
    assert (written[0][MONGODB].positions, written[0][ELASTICSEARCH].positions) == ((late,), ())
    assert written[0][MONGODB].progress.fixes == 9
    assert written[0][MONGODB].progress.event_ms == 3 * MINUTE
    assert written[0][MONGODB].sample is None


def test_with_a_new_period_the_positions_of_before_are_deleted_once_and_never_written_again(tmp_path: Path) -> None:
    """A person has another id then, and would be on the map twice."""
    week_ms = POLICY.period_ms
    written: list[Mapping[str, MaskedBatch]] = []
    store = Store()
    store.write = written.append  # type: ignore[assignment, method-assign]  # what is written, not what is held
    place = Place(CELLS[0], 51.5, -0.1)
    turn_ms = 5 * week_ms
    times = (("a", turn_ms - MINUTE), ("a", turn_ms - 2 * MINUTE), ("b", turn_ms), ("b", turn_ms + MINUTE))
    last, late, first, later = (Position(name, 1, minute_ms, place) for name, minute_ms in times)
    running = stage(tmp_path, store)
    for number, positions in enumerate([[last], [late, first], [late, later]]):
        running.process([MaskedPart(positions=positions)], number, {})
    assert [one[MONGODB].positions for one in written] == [(last,), (first,), (later,)]
    assert [one[MONGODB].forget_positions_before_ms for one in written] == [4 * week_ms, 5 * week_ms, None]
    assert [one[MONGODB].progress.positions_since_ms for one in written] == [4 * week_ms, 5 * week_ms, 5 * week_ms]
    assert {one[ELASTICSEARCH].forget_positions_before_ms for one in written} == {None}


def amendment(number: int, revision: int) -> dict[str, MaskedAmendment]:
    return {
        store: MaskedAmendment(known.id, 0, revision, known.minute_ms, Verdict.FLAGGED, 0.9, ("r",), None, Severity.HIGH)
        for store, known in PAYMENTS[number].documents.items()
    }


def test_amendments_count_into_nothing_that_a_payment_counts_into(tmp_path: Path, unbroken: Store) -> None:
    """Every third payment is answered again, in its own batch or in the next: the same windows, sample, groups and filter."""
    store = Store()
    written: list[MaskedBatch] = []
    running = stage(tmp_path, store)
    keep = store.write

    def listen(batches: Mapping[str, MaskedBatch]) -> None:
        written.append(batches[MONGODB])
        keep(batches)

    store.write = listen  # type: ignore[method-assign]  # on its way to the store
    for number, chunk in enumerate(batches(25)):
        later = [amendment(one.offset, 2) for one in chunk[::3]] + [amendment(one.offset, 3) for one in PAYMENTS[: number * 25 : 60]]
        running.process(
            [MaskedPart(payments=chunk, amendments=later, amended=len(later) + 1, decisions=len(chunk) + len(later) + 1)], number, {}
        )
    assert store.told() == unbroken.told()
    assert store.progress is not None
    assert unbroken.progress is not None
    assert store.progress.amendments == sum(len(batch.amendments) for batch in written) + 16 > 100
    assert store.progress.decisions == store.progress.transactions + store.progress.amendments
    assert msgspec.structs.replace(store.progress, amendments=0, decisions=400) == unbroken.progress


def test_of_the_amendments_of_a_payment_the_newest_is_written(tmp_path: Path) -> None:
    store = Store()
    written: list[Mapping[str, MaskedBatch]] = []
    store.write = written.append  # type: ignore[assignment, method-assign]  # only this batch matters
    parts = [MaskedPart(amendments=[amendment(1, 3), amendment(2, 2)]), MaskedPart(amendments=[amendment(1, 2)], amended=3, decisions=3)]
    stage(tmp_path, store).process(parts, 0, {})
    for name, batch in written[0].items():
        assert set(batch.amendments) == {amendment(1, 3)[name], amendment(2, 2)[name]}
        assert (batch.transactions, batch.sample, batch.progress.amendments) == ((), None, 3)


def test_a_place_is_known_to_a_person_from_the_second_time_on_in_both_stores(unbroken: Store) -> None:
    """Told from the payments alone; a filter of this size takes no new place for a known one."""
    seen: set[tuple[str, str]] = set()
    for one in PAYMENTS:
        place = one.documents[MONGODB].place
        expected = None if place is None else (one.person, place.cell) in seen
        for store, held in ((MONGODB, unbroken.documents), (ELASTICSEARCH, unbroken.searched)):
            document = held["transactions", in_store(store, one.offset)]
            assert isinstance(document, MaskedTransaction)
            assert document.place_seen_before is expected
        if place is not None:
            seen.add((one.person, place.cell))
