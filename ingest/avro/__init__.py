"""The outside world in Avro: payments of other systems come in, decisions go out, each under a schema that a registry keeps.

What this part promises:

- Every record of `payments-avro` ends on `transactions` or, with a reason, on `rejects`; every decision ends on `decisions-avro`. Each does
  so once for readers of committed records, however often the feed is killed: results and offsets are one Kafka transaction.
- A payment passes the same checks as over HTTP.
- A schema that readers of the one before could not follow is refused by the registry before anything is written.

Needs the extra `avro`.
"""

from ingest.avro.schemas import Payment, avro_schema

__all__ = ["Payment", "avro_schema"]
