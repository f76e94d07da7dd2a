"""What there is to decide: every field of the raw records, what kind of value it is, and where the stored document has it.

    transaction   `contracts.Decision` with the payment inside it -> `MaskedTransaction`; `MaskedAmendment` follows it
    alert         `contracts.Alert`                               -> `MaskedAlert`
    position      `contracts.Fix`                                 -> `Position`, which only MongoDB keeps

A field of the policy has the name of the raw field. Exceptions, so that no policy can mask a half: `place` is `lat` and `lon`;
`observation.*` is both `first` and `second` of an alert; `evidence` is everything of an alert that points at single events or their exact
figures.

Promise: `fields_of` covers every raw field. One that a contract gained since is a field of unknown kind, which a policy must name and can
only drop.
"""

from __future__ import annotations

import types
import typing
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from privacy.tokens import TokenKind
from storage.documents import MaskedAlert, MaskedAmendment, MaskedTransaction, Position
from veilocity.contracts import Alert, Channel, Decision, Episode, Fix, Observation, Severity, Transaction, Verdict

__all__ = ["RECORDS", "SENSITIVE_VALUES", "SINKS", "Field", "Kind", "Record", "amended", "fields_of", "needed", "uncovered"]

SINKS = ("mongodb", "elasticsearch")
SENSITIVE_VALUES: dict[str, int | None] = {
    "verdict": len(Verdict),
    "severity": len(Severity) + 1,
    "channel": len(Channel),
    "category": None,
    "country": None,
}
"""Fields that a release may call sensitive, and how many values they can have (no severity counts as one); None where nobody knows."""


class Kind(StrEnum):
    """What kind of value a field holds: it decides which operations there are."""

    IDENTIFIER = "identifier"
    PLACE = "place"
    TIME = "time"
    AMOUNT = "amount"
    FIGURE = "figure"
    DURATION = "duration"
    FRACTION = "fraction"
    SENTENCE = "sentence"
    EVIDENCE = "evidence"
    LABEL = "label"
    UNKNOWN = "unknown"


class Field(msgspec.Struct, frozen=True):
    """One field that a policy decides on."""

    name: str
    kind: Kind
    raw: tuple[str, ...]
    """Paths in the raw record that it covers."""
    stored: tuple[str, ...] = ()
    """Paths in the stored document; none: the document has no place for it."""
    token_kind: TokenKind | None = None


class Record(msgspec.Struct, frozen=True):
    """One kind of record: where it comes from, what it becomes, and its fields."""

    name: str
    contract: type[msgspec.Struct]
    document: type[msgspec.Struct]
    sinks: tuple[str, ...]
    fields: tuple[Field, ...]


def _identifier(name: str, token_kind: TokenKind, stored: str = "") -> Field:
    return Field(name, Kind.IDENTIFIER, (name,), (stored,) if stored else (), token_kind)


def _labels(names: str, *, stored: bool = True) -> tuple[Field, ...]:
    return tuple(Field(name, Kind.LABEL, (name,), (name,) if stored else ()) for name in names.split())


def _both(name: str, kind: Kind, raw: str, stored: str) -> Field:
    raws = tuple(f"{end}.{part}" for end in ("first", "second") for part in raw.split())
    return Field(f"observation.{name}", kind, raws, (f"first.{stored}", f"second.{stored}"))


