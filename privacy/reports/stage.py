"""The streaming query of the reports: one query and one Spark job per micro-batch, whose windows are given out exactly once.

Order in a micro-batch: read by Spark; load the state its predecessor left; count; write Parquet, MongoDB and Kafka; write the ledger;
return, upon which Spark commits. A crash at any point repeats it with the same records, and every sink takes a window twice without harm.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from privacy.heartbeat import read_positions
from privacy.reports import telemetry
from privacy.reports.columns import events
from privacy.reports.events import DECISIONS, SESSIONS, source_of
from privacy.reports.ledger import ReportLedger
from privacy.reports.merchants import Described
from privacy.reports.parquet import ParquetFiles
from privacy.reports.publishing import Publisher
from privacy.reports.pulse import Marks
from privacy.reports.state import ReportState, ReportTerms, absorb
from privacy.reports.taking import Taken, taken
from storage.mongo import MONGODB
from storage.patience import insist
from storage.reports import ReportDocument, ReportStore
from veilocity import topics
from veilocity.kafka import topic_name
from veilocity.settings import Settings
from veilocity.spark import source_options

__all__ = ["QUERY_NAME", "Sinks", "Stage", "start_query"]

QUERY_NAME = "reports"


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where windows go."""

    files: ParquetFiles
    store: ReportStore
    publisher: Publisher


class Stage:
    """Turns what each micro-batch read into windows."""

    def __init__(
        self,
        terms: ReportTerms,
        ledger: ReportLedger,
        sinks: Sinks,
        marks: Marks,
        described: Described,
        customers: AbstractSet[str],
        stop: threading.Event,
    ) -> None:
        """Make a stage.

        Args:
            terms: of the reports.
            ledger: what earlier micro-batches left.
            sinks: where windows go.
            marks: what is known of silent partitions.
            described: names and categories of merchants.
            customers: hashes of the people whom the file of customers names.
            stop: set when the process is to end: waiting for a store ends too.
        """
        self._stop = stop
        self._terms = terms
        self._ledger = ledger
        self._sinks = sinks
        self._marks = marks
        self._described = described
        self._customers = customers
        self._done = -1
        self._state: ReportState | None = None

    def resume(self, batch: int) -> None:
        """Load the state after `batch`, so that silence may be noticed before the next micro-batch.

        Raises:
            StateError: the ledger does not hold it.
        """
        self._state, self._done = self._ledger.load(batch), batch
        self._marks.at(self._state.clock, self._state.waits)

    def process(self, found: Taken, batch: int, positions: Mapping[str, int], reading_s: float) -> None:
        """Count a micro-batch and give out the windows that it closes.

        Args:
            found: what was read.
            batch: its number.
            positions: where it ends on each partition of both topics.
            reading_s: how long Spark took.

        Raises:
            VeilocityError: the ledger or a sink failed.
        """
        began = time.monotonic()
        state, self._state = self._state, None
        # The state is changed in place: what is in memory serves the next micro-batch only, never a repeated one.
        if state is None or self._done != batch - 1:
            state = self._ledger.load(batch - 1)
        late_before = state.late.total()
        documents = absorb(state, found, positions, self._marks.known(), self._terms, self._described, self._customers)
        self._sinks.files.write(batch, documents)
        self._store(documents)
        self._sinks.publisher.publish(documents)
        self._ledger.commit(batch, state)
        self._state, self._done = state, batch
        self._marks.at(state.clock, state.waits)
        telemetry.told(found, documents, state.late.total() - late_before, reading_s, time.monotonic() - began)

    def _store(self, documents: Sequence[ReportDocument]) -> None:
        """Write to MongoDB, and wait for it as long as it is away: a process that began anew would only wait, too."""
        insist(MONGODB, lambda: self._sinks.store.write(documents), self._stop)


def start_query(
    spark: SparkSession,
    settings: Settings,
    key: bytes,
    customers: DataFrame | None,
    cell_resolution: int,
    stage: Stage,
    marks: Marks,
    failed: Callable[[BaseException], None],
) -> StreamingQuery:
    """Start the query and return it at once.

    Args:
        spark: session with the Kafka connector.
        settings: topics, batch size, trigger.
        key: of the hash of people.
        customers: the static side of the join; None without a file.
        cell_resolution: H3 resolution of flagged payments' places.
        stage: what happens to each micro-batch.
        marks: whose turn is taken.
        failed: is told the error that ends the query, because Spark passes on its text only.
    """
    names = {DECISIONS: topic_name(settings, topics.DECISIONS), SESSIONS: topic_name(settings, topics.SESSIONS)}
    checkpoint = settings.reports_dir / "checkpoint"

    def run_batch(frame: DataFrame, batch: int) -> None:
        try:
            with marks.turn:
                began = time.monotonic()
                found = taken(events(frame, names, key, customers).toArrow(), cell_resolution)
                stage.process(found, batch, positions_of(checkpoint, batch, names), time.monotonic() - began)
        except BaseException as error:
            failed(error)
            raise

    # Marks are read by whoever writes them; here they make a micro-batch when nothing else comes.
    sources = [*names.values(), topic_name(settings, topics.REPORT_MARKS)]
    options = {**source_options(settings, sources), "maxOffsetsPerTrigger": str(settings.reports_batch_records)}
    stream = spark.readStream.format("kafka").options(**options).load()
    return (
        stream.select("topic", "partition", "offset", "value")
        .writeStream.queryName(QUERY_NAME)
        .option("checkpointLocation", str(checkpoint.resolve()))
        .trigger(processingTime=f"{settings.reports_trigger_ms} milliseconds")
        .foreachBatch(run_batch)
        .start()
    )


def positions_of(checkpoint: Path, batch: int, names: Mapping[str, str]) -> dict[str, int]:
    """Return where a micro-batch ends on each partition of both topics.

    Raises:
        StateError: Spark's checkpoint is damaged.
    """
    return {
        source_of(source, partition): end
        for source, name in names.items()
        for partition, end in read_positions(checkpoint, batch, name).items()
    }
