"""The streaming query: one Structured Streaming query over `decisions`, `alerts`, `fixes` and `heartbeats`, one Spark job per micro-batch.

Order in a micro-batch: mask on the executors; load the state its predecessor left; erase whom it was told to; stage; close windows; draw
the noise of their counts; write the stores, progress last; write the ledger; return, upon which Spark commits. A crash at any point repeats
the micro-batch with the same records and the same past, so it writes the same documents again (docs/adr/0004).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from privacy.batch import ClosedWindow, absorb, close_window, concluded, hold
from privacy.counting import Counting
from privacy.executor import PART_SCHEMA, PartMasker, decode_part
from privacy.heartbeat import read_positions
from privacy.ledger import Ledger
from privacy.masking import MONGODB
from privacy.parts import MaskedPart, Source
from privacy.policy import Policy
from privacy.pulse import Pulse
from privacy.regions import Regional, here
from privacy.session import kafka_source_options
from privacy.state import StageState, sequence_of
from privacy.table import RowTable
from privacy.telemetry import Telemetry
from storage.documents import AggregateDocument, MaskedBatch, Progress
from veilocity.kafka import topic_name
from veilocity.settings import Settings
from veilocity.topics import ALERTS, DECISIONS, FIXES, HEARTBEATS

__all__ = ["QUERY_NAME", "Stage", "Writer", "start_query"]

QUERY_NAME = "privacy"


class Writer(Protocol):
    """What the stage needs of the stores; `storage.writers.StoreWriter` is one."""

    def write(self, batches: Mapping[str, MaskedBatch]) -> None:
        """Return once every store has everything of its batch; writing it again changes nothing."""


class Stage:
    """Turns the masked parts of each micro-batch into documents, exactly once."""

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        writer: Writer,
        telemetry: Telemetry,
        clock_ms: Callable[[], int],
        regional: Regional = here,
        counting: Counting | None = None,
    ) -> None:
        """Make a stage.

        Args:
            policy: the promise.
            ledger: what earlier micro-batches left.
            writer: the stores.
            telemetry: is told what was written.
            clock_ms: the wall clock, for the progress document alone.
            regional: where regions of a large window are anonymised.
            counting: counts with noise; None where the policy publishes none.
        """
        self._regional = regional
        self._counting = counting
        self.policy = policy
        self._ledger = ledger
        self._writer = writer
        self._telemetry = telemetry
        self._clock_ms = clock_ms
        self._done = -1
        self._state: StageState | None = None

    def process(self, parts: Sequence[MaskedPart], batch: int, positions: Mapping[int, int]) -> Progress:
        """Write what a micro-batch gives, then its ledger entry; return the progress that was written.

        Args:
            parts: what the executors made of its records.
            batch: its number.
            positions: where it ends on each partition of `decisions`.

        Raises:
            StateError: the ledger does not hold what it should.
            UnsafeReleaseError: a class failed its proof.
            StoreUnavailableError: a store does not answer.
        """
        state = self._state_before(batch)
        seq = sequence_of(batch)
        self._ledger.purge(batch, state)
        erased = self._ledger.erase(batch, state)
        absorbed = absorb(state, parts, self.policy, positions, erased)
        self._ledger.stage(batch, 0, absorbed.staged)
        closed, entered = self._closed(state, batch)
        counted = state.counts
        aggregates: tuple[AggregateDocument, ...] = ()
        if self._counting:
            state.counts, aggregates = self._counting.closed(counted, entered, state.clock.closed_ms, seq)
        documents = concluded(state, parts, absorbed, closed, self.policy, seq, self._clock_ms(), aggregates)
        self._writer.write(documents)
        self._ledger.commit(batch, state, absorbed.new_places, [one.window for one in closed])
        if self._counting:
            self._counting.forget(counted)
        self._state, self._done = state, batch
        self._telemetry.batch_done(documents[MONGODB], state, [part.rejected for part in parts])
        self._telemetry.people_seen(parts)
        return state.progress

    def _closed(self, state: StageState, batch: int) -> tuple[list[ClosedWindow], dict[int, RowTable]]:
        """Close what the clock has passed, tier by tier: what a window holds back may be released by a wider one at once.

        Returns:
            What the windows gave, and the payments of those of tier 0 by their starts.
        """
        closed: list[ClosedWindow] = []
        entered: dict[int, RowTable] = {}
        for tier, windows in enumerate(state.open_windows):
            due = state.clock.newly_closed(self.policy.windows, tier, windows)
            now = []
            for window in due:
                rows = self._ledger.staged(tier, window.start_ms, windows[window.start_ms])
                if not tier:
                    entered[window.start_ms] = rows.table
                salt = self._ledger.salt(window)
                now.append(close_window(rows, self.policy, window, sequence_of(batch), salt, self._regional))
            self._ledger.stage(batch, tier + 1, hold(state, self.policy, now))
            closed.extend(now)
        return closed, entered

    def _state_before(self, batch: int) -> StageState:
        state, self._state = self._state, None
        # The sketches are changed in place: the state in memory serves the next micro-batch only, never a repeated one.
        if state is not None and self._done == batch - 1:
            return state
        return self._ledger.load(batch - 1)


def start_query(
    spark: SparkSession,
    settings: Settings,
    masker: Callable[[int, dict[str, Source]], PartMasker],
    stage: Stage,
    telemetry: Telemetry,
    checkpoint: Path,
    pulse: Pulse,
    failed: Callable[[BaseException], None],
) -> StreamingQuery:
    """Start the query and return it at once.

    Args:
        spark: session with the Kafka connector.
        settings: topics, batch size, trigger.
        masker: gives what executors mask a micro-batch with, by its number and what each topic holds.
        stage: what happens to each micro-batch.
        telemetry: is told how long each one took.
        checkpoint: Spark's folder for offsets and commits.
        pulse: is told where the stage is after each one.
        failed: is told the error that ends the query, because Spark passes on its text only.
    """
    sources: dict[str, Source] = {
        topic_name(settings, DECISIONS): "decisions",
        topic_name(settings, ALERTS): "alerts",
        topic_name(settings, FIXES): "fixes",
        topic_name(settings, HEARTBEATS): "heartbeats",
    }
    tasks = spark.sparkContext.defaultParallelism

    def run_batch(frame: DataFrame, batch: int) -> None:
        try:
            began = time.monotonic()
            # Without a shuffle: each task reads several Kafka partitions, and there is one Python start per core, not per partition.
            rows = frame.coalesce(tasks).mapInArrow(masker(batch, sources), PART_SCHEMA).collect()
            masked = time.monotonic()
            positions = read_positions(checkpoint, batch, topic_name(settings, DECISIONS))
            progress = stage.process([decode_part(bytes(row.part)) for row in rows], batch, positions)
            pulse.at(positions, progress.pending)
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
