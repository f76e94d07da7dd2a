"""Counts with noise of every closed window, drawn once, from staged payments to the documents that both stores get.

Of each window of tier 0 one document for the whole and one for each cell and hour that is shown (`privacy.differential.counts`), and in the
whole's document the running total of all payments (`privacy.differential.tree`). With e the policy's epsilon and w = `TOTAL_SHARE`:

    counts     (1 - w) e, delta     payments and fraud rate, at most c payments of a person in a window
    total      w e                  noise on dyadic sums of windows
    together   (e, delta)-differentially private for adding or removing all payments of one person in one window

Charged to `privacy.differential.budget` as one release. With H the horizon and n = ceil(H / width) + 1 the windows that a stretch of H can
touch, one person loses in any stretch of H at most `person_epsilon`, by default what n windows cost, with `person_delta` = 2 n delta. A
person with payments in m windows loses at most m e of it, because a window without them is the same with and without that person.

Where the budget is spent, nothing of the window is published but one document that says so; the total then goes on without it. Windows
without payments are published like any other. What is not hidden: when the stream began, and when its clock closes a window.

**Silence.** Where the clock leaps at once over more than H in which nobody paid (a file of last year is followed by today), nothing is
published of that silence, and stream, budget and total begin anew after it: every charge of before is out of the horizon. Where such
silences begin and end is as public as the stream's own beginning; the guarantee is for streams that have the same ones.

**Drawn once.** The noise cannot be seeded, but a micro-batch may be repeated, and the mean of repeated draws is the exact figure. So:

    1  for each window of `Aggregator.due`, in order: `Aggregator.closed` loads what was drawn, or draws and saves it (`WriteAhead`)
    2  write the documents into the stores
    3  write the ledger's entry with `AggregateState.to_bytes`
    4  forget what the next repetition cannot ask for: `FileAhead.forget(next_start_ms of the state before this micro-batch)`

What is saved is bound to the state it was drawn in by SHA-256, so restoring half of the folder is noticed. Charge and draw are saved
in one piece: a crash before that leaves nothing that anybody saw, a crash after it finds the draw.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import h3
import msgspec

from privacy.anonymity import Row
from privacy.differential.bounding import check_key
from privacy.differential.budget import Budget, BudgetPolicy, Charge, composed
from privacy.differential.counts import HOUR_MS, CountsPolicy, CountsRecord, Payment, Window, draw
from privacy.differential.publication import CellCounts, Figure, Rate, publish
from privacy.differential.saved import from_saved, to_saved
from privacy.differential.tree import Tree, TreePolicy
from privacy.hierarchies import EVERYTHING, MISSING, hour_of
from privacy.policies.model import Aggregates
from privacy.write_ahead import WriteAhead
from storage.documents import AggregateDocument, NoiseTerms, NoisyCount, NoisyShare, RunningTotal
from veilocity.contracts import Verdict
from veilocity.errors import BudgetExhaustedError, StateError, UnsafePolicyError

__all__ = ["TOTAL_SHARE", "AggregateState", "Aggregator"]

TOTAL_SHARE = 0.2
"""w: the share of a window's epsilon for the running total."""
_BELOW = 1.0 - 2.0**-40
"""Two rounded shares may add up to more than the whole."""
_STATE, _DRAWN = b"DPAG", b"DPAD"
_UNIT = 10_000


class AggregateState(msgspec.Struct, frozen=True):
    """What was spent and counted up to a window. Secret like the ledger: `total` holds exact sums of the last windows."""

    budget: Budget
    total: Tree
    windows_left_out: int = 0
    """Windows that the budget refused."""

    @property
    def next_start_ms(self) -> int:
        """Start of the first window that is not in the state."""
        return self.total.first_start_ms + len(self.total.nodes) * self.total.policy.window_ms

    def to_bytes(self) -> bytes:
        """Return the state as bytes, for the ledger."""
        return to_saved(_STATE, self)

    @classmethod
    def from_bytes(cls, data: bytes) -> AggregateState:
        """Return the state that `to_bytes` wrote.

        Raises:
            StateError: damaged, cut, of another kind or newer.
        """
        return from_saved(_STATE, data, cls)


