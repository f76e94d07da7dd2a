"""What flows between the rooms: frozen, typed, versioned records, JSON on the wire.

Units are in the names, times are integers in UTC, money is integer minor units. Unknown fields are left out on decoding; a record of a
newer schema is refused with `SchemaVersionError`, because guessing at it would be a silent wrong answer.

The records up to `Alert` may hold raw identifiers and exact places. They live in Kafka only, before the privacy stage.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from veilocity.errors import ContractError, RejectReason, SchemaVersionError
from veilocity.geo import Interval
from veilocity.terms import (
    AlertState,
    CardId,
    Channel,
    DeviceId,
    FixFilter,
    FixFlag,
    IdentifierKind,
    ObservationKind,
    SessionEventType,
    Severity,
    SubjectId,
    UserId,
    Verdict,
)

__all__ = [
    "SCHEMA_VERSION",
    "Alert",
    "AlertState",
    "CardId",
    "Channel",
    "Check",
    "Decision",
    "DeviceId",
    "DirectoryEntry",
    "Episode",
    "Fix",
    "FixFilter",
    "FixFlag",
    "IdentifierKind",
    "Item",
    "LearnedScore",
    "Observation",
    "ObservationKind",
    "Reject",
    "Release",
    "RulesProgress",
    "SessionEvent",
    "SessionEventType",
    "Severity",
    "SubjectId",
    "Transaction",
    "TravelLimits",
    "UserId",
    "Verdict",
    "decode",
    "encode",
]

SCHEMA_VERSION = 1
"""Written into every record. Raise it when an older reader would misread a newer record."""


class SessionEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that somebody did in a browsing session. Its identity is all of it but `received_ms`."""

    session: str
    subject: SubjectId
    type: SessionEventType
    event_ms: int
    received_ms: int
    user: UserId | None = None
    device: DeviceId | None = None
    traffic_source: str | None = None
    """Where the visitor came from, if stated: `organic`, `email`, ..."""
    device_type: str | None = None
    schema: int = SCHEMA_VERSION


