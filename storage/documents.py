"""What the privacy stage writes and the dashboard reads: masked records. No raw identifier, exact place or exact time is in any of them.

Tokens are keyed hashes; places are H3 cells with the cell's centre; times are cut to the minute; money and speeds are rounded. `seq` is the
number of the micro-batch that wrote the document: everything up to `Progress.seq` is complete in the store, so a reader asks for
`last < seq <= progress.seq` and misses and doubles nothing.
"""

from __future__ import annotations

import msgspec

from veilocity.contracts import AlertState, Channel, Check, ObservationKind, Release, Severity, Verdict
from veilocity.geo import Interval

__all__ = [
    "AggregateDocument",
    "DistinctCount",
    "MaskedAlert",
    "MaskedAmendment",
    "MaskedBatch",
    "MaskedEpisode",
    "MaskedObservation",
    "MaskedTransaction",
    "NoiseTerms",
    "NoisyCount",
    "NoisyShare",
    "Place",
    "Position",
    "Progress",
    "ReleaseDocument",
    "RunningTotal",
    "Sample",
    "SimilarGroup",
    "StreamSketches",
]


class Place(msgspec.Struct, frozen=True, gc=False):
    """An H3 cell and its centre in degrees."""

    cell: str
    lat: float
    lon: float


class MaskedTransaction(msgspec.Struct, frozen=True, gc=False):
    """One decided payment. Its answer may be amended (`MaskedAmendment`); everything else is never changed."""

    id: str
    seq: int
    """Of the micro-batch that wrote the payment or amended it last."""
    revision: int
    """Of the answer: 1 is the first, and a lower one never overwrites a higher."""
    subject: str
    card: str | None
    device: str | None
    user: str | None
    device_type: str | None
    minute_ms: int
    """Authorisation time cut to the minute."""
    amount: float
    """Major units, rounded to two significant digits."""
    currency: str
    amount_band: str
    merchant: str
    category: str
    channel: Channel
    country: str | None
    """Of the merchant, two letters, where stated."""
    place: Place | None
    verdict: Verdict
    score: float
    reasons: tuple[str, ...]
    alert: str | None
    """Token of the alert that the decision names."""
    severity: Severity | None
    """Of the gravest finding, or the fallback of what cannot be scored."""
    place_seen_before: bool | None
    """Whether the Bloom filter knew this person at this cell; None where the payment has no place."""


class MaskedAmendment(msgspec.Struct, frozen=True, gc=False):
    """A later answer to a payment that is stored already: these fields replace the payment's, if `revision` is higher than its own.

    A payment that the store refused is not made by its amendment.
    """

    id: str
    """`MaskedTransaction.id` of the payment."""
    seq: int
    revision: int
    minute_ms: int
    """Of the payment: never changes, and says where it is stored."""
    verdict: Verdict
    score: float
    reasons: tuple[str, ...]
    alert: str | None
    severity: Severity | None


class MaskedObservation(msgspec.Struct, frozen=True, gc=False):
    """One of the two observations of an alert, coarse."""

    kind: ObservationKind
    minute_ms: int
    place: Place | None
    """None for a payment without a place."""
    accuracy_m: float
    """The radius the rule used, rounded up to two significant digits."""


class MaskedEpisode(msgspec.Struct, frozen=True, gc=False):
    """How often the same cause was seen, in times cut to the minute; which events it were stays inside."""

    first_ms: int
    last_ms: int
    count: int


class MaskedAlert(msgspec.Struct, frozen=True, gc=False):
    """The newest revision of one alert. A lower revision never overwrites a higher one."""

    id: str
    seq: int
    revision: int
    rule: str
    rule_version: str
    cause: str
    """The reason code."""
    severity: Severity
    state: AlertState
    subject: str
    score: float
    """0 (surely fine) to 1 (surely not), two digits after the point."""
    probability: float | None
    """That a person could have made the trip, rounded up to hundredths; None where the rule does not ask that."""
    first: MaskedObservation
    second: MaskedObservation
    distance_m: Interval | None
    """None where one of the two has no place."""
    elapsed_s: float
    speed_kmh: Interval | None
    speed_limit_kmh: float | None
    """None where the rule is not about a speed."""
    minimum_distance_m: float | None
    fine_with_s: float | None
    """None where the rule is not about travel."""
    sentence: str
    checks: tuple[Check, ...]
    episode: MaskedEpisode
    sealed: str | None = None
    """The exact evidence under the person's own key, in base64: in MongoDB only, where the policy seals it and nobody was forgotten."""


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where a person's phone was last: one document per person.

    Replaced only by a later minute, or by another place that a later batch saw in the same minute.
    """

    id: str
    """Token of the subject."""
    seq: int
    minute_ms: int
    place: Place


class ReleaseDocument(msgspec.Struct, frozen=True, gc=False):
    """One released k-anonymous class."""

    id: str
    seq: int
    release: Release


class NoisyCount(msgspec.Struct, frozen=True, gc=False):
    """A count with noise."""

    value: int
    """Not negative."""
    standard_error: float
    """Of the noise, before the value was cut at 0."""
    low: int
    high: int


class NoisyShare(msgspec.Struct, frozen=True, gc=False):
    """A share of two counts with noise, 0 to 1."""

    value: float | None
    """None where the whole is 0."""
    low: float
    high: float


class RunningTotal(msgspec.Struct, frozen=True, gc=False):
    """All payments since the beginning, with noise of its own."""

    value: int
    """May be negative or below an earlier one: the noise is not hidden."""
    standard_error: float
    low: int
    high: int
    since_ms: int
    """Start of the first window."""
    windows_left_out: int
    """Windows that the budget refused: their payments are not in the total."""


class NoiseTerms(msgspec.Struct, frozen=True, gc=False):
    """What the figures of one window cost, and how sure they are; the same in all documents of the window."""

    epsilon: float
    """Of all documents of the window together; 0 where nothing was published."""
    delta: float
    payments_per_person: int
    """Payments of one person that count in the window."""
    confidence: float
    """Of each interval by itself."""
    threshold: int | None
    """Least noisy count of unflagged payments at which a cell is shown; None where the cells were named beforehand."""
    person_epsilon: float
    """Most that one person loses in any stretch of `horizon_days`."""
    person_delta: float
    horizon_days: int


class AggregateDocument(msgspec.Struct, frozen=True, gc=False):
    """Published counts of one closed window, with noise: of one cell and hour, or of the whole window (cell and hour `*`)."""

    id: str
    seq: int
    policy: str
    window_start_ms: int
    window_end_ms: int
    cell: str
    """H3 cell, `none` for payments without a place, `*` for all."""
    hour: str
    """Hour in UTC as `2026-11-22T14`, or `*`."""
    payments: NoisyCount | None
    """None where the budget refused the window; so are `flagged`, `fraud_rate` and `total`."""
    flagged: NoisyCount | None
    fraud_rate: NoisyShare | None
    total: RunningTotal | None
    """Up to the end of this window; of the whole window's document only."""
    terms: NoiseTerms
    refused: bool
    """Whether the budget was spent: then this is the window's only document."""
    epsilon_left: float | None
    """Of a refused window: the most that a publication of it might still have cost."""


