"""The privacy stage's Spark session."""

from __future__ import annotations

from pyspark.sql import SparkSession

from privacy.executor import warm
from veilocity import spark
from veilocity.settings import Settings

__all__ = ["kafka_source_options", "start_session"]

_CONFIGURATION = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "200000",
    "spark.sql.streaming.minBatchesToRetain": "20",
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
}

_FETCH = {
    # The client's defaults, 500 records and a megabyte, are for programs that do more with each record than hand it on.
    "kafka.max.poll.records": "10000",
    "kafka.max.partition.fetch.bytes": "8388608",
}


def start_session(settings: Settings) -> SparkSession:
    """Start the session; the workers are started too, and have imported what masking needs."""
    session = spark.start_session(settings, "veilocity-privacy", settings.privacy_dir / "scratch", _CONFIGURATION)
    _warm_workers(session)
    return session


def _warm_workers(session: SparkSession) -> None:
    """Start a Python worker per core and let each import what masking needs, so that the first micro-batch need not."""
    cores = session.sparkContext.defaultParallelism
    session.range(0, cores, 1, cores).select("id").mapInArrow(warm, "id bigint").collect()


def kafka_source_options(settings: Settings, topics: list[str]) -> dict[str, str]:
    """Return the options of the stage's Kafka source: committed records only, from the beginning, and never silently fewer."""
    return {**spark.source_options(settings, topics), **_FETCH, "maxOffsetsPerTrigger": str(settings.privacy_batch_records)}
