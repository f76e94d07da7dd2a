"""Writes planned batches into both stores at a steady rate, as the privacy stage does: a process of its own, so that it can be killed.

It begins with the last batch that is complete, which it writes again, as Spark may.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from pathlib import Path

import msgspec

from benchmarks.storage_documents import BatchPlan, batch
from storage.elastic import ELASTICSEARCH
from storage.mongo import MONGODB
from storage.patience import insist
from storage.queries import Reader
from storage.writers import StoreWriter
from veilocity import settings as kernel_settings

__all__ = ["Order"]


class Order(msgspec.Struct, frozen=True):
    """What to write, where, and when."""

    settings: dict[str, str]
    """Those that are not as they come."""
    plan: BatchPlan
    enough: str
    """File that holds the number of batches to write, once somebody knows it."""
    interval_s: float
    """From one batch to the next."""
    began_s: float
    """When the first one is due, in seconds since 1970: a feeder that is late catches up."""


def main(order: Order) -> None:
    """Write what is missing."""
    settings = kernel_settings.load({}, **order.settings)
    reader, writer, never = Reader(settings), StoreWriter(settings), threading.Event()
    writer.ensure_schema()
    progress = insist(MONGODB, reader.progress, never)
    enough = Path(order.enough)
    for seq in itertools.count(progress.seq if progress else 0):
        if enough.exists() and seq >= int(enough.read_text(encoding="utf-8")):
            break
        time.sleep(max(0.0, order.began_s + seq * order.interval_s - time.time()))
        writer.write({store: batch(order.plan, seq, store) for store in (MONGODB, ELASTICSEARCH)})
    writer.close()
    reader.close()


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Order))
