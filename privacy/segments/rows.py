"""What runs in Spark's Python workers: answers to payments in, one masked row for each payment out.

A row has the stage's own pseudonym of the person, the minute, the centre of the cell, and the amount's logarithm: no identifier, and
nothing finer than what the stage keeps. Rows are in Spark's memory and scratch folder only, and gone with the run. A record that does not
decode was counted by the privacy stage, which reads the same topic, and is left out here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h3
import msgspec
import pyarrow as pa

from privacy.amounts import rounded_amount
from privacy.executor import innermost_place
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.rounding import minute_ms
from privacy.tokens import TokenKind
from veilocity.contracts import SCHEMA_VERSION, Channel, decode
from veilocity.errors import FatalError, RejectError, SchemaVersionError, VeilocityError
from veilocity.eventtime import window_start_ms
from veilocity.geo import valid_coordinates

__all__ = ["LOG_UNITS", "ROW_SCHEMA", "RowMaker", "is_night", "payment_ms"]

LOG_UNITS = 1_000_000
"""Logarithms of amounts are whole millionths: sums of integers are the same in any order."""
ROW_SCHEMA = "partition int, start_ms long, person string, minute_ms long, log_amount long, lat double, lon double, night int, online int"
_COLUMNS: dict[str, pa.DataType] = {
    "partition": pa.int32(),
    "start_ms": pa.int64(),
    "person": pa.string(),
    "minute_ms": pa.int64(),
    "log_amount": pa.int64(),
    "lat": pa.float64(),
    "lon": pa.float64(),
    "night": pa.int32(),
    "online": pa.int32(),
}
_ARROW_SCHEMA = pa.schema(_COLUMNS)
_HOUR_MS = 3_600_000
_DEGREES_PER_HOUR = 15.0
_NIGHT_FROM, _NIGHT_UNTIL = 22, 6
_SINK = "stage"
"""Pseudonyms that are in no document."""


class _Payment(msgspec.Struct, gc=False):
    subject: str
    authorised_ms: int
    amount_minor: int
    currency: str
    channel: str
    lat: float | None = None
    lon: float | None = None


class _Answer(msgspec.Struct, gc=False):
    transaction: _Payment
    revision: int = 1
    schema: int = SCHEMA_VERSION


def is_night(time_ms: int, lon: float | None) -> bool:
    """Say whether it is between 22 and 6 o'clock by the sun of a longitude, in degrees; without one, UTC.

    >>> is_night(23 * 3_600_000, None), is_night(12 * 3_600_000, None), is_night(12 * 3_600_000, 170.0)
    (True, False, True)
    """
    hour = (time_ms / _HOUR_MS + (lon or 0.0) / _DEGREES_PER_HOUR) % 24
    return hour >= _NIGHT_FROM or hour < _NIGHT_UNTIL


@lru_cache(maxsize=100_000)
def _centre(lat: float, lon: float, resolution: int) -> tuple[float, float]:
    centre_lat, centre_lon = h3.cell_to_latlng(h3.latlng_to_cell(lat, lon, resolution))
    return round(centre_lat, 5), round(centre_lon, 5)


@lru_cache(maxsize=2)
def _people(key_file: str) -> tuple[Pseudonymiser, int]:
    ring = KeyRing.from_file(Path(key_file))
    # The oldest key for ever, as in the stage: a person who pays on both sides of a change of keys counts once.
    return Pseudonymiser(ring, _SINK, 0), ring.from_ms(ring.versions[0])


@dataclass(frozen=True, slots=True)
class RowMaker:
    """The function for `DataFrame.mapInArrow` over the columns partition and value. It ships the path of the key ring, never a key.

    Args:
        key_path: file of the key ring, as the workers see it.
        width_ms: of a window.
        resolution: of the cells (H3) to whose centres places are moved.
    """

    key_path: str
    width_ms: int
    resolution: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Mask one task's records.

        Raises:
            FatalError: something unforeseen happened; its own message, which may hold a record, is left out.
        """
        try:
            for batch in batches:
                partitions: list[int] = batch.column("partition").to_numpy().tolist()
                values: list[bytes | None] = batch.column("value").to_numpy(zero_copy_only=False).tolist()
                yield self._masked(partitions, values)
        except VeilocityError:
            raise
        except Exception as error:
            raise FatalError(f"segmenting failed by {type(error).__name__} at {innermost_place(error)}: please report this") from None

    def _masked(self, partitions: list[int], values: list[bytes | None]) -> pa.RecordBatch:
        kept = [(partition, payment) for partition, value in zip(partitions, values, strict=True) if (payment := _first_answer(value))]
        maker, always_ms = _people(self.key_path)
        people = maker.tokens(TokenKind.SUBJECT, [payment.subject for _, payment in kept], always_ms)
        rows = [self._row(partition, payment, person) for (partition, payment), person in zip(kept, people, strict=True)]
        columns: list[tuple[object, ...]] = list(zip(*rows, strict=True)) if rows else [()] * len(_ARROW_SCHEMA)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _ARROW_SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=_ARROW_SCHEMA)

    def _row(self, partition: int, payment: _Payment, person: str | None) -> tuple[object, ...]:
        lat, lon = payment.lat, payment.lon
        here = _centre(lat, lon, self.resolution) if lat is not None and lon is not None and valid_coordinates(lat, lon) else (None, None)
        minute = minute_ms(payment.authorised_ms)
        amount = math.log(rounded_amount(payment.amount_minor, payment.currency))
        return (
            partition,
            window_start_ms(minute, self.width_ms),
            person,
            minute,
            round(amount * LOG_UNITS),
            *here,
            int(is_night(minute, here[1])),
            int(payment.channel == Channel.ECOMMERCE),
        )


def payment_ms(value: bytes | None) -> int | None:
    """Return the minute of a first answer's payment, in milliseconds; None of anything else.

    Raises:
        SchemaVersionError: the record was written by a newer version.
    """
    payment = _first_answer(value)
    return None if payment is None else minute_ms(payment.authorised_ms)


def _first_answer(value: bytes | None) -> _Payment | None:
    """Return the payment of a first answer; later answers speak of the same one, and money that comes back is no payment."""
    try:
        answer = decode(value or b"", _Answer)
    except SchemaVersionError:
        raise
    except RejectError:
        return None
    return answer.transaction if answer.revision <= 1 and answer.transaction.amount_minor > 0 else None
