"""Which column of a table is which field of a payment. Pure.

What a row says goes through the same reading as a payment over HTTP (`ingest.transactions`): here fields only get their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Names
from collections.abc import Sequence
from typing import NamedTuple

from ingest.cdc.pgoutput import Column, Unchanged, Value
from veilocity.errors import InvalidInputError, RejectReason, SettingsError

__all__ = ["FIELDS", "Mapping"]

FIELDS = (
    "id card device user authorised_at authorised_ms amount currency merchant category channel device_type lat lon place_accuracy_m country"
).split()
"""Fields of a payment as docs/http-api.md names them."""
_REQUIRED = ("id", "amount", "currency", "merchant", "category", "channel")
_PAYERS = ("card", "device", "user")
_TIMES = ("authorised_at", "authorised_ms")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(?:\|[A-Za-z_][A-Za-z0-9_$]*)*")
_CONSTANT = re.compile(r"'([^',]*)'")
_TIMESTAMP, _TIMESTAMP_WITH_ZONE = 1114, 1184
_SHORT_OFFSET = re.compile(r"[+-]\d{2}$")


class _Source(NamedTuple):
    """Where a field comes from."""

    columns: tuple[str, ...]
    """The first that the table has; several where a column was renamed."""
    constant: str | None


class Mapping:
    """Turns rows into payments.

    >>> mapping = Mapping("id=number, currency='EUR', amount=total|amount, card=card, authorised_at=paid_at, merchant=shop, category=kind, "
    ...     "channel=channel")
    >>> columns = [Column(name, 25) for name in "number amount card paid_at shop kind channel".split()]
    >>> sorted(mapping.payment(columns, {"number": "p1", "amount": "12.50"}).items())
    [('amount', '12.50'), ('currency', 'EUR'), ('id', 'p1')]
    """

    def __init__(self, text: str, *, utc: bool = False) -> None:
        """Read a mapping.

        Args:
            text: pairs of FIELD=COLUMN separated by commas, FIELD=NEW|OLD for a column that was renamed, FIELD='TEXT' for what is the same
                in every row; empty for columns that are called as the fields.
            utc: whether times without a zone are UTC; they are refused otherwise.

        Raises:
            SettingsError: not such pairs, an unknown field, or one that a payment needs is left out.
        """
        self._utc = utc
        # Named alike, a column may be missing where the field may.
        self._is_whole = bool(text.strip())
        self._resolved: dict[tuple[Column, ...], dict[str, Column]] = {}
        self._sources = _sources(text) if self._is_whole else {field: _Source((field,), None) for field in FIELDS}
        _refuse_gaps(self._sources)

    def resolved(self, columns: Sequence[Column]) -> dict[str, Column]:
        """Return the column of each field that has one.

        Raises:
            SettingsError: the table lacks a column that the mapping names, or has a time without a zone and nobody said which.
        """
        key = tuple(columns)
        if key not in self._resolved:
            self._resolved[key] = self._resolve(key)
        return self._resolved[key]

    def _resolve(self, columns: Sequence[Column]) -> dict[str, Column]:
        there = {column.name: column for column in columns}
        found = {}
        for field, source in self._sources.items():
            names = [name for name in source.columns if name in there]
            if names:
                found[field] = there[names[0]]
            elif source.columns and self._is_whole:
                raise SettingsError(f"the table has no column for {field}: write {field}=NEW|OLD into the mapping where it was renamed")
        _refuse_gaps({field: source for field, source in self._sources.items() if field in found or source.constant is not None})
        time = found.get("authorised_at")
        if time is not None and time.type_oid == _TIMESTAMP and not self._utc:
            raise SettingsError(
                "the column of authorised_at has no time zone: make it `timestamp with time zone`, or say --utc if it is UTC"
            )
        return found

    def payment(self, columns: Sequence[Column], row: Names[str, Value]) -> dict[str, str]:
        """Return a row as a payment over HTTP would be, its values text; what is wrong with it is for the reader of payments to say.

        Raises:
            SettingsError: as `resolved`.
            InvalidInputError: a value that is needed is not in the log.
        """
        payment = {field: source.constant for field, source in self._sources.items() if source.constant is not None}
        for field, column in self.resolved(columns).items():
            value = row.get(column.name)
            if isinstance(value, Unchanged):
                detail = f"{field} is a large value that the log left out: ALTER TABLE ... REPLICA IDENTITY FULL keeps it in"
                raise InvalidInputError(RejectReason.MISSING_FIELD, detail)
            if value is not None:
                payment[field] = _with_zone(value) if column.type_oid in (_TIMESTAMP, _TIMESTAMP_WITH_ZONE) else value
        return payment


def _with_zone(text: str) -> str:
    """Return a time of PostgreSQL, printed in UTC, with an offset that ISO 8601 knows.

    >>> _with_zone("2026-11-23 05:30:00.25+00"), _with_zone("2026-11-23 05:30:00")
    ('2026-11-23 05:30:00.25+00:00', '2026-11-23 05:30:00+00:00')
    """
    return text + ":00" if _SHORT_OFFSET.search(text[19:]) else text + "+00:00"


def _sources(text: str) -> dict[str, _Source]:
    found: dict[str, _Source] = {}
    for pair in text.split(","):
        field, _, source = (part.strip() for part in pair.partition("="))
        constant = _CONSTANT.fullmatch(source)
        if field not in FIELDS or field in found or not (constant or _COLUMN.fullmatch(source)):
            raise SettingsError(f"the mapping must be FIELD=COLUMN or FIELD='TEXT', separated by commas; fields are {', '.join(FIELDS)}")
        found[field] = _Source((), constant[1]) if constant else _Source(tuple(source.split("|")), None)
    return found


def _refuse_gaps(fields: Names[str, object]) -> None:
    missing = [name for name in _REQUIRED if name not in fields]
    missing += [] if any(name in fields for name in _PAYERS) else ["card, device or user"]
    missing += [] if any(name in fields for name in _TIMES) else ["authorised_at or authorised_ms"]
    if missing:
        raise SettingsError(f"the mapping says nothing of {', '.join(missing)}: every payment needs them")
