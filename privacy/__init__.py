"""The privacy stage: everything that leaves Kafka passes here and comes out masked; what is released is proven safe first.

- Identifiers become keyed tokens, places cells, times minutes, before anything reaches the driver, a log, a checkpoint or a store.
- Releases are k-anonymous classes of closed event-time windows, counted in distinct people and verified from the rows.
- A repeated micro-batch writes the same documents: checkpoint and ledger give it the same records and the same past.

docs/privacy.md says what is guaranteed and what is not. `privacy.service.run` is the process; `privacy.releases.release` the only writer
of releases. Importing this package starts nothing and needs no Spark.
"""

from privacy.releases import ReleasedWindow, release, verify
from privacy.tokens import TokenKind

__all__ = ["ReleasedWindow", "TokenKind", "release", "verify"]
