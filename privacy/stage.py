"""The streaming query: one Structured Streaming query over `decisions`, `alerts` and `fixes`, one Spark job per micro-batch.

Order in a micro-batch: mask on the executors; load the state its predecessor left; stage; close windows; write the stores, progress
last; write the ledger; return, upon which Spark commits. A crash at any point repeats the micro-batch with the same records and the same
past, so it writes the same documents again (docs/adr/0004).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from privacy.batch import absorb, close_window, concluded
from privacy.executor import PART_SCHEMA, PartMasker, decode_part
from privacy.ledger import Ledger
from privacy.parts import MaskedPart, Source
from privacy.policy import Policy
from privacy.session import kafka_source_options
from privacy.state import StageState, sequence_of
from privacy.telemetry import Telemetry
from storage.documents import MaskedBatch
from veilocity.kafka import topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS, FIXES

__all__ = ["QUERY_NAME", "Stage", "Writer", "start_query"]

QUERY_NAME = "privacy"


class Writer(Protocol):
    """What the stage needs of the stores; `storage.writers.StoreWriter` is one."""

    def write(self, batch: MaskedBatch) -> None:
        """Return once every store has everything of the batch; writing it again changes nothing."""


class Stage:
    """Turns the masked parts of each micro-batch into documents, exactly once."""

    def __init__(self, policy: Policy, ledger: Ledger, writer: Writer, telemetry: Telemetry, clock_ms: Callable[[], int]) -> None:
        self._policy = policy
        self._ledger = ledger
        self._writer = writer
        self._telemetry = telemetry
        self._clock_ms = clock_ms
        self._done = -1
        self._state: StageState | None = None

    def process(self, parts: Sequence[MaskedPart], batch: int) -> None:
        """Write what a micro-batch gives, then its ledger entry.

        Raises:
            StateError: the ledger does not hold what it should.
            UnsafeReleaseError: a class failed its proof.
            StoreUnavailableError: a store does not answer.
        """
        state = self._state_before(batch)
        seq = sequence_of(batch)
        absorbed = absorb(state, parts, self._policy)
        self._ledger.stage(batch, absorbed.staged)
        closed = [
            close_window(self._ledger.staged(window, state.open_windows[window]), self._policy, window, seq)
            for window in state.clock.newly_closed(self._policy.windows, state.open_windows)
        ]
        documents = concluded(state, parts, absorbed, closed, seq, self._clock_ms())
        self._writer.write(documents)
        self._ledger.commit(batch, state, absorbed.new_places, [window.start_ms for window in closed])
        self._state, self._done = state, batch
        self._telemetry.batch_done(documents, state, [part.rejected for part in parts])

    def _state_before(self, batch: int) -> StageState:
        state, self._state = self._state, None
        # The sketches are changed in place: the state in memory serves the next micro-batch only, never a repeated one.
        if state is not None and self._done == batch - 1:
            return state
        return self._ledger.load(batch - 1)


def start_query(
    spark: SparkSession,
    settings: Settings,
    stage: Stage,
    telemetry: Telemetry,
    checkpoint: Path,
    failed: Callable[[BaseException], None],
) -> StreamingQuery:
    """Start the query and return it at once.

    Args:
        spark: session with the Kafka connector.
        settings: topics, batch size, trigger.
        stage: what happens to each micro-batch.
        telemetry: is told how long each one took.
        checkpoint: Spark's folder for offsets and commits.
        failed: is told the error that ends the query, because Spark passes on its text only.
    """
    sources: dict[str, Source] = {
        topic_name(settings, DECISIONS): "decisions",
        topic_name(settings, ALERTS): "alerts",
        topic_name(settings, FIXES): "fixes",
    }
    tasks = spark.sparkContext.defaultParallelism
    key_file = settings.token_key_file.resolve()

    def run_batch(frame: DataFrame, batch: int) -> None:
        try:
            began = time.monotonic()
            masker = PartMasker(str(key_file), settings.privacy_cell_resolution, sequence_of(batch), sources)
            # Without a shuffle: each task reads several Kafka partitions, and there is one Python start per core, not per partition.
            rows = frame.coalesce(tasks).mapInArrow(masker, PART_SCHEMA).collect()
            masked = time.monotonic()
            stage.process([decode_part(bytes(row.part)) for row in rows], batch)
            telemetry.batch_took(masked - began, time.monotonic() - masked)
        except BaseException as error:
            failed(error)
            raise

    stream = spark.readStream.format("kafka").options(**kafka_source_options(settings, list(sources))).load()
    return (
        stream.select("topic", "partition", "offset", "value")
        .writeStream.queryName(QUERY_NAME)
        .option("checkpointLocation", str(checkpoint.resolve()))
        .trigger(processingTime=f"{settings.privacy_trigger_ms} milliseconds")
        .foreachBatch(run_batch)
        .start()
    )
