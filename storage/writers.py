"""One door for writing: both stores at once, again and again until both have everything, and then the progress.

Order is the whole contract: the progress document is written last, after both stores have acknowledged, so whoever sees `progress.seq`
finds everything up to it in both stores, and a batch that was cut short is repeated by whoever holds its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import perf_counter

from storage.chunks import Work
from storage.documents import MaskedBatch
from storage.elastic import ELASTICSEARCH, ElasticStore
from storage.migrations import prepare_stores
from storage.mongo import MONGODB, MongoStore
from storage.patience import insist
from storage.refusals import Refusal, announce
from veilocity import metrics
from veilocity.errors import StoreUnavailableError
from veilocity.settings import Settings

__all__ = ["StoreWriter"]

_SECONDS = metrics.histogram("store_write_seconds", "Time until one store had one batch, retries included", "store")
_WRITTEN = metrics.counter("store_offered", "Documents offered to both stores, repeated ones included", "kind")


class StoreWriter:
    """Writes batches into MongoDB and Elasticsearch. One thread at a time; `stop` may be called from any."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet: the stores may still be starting.

        Raises:
            SettingsError: an address of a store cannot be read.
        """
        self._settings = settings
        self._mongo = MongoStore(settings)
        self._elastic = ElasticStore(settings)
        self._stop = Event()
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="elasticsearch")

    def ensure_schema(self) -> None:
        """Make collections, indexes and templates, and bring older stores up to date; wait for both stores.

        Raises:
            StateError: a store was written by a newer version, or is to be brought up to date by hand (`storage_migrate`).
            StoreUnavailableError: told to stop while waiting.
        """
        prepare_stores(self._settings, self._stop)

    def write(self, batches: Mapping[str, MaskedBatch]) -> None:
        """Return once each store holds its batch and MongoDB says so; a store that is down costs time only.

        Args:
            batches: for `mongodb` and `elasticsearch`; the progress is MongoDB's.

        Guarantee: writing a batch again changes nothing, also after later batches, and also if the first attempt was cut short anywhere.

        Raises:
            StoreUnavailableError: told to stop while waiting for a store; the batch counts as not written.
            StateError: a store refuses everything, for example because its schema is another one.
            SettingsError: a store refuses our user.
        """
        elastic = self._threads.submit(self._finish, ELASTICSEARCH, self._elastic.begin(batches[ELASTICSEARCH]))
        try:
            refused = list(self._finish(MONGODB, self._mongo.begin(batches[MONGODB])))
        except StoreUnavailableError:
            # Told to stop, perhaps by the other store's thread: then its reason is the reason.
            elastic.result()
            raise
        refused += elastic.result()
        if refused:
            announce(refused)
            insist(MONGODB, lambda: self._mongo.write_dead_letters(refused), self._stop)
        insist(MONGODB, lambda: self._mongo.write_progress(batches[MONGODB].progress), self._stop)
        for kind in ("transactions", "amendments", "alerts", "positions", "releases", "groups"):
            _WRITTEN.labels(kind=kind).inc(len(getattr(batches[MONGODB], kind)))

    def stop(self) -> None:
        """End all waiting: a `write` that waits for a store raises `StoreUnavailableError`."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and let the connections go."""
        self.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._mongo.close()
        self._elastic.close()

    def _finish(self, store: str, work: Work) -> list[Refusal]:
        """Return once the store has everything.

        If one store fails for good, the other one's thread must not go on waiting unseen.
        """
        started_s = perf_counter()
        try:
            return insist(store, work.go_on, self._stop, lambda: work.moved)
        except BaseException:
            self._stop.set()
            raise
        finally:
            _SECONDS.labels(store=store).observe(perf_counter() - started_s)