class _Drawn(msgspec.Struct, frozen=True):
    """What chance added to one window: with the state before, everything that is published of it."""

    before: bytes
    """SHA-256 of the state that it was drawn in."""
    record: CountsRecord | None
    """None where the budget refused the window."""
    epsilon_left: float | None
    node: int
    waiting: tuple[int, ...]


class Aggregator:
    """Publishes closed windows under one policy.

    >>> policy = Aggregates(epsilon=1.0, delta=1e-9, contributions=3, cell_resolution=5, horizon_days=30)
    >>> aggregator = Aggregator(policy, "default-1", key=bytes(32))
    >>> state = aggregator.begin(first_start_ms=0)
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from privacy.write_ahead import FileAhead
    >>> with TemporaryDirectory() as folder:
    ...     ahead = FileAhead(Path(folder))
    ...     for window in aggregator.due(state, closed_ms=2 * HOUR_MS):
    ...         state, documents = aggregator.closed(state, [], window, seq=7, ahead=ahead)
    >>> [(one.id, one.refused, one.terms.epsilon) for one in documents], state.next_start_ms == 2 * HOUR_MS
    ([('1970-01-01T01:1h:default-1:*:*', False, 1.0)], True)
    """

    def __init__(
        self,
        policy: Aggregates,
        name: str,
        key: bytes,
        *,
        window_ms: int = HOUR_MS,
        public_cells: tuple[str, ...] | None = None,
    ) -> None:
        """Check the figures.

        Args:
            policy: what is published of each window, and how long a budget lasts.
            name: of the policy; stands in every document.
            key: 32 bytes, which decides what payments of a person count.
            window_ms: width of a window of tier 0: whole hours.
            public_cells: cells of the policy's resolution that are shown whatever the data say, and no others; delta is then 0.

        Raises:
            UnsafePolicyError: a figure out of its range.
            SettingsError: the key has another length.
        """
        check_key(key)
        if window_ms < HOUR_MS or window_ms % HOUR_MS:
            raise UnsafePolicyError(
                "counts with noise are made by whole hours: begin tiers_minutes with 60 or a multiple, or write aggregates: off"
            )
        delta = policy.delta if public_cells is None else 0.0
        self._name, self._key, self._terms = name, key, policy
        self._counts = CountsPolicy(
            name=name,
            epsilon=policy.epsilon * (1.0 - TOTAL_SHARE) * _BELOW,
            payments_per_person=policy.contributions,
            delta=delta,
            public_cells=public_cells,
        )
        self._total = TreePolicy(
            name=name, epsilon=policy.epsilon * TOTAL_SHARE, payments_per_person=policy.contributions, window_ms=window_ms
        )
        self._budget = _budget_of(policy, delta, window_ms)

    def begin(self, first_start_ms: int) -> AggregateState:
        """Return the state before the first window.

        Args:
            first_start_ms: start of the first window that closes; it is published.

        Raises:
            StateError: no window starts then.
        """
        if first_start_ms % self._total.window_ms:
            raise StateError("no window starts at this time: begin at the start of the first window that closes")
        return AggregateState(Budget(self._budget), Tree(self._total, first_start_ms))

    def due(self, state: AggregateState, closed_ms: int, paid: Collection[int] = ()) -> list[Window]:
        """Return the windows that are closed and not in the state, oldest first, those without payments too, unless they are a silence.

        Args:
            state: after the last window.
            closed_ms: every window that ends at or before this is closed.
            paid: starts of the windows that have payments.
        """
        width, after = self._total.window_ms, self._open(closed_ms)
        marks = [*sorted(start for start in paid if state.next_start_ms <= start < after), after]
        windows, start = [], state.next_start_ms
        for mark in marks:
            start = mark if self._is_silence(start, mark) else start
            windows += [Window(one, one + width) for one in range(start, min(mark + width, after), width)]
            start = mark + width
        return windows

    def after_silence(self, state: AggregateState, start_ms: int) -> AggregateState:
        """Return the state that the window of a start goes on with: a new one after a silence, the same one without.

        Args:
            state: after the last window.
            start_ms: start of the next of `due`, or the clock where there is none.
        """
        start = self._open(start_ms)
        return self.begin(start) if self._is_silence(state.next_start_ms, start) else state

    def _open(self, closed_ms: int) -> int:
        """Return the start of the oldest window that is not closed."""
        return closed_ms - closed_ms % self._total.window_ms

    def _is_silence(self, start_ms: int, end_ms: int) -> bool:
        return end_ms - start_ms > self._budget.horizon_ms

    def closed(
        self, state: AggregateState, rows: Sequence[Row], window: Window, seq: int, ahead: WriteAhead
    ) -> tuple[AggregateState, tuple[AggregateDocument, ...]]:
        """Return the state with the next window, and what is published of it: the same whenever it is repeated.

        Guarantee: (epsilon, delta) of the policy for adding or removing one person with all payments of the window; see above.

        Args:
            state: after the window before.
            rows: shape (n,), all payments that were staged for the window in any order; empty where there were none.
            window: the next of `due`.
            seq: number of the micro-batch, which the documents carry.
            ahead: asked before anything is drawn, told before anything is returned.

        Raises:
            StateError: not the next window, or what was drawn for it was drawn in another state.
            UnsafePolicyError: the state began under other figures.
            UnsafeReleaseError: a payment outside the window, or twice: nothing was drawn.
        """
        self._check(state, window)
        before, saved = hashlib.sha256(state.to_bytes()).digest(), ahead.load(window)
        if saved is None:
            drawn = self._draw(state, rows, window, before)
            ahead.save(window, to_saved(_DRAWN, drawn))
        else:
            drawn = from_saved(_DRAWN, saved, _Drawn)
            if drawn.before != before:
                raise StateError("what was drawn for a window belongs to another ledger: restore the whole folder of the privacy stage")
        after = self._after(state, window, drawn)
        return after, self._documents(after, window, drawn, seq)

    def _check(self, state: AggregateState, window: Window) -> None:
        if (state.budget.policy, state.total.policy) != (self._budget, self._total):
            raise UnsafePolicyError(
                f"the counts of `{self._name}` began with other figures or windows: use those again, or begin anew with empty stores"
            )
        if window != Window(state.next_start_ms, state.next_start_ms + self._total.window_ms):
            raise StateError("this is not the next window: give every closed window in order, those without payments too")

    def _charge(self, window: Window) -> Charge:
        return Charge(window.start_ms, window.end_ms, self._name, self._terms.epsilon, self._counts.delta)

    def _draw(self, state: AggregateState, rows: Sequence[Row], window: Window, before: bytes) -> _Drawn:
        record, left, count = None, None, 0
        try:
            # Asked first: what is refused must not be drawn.
            state.budget.charge(self._charge(window))
        except BudgetExhaustedError:
            left = round(state.budget.remaining(window.start_ms, window.end_ms, self._counts.delta), 6)
        else:
            record = draw([self._payment(row) for row in rows], window, self._counts, self._key)
            people = Counter(row.subject for row in rows)
            count = sum(min(payments, self._counts.payments_per_person) for payments in people.values())
        total = state.total.add(window.start_ms, count)
        return _Drawn(before, record, left, total.nodes[-1], total.waiting)

    def _payment(self, row: Row) -> Payment:
        place = _wider(row.quasi.cell, self._terms.cell_resolution)
        return Payment(row.id, row.subject, _start_of(row.quasi.hour), place, row.sensitive == Verdict.FLAGGED.value)

    def _after(self, state: AggregateState, window: Window, drawn: _Drawn) -> AggregateState:
        budget = state.budget if drawn.record is None else state.budget.charge(self._charge(window))
        total = msgspec.structs.replace(state.total, nodes=(*state.total.nodes, drawn.node), waiting=drawn.waiting)
        return AggregateState(budget.forget(window.end_ms), total, state.windows_left_out + (drawn.record is None))

    def _documents(self, after: AggregateState, window: Window, drawn: _Drawn, seq: int) -> tuple[AggregateDocument, ...]:
        terms = self._noise_terms(drawn.record)
        if drawn.record is None:
            return (_document(window, seq, self._name, terms, left=drawn.epsilon_left),)
        shown = publish(drawn.record)
        total = after.total.total(window.start_ms, shown.confidence)
        running = RunningTotal(*total, since_ms=after.total.first_start_ms, windows_left_out=after.windows_left_out)
        whole = _document(window, seq, self._name, terms, shown.overall, total=running)
        return whole, *(_document(window, seq, self._name, terms, cell) for cell in shown.cells)

    def _noise_terms(self, record: CountsRecord | None) -> NoiseTerms:
        return NoiseTerms(
            epsilon=self._terms.epsilon if record else 0.0,
            delta=self._counts.delta if record else 0.0,
            payments_per_person=self._counts.payments_per_person,
            confidence=self._counts.confidence,
            threshold=record.threshold if record else None,
            person_epsilon=self._budget.person_epsilon,
            person_delta=self._budget.person_delta,
            horizon_days=self._terms.horizon_days,
        )


