"""The Spark runner as a process: start, stop on a signal, fail loudly.

A failed query ends the process with a non-zero code, and the supervisor starts it again on the same checkpoint.
"""

from __future__ import annotations

import threading

from pyspark.sql.streaming.query import StreamingQuery

from rules.book import RuleBook
from rules.spark.stream import CONFIGURATION, start_query
from veilocity.errors import FatalError
from veilocity.kafka import wait_for_topics
from veilocity.logs import get_logger
from veilocity.processes import stop_on_signals
from veilocity.settings import Settings
from veilocity.spark import start_session

__all__ = ["run"]

_LOG = get_logger(__name__)
_POLL_S = 0.5


def run(settings: Settings, book: RuleBook, *, partitions: int, once: bool = False) -> None:
    """Run until SIGTERM or SIGINT, until the query fails, or, with `once`, until everything that Kafka holds is judged.

    Args:
        settings: Kafka, Spark and the folder of the checkpoint.
        book: rules in force.
        partitions: of the state; the first run decides, as the checkpoint holds it.
        once: do not wait for more.

    Raises:
        VeilocityError: what ended the query.
    """
    wait_for_topics(settings)
    folder = settings.data_dir / "rules-spark"
    configuration = {**CONFIGURATION, "spark.sql.shuffle.partitions": str(partitions)}
    spark = start_session(settings, "veilocity-rules", folder / "scratch", configuration)
    try:
        # Once Spark is up, which puts a handler of its own on SIGINT.
        stop = stop_on_signals()
        query = start_query(spark, settings, book, folder / "checkpoint", once=once)
        _LOG.info("The rules run on Spark.", version=book.version)
        _follow(query, stop)
    finally:
        spark.stop()


def _follow(query: StreamingQuery, stop: threading.Event) -> None:
    while query.isActive and not stop.is_set():
        stop.wait(_POLL_S)
    if stop.is_set():
        _LOG.info("The rules on Spark stop.")
        query.stop()
    elif query.exception() is not None:
        # Spark's own text may quote records, so it is not repeated; its lines in this log are scrubbed by their pattern.
        raise FatalError("Spark ended the query: the lines of Spark above in this log say why")