class SimilarGroup(msgspec.Struct, frozen=True, gc=False):
    """Payments of one closed window whose behaviour is alike (MinHash LSH, verified Jaccard)."""

    id: str
    seq: int
    window_start_ms: int
    payments: int
    people: int
    similarity: float
    """Lowest verified Jaccard similarity of a pair that joined the group."""
    features: tuple[str, ...]
    """What all members share."""
    members: tuple[str, ...]
    """`MaskedTransaction.id` of up to 100 members."""


class Sample(msgspec.Struct, frozen=True, gc=False):
    """The uniform sample of all decided payments so far: one document, replaced."""

    id: str
    seq: int
    seen: int
    members: tuple[str, ...]
    """`MaskedTransaction.id`, sorted."""


class DistinctCount(msgspec.Struct, frozen=True, gc=False):
    """How many different ones were seen, as a sketch estimates it."""

    of: str
    """`people`, `merchants` or `places`."""
    estimate: int
    low: int
    high: int
    """The interval of 95 %."""


class StreamSketches(msgspec.Struct, frozen=True, gc=False):
    """What the sketches of the stream say after all decided payments so far: one document, replaced."""

    id: str
    seq: int
    payments: int
    distinct: tuple[DistinctCount, ...]
    visits: int
    """Different pairs of a person and a place that the `seen before` filter has taken in."""
    visits_error_rate: float
    """Chance that it now calls a new pair seen before."""


class Progress(msgspec.Struct, frozen=True, gc=False):
    """What the privacy stage has done since its beginning: one document, written last in every batch.

    decisions = transactions + amendments + rejected_decisions
    transactions = documents of payments in each store + those that were deleted with their people + unstored
    transactions = released + suppressed + late + pending + erased
    """

    id: str
    """Always `privacy`."""
    seq: int
    decisions: int = 0
    transactions: int = 0
    """Payments: first answers."""
    unstored: int = 0
    """Those of them that no store keeps, because the policy drops the record `transaction`."""
    amendments: int = 0
    """Later answers to payments."""
    released: int = 0
    """Payments in released classes."""
    suppressed: int = 0
    """Payments that could not be put into a class of k people."""
    late: int = 0
    """Payments that came after their window was closed: stored masked, but in no class."""
    pending: int = 0
    """Payments in windows that are still open."""
    erased: int = 0
    """Payments that waited for a window when their person was forgotten: they are in no class."""
    classes: int = 0
    alert_revisions: int = 0
    alerts: int = 0
    """Distinct alerts."""
    fixes: int = 0
    rejected: int = 0
    """Records of any topic that did not decode."""
    event_ms: int = 0
    """Latest event time seen."""
    positions_since_ms: int = 0
    """Where the period of `event_ms` begins: people have other ids before, and positions of then are deleted."""
    written_ms: int = 0
    """Wall clock of the last write: how old the picture is."""


class MaskedBatch(msgspec.Struct, frozen=True):
    """Everything one micro-batch writes into one store. Writing it again changes nothing."""

    progress: Progress
    transactions: tuple[MaskedTransaction, ...] = ()
    amendments: tuple[MaskedAmendment, ...] = ()
    """One for a payment; it may be of this batch."""
    alerts: tuple[MaskedAlert, ...] = ()
    positions: tuple[Position, ...] = ()
    releases: tuple[ReleaseDocument, ...] = ()
    groups: tuple[SimilarGroup, ...] = ()
    aggregates: tuple[AggregateDocument, ...] = ()
    sample: Sample | None = None
    sketches: StreamSketches | None = None
    forget_positions_before_ms: int | None = None
    """Positions before this minute are deleted: the period of their ids has ended."""
