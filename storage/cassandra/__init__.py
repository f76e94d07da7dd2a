"""Masked payments in Cassandra, one row each, kept equal to MongoDB's by a sink that follows it. Needs the extra `cassandra`.

What this sink promises:

- It reads what the privacy stage has released into MongoDB and nothing else: no raw identifier, exact place or exact time comes near it.
- Killed at any moment and started again, it leaves the rows that it would have left unkilled: a row is known by its payment and carries
  the number of its micro-batch as Cassandra's timestamp, so writing it again changes nothing and an older version never wins.
- What is erased in MongoDB, with a person or for its age, is erased here.
"""

from storage.cassandra.sink import Sink
from storage.cassandra.table import PaymentTable

__all__ = ["PaymentTable", "Sink"]
