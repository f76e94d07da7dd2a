"""Payments that no store keeps: of each its row for the releases, and nothing else, is read, masked and sent.

Used where the policy drops the record `transaction`. A row is what `privacy.batch` would make of the stored document under the default
operations: the stage's own pseudonyms, the finest cell that releases print, the hour, the narrowest band and the category. Fields that this
does not need are not looked at, so a record is refused only for what is wrong with those that it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import h3
import msgspec
import numpy as np

from privacy.amounts import band
from privacy.hierarchies import MISSING, hour_of
from privacy.identifiers.keyed import TOKEN_DIGITS
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.rounding import MINUTE_MS
from privacy.table import Coded, PackedTable, RowTable, texts_of
from privacy.tokens import TokenKind
from veilocity.contracts import SCHEMA_VERSION, decode
from veilocity.errors import RejectError, RejectReason
from veilocity.geo import valid_coordinates

__all__ = ["MaskedColumns", "UnstoredMasker", "UnstoredPayments"]

_HOUR_MS = 3_600_000
_REMEMBERED = 200_000
"""Places and amounts kept with what they became; beyond so many they are begun anew."""
_Place = tuple[float | None, float | None]


class _Payment(msgspec.Struct, gc=False):
    id: str
    subject: str
    authorised_ms: int
    amount_minor: int
    currency: str
    category: str
    lat: float | None = None
    lon: float | None = None


class _Answer(msgspec.Struct, gc=False):
    transaction: _Payment
    verdict: Literal["flagged", "clear", "not-scorable"]
    """As text: a member of `Verdict` is ten times as slow to look up."""
    revision: int = 1
    schema: int = SCHEMA_VERSION


class MaskedColumns(msgspec.Struct, array_like=True):
    """First answers of one task that no store keeps, as columns."""

    runs: list[tuple[int, int]]
    """Kafka partition and number of rows that follow each other in offset order."""
    minutes_ms: bytes
    """8 bytes a row, little-endian."""
    table: PackedTable


class UnstoredMasker:
    """What one process needs to mask such payments: keys, and what was computed before. It is never pickled."""

    def __init__(self, ring: KeyRing, sink: str, cell_resolution: int) -> None:
        """Prepare.

        Args:
            ring: the keys.
            sink: whose pseudonyms are made: those that stay inside the stage.
            cell_resolution: of the finest cell that releases print.
        """
        self._always_ms = ring.from_ms(ring.versions[0])
        self._people = Pseudonymiser(ring, sink, 0)
        # A payment comes once: to remember it would only push people out.
        self._payments = Pseudonymiser(ring, sink, 0, cache_size=0)
        self._cell_resolution = cell_resolution
        self._cells: dict[_Place, str | None] = {}
        self._bands: dict[tuple[int, str], str] = {}

    def cells(self, places: list[_Place]) -> list[str | None]:
        """Return the cell of each place, None where it is out of range."""
        known = self._cells
        if len(known) >= _REMEMBERED:
            known.clear()
        for place in set(places) - known.keys():
            known[place] = self._cell(*place)
        return list(map(known.__getitem__, places))

    def bands(self, amounts: list[tuple[int, str]]) -> list[str]:
        """Return the narrowest band of each amount, in minor units and with its currency."""
        known = self._bands
        if len(known) >= _REMEMBERED:
            known.clear()
        for amount in set(amounts) - known.keys():
            known[amount] = band(*amount)
        return list(map(known.__getitem__, amounts))

    def people(self, subjects: list[str]) -> list[str]:
        """Return the pseudonym of each person."""
        return [token or "" for token in self._people.tokens(TokenKind.SUBJECT, subjects, self._always_ms)]

    def payments(self, ids: list[str]) -> list[str]:
        """Return the pseudonym of each payment."""
        return [token or "" for token in self._payments.tokens(TokenKind.TRANSACTION, ids, self._always_ms)]

    def _cell(self, lat: float | None, lon: float | None) -> str | None:
        if lat is None or lon is None:
            return MISSING
        return h3.latlng_to_cell(lat, lon, self._cell_resolution) if valid_coordinates(lat, lon) else None


class UnstoredPayments:
    """Collects the answers of one task; `finish` returns their rows."""

    def __init__(self, masker: UnstoredMasker) -> None:
        self._masker = masker
        self._decode = msgspec.json.Decoder(_Answer).decode
        self._runs: list[tuple[int, int]] = []
        self._answers: list[_Answer] = []
        self._cells: list[str] = []
        self.amended = 0

    def add(self, partition: int, values: Sequence[bytes | None], rejected: Counter[str]) -> None:
        """Take records of one partition in offset order; refused ones are counted by their reason."""
        answers = self._decoded(values, rejected)
        cells = self._masker.cells([(answer.transaction.lat, answer.transaction.lon) for answer in answers])
        known = [(answer, cell) for answer, cell in zip(answers, cells, strict=True) if cell is not None]
        rejected[RejectReason.INVALID_COORDINATES.value] += len(answers) - len(known)
        first = [pair for pair in known if pair[0].revision <= 1]
        self.amended += len(known) - len(first)
        self._answers += [answer for answer, _ in first]
        self._cells += [cell for _, cell in first]
        self._runs.append((partition, len(first)))

    def _decoded(self, values: Sequence[bytes | None], rejected: Counter[str]) -> list[_Answer]:
        with suppress(msgspec.MsgspecError, TypeError):
            answers = list(map(self._decode, values))  # type: ignore[arg-type]  # a record without a value is no JSON either
            if all(answer.schema <= SCHEMA_VERSION for answer in answers):
                return answers
        # Something is wrong with one of them: now each for itself.
        answers = []
        for value in values:
            try:
                answers.append(decode(value or b"", _Answer))
            except RejectError as error:
                rejected[error.reason.value] += 1
        return answers

    def finish(self) -> MaskedColumns:
        """Return the rows."""
        payments = [answer.transaction for answer in self._answers]
        times = np.array([payment.authorised_ms for payment in payments], dtype=np.int64)
        hours, hour_codes = np.unique(times // _HOUR_MS, return_inverse=True)
        people = Coded.of([payment.subject for payment in payments])
        table = RowTable(
            np.array(self._masker.payments([payment.id for payment in payments]), dtype=f"S{TOKEN_DIGITS}"),
            Coded(people.codes, texts_of(self._masker.people(people.values.tolist()))),
            (
                Coded.of(self._cells),
                Coded(hour_codes.astype(np.int32), texts_of(hour_of(hour * _HOUR_MS) for hour in hours.tolist())),
                Coded.of(self._masker.bands([(payment.amount_minor, payment.currency) for payment in payments])),
                Coded.of([payment.category for payment in payments]),
            ),
            Coded.of([answer.verdict for answer in self._answers]),
        )
        return MaskedColumns(self._runs, (times - times % MINUTE_MS).astype("<i8").tobytes(), table.packed())
