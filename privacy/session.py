"""The Spark session: small, on loopback, quiet, and unable to print what it processes."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from privacy.executor import warm
from veilocity.settings import Settings

__all__ = ["CONNECTOR", "kafka_source_options", "start_session"]

CONNECTOR = (
    "org.apache.spark:spark-sql-kafka-0-10_2.13:4.0.0",
    "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.0.0",
    "org.apache.kafka:kafka-clients:3.9.1",
    "org.apache.commons:commons-pool2:2.12.0",
)
"""The Kafka connector of this Spark line (docs/adr/0003)."""
_EXCLUDED = (
    # Part of pyspark's own jars; Ivy would fetch them a second time.
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
    "org.scala-lang.modules:scala-parallel-collections_2.13",
    "org.slf4j:slf4j-api",
    "org.lz4:lz4-java",
    "org.xerial.snappy:snappy-java",
    "com.github.luben:zstd-jni",
    "com.google.code.findbugs:jsr305",
)
# What Spark or the Kafka client quotes may come from a record: long hexadecimal runs, long numbers, addresses and coordinates are hidden.
# Hexadecimal first: an alternative before it would take its leading digits and leave the rest.
_LOG_SUSPECT = r"[0-9a-fA-F-]{16,}|\d(?:[ -]?\d){8,}|\S+@\S+|-?\d+\.\d{3,}"
_LOG_PATTERN = "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %c{1} %replace{%m %ex{6}}{" + _LOG_SUSPECT.replace("\\", "\\\\") + "}{[hidden]}%n"
_LOG_SETTINGS = f"""\
status = warn
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = {_LOG_PATTERN}
appender.console.layout.alwaysWriteExceptions = false
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.kafka.name = org.apache.kafka
logger.kafka.level = error
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.admin.name = org.apache.spark.sql.kafka010
logger.admin.level = error
logger.utils.name = org.apache.spark.util.Utils
logger.utils.level = error
logger.resolve.name = org.apache.spark.sql.execution.streaming.ResolveWriteToStream
logger.resolve.level = error
"""

_LOCAL_CHECKPOINT = {
    # Measured on a busy machine: 60 ms a commit instead of 460 with the default. Both rename, and a rename on a local disk is atomic.
    "spark.sql.streaming.checkpointFileManagerClass": "org.apache.spark.sql.execution.streaming.FileSystemBasedCheckpointFileManager",
}


def start_session(settings: Settings) -> SparkSession:
    """Start the session; its scratch folder is emptied first, because a killed session leaves files behind.

    The workers are started too, and have imported what masking needs.
    """
    scratch = settings.privacy_dir.resolve() / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    # A killed session's Java process may still be ending, and put a file back.
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_settings = scratch / "log4j2.properties"
    log_settings.write_text(_LOG_SETTINGS, encoding="utf-8")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(settings.spark_master).appName("veilocity-privacy")
    for name, value in _configuration(settings, scratch, log_settings).items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    _warm_workers(session)
    return session


def _warm_workers(session: SparkSession) -> None:
    """Start a Python worker per core and let each import what masking needs, so that the first micro-batch need not."""
    cores = session.sparkContext.defaultParallelism
    session.range(0, cores, 1, cores).select("id").mapInArrow(warm, "id bigint").collect()


def _configuration(settings: Settings, scratch: Path, log_settings: Path) -> dict[str, str]:
    local = settings.spark_master.startswith("local")
    java_options = f"-Dlog4j2.configurationFile={log_settings.as_uri()} -Djava.io.tmpdir={scratch}"
    if local:
        # One small job per micro-batch: the second compiler costs more of two shared cores than its code gives back.
        java_options += " -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    return {
        "spark.driver.host": settings.spark_driver_host,
        "spark.driver.bindAddress": "127.0.0.1" if local else "0.0.0.0",  # noqa: S104  # executors of a cluster must reach the driver
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.extraJavaOptions": java_options,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.eventLog.enabled": "false",
        "spark.redaction.regex": "(?i)secret|password|token|access[.]?key|sasl|jaas",
        "spark.python.worker.reuse": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "200000",
        "spark.sql.streaming.minBatchesToRetain": "20",
        **(_LOCAL_CHECKPOINT if local else {}),
        "spark.sql.streaming.pollingDelay": "50ms",
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.sql.streaming.metricsEnabled": "false",
        "spark.sql.streaming.numRecentProgressUpdates": "2",
        "spark.sql.streaming.stopTimeout": "3000",
        **_jars(settings.spark_jars, local),
    }


def _jars(spark_jars: str, local: bool) -> dict[str, str]:
    if not spark_jars:
        return {"spark.jars.packages": ",".join(CONNECTOR), "spark.jars.excludes": ",".join(_EXCLUDED)}
    if local:
        # On the class path they are not copied through the driver's file server first.
        return {"spark.driver.extraClassPath": os.pathsep.join(spark_jars.split(","))}
    return {"spark.jars": spark_jars}


def kafka_source_options(settings: Settings, topics: list[str]) -> dict[str, str]:
    """Return the options of Spark's Kafka source: committed records only, from the beginning, and never silently fewer."""
    options = {
        "kafka.bootstrap.servers": settings.kafka_bootstrap,
        "kafka.security.protocol": settings.kafka_security_protocol,
        "kafka.isolation.level": "read_committed",
        "subscribe": ",".join(topics),
        "startingOffsets": "earliest",
        "failOnDataLoss": "true",
        "maxOffsetsPerTrigger": str(settings.privacy_batch_records),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        module = "plain.PlainLoginModule" if settings.kafka_sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
        user, password = (_quoted(text) for text in (settings.kafka_username, settings.kafka_password.get_secret_value()))
        options["kafka.sasl.mechanism"] = settings.kafka_sasl_mechanism
        options["kafka.sasl.jaas.config"] = f"org.apache.kafka.common.security.{module} required username={user} password={password};"
    if settings.kafka_security_protocol.endswith("SSL") and settings.kafka_ca_file:
        options["kafka.ssl.truststore.type"] = "PEM"
        options["kafka.ssl.truststore.location"] = settings.kafka_ca_file
    return options


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
