"""The thread that deletes old documents beside the micro-batches: a run that fails is tried again, and stopping ends it."""

from __future__ import annotations

import threading

import pytest

from privacy import retention
from privacy.retention import Sweeper
from storage.retention import Retained
from veilocity.errors import StoreUnavailableError
from veilocity.settings import Settings, load

PATIENCE_S = 30.0


def test_a_run_that_fails_is_tried_again_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    enough = threading.Event()
    stops: list[threading.Event] = []

    def retain(_settings: Settings, now_ms: int, stop: threading.Event) -> Retained:
        calls.append(now_ms)
        stops.append(stop)
        if len(calls) < 3:
            raise StoreUnavailableError("MongoDB does not answer")
        enough.set()
        return Retained({"mongodb": {"transactions": 3}})

    monkeypatch.setattr(retention, "retain", retain)
    sweeper = Sweeper(load({"VEILOCITY_STORAGE_RETAIN_S": "0.01"}))
    sweeper.start()
    assert enough.wait(PATIENCE_S)
    sweeper.stop()
    assert calls == sorted(calls)
    assert all(stop.is_set() for stop in stops), "a run that is under way is told to end"
    assert not sweeper._thread.is_alive()


def test_it_never_runs_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "retain", lambda *_: pytest.fail("it ran"))
    sweeper = Sweeper(load({"VEILOCITY_STORAGE_RETAIN_S": "0"}))
    sweeper.start()
    assert sweeper._thread.ident is None
    sweeper.stop()