class Fix(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One place of one phone at one time. Its identity is (device, fix_ns, lat, lon)."""

    subject: SubjectId
    device: DeviceId
    source: str
    """Protocol and, where known, provider: `sensor-logger`, `sensor-logger/gps`."""
    fix_ns: int
    """When the phone was there, nanoseconds since 1970 UTC."""
    received_ms: int
    lat: float
    lon: float
    accuracy_m: float | None = None
    """Radius of about one standard deviation as the phone states it; None when it states none."""
    speed_mps: float | None = None
    bearing_deg: float | None = None
    altitude_m: float | None = None
    flags: tuple[FixFlag, ...] = ()
    session: str | None = None
    sequence: int | None = None
    filters: tuple[FixFilter, ...] = ()
    """What a tracking server would have dropped the fix for. Readers of before leave the field out."""
    schema: int = SCHEMA_VERSION


class Transaction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One payment as it was authorised. Its identity is `id`."""

    id: str
    subject: SubjectId
    authorised_ms: int
    received_ms: int
    amount_minor: int
    """Amount in the currency's minor unit (cents), so that sums are exact."""
    currency: str
    merchant: str
    category: str
    channel: Channel
    card: CardId | None = None
    device: DeviceId | None = None
    user: UserId | None = None
    device_type: str | None = None
    """`mobile`, `tablet`, `terminal`, ...: what the payment was made on, if stated."""
    lat: float | None = None
    lon: float | None = None
    place_accuracy_m: float | None = None
    """How far the terminal may be from the stated place."""
    country: str | None = None
    """Country of the merchant, ISO 3166 alpha-2, as card networks carry it (ISO 8583 field 19)."""
    schema: int = SCHEMA_VERSION


class Observation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One end of a journey: everything a rule used of the event."""

    kind: ObservationKind
    id: str
    """Transaction id, or `device@fix_ns` of a fix."""
    event_ns: int
    lat: float | None
    """None for a payment without a place."""
    lon: float | None
    accuracy_m: float
    """The radius the rule used, after defaults were filled in; 0 where there is no place."""


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One payment that a rule counted, without its identity."""

    event_ms: int
    amount_minor: int
    merchant: int
    """32-bit hash of the name: distinct merchants can be counted, not read."""
    country: str
    kind: ObservationKind


class TravelLimits(msgspec.Struct, frozen=True, gc=False):
    """What no person can do: the thresholds of a physically impossible trip."""

    speed_limit_kmh: float = 1100.0
    """No airliner over ground is faster (1,050 km/h were seen)."""
    minimum_distance_m: float = 50_000.0
    time_slack_s: float = 30.0
    default_accuracy_m: float = 100.0
    default_place_accuracy_m: float = 1000.0


class Check(msgspec.Struct, frozen=True, gc=False):
    """One reason to stay silent that was examined, and whether it applied."""

    name: str
    applied: bool


class Episode(msgspec.Struct, frozen=True, gc=False):
    """How often the same cause was seen."""

    first_ms: int
    last_ms: int
    count: int
    events: tuple[str, ...] = ()
    """`Observation.id` of the odd events, the newest 16, in order of time."""


class Alert(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a rule found wrong, once per episode. Identity: `id`; the highest `revision` holds."""

    id: str
    """Deterministic: a hash of rule, subject and the event that contradicts its neighbours."""
    rule: str
    rule_version: str
    severity: Severity
    state: AlertState
    revision: int
    """1 when opened; every amendment or retraction adds one."""
    subject: SubjectId
    anchor: str
    """`Observation.id` of the first odd event of the episode."""
    cause: str
    """The reason code."""
    score: float
    """0 (surely fine) to 1 (surely not)."""
    first: Observation
    second: Observation
    """The two observations of the strongest evidence, in order of time."""
    distance_m: Interval | None
    """None where one of the two has no place."""
    elapsed_s: float
    speed_kmh: Interval | None
    """None when both happened at the same time (no speed exists), or one of the two has no place."""
    probability: float | None
    """That a person could have made the trip; None where the rule does not ask that."""
    parameters: dict[str, object]
    """Of the rule, so that the alert can be recomputed from itself."""
    facts: dict[str, float]
    """Counts, sums and answers (1 for yes) that the grade was computed from."""
    fine_with_s: float | None
    """The trip would have been possible with this much time between the two; None where the rule is not about travel."""
    sentence: str
    checks: tuple[Check, ...]
    episode: Episode
    received_ms: int
    """When the event that caused this revision reached the gateway."""
    items: tuple[Item, ...] = ()
    """Payments that a window rule counted, oldest first."""
    schema: int = SCHEMA_VERSION


class LearnedScore(msgspec.Struct, frozen=True, gc=False):
    """What one learned rule says of a payment."""

    rule: str
    """`learned-` and the name of the model."""
    version: str
    """Of the model."""
    score: float
    """A probability of 0 to 1, or the error of an autoencoder, from 0 up."""
    threshold: float
    """From this score on the rule holds against the payment."""
    figures: dict[str, float]
    """Of the payment, those farthest from what the model was trained on, the farthest first, as people read them."""


class Decision(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The answer to one transaction, with the transaction, so that later stages need no join.

    Identity: the transaction's id; the highest `revision` holds. Events that come late can change the answer.
    """

    transaction: Transaction
    verdict: Verdict
    score: float
    """0 (surely fine) to 1 (surely not)."""
    reasons: tuple[str, ...]
    """Reason codes, the gravest first."""
    rule_versions: dict[str, str]
    """Of the rules that found something."""
    alert_id: str | None = None
    """The gravest alert that the payment belongs to."""
    severity: Severity | None = None
    """Of the gravest finding; for a payment that is not scorable the fallback of the rule book. None where nothing was found."""
    revision: int = 1
    learned: tuple[LearnedScore, ...] = ()
    """Of the learned rules in force when the answer was given; readers of before leave the field out."""
    schema: int = SCHEMA_VERSION


class Reject(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An item that was refused, with enough to find out why."""

    reason: RejectReason
    detail: str
    source: str
    """Protocol or stage that refused it."""
    received_ms: int
    payload: str
    """The refused item, cut to 4,096 characters. May hold identifiers: `rejects` is as secret as `fixes`."""
    schema: int = SCHEMA_VERSION


class DirectoryEntry(msgspec.Struct, frozen=True, gc=False):
    """Which person a device, card or user id belongs to. Key on the topic: `kind:id`."""

    kind: IdentifierKind
    id: str
    subject: SubjectId
    schema: int = SCHEMA_VERSION


class RulesProgress(msgspec.Struct, frozen=True, gc=False):
    """What the rules service did with one partition since its beginning: exact, because written in the same transaction as the results.

    fixes_read = fixes_kept + fixes_duplicate + fixes_thinned + fixes_late + fixes_rejected
    transactions_read = decided + transactions_duplicate + transactions_rejected
    records on `decisions` = decided + decisions_amended
    """

    partition: int
    fixes_read: int = 0
    fixes_kept: int = 0
    fixes_duplicate: int = 0
    fixes_thinned: int = 0
    """Not kept in the history because a better fix stands for the same few seconds."""
    fixes_late: int = 0
    fixes_rejected: int = 0
    transactions_read: int = 0
    transactions_duplicate: int = 0
    transactions_rejected: int = 0
    decided: int = 0
    flagged: int = 0
    clear: int = 0
    not_scorable: int = 0
    alerts_opened: int = 0
    alerts_amended: int = 0
    alerts_retracted: int = 0
    decisions_amended: int = 0
    """Later revisions of decisions; `decided` and the verdicts count first ones only."""
    schema: int = SCHEMA_VERSION


class Release(msgspec.Struct, frozen=True, gc=False):
    """One k-anonymous class of one closed window. Identity: `class_id`."""

    class_id: str
    policy: str
    window_start_ms: int
    window_end_ms: int
    k: int
    people: int
    """Distinct users in the class; at least k."""
    payments: int
    loss: float
    """Mean generalisation loss over the quasi-identifiers: 0 exact, 1 everything hidden."""
    cell: str
    """H3 cell, or `*`."""
    cell_resolution: int
    """H3 resolution of `cell`; -1 for `*`."""
    hour: str
    """UTC: an hour `2026-11-22T14`, six hours `2026-11-22T12/18`, a day `2026-11-22`, or `*`."""
    amount_band: str
    category: str
    flagged: int
    """Payments of the class whose first answer was that they are flagged: `sensitive` of that verdict."""
    l: int = 1  # noqa: E741  # the name of the parameter everywhere
    """Distinct verdicts in the class."""
    t: float = 1.0
    """Total variation between the verdicts of the class and those of its window: four digits, rounded up."""
    sensitive: dict[Verdict, int] = {}
    """Payments of the class by the verdict of their first answer."""
    members: tuple[str, ...] = ()
    """One pseudonym of each person, made for this window alone, sorted."""
    schema: int = SCHEMA_VERSION


_T = TypeVar("_T", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder()
_decoders: dict[type[msgspec.Struct], msgspec.json.Decoder[msgspec.Struct]] = {}


class _Version(msgspec.Struct, gc=False):
    schema: int = SCHEMA_VERSION


_version_decoder = msgspec.json.Decoder(_Version)


def encode(record: msgspec.Struct) -> bytes:
    """Return the record as JSON, fields in declared order: the same record gives the same bytes."""
    return _encoder.encode(record)


def decode(data: bytes, kind: type[_T]) -> _T:
    """Read one record of `kind`.

    Raises:
        SchemaVersionError: the record says a schema newer than `SCHEMA_VERSION`.
        ContractError: not JSON, or a field is missing or of the wrong type (reason ``undecodable``).

    >>> entry = DirectoryEntry(kind=IdentifierKind.CARD, id="c1", subject=SubjectId("p1"))
    >>> decode(encode(entry), DirectoryEntry) == entry
    True
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        record = decoder.decode(data)
    except msgspec.MsgspecError as cause:
        _refuse_newer_schema(data)
        raise ContractError(RejectReason.UNDECODABLE, f"not a {kind.__name__}: check which program writes this topic") from cause
    if record.schema > SCHEMA_VERSION:  # type: ignore[attr-defined]  # every contract has it
        _refuse_newer_schema(data)
    return record  # type: ignore[return-value]  # decoder of `kind`


def _refuse_newer_schema(data: bytes) -> None:
    try:
        version = _version_decoder.decode(data).schema
    except msgspec.MsgspecError:
        return
    if version > SCHEMA_VERSION:
        message = f"schema {version} is newer than {SCHEMA_VERSION}: upgrade this service before the one that writes"
        raise SchemaVersionError(RejectReason.UNKNOWN_SCHEMA, message)
