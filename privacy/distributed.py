"""The executor form: regions of a large window are anonymised and verified by Spark's Python workers, with the same result.

A worker gets whole regions and gives classes as places in them, so that little comes back. It verifies what it found; a class that fails
is told as a fault, for the driver to stop the service. The driver looks at people, members, l, t and disjointness once more, and it alone
writes releases (`privacy.releases.release`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import pyarrow as pa
from pyspark.sql import SparkSession

from privacy.anonymity import AnonymousClass
from privacy.regions import Found, Region, anonymise_region
from privacy.releases import verify
from veilocity.errors import FatalError, UnsafeReleaseError

__all__ = ["Executors", "search_regions", "verified_region"]

_SCHEMA = "place bigint, packed binary"
_FIELDS: dict[str, pa.DataType] = {"place": pa.int64(), "packed": pa.binary()}
_ARROW_SCHEMA = pa.schema(_FIELDS)
_encoder = msgspec.msgpack.Encoder()
_region_decoder = msgspec.msgpack.Decoder(Region)
_found_decoder = msgspec.msgpack.Decoder(Found)


def verified_region(region: Region) -> Found:
    """Return the classes of one region, proven from its rows; or why one failed."""
    found = anonymise_region(region)
    classes = [AnonymousClass(printed, tuple(region.rows[place] for place in places)) for printed, places in found.classes]
    try:
        verify(classes, region.limits, region.rows, region.whole, region.time_level)
    except UnsafeReleaseError as fault:
        return Found([], str(fault))
    return found


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
            packed = [_encoder.encode(verified_region(_region_decoder.decode(one))) for one in sent]
        except Exception as error:
            raise FatalError(f"anonymising a region failed by {type(error).__name__}: please report this") from None
        yield pa.RecordBatch.from_arrays([pa.array(places, pa.int64()), pa.array(packed, pa.binary())], schema=_ARROW_SCHEMA)


class Executors:
    """Anonymises regions by one Spark job, a task for each region."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def __call__(self, regions: Sequence[Region]) -> list[Found]:
        """Return what each region gives, in their order."""
        sent = [(place, bytearray(_encoder.encode(region))) for place, region in enumerate(regions)]
        table = self._spark.sparkContext.parallelize(sent, len(sent)).toDF(_SCHEMA)
        rows = table.mapInArrow(search_regions, _SCHEMA).collect()
        return [_found_decoder.decode(bytes(row.packed)) for row in sorted(rows, key=lambda row: int(row.place))]
