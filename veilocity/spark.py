"""How every room starts Spark: small where it is local, quiet, unable to print what it processes, and joined to Kafka.

A room adds what its own query needs; nothing here knows what runs on the session.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from veilocity.settings import Settings

__all__ = ["CONNECTOR", "LOG_SETTINGS", "kafka_options", "source_options", "start_session", "stop_whole"]

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
LOG_SETTINGS = f"""\
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
logger.state.name = org.apache.spark.sql.execution.python.streaming.TransformWithStateInPandasStateServer
logger.state.level = error
"""

_JAVA_ENDS_WITHIN_S = 10.0
_LOCAL_CHECKPOINT = {
    # Measured on a busy machine: 60 ms a commit instead of 460 with the default. Both rename, and a rename on a local disk is atomic.
    "spark.sql.streaming.checkpointFileManagerClass": "org.apache.spark.sql.execution.streaming.FileSystemBasedCheckpointFileManager",
}


def start_session(settings: Settings, name: str, scratch: Path, extra: Mapping[str, str]) -> SparkSession:
    """Start a session; its scratch folder is emptied first, because a killed session leaves files behind.

    Args:
        settings: master, driver and connector.
        name: of the application.
        scratch: folder for Spark's own files, of this session alone.
        extra: configuration that the room's query needs.
    """
    scratch = scratch.resolve()
    shutil.rmtree(scratch, ignore_errors=True)
    # A killed session's Java process may still be ending, and put a file back.
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_settings = scratch / "log4j2.properties"
    log_settings.write_text(LOG_SETTINGS, encoding="utf-8")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(settings.spark_master).appName(name)
    for option, value in {**_configuration(settings, scratch, log_settings), **extra}.items():
        builder = builder.config(option, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    return session


def stop_whole(session: SparkSession) -> None:
    """Stop the only session of this process, and its Java process, which `stop` leaves running; another one may be started afterwards."""
    gateway: Any = SparkContext._gateway  # noqa: SLF001  # PySpark has no other way
    # A Java process that was killed cannot be asked to stop.
    with suppress(Py4JError, OSError):
        session.stop()
    if gateway is None:
        return
    # Else PySpark would take the ended one up again.
    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001
    SparkContext._active_spark_context = None  # noqa: SLF001
    with suppress(Py4JError, OSError):
        gateway.shutdown()
    process: subprocess.Popen[bytes] = gateway.proc
    if process.stdin is not None:
        # At the end of its input the Java process ends by itself.
        process.stdin.close()
    try:
        process.wait(_JAVA_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
        "spark.sql.adaptive.enabled": "false",
        **(_LOCAL_CHECKPOINT if local else {}),
        "spark.sql.streaming.pollingDelay": "50ms",
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


def kafka_options(settings: Settings) -> dict[str, str]:
    """Return what Spark's Kafka source and sink need to reach the brokers."""
    options = {
        "kafka.bootstrap.servers": settings.kafka_bootstrap,
        "kafka.security.protocol": settings.kafka_security_protocol,
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


def source_options(settings: Settings, topics: list[str]) -> dict[str, str]:
    """Return the options of a Kafka source: committed records only, from the beginning, and never silently fewer."""
    return {
        **kafka_options(settings),
        "kafka.isolation.level": "read_committed",
        "subscribe": ",".join(topics),
        "startingOffsets": "earliest",
        "failOnDataLoss": "true",
    }


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
