"""What readers see of a drawn publication: counts that are not negative, a fraud rate, and how sure each is.

Everything here is computed from the record and public figures alone (post-processing), so it costs no budget and may be repeated:

    payments      max(0, noisy unflagged + noisy flagged)       flagged   between 0 and payments
    fraud rate    flagged / payments; none where payments is 0

Cutting at 0 comes after the noise: it leaks nothing, but the mean of many small counts lies above the truth.

Guarantee of the intervals: each holds the count of *kept* payments (at most c of a person, `counts`) with the stated confidence, by itself.
The radius is exact for discrete Laplace noise. Of cells that were shown because a noisy count reached the threshold this holds before the
selection only: such a count lies above the truth more often than below. The rate's interval joins the intervals of its two counts, each
with half of the allowed error.
"""

from __future__ import annotations

import math

import msgspec

from privacy.differential.counts import CountsRecord, Window
from privacy.differential.noise import laplace_radius, laplace_variance

__all__ = ["CellCounts", "CountsPublication", "Figure", "Rate", "publish"]


class Figure(msgspec.Struct, frozen=True):
    """A published count."""

    value: int
    standard_error: float
    """Of the noise, before anything was cut at 0."""
    low: int
    high: int


class Rate(msgspec.Struct, frozen=True):
    """A published share, 0 to 1; None where its whole is 0."""

    value: float | None
    low: float
    high: float


class CellCounts(msgspec.Struct, frozen=True):
    """Figures of one cell and hour, or (both None) of the whole window."""

    cell: str | None
    hour_ms: int | None
    payments: Figure
    flagged: Figure
    fraud_rate: Rate


class CountsPublication(msgspec.Struct, frozen=True, kw_only=True):
    """What is published of one window."""

    policy: str
    window: Window
    epsilon: float
    delta: float
    payments_per_person: int
    selection: str
    """`public`: the cells were listed beforehand. `threshold`: a noisy count reached `threshold`."""
    threshold: int | None
    confidence: float
    overall: CellCounts
    cells: tuple[CellCounts, ...]


class _Radii(msgspec.Struct, frozen=True):
    """How far noise goes: of one count, of a sum of two, and of one at half the allowed error."""

    scale: float
    one: int
    two: int
    one_of_pair: int

    @classmethod
    def of(cls, scale: float, confidence: float) -> _Radii:
        return cls(
            scale,
            laplace_radius(scale, confidence),
            laplace_radius(scale, confidence, terms=2),
            laplace_radius(scale, (1.0 + confidence) / 2.0),
        )


def publish(record: CountsRecord) -> CountsPublication:
    """Return what is published of a record: the same for the same record, always.

    >>> from privacy.differential.counts import CountsPolicy, NoisyBin
    >>> policy = CountsPolicy(name="hourly", epsilon=1.0, payments_per_person=1, public_cells=("a",))
    >>> bins = (NoisyBin("a", 0, 30, -2),)
    >>> scales = {"cells_scale": 1.25, "overall_scale": 5.0, "threshold": None}
    >>> record = CountsRecord(policy=policy, window=Window(0, 3_600_000), bins=bins, overall_unflagged=95, overall_flagged=5, **scales)
    >>> shown = publish(record)
    >>> shown.cells[0].payments.value, shown.cells[0].flagged.value, shown.overall.fraud_rate.value
    (28, 0, 0.05)
    >>> shown.overall.payments
    Figure(value=100, standard_error=9.98, low=79, high=121)
    """
    policy = record.policy
    cells = _Radii.of(record.cells_scale, policy.confidence)
    overall = _Radii.of(record.overall_scale, policy.confidence)
    return CountsPublication(
        policy=policy.name,
        window=record.window,
        epsilon=policy.epsilon,
        delta=policy.delta,
        payments_per_person=policy.payments_per_person,
        selection="threshold" if policy.public_cells is None else "public",
        threshold=record.threshold,
        confidence=policy.confidence,
        overall=_shown(None, None, record.overall_unflagged, record.overall_flagged, overall),
        cells=tuple(_shown(one.cell, one.hour_ms, one.unflagged, one.flagged, cells) for one in record.bins),
    )


def _shown(cell: str | None, hour_ms: int | None, unflagged: int, flagged: int, radii: _Radii) -> CellCounts:
    payments = max(0, unflagged + flagged)
    fewer = min(max(0, flagged), payments)
    return CellCounts(
        cell=cell,
        hour_ms=hour_ms,
        payments=_figure(payments, unflagged + flagged, radii.two, 2.0 * laplace_variance(radii.scale)),
        flagged=_figure(fewer, flagged, radii.one, laplace_variance(radii.scale)),
        fraud_rate=_rate(fewer, payments, unflagged, flagged, radii.one_of_pair),
    )


def _figure(value: int, noisy: int, radius: int, variance: float) -> Figure:
    return Figure(value, round(math.sqrt(variance), 2), max(0, noisy - radius), max(0, noisy + radius))


def _rate(flagged: int, payments: int, noisy_unflagged: int, noisy_flagged: int, radius: int) -> Rate:
    """Return the rate and the interval: least flagged with most unflagged, and the other way round."""
    least, most = max(0, noisy_flagged - radius), max(0, noisy_flagged + radius)
    least_other, most_other = max(0, noisy_unflagged - radius), max(0, noisy_unflagged + radius)
    low = least / (least + most_other) if least + most_other else 0.0
    high = most / (most + least_other) if most + least_other else 1.0
    return Rate(flagged / payments if payments else None, low, high)
