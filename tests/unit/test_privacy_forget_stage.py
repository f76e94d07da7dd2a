"""The stage without Spark forgets a person: nothing of what waited is left, whenever it is asked and wherever it breaks off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from privacy import pulse
from privacy.erasure_requests import Request, Requests
from privacy.ledger import Ledger
from privacy.masking import MONGODB
from storage.documents import ReleaseDocument, Sample
from tests.unit.privacy_world import PAYMENTS, POLICY, Store, batches, part, pseudonym, released, stage
from veilocity import settings as kernel_settings
from veilocity.errors import StateError, StoreUnavailableError

PERSON = pseudonym(4)
THEIRS = tuple(one.documents[MONGODB].id for one in PAYMENTS if one.person == PERSON)
ASKED = 6
"""Micro-batches that are done when the request comes: the next one's entry names it."""
SIZE = 25


def ask(folder: Path) -> None:
    Requests(folder).add(Request(PERSON, THEIRS))


def sampled(store: Store) -> set[str]:
    sample = store.documents["sample", "sample"]
    assert isinstance(sample, Sample)
    return set(sample.members)


def play(folder: Path, store: Store, until: int = 16) -> None:
    running = stage(folder, store)
    for number, chunk in enumerate(batches(SIZE)[:until]):
        if number == ASKED:
            ask(folder)
        running.process([part(chunk)], number, {})


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store()
    play(tmp_path_factory.mktemp("forgotten"), store)
    return store


def test_what_waited_is_erased_and_counted_and_everything_adds_up(unbroken: Store) -> None:
    progress = unbroken.progress
    assert progress is not None
    assert progress.erased > 0
    states = progress.released + progress.suppressed + progress.late + progress.pending + progress.erased
    assert progress.transactions == 400 == states


def test_it_takes_three_micro_batches_and_then_no_file_names_the_person(tmp_path: Path) -> None:
    store = Store()
    # No snapshot comes of itself, and the sample holds some of the person's payments.
    policy = msgspec.structs.replace(POLICY, sample_size=60)
    quiet = stage(tmp_path, store, 200, policy)
    for number, chunk in enumerate(batches(SIZE)[:ASKED]):
        quiet.process([part(chunk)], number, {})
    assert sampled(store) & set(THEIRS)
    requests = Requests(tmp_path)
    ask(tmp_path)
    erased = []
    for number in range(ASKED, ASKED + 3):
        assert requests.names(PERSON, set(THEIRS))
        assert len(requests.ids()) == 1
        quiet.process([part([])], number, {})
        assert store.progress is not None
        erased.append(store.progress.erased)
    assert erased[0] == 0 < erased[1] == erased[2]
    assert sampled(store)
    assert not sampled(store) & set(THEIRS)
    assert requests.ids() == ()
    assert not requests.names(PERSON, set(THEIRS))
    needles = [PERSON.encode(), bytes.fromhex(PERSON), *(one.encode() for one in THEIRS)]
    held = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not [path for path, data in held.items() if path.suffix != ".places" and any(needle in data for needle in needles)]
    # Others are still there.
    assert store.progress is not None
    assert store.progress.pending > 0
    assert any(pseudonym(5).encode() in data for data in held.values())
    # Ten more micro-batches close windows whose files were rewritten.
    for number, chunk in enumerate(batches(SIZE)[ASKED:], ASKED + 3):
        quiet.process([part(chunk)], number, {})


def test_no_class_and_no_sample_holds_who_was_forgotten_before_it(tmp_path: Path) -> None:
    store = Store()
    play(tmp_path, store, until=ASKED)
    before = {one.class_id for one in released(store)}
    ask(tmp_path)
    running = stage(tmp_path, store)
    others = [[one for one in chunk if one.person != PERSON] for chunk in batches(SIZE)[ASKED:]]
    for number, chunk in enumerate(others, ASKED):
        running.process([part(chunk)], number, {})
    assert store.progress is not None
    everybody = store.progress.transactions - store.progress.late - store.progress.pending - store.progress.suppressed
    assert store.progress.erased > 0
    assert sum(one.payments for one in released(store)) == store.progress.released == everybody - store.progress.erased
    groups = [one for (kind, _), one in store.documents.items() if kind == "groups" and getattr(one, "seq", 0) > ASKED + 2]
    assert groups
    assert not [member for group in groups for member in getattr(group, "members", ()) if member in THEIRS]
    assert not sampled(store) & set(THEIRS)
    assert len(before) < len(released(store))


@pytest.mark.parametrize("seq", range(ASKED - 1, ASKED + 6))
@pytest.mark.parametrize("moment", ["fail_before", "fail_after", "after_ledger"])
def test_a_crash_at_any_point_around_an_erasure_changes_nothing(tmp_path: Path, unbroken: Store, seq: int, moment: str) -> None:
    store = Store()
    if moment != "after_ledger":
        setattr(store, moment, seq)
    running = stage(tmp_path, store)
    for number, chunk in enumerate(batches(SIZE)):
        if number == ASKED:
            ask(tmp_path)
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


@pytest.mark.parametrize("moment", ["fail_before", "fail_after"])
def test_a_request_that_comes_between_a_micro_batch_and_its_repetition_waits(tmp_path: Path, moment: str) -> None:
    """The broken-off attempt may have published classes: the repetition must publish the same."""
    store = Store()
    setattr(store, moment, ASKED + 1)
    running = stage(tmp_path, store)
    for number, chunk in enumerate(batches(SIZE)):
        try:
            running.process([part(chunk)], number, {})
        except StoreUnavailableError:
            ask(tmp_path)
            ledger = Ledger(tmp_path, POLICY, 3)
            ledger.accept(committed=number - 1, begun=number)
            running = stage(tmp_path, store)
            running.process([part(chunk)], number, {})
            assert store.progress is not None
            assert store.progress.erased == 0
    assert store.progress is not None
    assert store.progress.erased > 0