_TRANSACTION = (
    _identifier("id", TokenKind.TRANSACTION, "id"),
    _identifier("subject", TokenKind.SUBJECT, "subject"),
    _identifier("card", TokenKind.CARD, "card"),
    _identifier("device", TokenKind.DEVICE, "device"),
    _identifier("user", TokenKind.USER, "user"),
    _identifier("alert_id", TokenKind.ALERT, "alert"),
    Field("authorised_ms", Kind.TIME, ("authorised_ms",), ("minute_ms",)),
    Field("received_ms", Kind.TIME, ("received_ms",)),
    Field("amount_minor", Kind.AMOUNT, ("amount_minor",), ("amount", "amount_band")),
    Field("place", Kind.PLACE, ("lat", "lon"), ("place",)),
    Field("place_accuracy_m", Kind.FIGURE, ("place_accuracy_m",)),
    Field("score", Kind.FRACTION, ("score",), ("score",)),
    *_labels("currency merchant category channel device_type country verdict reasons severity revision"),
    # What learned rules said stays inside with the versions of the written ones; stores have the reason codes of both.
    Field("rule_versions", Kind.LABEL, ("rule_versions", "learned")),
    *_labels("schema", stored=False),
)
_ALERT = (
    _identifier("id", TokenKind.ALERT, "id"),
    _identifier("subject", TokenKind.SUBJECT, "subject"),
    _both("kind", Kind.LABEL, "kind", "kind"),
    _both("event_ns", Kind.TIME, "event_ns", "minute_ms"),
    _both("place", Kind.PLACE, "lat lon", "place"),
    _both("accuracy_m", Kind.FIGURE, "accuracy_m", "accuracy_m"),
    Field("distance_m", Kind.FIGURE, ("distance_m",), ("distance_m",)),
    Field("elapsed_s", Kind.DURATION, ("elapsed_s",), ("elapsed_s",)),
    Field("speed_kmh", Kind.FIGURE, ("speed_kmh",), ("speed_kmh",)),
    Field("fine_with_s", Kind.DURATION, ("fine_with_s",), ("fine_with_s",)),
    Field("score", Kind.FRACTION, ("score",), ("score",)),
    Field("probability", Kind.FRACTION, ("probability",), ("probability",)),
    Field("speed_limit_kmh", Kind.LABEL, ("parameters",), ("speed_limit_kmh",)),
    Field("minimum_distance_m", Kind.LABEL, ("parameters",), ("minimum_distance_m",)),
    Field("sentence", Kind.SENTENCE, ("sentence",), ("sentence",)),
    Field("episode.first_ms", Kind.TIME, ("episode.first_ms",), ("episode.first_ms",)),
    Field("episode.last_ms", Kind.TIME, ("episode.last_ms",), ("episode.last_ms",)),
    *_labels("episode.count rule rule_version severity state revision cause checks"),
    Field("evidence", Kind.EVIDENCE, ("anchor", "first.id", "second.id", "parameters", "facts", "items", "episode.events")),
    Field("received_ms", Kind.TIME, ("received_ms",)),
    *_labels("schema", stored=False),
)
_POSITION = (
    _identifier("subject", TokenKind.SUBJECT, "id"),
    _identifier("device", TokenKind.DEVICE),
    Field("fix_ns", Kind.TIME, ("fix_ns",), ("minute_ms",)),
    Field("received_ms", Kind.TIME, ("received_ms",)),
    Field("place", Kind.PLACE, ("lat", "lon"), ("place",)),
    *(Field(name, Kind.FIGURE, (name,)) for name in ("accuracy_m", "speed_mps", "bearing_deg", "altitude_m")),
    Field("session", Kind.EVIDENCE, ("session",)),
    *_labels("source flags filters sequence schema", stored=False),
)
RECORDS = {
    "transaction": Record("transaction", Decision, MaskedTransaction, SINKS, _TRANSACTION),
    "alert": Record("alert", Alert, MaskedAlert, SINKS, _ALERT),
    "position": Record("position", Fix, Position, ("mongodb",), _POSITION),
}
"""By name, in the order in which they are shown."""
_OPENED: dict[object, str | None] = {Transaction: None, Observation: "", Episode: ""}
"""Structures whose fields are decided one by one; None where they count as fields of the record itself."""


@lru_cache(maxsize=64)
def _hints(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _raw_paths(contract: type[msgspec.Struct], prefix: str = "") -> list[str]:
    paths: list[str] = []
    for name, hint in _hints(contract).items():
        if hint in _OPENED:
            paths += _raw_paths(hint, prefix if _OPENED[hint] is None else f"{prefix}{name}.")
        else:
            paths.append(prefix + name)
    return list(dict.fromkeys(paths))


def uncovered(record: Record) -> tuple[str, ...]:
    """Return the raw fields that no field of the catalogue covers: what a contract gained since this file was written.

    >>> uncovered(RECORDS["transaction"])
    ()
    """
    covered = {path for field in record.fields for path in field.raw}
    return tuple(path for path in _raw_paths(record.contract) if path not in covered)


def fields_of(record: Record) -> dict[str, Field]:
    """Return every field that a policy must list, by name."""
    unknown = (Field(path, Kind.UNKNOWN, (path,)) for path in uncovered(record))
    return {field.name: field for field in (*record.fields, *unknown)}


def needed(record: Record, field: Field) -> bool:
    """Say whether the stored document cannot be without this field.

    >>> record = RECORDS["transaction"]
    >>> needed(record, fields_of(record)["card"]), needed(record, fields_of(record)["subject"])
    (False, True)
    """
    return any(not _may_be_none(record.document, path) for path in field.stored)


def _may_be_none(document: type[msgspec.Struct], path: str) -> bool:
    name, _, rest = path.partition(".")
    hint = _hints(document)[name]
    if rest:
        return _may_be_none(hint, rest)
    return typing.get_origin(hint) in (types.UnionType, typing.Union) and type(None) in typing.get_args(hint)


def amended(field: Field) -> bool:
    """Say whether a later answer to a payment carries this field, too."""
    return any(path in MaskedAmendment.__struct_fields__ for path in field.stored)
