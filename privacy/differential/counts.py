"""Payments by cell and hour, and the fraud rate, of one closed window: published with noise, drawn once.

Each person contributes at most c payments per window (`bounding.kept`). A payment is in one cell and hour, and flagged or not, so a person
changes the two histograms together by at most c in L1, and the two sums over the whole window by c again. With budget share w for the sums:

    cells and hours   discrete Laplace noise of scale c / ((1 - w) epsilon) on the flagged and on the unflagged payments of each
    whole window      discrete Laplace noise of scale c / (w epsilon) on the flagged and on the unflagged payments

Guarantee, in one window, for windows that differ by one whole person (added or removed): (epsilon, delta)-differential privacy, with the
policy's epsilon. Which cells are shown is either

    public       the policy lists the cells; every hour of the window is shown for each, empty ones too; delta = 0
    threshold    shown is a cell and hour whose noisy count of unflagged payments reaches a threshold; delta is the policy's. A person's
                 payments split between the histograms, a + b <= c, so selection and flagged counts cost epsilon (a + b) / c together

A window without payments is drawn and published like any other: that it is missing would tell that nobody was there. The totals are of
kept payments; how many were left out is not published.

**Drawn once.** OpenDP's entropy cannot be seeded, and must not be: who can compute the noise can subtract it. But a micro-batch that is
repeated after a crash would draw again, and the mean of n draws for the same window has the noise's error divided by the root of n. So a
publication goes in three steps:

    record = draw(payments, window, policy, key)      random; charged to the budget once
    the caller writes record.to_bytes()               before anybody sees it, in one piece with the budget (`PublicationLog`)
    publish(record)                                   pure: the same bytes whenever it is repeated

A caller that finds a record of the window publishes it and never draws. A record holds noisy figures only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import msgspec

from privacy.differential.bounding import kept
from privacy.differential.noise import add_laplace, scale_for, select, threshold_for
from privacy.differential.saved import from_saved, to_saved
from veilocity.errors import UnsafePolicyError, UnsafeReleaseError

__all__ = ["HOUR_MS", "MOST_DELTA", "MOST_EPSILON", "CountsPolicy", "CountsRecord", "NoisyBin", "Payment", "Window", "draw"]

HOUR_MS = 3_600_000
MOST_EPSILON = 10.0
"""Above it the guarantee says next to nothing: e^10 = 22,000 times as likely."""
MOST_DELTA = 1e-5
"""The chance that the guarantee fails must be far below one in the number of people."""
_KIND = b"DPCR"


class Window(msgspec.Struct, frozen=True, array_like=True):
    """A closed window of event time, in UTC: from `start_ms` until before `end_ms`, whole hours."""

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        """Refuse what is not whole hours."""
        if self.start_ms % HOUR_MS or self.end_ms % HOUR_MS or self.end_ms <= self.start_ms:
            raise UnsafePolicyError("a window is one or more whole hours of UTC: correct the policy")


class Payment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A payment as it is counted; identifiers may be tokens, if a person has one token in the window."""

    id: str
    person: str
    event_ms: int
    cell: str
    """Any label of a place; `none` where there is none."""
    flagged: bool


class CountsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is published of each closed window, and what it may cost.

    Raises:
        UnsafePolicyError: a figure out of its range; the sentence names it.

    >>> CountsPolicy(name="hourly", epsilon=0.5, payments_per_person=4, public_cells=("872830828ffffff",)).delta
    0.0
    """

    name: str
    epsilon: float
    """Of one window, for all that this policy publishes of it."""
    payments_per_person: int
    """c: payments of one person that count in one window."""
    delta: float = 0.0
    """Chance that a cell is shown that only one person was in; 0 where the cells are public."""
    public_cells: tuple[str, ...] | None = None
    """Cells that are shown whatever the data say; None: those above the threshold."""
    overall_share: float = 0.2
    """w: the share of epsilon for the sums over the whole window."""
    confidence: float = 0.95
    """Of each published interval by itself."""

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not 0.0 < self.epsilon <= MOST_EPSILON:
            raise UnsafePolicyError(f"epsilon of `{self.name}` must be above 0 and at most {MOST_EPSILON:g}")
        if self.payments_per_person < 1:
            raise UnsafePolicyError(f"payments_per_person of `{self.name}` must be at least 1")
        if not (0.0 < self.overall_share < 1.0 and 0.0 < self.confidence < 1.0):
            raise UnsafePolicyError(f"overall_share and confidence of `{self.name}` must lie between 0 and 1")
        if self.public_cells is None and not 0.0 < self.delta <= MOST_DELTA:
            raise UnsafePolicyError(f"`{self.name}` lists no public cells, so it needs a delta above 0 and at most {MOST_DELTA:g}")
        if self.public_cells is not None and (self.delta != 0.0 or len(set(self.public_cells)) != len(self.public_cells)):
            raise UnsafePolicyError(f"`{self.name}` lists public cells: its delta is 0, and each cell is listed once")


class NoisyBin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Noisy counts of one cell and hour, as drawn: they may be negative."""

    cell: str
    hour_ms: int
    unflagged: int
    flagged: int


class CountsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One drawn publication: what is remembered. Everything in it is noisy or public."""

    policy: CountsPolicy
    window: Window
    cells_scale: float
    overall_scale: float
    threshold: int | None
    """Least noisy count of unflagged payments at which a cell and hour is shown; None where the cells are public."""
    bins: tuple[NoisyBin, ...]
    """Sorted by cell and hour, so that their order tells nothing."""
    overall_unflagged: int
    overall_flagged: int

    def to_bytes(self) -> bytes:
        """Return the record as bytes, to be written before it is published."""
        return to_saved(_KIND, self)

    @classmethod
    def from_bytes(cls, data: bytes) -> CountsRecord:
        """Return the record that `to_bytes` wrote.

        Raises:
            StateError: damaged, cut, of another kind or newer.
        """
        return from_saved(_KIND, data, cls)


class _Plan(NamedTuple):
    cells_scale: float
    overall_scale: float
    threshold: int | None


def draw(payments: Sequence[Payment], window: Window, policy: CountsPolicy, key: bytes) -> CountsRecord:
    """Draw the noise of one closed window: random, so remember what comes back before it is published, and never draw twice.

    Guarantee: (policy.epsilon, policy.delta)-differentially private for adding or removing one person with all payments of the window.

    Args:
        payments: all payments of the window, each once, in any order.
        window: the closed window.
        policy: what is published.
        key: 32 bytes, which decides what payments of a person count.

    Raises:
        UnsafeReleaseError: a payment outside the window, or twice: nothing was drawn.
        SettingsError: the key has another length.

    >>> policy = CountsPolicy(name="hourly", epsilon=1.0, payments_per_person=2, public_cells=("a", "b"))
    >>> payments = [Payment("t1", "ann", 5, "a", flagged=False), Payment("t2", "bob", 9, "elsewhere", flagged=True)]
    >>> record = draw(payments, Window(0, HOUR_MS), policy, key=bytes(32))
    >>> [(one.cell, one.hour_ms) for one in record.bins], CountsRecord.from_bytes(record.to_bytes()) == record
    ([('a', 0), ('b', 0)], True)
    """
    if any(not window.start_ms <= payment.event_ms < window.end_ms for payment in payments):
        raise UnsafeReleaseError("a payment lies outside the window it was given for: nothing was drawn")
    chosen = kept([one.person for one in payments], [one.id for one in payments], policy.payments_per_person, key)
    counted = [payments[position] for position in chosen]
    plan = _plan(policy)
    flagged = Counter(_bin_of(one) for one in counted if one.flagged)
    unflagged = Counter(_bin_of(one) for one in counted if not one.flagged)
    overall = add_laplace([unflagged.total(), flagged.total()], plan.overall_scale)
    return CountsRecord(
        policy=policy,
        window=window,
        cells_scale=plan.cells_scale,
        overall_scale=plan.overall_scale,
        threshold=plan.threshold,
        bins=_drawn_bins(unflagged, flagged, window, policy, plan),
        overall_unflagged=overall[0],
        overall_flagged=overall[1],
    )


def _plan(policy: CountsPolicy) -> _Plan:
    """Return the scales. The shares are taken a hair below the whole, as two rounded parts may add up to more."""
    overall_epsilon = policy.epsilon * policy.overall_share
    cells_epsilon = (policy.epsilon - overall_epsilon) * (1.0 - 2.0**-40)
    cells_scale = scale_for(policy.payments_per_person, cells_epsilon)
    threshold = None if policy.public_cells is not None else threshold_for(policy.payments_per_person, cells_scale, policy.delta)
    return _Plan(cells_scale, scale_for(policy.payments_per_person, overall_epsilon), threshold)


def _bin_of(payment: Payment) -> tuple[str, int]:
    return payment.cell, payment.event_ms - payment.event_ms % HOUR_MS


def _drawn_bins(
    unflagged: Counter[tuple[str, int]], flagged: Counter[tuple[str, int]], window: Window, policy: CountsPolicy, plan: _Plan
) -> tuple[NoisyBin, ...]:
    if policy.public_cells is not None:
        keys = list(product(sorted(policy.public_cells), range(window.start_ms, window.end_ms, HOUR_MS)))
        noisy_unflagged = add_laplace([unflagged[key] for key in keys], plan.cells_scale)
    else:
        assert plan.threshold is not None  # noqa: S101  # for the type checker: the plan of a policy without public cells has one
        shown = select({f"{hour_ms} {cell}": count for (cell, hour_ms), count in unflagged.items()}, plan.cells_scale, plan.threshold)
        keys, noisy_unflagged = [], []
        for label, count in shown.items():
            hour_text, _, cell = label.partition(" ")
            keys.append((cell, int(hour_text)))
            noisy_unflagged.append(count)
    noisy_flagged = add_laplace([flagged[key] for key in keys], plan.cells_scale)
    return tuple(
        sorted((NoisyBin(*key, *counts) for key, *counts in zip(keys, noisy_unflagged, noisy_flagged, strict=True)), key=_place_of)
    )


def _place_of(one: NoisyBin) -> tuple[str, int]:
    return one.cell, one.hour_ms
