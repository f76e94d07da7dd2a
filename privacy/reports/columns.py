"""What Spark does with the records of a micro-batch: columns in, columns out, no Python worker.

Records of `decisions` and `sessions` become one table, whose people are hashed with a key before they leave the executors; an age band
comes from a static table of customers by a join that keeps whoever is not in it. The hash is HMAC-SHA-256 (RFC 2104) out of two SHA-256 of
Spark's own, cut to 128 bits.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from privacy.reports.events import DECISIONS, SESSIONS, UNKNOWN
from veilocity.contracts import SCHEMA_VERSION, SessionEventType

__all__ = ["age_band", "events", "keyed", "read_customers"]

_DECISION = (
    "transaction STRUCT<id: STRING, subject: STRING, authorised_ms: BIGINT, amount_minor: BIGINT, currency: STRING, merchant: STRING, "
    "category: STRING, lat: DOUBLE, lon: DOUBLE, schema: INT>, verdict STRING, revision INT, schema INT"
)
_EVENT = "session STRING, subject STRING, type STRING, event_ms BIGINT, schema INT"
_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(value ^ pad for value in range(256)) for pad in (0x36, 0x5C))
_AGES = ((25, "under-25"), (35, "25-34"), (50, "35-49"), (65, "50-64"))
_OLDEST = "65-plus"


def keyed(text: Column, key: bytes, kind: str) -> Column:
    """Return the first 128 bits of HMAC-SHA-256(key, kind || 0x00 || text) as 32 hexadecimal digits; null stays null.

    Args:
        text: what to hash.
        key: 64 bytes at most.
        kind: keeps hashes of different things apart.
    """
    block = key.ljust(_BLOCK_BYTES, b"\x00")
    inner = F.sha2(F.concat(F.lit(bytearray(block.translate(_INNER) + kind.encode() + b"\x00")), text.cast("binary")), 256)
    return F.substring(F.sha2(F.concat(F.lit(bytearray(block.translate(_OUTER))), F.unhex(inner)), 256), 1, 32)


def age_band(birthdate: Column, event_ms: Column) -> Column:
    """Return the age band of a person at an event; `unknown` without a date, and for one that is none or lies ahead.

    Args:
        birthdate: as 1984-03-31.
        event_ms: milliseconds since 1970 UTC.
    """
    born = F.try_to_timestamp(birthdate, F.lit("yyyy-MM-dd"))
    years = F.floor(F.months_between(F.timestamp_millis(event_ms), born) / 12)
    band = F.when(years.isNull() | (years < 0), UNKNOWN)
    for below, name in _AGES:
        band = band.when(years < below, name)
    return band.otherwise(_OLDEST)


def read_customers(spark: SparkSession, file: str) -> DataFrame:
    """Return customer_id and birthdate, one row for each person: the static side of the join."""
    rows = spark.read.csv(file, header=True)
    return rows.groupBy("customer_id").agg(F.min("birthdate").alias("birthdate")).where(F.col("customer_id").isNotNull())


def events(frame: DataFrame, topics: dict[str, str], key: bytes, customers: DataFrame | None = None) -> DataFrame:
    """Return one row for each record of the two streams, readable or not.

    Args:
        frame: topic, partition, offset and value, as Kafka's source gives them.
        topics: `decisions` and `sessions` to their names on this cluster.
        key: of the hash.
        customers: as `read_customers` returns them.

    Returns:
        source, partition, offset; event_ms, null for a record that does not decode; first, false for a later answer to a payment;
        person, session, type; verdict, merchant, category, currency, amount_minor, band; lat and lon of flagged payments alone.
    """
    text = F.col("value").cast("string")
    parsed = frame.where(F.col("topic").isin(list(topics.values()))).select(
        F.when(F.col("topic") == topics[DECISIONS], DECISIONS).otherwise(SESSIONS).alias("source"),
        "partition",
        "offset",
        F.when(F.col("topic") == topics[DECISIONS], F.from_json(text, _DECISION)).alias("decision"),
        F.when(F.col("topic") == topics[SESSIONS], F.from_json(text, _EVENT)).alias("visit"),
    )
    flat = parsed.select(
        "source",
        "partition",
        "offset",
        F.when(_is_payment(), F.col("decision.transaction.authorised_ms")).when(_is_visit(), F.col("visit.event_ms")).alias("event_ms"),
        (F.coalesce(F.col("decision.revision"), F.lit(1)) == 1).alias("first"),
        F.coalesce(F.col("decision.transaction.subject"), F.col("visit.subject")).alias("subject"),
        keyed(F.col("visit.session"), key, "session").alias("session"),
        F.col("visit.type").alias("type"),
        F.col("decision.verdict").alias("verdict"),
        *(F.col(f"decision.transaction.{name}").alias(name) for name in ("merchant", "category", "currency", "amount_minor")),
        *(F.when(F.col("decision.verdict") == "flagged", F.col(f"decision.transaction.{name}")).alias(name) for name in ("lat", "lon")),
    )
    if customers is None:
        banded = flat.withColumn("band", F.lit(UNKNOWN))
    else:
        known = customers.withColumnRenamed("customer_id", "subject")
        banded = flat.join(F.broadcast(known), "subject", "left").withColumn("band", age_band(F.col("birthdate"), F.col("event_ms")))
    return banded.withColumn("person", keyed(F.col("subject"), key, "person")).drop("subject", "birthdate")


def _is_payment() -> Column:
    needed = ("id", "subject", "authorised_ms", "amount_minor", "currency", "merchant", "category")
    whole = F.col("decision.verdict").isNotNull()
    for name in needed:
        whole = whole & F.col(f"decision.transaction.{name}").isNotNull()
    return whole & _is_readable("decision.schema") & _is_readable("decision.transaction.schema")


def _is_visit() -> Column:
    known = F.col("visit.type").isin([kind.value for kind in SessionEventType])
    return F.col("visit.session").isNotNull() & F.col("visit.subject").isNotNull() & known & _is_readable("visit.schema")


def _is_readable(schema: str) -> Column:
    return F.coalesce(F.col(schema), F.lit(1)) <= SCHEMA_VERSION
