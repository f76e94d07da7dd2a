"""Counts with noise and distinct counts in the stage: of every closed window once, the same however often a micro-batch is repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from privacy.counting import Counting
from privacy.distinct import DistinctCounts
from privacy.identifiers.keyring import KeyRing
from privacy.masking import MONGODB
from privacy.policies.model import Aggregates
from storage.documents import AggregateDocument, StreamSketches
from tests.unit.privacy_world import PAYMENTS, WIDTH, Store, batches, part, renamed, stage
from veilocity.errors import StateError, StoreUnavailableError, UnsafePolicyError

RING = KeyRing([(1, -(2**63), bytes(range(32)))])
TERMS = Aggregates(epsilon=4.0, delta=1e-6, contributions=3, cell_resolution=5, horizon_days=1)


def counting(folder: Path, terms: Aggregates = TERMS) -> Counting:
    found = Counting.of(terms, "p", RING, folder, WIDTH)
    assert found is not None
    return found


def published(documents: dict[tuple[str, str], object]) -> list[AggregateDocument]:
    return [document for document in documents.values() if isinstance(document, AggregateDocument)]


def play(folder: Path, store: Store, size: int = 25, terms: Aggregates = TERMS, then: Callable[[int], None] = lambda number: None) -> None:
    """Process all payments; after a store that failed a new process repeats the micro-batch."""
    running = stage(folder, store, counting=counting(folder, terms))
    for number, chunk in enumerate(batches(size)):
        try:
            running.process([part(chunk)], number, {0: 1, 1: 1})
        except StoreUnavailableError:
            running = stage(folder, store, counting=counting(folder, terms))
            running.process([part(chunk)], number, {0: 1, 1: 1})
        then(number)


def test_every_closed_window_is_counted_once_and_both_stores_get_the_same_noise(tmp_path: Path) -> None:
    store = Store()
    play(tmp_path, store)
    wholes = sorted((one for one in published(store.documents) if one.cell == "*"), key=lambda one: one.window_start_ms)
    starts = [one.window_start_ms for one in wholes]
    assert starts == list(range(starts[0], starts[-1] + WIDTH, WIDTH))
    assert len(starts) > 3
    assert store.progress is not None
    assert {key: one for key, one in store.documents.items() if key[0] == "aggregates"} == {
        key: one for key, one in store.searched.items() if key[0] == "aggregates"
    }


@pytest.mark.parametrize("number", [4, 5, 8, 12])
def test_a_repeated_micro_batch_publishes_the_noise_that_was_drawn(tmp_path: Path, number: int) -> None:
    before, after = Store(), Store()
    before.fail_before = number
    play(tmp_path / "before", before)
    assert published(before.documents)
    # `Store` compares what is written again under the same id.
    after.fail_after = number
    play(tmp_path / "after", after)
    assert [one.id for one in published(after.documents)]


def test_years_of_silence_are_not_counted_hour_by_hour(tmp_path: Path) -> None:
    """A file of old payments, then today's: nobody paid in between, and nothing is published of that."""
    store, leap_ms, first = Store(), 7 * 365 * 24 * WIDTH, PAYMENTS[:200]
    running = stage(tmp_path, store, counting=counting(tmp_path))
    later = [renamed(one, number + 1000, leap_ms) for number, one in enumerate(first)]
    for number, chunk in enumerate((first, later[:100], later[100:])):
        running.process([part(chunk)], number, {0: 1, 1: 1})
        # The ledger says where the next micro-batch goes on, in whatever process.
        running = stage(tmp_path, store, counting=counting(tmp_path))
    wholes = [one for one in published(store.documents) if one.cell == "*"]
    assert {one.window_start_ms for one in wholes} <= {one.minute_ms - one.minute_ms % WIDTH for one in first + later}
    since = {one.window_start_ms > leap_ms: one.total.since_ms for one in wholes if one.total}
    assert since[True] - since[False] == leap_ms


def test_draws_are_forgotten_when_nobody_can_ask_for_them(tmp_path: Path) -> None:
    store, held = Store(), []
    play(tmp_path, store, then=lambda _: held.append(len(list((tmp_path / "drawn").iterdir()))))
    assert 0 < max(held) < len({one.window_start_ms for one in published(store.documents)})


def test_a_spent_budget_refuses_windows_and_nothing_else(tmp_path: Path) -> None:
    store = Store()
    terms = Aggregates(epsilon=1.0, delta=1e-9, contributions=3, cell_resolution=5, horizon_days=30, person_epsilon=2.0)
    play(tmp_path, store, terms=terms)
    wholes = sorted((one for one in published(store.documents) if one.cell == "*"), key=lambda one: one.window_start_ms)
    assert [one.refused for one in wholes] == [False, False, *[True] * (len(wholes) - 2)]
    assert store.progress is not None
    assert store.progress.released > 0


def test_counts_that_began_under_other_figures_are_refused(tmp_path: Path) -> None:
    store = Store()
    running = stage(tmp_path, store, counting=counting(tmp_path))
    for number, chunk in enumerate(batches(25)[:8]):
        running.process([part(chunk)], number, {0: 1, 1: 1})
    others = Aggregates(epsilon=2.0, delta=1e-6, contributions=3, cell_resolution=5, horizon_days=1)
    running = stage(tmp_path, store, counting=counting(tmp_path, others))
    with pytest.raises(UnsafePolicyError, match="other figures"):
        for number, chunk in enumerate(batches(25)[8:], 8):
            running.process([part(chunk)], number, {0: 1, 1: 1})


def broken_off(folder: Path, store: Store) -> Path:
    """Return the draw of a micro-batch whose documents the stores did not take; windows before it were drawn, too."""
    store.fail_before = 8
    running = stage(folder, store, counting=counting(folder))
    with pytest.raises(StoreUnavailableError):
        for number, chunk in enumerate(batches(25)):
            running.process([part(chunk)], number, {0: 1, 1: 1})
    assert published(store.documents)
    return max((folder / "drawn").iterdir())


def test_a_draw_of_another_ledger_is_noticed(tmp_path: Path) -> None:
    store = Store()
    draw, other = broken_off(tmp_path / "mine", store), broken_off(tmp_path / "other", Store())
    assert draw.name == other.name
    draw.write_bytes(other.read_bytes())
    running = stage(tmp_path / "mine", store, counting=counting(tmp_path / "mine"))
    with pytest.raises(StateError, match="another ledger"):
        running.process([part(batches(25)[7])], 7, {0: 1, 1: 1})


def test_distinct_counts_survive_a_restart_and_hold_the_truth(tmp_path: Path) -> None:
    store = Store()
    store.fail_after = 9
    play(tmp_path, store)
    found = store.documents["sketches", "stream"]
    assert isinstance(found, StreamSketches)
    documents = [one.documents[MONGODB] for one in PAYMENTS]
    truth = {
        "people": len({one.person for one in PAYMENTS}),
        "merchants": len({one.merchant for one in documents}),
        "places": len({one.place.cell for one in documents if one.place}),
    }
    assert found.payments == len(PAYMENTS)
    assert {one.of: one.estimate for one in found.distinct} == truth, "small counts are exact"
    assert all(one.low <= one.estimate <= one.high for one in found.distinct)


def test_an_entry_of_before_there_were_distinct_counts_begins_anew() -> None:
    assert [one.estimate for one in DistinctCounts.from_bytes(b"").counts()] == [0, 0, 0]