def test_a_request_that_came_while_no_stage_ran_is_carried_out_by_the_first_micro_batch(tmp_path: Path) -> None:
    store = Store()
    play(tmp_path, store, until=ASKED)
    ask(tmp_path)
    Ledger(tmp_path, POLICY, 3).accept(committed=ASKED - 1, begun=ASKED - 1)
    running = stage(tmp_path, store)
    running.process([part([])], ASKED, {})
    assert store.progress is not None
    assert store.progress.erased > 0


def test_what_comes_after_the_request_was_carried_out_is_new_and_stays(tmp_path: Path) -> None:
    store = Store()
    play(tmp_path, store, until=ASKED)
    ask(tmp_path)
    running = stage(tmp_path, store)
    for number in (ASKED, ASKED + 1):
        running.process([part([])], number, {})
    assert store.progress is not None
    erased, pending = store.progress.erased, store.progress.pending
    news = [one for one in batches(SIZE)[ASKED] if one.person == PERSON]
    assert news
    running.process([part(news)], ASKED + 2, {})
    assert store.progress.erased == erased
    assert store.progress.pending > pending - store.progress.released
    assert Requests(tmp_path).names(PERSON, set())


def test_a_payment_that_arrives_with_the_micro_batch_that_erases_is_new_and_is_not_lost(tmp_path: Path) -> None:
    store = Store()
    play(tmp_path, store, until=ASKED)
    ask(tmp_path)
    running = stage(tmp_path, store)
    running.process([part([])], ASKED, {})
    news = [one for one in batches(SIZE)[ASKED] if one.person == PERSON]
    running.process([part(news)], ASKED + 1, {})
    for number, chunk in enumerate(batches(SIZE)[ASKED + 1 :], ASKED + 2):
        running.process([part(chunk)], number, {})
    assert not Requests(tmp_path).ids()


def test_two_people_are_forgotten_at_once_and_a_request_for_nobody_does_nothing(tmp_path: Path) -> None:
    store = Store()
    play(tmp_path, store, until=ASKED)
    requests = Requests(tmp_path)
    for person in (PERSON, pseudonym(5), pseudonym(99)):
        requests.add(Request(person, ()))
    running = stage(tmp_path, store)
    for number in range(ASKED, ASKED + 3):
        running.process([part([])], number, {})
    assert requests.ids() == ()
    assert not requests.names(PERSON, set())
    assert not requests.names(pseudonym(5), set())


def test_everybody_may_be_forgotten(tmp_path: Path) -> None:
    store = Store()
    play(tmp_path, store, until=ASKED)
    for person in {one.person for one in PAYMENTS}:
        Requests(tmp_path).add(Request(person, tuple(one.documents[MONGODB].id for one in PAYMENTS)))
    running = stage(tmp_path, store)
    for number in range(ASKED, ASKED + 3):
        running.process([part([])], number, {})
    assert store.progress is not None
    assert (store.progress.pending, list((tmp_path / "staged").iterdir())) == (0, [])
    assert store.progress.erased > 0


def test_a_request_that_vanished_stops_the_stage_that_was_to_carry_it_out(tmp_path: Path) -> None:
    store = Store()
    play(tmp_path, store, until=ASKED)
    ask(tmp_path)
    running = stage(tmp_path, store)
    running.process([part([])], ASKED, {})
    for identity in Requests(tmp_path).ids():
        Requests(tmp_path).remove(identity)
    with pytest.raises(StateError, match="missing or damaged"):
        running.process([part([])], ASKED + 1, {})


def test_classes_of_before_stay_as_they_were(tmp_path: Path, unbroken: Store) -> None:
    plain = Store()
    running = stage(tmp_path, plain)
    for number, chunk in enumerate(batches(SIZE)[:ASKED]):
        running.process([part(chunk)], number, {})
    classes = {key: one for key, one in plain.told().items() if isinstance(one, ReleaseDocument)}
    assert classes
    assert classes.items() <= unbroken.told().items()


class Written:
    """Takes heartbeats as a Kafka producer does."""

    def __init__(self) -> None:
        self.count = 0

    def produce(self, topic: str, value: bytes, partition: int) -> None:
        self.count += 1

    def flush(self, timeout_s: float) -> None:
        pass


@pytest.mark.parametrize(
    ("drain_s", "pending", "asked", "beats"), [(900, 0, 0, 0), (900, 3, 0, 1), (900, 0, 1, 1), (0, 3, 0, 0), (0, 3, 1, 1)]
)
def test_a_stage_that_has_read_everything_makes_a_micro_batch_for_a_request(  # a table of cases
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, drain_s: float, pending: int, asked: int, beats: int
) -> None:
    settings = kernel_settings.load({}, state_dir=tmp_path, privacy_drain_s=drain_s)
    monkeypatch.setattr(pulse, "end_offsets", lambda *_: {0: 5})
    written: Any = Written()
    heart = pulse.Pulse(settings)
    heart.at({0: 5}, pending)
    if asked:
        ask(settings.privacy_dir)
    heart._beat(written)
    assert written.count == beats
    heart.at({0: 4}, pending)
    heart._beat(written)
    assert written.count == beats, "a heartbeat tells of what was not read"
