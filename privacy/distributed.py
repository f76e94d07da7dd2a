"""The executor form: regions of a large window are anonymised and verified by Spark's Python workers, with the same result.

A worker gets whole regions and gives the number of each row's class, so that little comes back. It verifies what it found; a class that
fails is told as a fault, for the driver to stop the service. The driver looks at people, members, l, t and disjointness once more, and it
alone writes releases (`privacy.releases.release`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from privacy.anonymity import Classes, Limits
from privacy.hierarchies import QuasiIdentifiers
from privacy.regions import Found, Region, anonymise_region
from privacy.releases import verify
from privacy.table import PackedTable, RowTable
from veilocity.errors import FatalError, UnsafeReleaseError

__all__ = ["Executors", "packed_region", "search_regions", "unpacked_found", "verified_region"]

_SCHEMA = "place bigint, packed binary"
_FIELDS: dict[str, pa.DataType] = {"place": pa.int64(), "packed": pa.binary()}
_ARROW_SCHEMA = pa.schema(_FIELDS)
_LABEL = np.dtype("<i4")


class _SentRegion(msgspec.Struct, array_like=True):
    table: PackedTable
    limits: Limits
    time_level: int
    whole: dict[str, int]


class _SentFound(msgspec.Struct, array_like=True):
    labels: bytes
    printed: list[QuasiIdentifiers]
    fault: str


_encoder = msgspec.msgpack.Encoder()
_region_decoder = msgspec.msgpack.Decoder(_SentRegion)
_found_decoder = msgspec.msgpack.Decoder(_SentFound)


def verified_region(region: Region) -> Found:
    """Return the classes of one region, proven from its rows; or why one failed."""
    found = anonymise_region(region)
    try:
        verify(found.classes, region.limits, region.table, region.whole, region.time_level)
    except UnsafeReleaseError as fault:
        return Found(Classes(np.full(region.table.count, -1, dtype=np.int64), []), str(fault))
    return found


def _searched(sent: bytes) -> bytes:
    region = _region_decoder.decode(sent)
    found = verified_region(Region(RowTable.unpacked(region.table), region.limits, region.time_level, region.whole))
    return _encoder.encode(_SentFound(found.classes.labels.astype(_LABEL).tobytes(), found.classes.printed, found.fault))


def packed_region(region: Region) -> bytes:
    """Return a region as it is sent."""
    return _encoder.encode(_SentRegion(region.table.packed(), region.limits, region.time_level, region.whole))


def unpacked_found(packed: bytes) -> Found:
    """Return what a search sent back."""
    found = _found_decoder.decode(packed)
    return Found(Classes(np.frombuffer(found.labels, dtype=_LABEL).astype(np.int64), found.printed), found.fault)


def search_regions(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Anonymise the regions of one task: the function for `DataFrame.mapInArrow` over place and packed region.

    Raises:
        FatalError: something unforeseen happened; its own message, which may hold a row, is left out.
    """
    for batch in batches:
        columns = batch.to_pydict()
        places: list[int] = columns["place"]
        sent: list[bytes] = columns["packed"]
        try:
            packed = list(map(_searched, sent))
        except Exception as error:
            raise FatalError(f"anonymising a region failed by {type(error).__name__}: please report this") from None
        yield pa.RecordBatch.from_arrays([pa.array(places, pa.int64()), pa.array(packed, pa.binary())], schema=_ARROW_SCHEMA)


class Executors:
    """Anonymises regions by one Spark job, a task for each region."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def __call__(self, regions: Sequence[Region]) -> list[Found]:
        """Return what each region gives, in their order."""
        sent = [(place, bytearray(packed_region(region))) for place, region in enumerate(regions)]
        table = self._spark.sparkContext.parallelize(sent, len(sent)).toDF(_SCHEMA)
        rows = table.mapInArrow(search_regions, _SCHEMA).collect()
        return [unpacked_found(bytes(row.packed)) for row in sorted(rows, key=lambda row: int(row.place))]
