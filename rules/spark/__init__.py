"""The same engine on a cluster, for those who outgrow one machine (docs/adr/0007).

What the package promises: for the same events the same decisions and alerts as every other host. At least once: a repeated micro-batch
writes the same bytes again, so readers keep the highest revision of each id, as they must anyway.

    subjects    one subject's records of one micro-batch, pure
    processor   the same inside Spark, with the subject's state in Spark's state store
    stream      from a streaming DataFrame to results, and from Kafka to Kafka
    service     the whole as a process

Nothing is imported here: Spark's workers load the processor alone, and start a second sooner for it.
"""

from __future__ import annotations

__all__: list[str] = []