def _budget_of(policy: Aggregates, delta: float, window_ms: int) -> BudgetPolicy:
    horizon_ms = policy.horizon_days * 24 * HOUR_MS
    windows = -(-horizon_ms // window_ms) + 1
    person_delta, person_epsilon = 2.0 * windows * delta, policy.person_epsilon
    if person_epsilon is None:
        every = [Charge(number, number + 1, "", policy.epsilon, delta) for number in range(windows)]
        # Half of the delta is left for the composition.
        person_epsilon = math.nextafter(composed(every, person_delta).epsilon, math.inf)
    return BudgetPolicy(
        release_epsilon=policy.epsilon, release_delta=delta, person_epsilon=person_epsilon, person_delta=person_delta, horizon_ms=horizon_ms
    )


def _document(
    window: Window,
    seq: int,
    policy: str,
    terms: NoiseTerms,
    shown: CellCounts | None = None,
    *,
    total: RunningTotal | None = None,
    left: float | None = None,
) -> AggregateDocument:
    cell = (shown and shown.cell) or EVERYTHING
    hour = EVERYTHING if shown is None or shown.hour_ms is None else hour_of(shown.hour_ms)
    return AggregateDocument(
        # Letters and colons keep the digits apart, so that no row of them looks like a card number.
        id=f"{hour_of(window.start_ms)}:{(window.end_ms - window.start_ms) // HOUR_MS}h:{policy}:{cell}:{hour}",
        seq=seq,
        policy=policy,
        window_start_ms=window.start_ms,
        window_end_ms=window.end_ms,
        cell=cell,
        hour=hour,
        payments=_count(shown.payments) if shown else None,
        flagged=_count(shown.flagged) if shown else None,
        fraud_rate=_share(shown.fraud_rate) if shown else None,
        total=total,
        terms=terms,
        refused=shown is None,
        epsilon_left=left,
    )


def _count(figure: Figure) -> NoisyCount:
    return NoisyCount(figure.value, figure.standard_error, figure.low, figure.high)


def _share(rate: Rate) -> NoisyShare:
    """Return a share of four digits, its interval rounded outwards."""
    low, high = math.floor(rate.low * _UNIT) / _UNIT, min(1.0, math.ceil(rate.high * _UNIT) / _UNIT)
    return NoisyShare(None if rate.value is None else round(rate.value * _UNIT) / _UNIT, low, high)


@lru_cache(maxsize=100_000)
def _wider(cell: str, resolution: int) -> str:
    if cell == MISSING:
        return cell
    if h3.get_resolution(cell) < resolution:
        raise UnsafePolicyError("places of payments are coarser than cells with counts: lower aggregates.cell_resolution")
    return h3.cell_to_parent(cell, resolution)


@lru_cache(maxsize=10_000)
def _start_of(hour: str) -> int:
    return int(datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC).timestamp()) * 1000
