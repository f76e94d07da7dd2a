"""Whatever crashes, a window is drawn once; and what the documents say is the truth plus noise of mean 0.

OpenDP's noise comes from the operating system and has no seed: where chance decides, a test states n, the bound, and the probability that
it fails by accident.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import h3
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy import aggregates
from privacy.aggregates import AggregateState, Aggregator
from privacy.anonymity import Row
from privacy.audit.patterns import in_text
from privacy.differential.counts import HOUR_MS, Window
from privacy.differential.publication import Rate
from privacy.hierarchies import QuasiIdentifiers, hour_of
from privacy.policies.model import Aggregates
from storage.documents import AggregateDocument

KEY = bytes(range(32))
POLICY = Aggregates(epsilon=1.0, delta=1e-6, contributions=2, cell_resolution=5, horizon_days=1)
FINE = h3.latlng_to_cell(51.5, -0.12, 7)
COARSE = h3.cell_to_parent(FINE, 5)


class _Crash(Exception):
    """The process ends here."""


class _Nowhere:
    """Keeps nothing: for windows that are never repeated."""

    def load(self, window: Window) -> bytes | None:
        return None

    def save(self, window: Window, data: bytes) -> None:
        """Nothing is kept."""


class _Machine:
    """A stage in miniature: staged rows, what is written ahead, stores and ledger outlive a crash; all else is lost."""

    def __init__(self, batches: list[list[list[int]]], crashes: set[int], person_epsilon: float) -> None:
        self.batches = batches
        self.crashes = crashes
        self.person_epsilon = person_epsilon
        self.steps = 0
        self.ahead: dict[Window, bytes] = {}
        self.stores: dict[str, AggregateDocument] = {}
        self.ledger: list[bytes] = []

    def step(self) -> None:
        self.steps += 1
        if self.steps in self.crashes:
            raise _Crash

    def load(self, window: Window) -> bytes | None:
        return self.ahead.get(window)

    def save(self, window: Window, data: bytes) -> None:
        self.step()
        assert window not in self.ahead, "a window was drawn again"
        self.ahead[window] = data
        self.step()

    def run(self) -> None:
        """Play all batches; after a crash from the last ledger entry, the last micro-batch again."""
        while len(self.ledger) < len(self.batches):
            try:
                self.process(len(self.ledger))
            except _Crash:
                # Crashed after its entry was written and before Spark's commit: repeated all the same.
                if self.ledger and self.steps % 2:
                    self.ledger.pop()

    def process(self, batch: int) -> None:
        aggregator = Aggregator(msgspec.structs.replace(POLICY, person_epsilon=self.person_epsilon), "p", KEY)
        state = AggregateState.from_bytes(self.ledger[batch - 1]) if batch else aggregator.begin(0)
        documents: list[AggregateDocument] = []
        first = sum(map(len, self.batches[:batch]))
        closed_ms = (first + len(self.batches[batch])) * HOUR_MS
        for window, people in zip(aggregator.due(state, closed_ms), self.batches[batch], strict=True):
            state, published = aggregator.closed(state, rows_of(window, people), window, batch, self)
            documents += published
            self.step()
        for document in documents:
            assert self.stores.setdefault(document.id, document) == document, "a repeated micro-batch published something else"
            self.step()
        self.ledger.append(state.to_bytes())
        self.step()


def rows_of(window: Window, people: list[int]) -> list[Row]:
    quasi = QuasiIdentifiers(FINE, hour_of(window.start_ms), "EUR 20-50", "groceries")
    return [
        Row(f"{window.start_ms}-{place}-{one}", f"{person}", quasi, "flagged" if one == 0 else "clear")
        for place, person in enumerate(people)
        for one in range(40)
    ]


@given(
    batches=st.lists(st.lists(st.lists(st.integers(0, 60), max_size=50), max_size=4), min_size=1, max_size=4),
    crashes=st.sets(st.integers(1, 40)),
    person_epsilon=st.sampled_from([1.0, 3.0, 99.0]),
)
def test_whatever_crashes_a_window_is_drawn_once_and_published_the_same(
    batches: list[list[list[int]]], crashes: set[int], person_epsilon: float
) -> None:
    machine = _Machine(batches, crashes, person_epsilon)
    machine.run()
    windows = sum(map(len, batches))
    state = AggregateState.from_bytes(machine.ledger[-1])
    wholes = [document for document in machine.stores.values() if document.cell == "*"]
    assert state.next_start_ms == windows * HOUR_MS
    assert sorted(document.window_start_ms for document in wholes) == [number * HOUR_MS for number in range(windows)]
    assert state.windows_left_out == sum(document.refused for document in wholes) == max(0, windows - int(person_epsilon))
    assert state.budget.spent().epsilon <= person_epsilon


@given(
    start=st.integers(0, 4_102_444_800 // 3600).map(lambda hour: hour * HOUR_MS),
    hours=st.integers(1, 24),
    cell=st.one_of(st.just("none"), st.builds(h3.latlng_to_cell, st.floats(-89, 89), st.floats(-179, 179), st.integers(0, 9))),
)
def test_no_id_looks_like_an_identifier(start: int, hours: int, cell: str) -> None:
    start -= start % (hours * HOUR_MS)
    aggregator = Aggregator(POLICY, "default-1", KEY, window_ms=hours * HOUR_MS, public_cells=(cell,))

    _, documents = aggregator.closed(aggregator.begin(start), [], Window(start, start + hours * HOUR_MS), 1, _Nowhere())
    assert len({document.id for document in documents}) == 1 + hours
    assert [found for document in documents for found in in_text(document.id)] == []


@given(value=st.none() | st.floats(0, 1), low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_rounded_interval_holds_what_it_held(value: float | None, low: float, high: float) -> None:
    share = aggregates._share(Rate(value, low, high))
    assert share.low <= low <= 1.0
    assert high <= share.high <= 1.0
    assert (share.value is None) == (value is None)
    assert share.value is None or value is None or abs(share.value - value) <= 0.5001e-4


# Noise at the level of documents

WINDOWS = 2_000
PAYMENTS, FLAGGED = 200, 100
EPSILON = 4.0


def laplace_limit(count: int, scale: float, chance: float) -> float:
    """Return what the sum of so many draws of (discrete) Laplace noise leaves with at most this chance, both ways: Chernoff's bound.

    The moment generating function of the law lies below 1 / (1 - s^2 b^2).
    """
    parts = [step / 1000 for step in range(1, 1000)]
    return min((math.log(2 / chance) - count * math.log1p(-(part**2))) * scale / part for part in parts)


class _Published(NamedTuple):
    wholes: list[AggregateDocument]
    cells: list[AggregateDocument]
    state: AggregateState


@pytest.fixture(scope="module")
def published() -> _Published:
    """Publish 2,000 windows, each with 200 people who pay once, 100 flagged, at one public cell."""
    aggregator = Aggregator(msgspec.structs.replace(POLICY, epsilon=EPSILON), "p", KEY, public_cells=(COARSE,))
    found = _Published([], [], aggregator.begin(0))
    state = found.state
    for window in aggregator.due(state, WINDOWS * HOUR_MS, range(0, WINDOWS * HOUR_MS, HOUR_MS)):
        quasi = QuasiIdentifiers(FINE, hour_of(window.start_ms), "EUR 20-50", "groceries")
        rows = [Row(f"t{person}", f"p{person}", quasi, "flagged" if person < FLAGGED else "clear") for person in range(PAYMENTS)]
        state, (whole, cell) = aggregator.closed(state, rows, window, 1, _Nowhere())
        found.wholes.append(whole)
        found.cells.append(cell)
    return found._replace(state=state)


@pytest.mark.parametrize(("place", "share"), [("wholes", 0.2), ("cells", 0.8)])
def test_published_counts_are_unbiased_and_their_intervals_hold(published: _Published, place: str, share: float) -> None:
    # n = 2,000 windows. A sum of errors leaves Chernoff's bound with a chance of 1e-7, coverage falls below 95 % by more than Hoeffding's
    # bound with 1e-7: four figures, so a false failure has a chance below 8e-7; that a count is cut at 0 has one below 1e-9.
    chance = 1e-7
    scale = POLICY.contributions / (EPSILON * (1 - aggregates.TOTAL_SHARE) * share)
    coverage = 0.95 - math.sqrt(math.log(1 / chance) / (2 * WINDOWS))
    documents: list[AggregateDocument] = getattr(published, place)
    for terms, truth, figures in ((2, PAYMENTS, [one.payments for one in documents]), (1, FLAGGED, [one.flagged for one in documents])):
        held = [figure for figure in figures if figure is not None]
        assert len(held) == WINDOWS
        limit = laplace_limit(terms * WINDOWS, scale, chance)
        assert abs(sum(figure.value - truth for figure in held)) <= limit
        assert sum(figure.low <= truth <= figure.high for figure in held) / WINDOWS >= coverage
        # So small a bias is seen: a sixth of the noise of one count.
        assert limit / WINDOWS < held[0].standard_error / 6


def test_published_totals_are_those_of_the_tree_and_hold_the_truth(published: _Published) -> None:
    # n = 2,000 totals, each interval with a chance of 1e-10 to miss: a false failure has a chance below 2e-7.
    for number, whole in enumerate(published.wholes):
        wide = published.state.total.total(whole.window_start_ms, confidence=1 - 1e-10)
        assert whole.total is not None
        assert whole.total.value == wide.value
        assert wide.low <= PAYMENTS * (number + 1) <= wide.high
        assert wide.low < whole.total.low < whole.total.high < wide.high
