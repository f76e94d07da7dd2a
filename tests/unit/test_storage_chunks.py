"""A batch on its way: what was taken is never offered again, what was not comes again, and chunks fit what the store bears."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.chunks import Answer, ChunkLimit, Step, Work
from storage.patience import FIRST_DELAY_S, LONGEST_DELAY_S, insist
from storage.refusals import Refusal
from veilocity.errors import StateError, StoreUnavailableError


@dataclass(frozen=True)
class Numbered:
    number: int
    size: int = 10


class Moody:
    """A store that deals with a chunk as the next mood says: take it, take part of it, do not answer, or answer after having taken it."""

    def __init__(self, moods: Iterator[str], bad: frozenset[int] = frozenset()) -> None:
        self.moods, self.bad = moods, bad
        self.held: list[int] = []
        self.chunks: list[list[int]] = []

    def send(self, items: list[Numbered]) -> Answer[Numbered]:
        self.chunks.append([item.number for item in items])
        mood = next(self.moods, "take")
        if mood == "silent":
            raise StoreUnavailableError("silent")
        keep = items[::2] if mood == "part" else items
        self.held += [item.number for item in keep if item.number not in self.bad and item.number not in self.held]
        if mood == "deaf":
            raise StoreUnavailableError("the answer is lost")
        refused = [Refusal("s", "k", str(item.number), 0, "bad") for item in keep if item.number in self.bad]
        return Answer(items[1::2] if mood == "part" else (), refused, "too much")

    def write(self, count: int, limit: ChunkLimit, stop: Event | None = None) -> tuple[list[Refusal], int]:
        """Write so many; return the refusals and the number of attempts."""
        work = Work(lambda _: [Step(map(Numbered, range(count)), self.send, limit)])
        attempts = 0
        while True:
            attempts += 1
            try:
                return work.go_on(), attempts
            except StoreUnavailableError:
                continue


MOODS = st.lists(st.sampled_from(["take", "part", "silent", "deaf"]), max_size=30)


@given(MOODS, st.integers(0, 200), st.integers(1, 50), st.frozensets(st.integers(0, 199), max_size=5))
def test_whatever_the_store_does_all_of_it_is_taken_once_or_refused_once(
    moods: list[str], count: int, documents: int, bad: frozenset[int]
) -> None:
    store = Moody(iter(moods), bad)
    refused, _ = store.write(count, ChunkLimit(documents, 10_000))
    assert sorted(store.held) == [number for number in range(count) if number not in bad]
    assert sorted(int(one.id) for one in refused) == sorted(number for number in bad if number < count)
    assert all(len(chunk) <= documents for chunk in store.chunks)


def test_what_was_taken_is_not_offered_again() -> None:
    store = Moody(iter(["take", "silent", "part"]))
    store.write(12, ChunkLimit(4, 10_000))
    # The second chunk is not answered; then two at a time, of which one is taken; then one, two, ...
    assert store.chunks[:4] == [[0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [5]]
    assert store.held == list(range(12))


def test_chunks_keep_their_bounds_in_bytes_and_one_large_document_goes_alone() -> None:
    store = Moody(iter([]))
    sizes = [40, 40, 40, 900, 10, 10]
    items = [Numbered(number, size) for number, size in enumerate(sizes)]
    Work(lambda _: [Step(items, store.send, ChunkLimit(100, 100))]).go_on()
    assert store.chunks == [[0, 1], [2], [3], [4, 5]]


def test_a_store_that_bears_little_gets_little_and_more_when_it_bears_more() -> None:
    limit = ChunkLimit(1_000, 1 << 20)
    store = Moody(iter(["silent"] * 12))
    _, attempts = store.write(10_000, limit)
    assert attempts == 13
    assert [len(chunk) for chunk in store.chunks[:13]] == [1_000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1, 1]
    grown = [len(chunk) for chunk in store.chunks[12:-1]]
    assert grown[:10] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12]
    assert max(grown) == grown[-1] == limit.documents == 1_000
    assert len(grown) < 60


def test_a_store_that_refuses_everything_is_not_taken_for_many_bad_documents() -> None:
    with pytest.raises(StateError, match="s refuses every document"):
        Moody(iter([]), frozenset(range(150))).write(150, ChunkLimit(1_000, 10_000))
    refused, _ = Moody(iter([]), frozenset(range(149))).write(150, ChunkLimit(1_000, 10_000))
    assert len(refused) == 149


def test_a_store_that_refuses_everything_is_noticed_in_small_batches_too() -> None:
    store, limit = Moody(iter([]), frozenset(range(40))), ChunkLimit(1_000, 10_000)
    assert [len(store.write(40, limit)[0]) for _ in range(2)] == [40, 40]
    with pytest.raises(StateError, match="s refuses every document"):
        store.write(40, limit)


def test_steps_are_done_in_their_order_and_each_begins_when_the_one_before_has_ended() -> None:
    store = Moody(iter(["take", "silent"]))
    begun: list[str] = []

    def steps(refused: list[Refusal]) -> Iterator[Step[Numbered]]:
        for name in ("first", "second"):
            begun.append(name)
            yield Step([Numbered(len(begun))], store.send, ChunkLimit(10, 1_000))

    work = Work(steps)
    with pytest.raises(StoreUnavailableError):
        work.go_on()
    assert (begun, store.held) == (["first", "second"], [1])
    assert work.go_on() == []
    assert (begun, store.held) == (["first", "second"], [1, 2])


class Forgetful:
    """A store that was told to take everything, and has forgotten it when it comes back from the first outages."""

    def __init__(self, outages: int) -> None:
        self.outages = outages
        self.held: set[int] = set()

    def steps(self, refused: list[Refusal]) -> Iterator[Step[Numbered]]:
        refused.append(Refusal("s", "k", "7", 0, "never"))
        yield Step(map(Numbered, range(5)), self.take, ChunkLimit(2, 1_000))
        yield Step(map(Numbered, range(5, 7)), self.fall, ChunkLimit(2, 1_000))

    def take(self, items: list[Numbered]) -> Answer[Numbered]:
        self.held |= {item.number for item in items}
        return Answer()

    def fall(self, items: list[Numbered]) -> Answer[Numbered]:
        if self.outages:
            self.outages -= 1
            self.held.clear()
            raise StoreUnavailableError("away, and what it had not yet on disk is lost")
        return self.take(items)

    def write(self, *, forgetful: bool) -> list[Refusal]:
        work = Work(self.steps, forgetful=forgetful)
        while True:
            try:
                return work.go_on()
            except StoreUnavailableError:
                continue


@pytest.mark.parametrize("outages", [0, 1, 2, 3])
def test_what_was_acknowledged_before_an_outage_is_offered_once_more_when_the_batch_is_done(outages: int) -> None:
    store = Forgetful(outages)
    assert len(store.write(forgetful=True)) == 1, "a refusal is told once"
    assert store.held == set(range(7))


def test_a_store_that_is_trusted_is_offered_nothing_twice() -> None:
    store = Forgetful(1)
    store.write(forgetful=False)
    assert store.held == {5, 6}


def test_a_store_that_goes_away_in_every_pass_does_not_keep_a_batch_for_ever() -> None:
    passes: list[int] = []

    def take(items: list[Numbered]) -> Answer[Numbered]:
        away = len(passes) % 2 == 0
        passes.append(items[0].number)
        if away:
            raise StoreUnavailableError("away")
        return Answer()

    work = Work(lambda _: [Step([Numbered(1)], take, ChunkLimit(2, 1_000))], forgetful=True)
    for _ in range(4):
        with pytest.raises(StoreUnavailableError):
            work.go_on()
    assert work.go_on() == []


class Clock(Event):
    """Waiting that takes no time and is added up."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_s.append(timeout or 0.0)
        return False


def test_a_store_that_is_down_for_ten_minutes_is_waited_for() -> None:
    clock, down_s = Clock(), 600.0

    def call() -> str:
        if sum(clock.waits_s) < down_s:
            raise StoreUnavailableError("down")
        return "written"

    assert insist("mongodb", call, clock) == "written"
    assert down_s <= sum(clock.waits_s) <= down_s + LONGEST_DELAY_S
    # Neither in a hurry nor asleep: it asks every one to two seconds, and not at the same moments as others do.
    assert 0.5 * FIRST_DELAY_S <= clock.waits_s[0] <= FIRST_DELAY_S
    assert all(0.5 * LONGEST_DELAY_S <= wait_s <= LONGEST_DELAY_S for wait_s in clock.waits_s[10:])
    assert len(set(clock.waits_s[10:])) > 10


def test_a_store_that_takes_a_little_each_time_is_asked_soon_again() -> None:
    clock, moved = Clock(), 0

    def call() -> str:
        nonlocal moved
        if len(clock.waits_s) < 20:
            moved += 1
            raise StoreUnavailableError("too much")
        return "written"

    assert insist("elasticsearch", call, clock, lambda: moved) == "written"
    assert all(wait_s <= FIRST_DELAY_S for wait_s in clock.waits_s)
