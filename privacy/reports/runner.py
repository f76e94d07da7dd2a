"""What the reports run once Spark is there: terms, ledger, sinks, query, health, retention."""

from __future__ import annotations

import csv
import threading
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from privacy.heartbeat import newest_batch
from privacy.identifiers.keyring import KeyRing
from privacy.policy import compiled_policy
from privacy.process import await_topics, follow
from privacy.reports.columns import keyed, read_customers
from privacy.reports.events import Widths
from privacy.reports.high_value import read_thresholds
from privacy.reports.ledger import ReportLedger
from privacy.reports.parquet import ParquetFiles
from privacy.reports.publishing import Publisher
from privacy.reports.pulse import Marks
from privacy.reports.retention import Sweeper
from privacy.reports.stage import Sinks, Stage, start_query
from privacy.reports.state import ReportTerms
from storage.reports import ReportStore
from veilocity.errors import SettingsError, StoreUnavailableError
from veilocity.logs import get_logger
from veilocity.processes import answer
from veilocity.settings import Settings

__all__ = ["read_merchants", "run_query", "terms_of"]

_LOG = get_logger(__name__)
_PURPOSE = "reports/people"
_ASK_AGAIN_S = 1.0


def run_query(settings: Settings, spark: SparkSession, stop: threading.Event) -> None:
    """Run the query until `stop` is set or it fails.

    Raises:
        VeilocityError: what ended the query.
    """
    if not await_topics(settings, stop):
        return
    checkpoint = settings.reports_dir / "checkpoint"
    committed, begun = newest_batch(checkpoint / "commits"), newest_batch(checkpoint / "offsets")
    terms, key = terms_of(settings), _key(settings)
    ledger = ReportLedger(settings.reports_dir, terms)
    ledger.check(committed=committed, begun=begun)
    files, store = ParquetFiles(settings.reports_dir / "parquet"), ReportStore(settings)
    if committed < 0:
        files.begin_anew()
    failures: list[BaseException] = []
    sweeper = Sweeper(settings, store, files)
    try:
        if not _await_store(store, stop):
            return
        marks = Marks(settings, failures.append)
        customers, hashes = _customers(spark, settings, key)
        stage = Stage(terms, ledger, Sinks(files, store, Publisher(settings)), marks, read_merchants(settings), hashes, stop)
        if committed >= 0:
            stage.resume(committed)
        query = start_query(spark, settings, key, customers, terms.cell_resolution, stage, marks, failures.append)
        marks.start()
        sweeper.start()
        answer(settings.reports_metrics_port, settings.metrics_host, "VEILOCITY_REPORTS_METRICS_PORT")
        _LOG.info("The reports run.")
        try:
            follow(query, stop, failures, "The reports stop.", marks.turn)
        finally:
            marks.stop()
    finally:
        sweeper.stop()
        store.close()


def terms_of(settings: Settings) -> ReportTerms:
    """Return what every window obeys.

    Raises:
        SettingsError: the policy or the key ring cannot be used.
    """
    releases = compiled_policy(settings).releases
    finest = releases.quasi_identifiers.cell[0]
    chosen = settings.reports_cell_resolution
    ring = KeyRing.from_file(settings.token_key_file)
    return ReportTerms(
        k=releases.k,
        widths=Widths(settings.reports_stretch, settings.reports_delay_s, settings.reports_join_s),
        high_value=read_thresholds(settings.reports_high_value),
        cell_resolution=finest if chosen is None else min(chosen, finest),
        # A version that is added later must not make one person two: the oldest is used throughout.
        key_check=ring.oldest(1).check_value(),
    )


def read_merchants(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return name and category by merchant, from the file that the setting names.

    Raises:
        SettingsError: the file cannot be read, or lacks a column.
    """
    file = settings.reports_merchants_file
    if not file:
        return {}
    try:
        with Path(file).open(encoding="utf-8", newline="") as stream:
            return {row["merchant"]: (row["name"], row["category"]) for row in csv.DictReader(stream)}
    except (OSError, ValueError, KeyError) as cause:
        raise SettingsError(
            f"VEILOCITY_REPORTS_MERCHANTS_FILE cannot be read ({type(cause).__name__}): write a CSV file of merchant,name,category"
        ) from cause


def _key(settings: Settings) -> bytes:
    ring = KeyRing.from_file(settings.token_key_file)
    return ring.key(_PURPOSE, version=ring.versions[0])


def _customers(spark: SparkSession, settings: Settings, key: bytes) -> tuple[DataFrame | None, frozenset[str]]:
    file = settings.reports_customers_file
    if not file:
        return None, frozenset()
    try:
        with Path(file).open(encoding="utf-8", newline="") as stream:
            header = next(csv.reader(stream), [])
    except (OSError, ValueError) as cause:
        raise SettingsError(f"VEILOCITY_REPORTS_CUSTOMERS_FILE cannot be read ({type(cause).__name__})") from cause
    if not {"customer_id", "birthdate"} <= set(header):
        raise SettingsError("VEILOCITY_REPORTS_CUSTOMERS_FILE lacks a column: write a CSV file of customer_id,birthdate")
    people = read_customers(spark, Path(file).absolute().as_uri()).persist()
    rows = people.select(keyed(people["customer_id"], key, "person").alias("person")).collect()
    return people, frozenset(row.person for row in rows)


def _await_store(store: ReportStore, stop: threading.Event) -> bool:
    """Return True once MongoDB has the index; False when asked to stop before."""
    while not stop.is_set():
        try:
            store.ensure()
        except StoreUnavailableError:
            _LOG.info("Waiting for MongoDB.")
            stop.wait(_ASK_AGAIN_S)
        else:
            return True
    return False
