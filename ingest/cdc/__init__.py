"""Payments from a table of PostgreSQL: the rows that are there, then every change by logical decoding. Needs the extra `postgres`.

The slot of the change log moves on only when Kafka has acknowledged what was read. So a feed that is killed reads some changes again;
what comes twice is dropped by the payment's id in the rules service.
"""

from ingest.cdc.mapping import Mapping
from ingest.cdc.pgoutput import Decoder
from ingest.cdc.service import run

__all__ = ["Decoder", "Mapping", "run"]
