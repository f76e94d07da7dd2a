"""From a stream of records to a stream of results, on any streaming DataFrame; and the same from Kafka to Kafka."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql
from pyspark.sql.streaming.query import StreamingQuery

from rules.book import RuleBook
from rules.merge import FIX, PAYMENT
from rules.spark.processor import RECORD_SCHEMA, RESULT_SCHEMA, SubjectProcessor
from veilocity.kafka import topic_name
from veilocity.settings import Settings
from veilocity.spark import kafka_options, source_options
from veilocity.topics import FIXES, TRANSACTIONS

__all__ = ["CONFIGURATION", "results", "start_query"]

CONFIGURATION = {
    # The only store that has what `transformWithState` needs.
    "spark.sql.streaming.stateStore.providerClass": "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider",
    # Changes are written instead of whole files: a micro-batch touches few of many subjects.
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    # Who is to be forgotten can wait for the next records; an empty micro-batch after each would cost a second of theirs.
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
}
"""What the session must be started with."""
_RECORD_COLUMNS = [part.split()[0] for part in RECORD_SCHEMA.split(", ")]


def results(records: DataFrame, book: RuleBook, time_to_live_s: int, prefix: str = "") -> DataFrame:
    """Return decisions, alerts and rejects as rows (topic, key, value).

    Args:
        records: streaming, with columns key (the subject), value, topic, offset and timestamp (when Kafka took it).
        book: rules in force.
        time_to_live_s: a subject that was silent for so long, in time of `timestamp`, is forgotten. Records that are so much older than the
            newest are dropped by Spark, which counts them in `numRowsDroppedByWatermark`.
        prefix: of the topics, of those read and of those returned.
    """
    rank = sql.when(sql.col("topic") == prefix + TRANSACTIONS.name, PAYMENT).otherwise(FIX)
    judged = (
        records.withColumn("rank", rank)
        .select(*_RECORD_COLUMNS)
        .withWatermark("timestamp", f"{time_to_live_s} seconds")
        .groupBy("key")
        .transformWithStateInPandas(SubjectProcessor(book), RESULT_SCHEMA, outputMode="append", timeMode="eventTime")
    )
    return judged.withColumn("topic", sql.concat(sql.lit(prefix), sql.col("topic")))


def start_query(spark: SparkSession, settings: Settings, book: RuleBook, checkpoint: Path, *, once: bool = False) -> StreamingQuery:
    """Start to read `fixes` and `transactions` and to write `decisions`, `alerts` and `rejects`; return at once.

    A micro-batch takes everything that Kafka holds, and puts each subject's records in order. A limit would cut the two topics at different
    times, and a payment would be judged long before its fixes.

    Guarantee: at least once. A repeated micro-batch writes the same bytes again, so whoever keeps the highest revision of each id, as all
    readers of these topics must, ends with the same decisions and alerts.

    Args:
        spark: session started with `CONFIGURATION` and the Kafka connector.
        settings: brokers and topics.
        book: rules in force; those of a checkpoint may change only between micro-batches.
        checkpoint: folder of Spark's offsets, commits and states.
        once: end when everything that Kafka holds now is judged.
    """
    topics = [topic_name(settings, topic) for topic in (FIXES, TRANSACTIONS)]
    records = spark.readStream.format("kafka").options(**source_options(settings, topics)).load()
    writer = (
        results(records, book, settings.rules_state_ttl_s, settings.kafka_topic_prefix)
        .writeStream.queryName("rules")
        .format("kafka")
        .options(**kafka_options(settings))
        .option("checkpointLocation", str(checkpoint.resolve()))
        .outputMode("append")
    )
    writer = writer.trigger(availableNow=True) if once else writer.trigger(processingTime="0 seconds")
    return writer.start()
