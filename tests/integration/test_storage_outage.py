"""A store that is down costs delay, never data: real servers of this test alone, killed and started again on the same data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep

import pytest
from prometheus_client import REGISTRY

from devstack import Stack
from storage.queries import Reader
from storage.writers import StoreWriter
from tests.integration.storage_world import batch, both, elasticsearch_dump, mongodb_contents, writing
from veilocity import settings as kernel_settings
from veilocity.errors import StoreUnavailableError

pytestmark = pytest.mark.services
_BATCHES = 30


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    downloads = {name: os.environ[name] for name in ("VEILOCITY_CACHE_DIR", "VEILOCITY_MAVEN_URL") if name in os.environ}
    settings = kernel_settings.load(downloads, state_dir=tmp_path_factory.mktemp("outage"))
    with Stack(settings, servers=("mongodb", "elasticsearch"), services=()) as stack:
        yield stack


def _eventually(ask: Callable[[], bool], what: str, patience_s: float = 60.0) -> None:
    deadline = monotonic() + patience_s
    while not ask():
        assert monotonic() < deadline, f"never: {what}"
        sleep(0.02)


def _retries(store: str) -> float:
    return REGISTRY.get_sample_value("veilocity_store_retries_total", {"store": store}) or 0.0


@pytest.mark.parametrize("store", ["mongodb", "elasticsearch"])
def test_a_store_killed_while_batches_are_written_loses_and_doubles_nothing(stack: Stack, store: str) -> None:
    settings = stack.settings.model_copy(update={"mongodb_database": store, "elasticsearch_index_prefix": f"killed-{store}"})
    with writing(settings) as writer, ThreadPoolExecutor(1) as threads:
        done: list[int] = []

        def write_all() -> None:
            for seq in range(_BATCHES):
                writer.write(both(batch(seq)))
                done.append(seq)

        before = _retries(store)
        work: Future[None] = threads.submit(write_all)
        _eventually(lambda: len(done) >= 3, "the first batches")
        stack.kill(store)
        _eventually(lambda: _retries(store) >= before + 3, "the writer notices")
        assert not work.done()
        stack.restart(store)
        work.result(timeout=120)
    in_mongodb = mongodb_contents(settings)
    in_elasticsearch = elasticsearch_dump(settings)
    assert {kind: len(held) for kind, held in in_mongodb.items() if held} == {
        "transactions": 20 * _BATCHES,
        "alerts": 2 * _BATCHES,
        "releases": _BATCHES,
        "groups": _BATCHES,
    }
    assert {kind: {identity: row for identity, (_, row) in held.items()} for kind, held in in_elasticsearch.items()} == {
        kind: {identity: _as_json(row) for identity, row in held.items()} for kind, held in in_mongodb.items()
    }
    reader = Reader(settings)
    assert reader.progress() == batch(_BATCHES - 1).progress
    reader.close()


def _as_json(value: object) -> object:
    """Return the value with lists where BSON or Python has another sequence."""
    if isinstance(value, dict):
        return {name: _as_json(inner) for name, inner in value.items()}
    return [_as_json(inner) for inner in value] if isinstance(value, list | tuple) else value


def test_a_reader_says_that_the_store_is_down_and_works_when_it_is_back(stack: Stack) -> None:
    settings = stack.settings.model_copy(update={"mongodb_database": "read", "elasticsearch_index_prefix": "read"})
    with writing(settings) as writer:
        writer.write(both(batch(0)))
    reader = Reader(settings)
    assert reader.progress() == batch(0).progress
    stack.kill("mongodb")
    for ask in (reader.progress, lambda: reader.positions(5), lambda: reader.alerts(5), lambda: reader.changes(-1, 0)):
        with pytest.raises(StoreUnavailableError, match="MongoDB does not answer"):
            ask()
    stack.restart("mongodb")
    _eventually(lambda: _answers(reader), "the reader works again")
    assert len(reader.changes(-1, 0).transactions) == 20
    reader.close()


def _answers(reader: Reader) -> bool:
    try:
        return reader.progress() is not None
    except StoreUnavailableError:
        return False


def test_a_writer_that_is_told_to_stop_gives_the_batch_back(stack: Stack) -> None:
    nowhere = stack.settings.model_copy(update={"elasticsearch_url": "http://127.0.0.1:9", "mongodb_database": "stopped"})
    writer = StoreWriter(nowhere)
    with ThreadPoolExecutor(1) as threads:
        before = _retries("elasticsearch")
        work = threads.submit(writer.write, both(batch(0)))
        _eventually(lambda: _retries("elasticsearch") > before, "the writer waits")
        writer.stop()
        with pytest.raises(StoreUnavailableError, match="repeated at the next start"):
            work.result(timeout=60)
    writer.close()
    reader = Reader(nowhere)
    assert reader.progress() is None
    reader.close()
