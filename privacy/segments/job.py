"""One run: read the topic by Spark, find the windows that are due, and release each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from privacy.policy import compiled_policy
from privacy.segments.behaviour import behaviour_of, standardised, summed
from privacy.segments.clusters import Labels, clustered
from privacy.segments.groups import Group, averages, grouped
from privacy.segments.naming import named, words
from privacy.segments.rows import ROW_SCHEMA, RowMaker
from privacy.segments.schedule import Extent, due, free
from storage.segments import Segment, SegmentsDocument
from veilocity import spark as kernel_spark
from veilocity.kafka import first_offsets, topic_name
from veilocity.settings import Settings
from veilocity.topics import DECISIONS

__all__ = ["HOUR_MS", "Store", "document_of", "release_due"]

HOUR_MS = 3_600_000


class Store(Protocol):
    """What a run needs of `storage.segments_writer.SegmentStore`."""

    def released(self) -> dict[int, int]:
        """Return the ends of the windows that were released, by their starts."""

    def before(self, start_ms: int) -> SegmentsDocument | None:
        """Return the newest document of a window that began earlier."""

    def write(self, document: SegmentsDocument) -> bool:
        """Write a document if its window has none; return whether it had none."""


def release_due(settings: Settings, spark: SparkSession, store: Store) -> list[SegmentsDocument]:
    """Release the segments of every window that is due and was not released; return them, oldest first.

    Raises:
        BrokerUnavailableError: Kafka does not answer.
        StoreUnavailableError: the store does not answer; what was written stays.
        UnsafeReleaseError: a segment failed its proof.
    """
    policy = compiled_policy(settings)
    width_ms, k = settings.segments_window_hours * HOUR_MS, policy.releases.k
    cut = {partition for partition, offset in first_offsets(settings, DECISIONS).items() if offset > 0}
    rows = _rows(settings, spark, width_ms, policy.releases.quasi_identifiers.cell[0]).persist()
    try:
        starts, extents = _extents(rows, cut)
        delay_ms, idle_ms = policy.releases.delay_s * 1000, policy.releases.idle_s * 1000
        todo = free(due(starts, extents, width_ms, delay_ms, idle_ms), width_ms, store.released())
        found = []
        for start_ms in todo:
            sums = summed(rows.where(sql.col("start_ms") == start_ms)).toArrow()
            document = _document(spark, sums, start_ms, settings, k, store.before(start_ms))
            if store.write(document):
                found.append(document)
        return found
    finally:
        rows.unpersist()


def _rows(settings: Settings, spark: SparkSession, width_ms: int, resolution: int) -> DataFrame:
    options = {**kernel_spark.source_options(settings, [topic_name(settings, DECISIONS)]), "endingOffsets": "latest"}
    records = spark.read.format("kafka").options(**options).load().select("partition", "value")
    maker = RowMaker(str(settings.token_key_file.resolve()), width_ms, resolution)
    return records.coalesce(spark.sparkContext.defaultParallelism).mapInArrow(maker, ROW_SCHEMA)


def _extents(rows: DataFrame, cut: Iterable[int]) -> tuple[list[int], dict[int, Extent]]:
    """Return the starts of all windows, and what each partition holds."""
    told = rows.groupBy("partition", "start_ms").agg(sql.min("minute_ms").alias("oldest"), sql.max("minute_ms").alias("newest")).collect()
    extents: dict[int, Extent] = {}
    for row in told:
        known = extents.get(row.partition, Extent(row.oldest, row.newest, row.partition in cut))
        extents[row.partition] = Extent(min(known.oldest_ms, row.oldest), max(known.newest_ms, row.newest), known.is_cut)
    return [row.start_ms for row in told], extents


def _document(
    spark: SparkSession, sums: pa.Table, start_ms: int, settings: Settings, k: int, before: SegmentsDocument | None
) -> SegmentsDocument:
    width_ms = settings.segments_window_hours * HOUR_MS
    behaviour = behaviour_of(sums, width_ms, settings.segments_fewest_payments)
    features = behaviour.features
    if len(features) < k:
        return document_of(start_ms, start_ms + width_ms, [], behaviour.too_few + len(features), k, before)
    vectors = standardised(features)
    labels: Labels = clustered(spark, vectors, settings.segments_most)
    rows = grouped(vectors, labels, k)
    return document_of(start_ms, start_ms + width_ms, averages(features, rows, k), behaviour.too_few, k, before)


def document_of(
    start_ms: int, end_ms: int, groups: list[Group], suppressed: int, k: int, before: SegmentsDocument | None
) -> SegmentsDocument:
    """Return the document of one window; pure.

    Args:
        start_ms: of the window.
        end_ms: of the window.
        groups: of `averages`.
        suppressed: people in no segment.
        k: fewest people.
        before: of the window before, for the letters.
    """
    known = {} if before is None else {one.segment: _group(one) for one in before.segments}
    letters = named(groups, known)
    segments = [
        msgspec.convert({"segment": letter, "words": words(group, groups), **group._asdict()}, Segment) for letter, group in letters.items()
    ]
    return SegmentsDocument(start_ms, end_ms, sum(group.people for group in groups), suppressed, k, tuple(segments))


def _group(segment: Segment) -> Group:
    return Group._make(getattr(segment, name) for name in Group._fields)
