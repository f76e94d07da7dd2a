"""A planner that dies before or after any of its steps in MongoDB: whoever leads next loses and doubles nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from storage.mongo import translated
from storage.notifications import cases, outbox, reading
from storage.notifications.file import read_notifications
from storage.notifications.grouping import message_id
from storage.notifications.planner import LEASE_MS, Planner
from storage.notifications.schema import ensure_notifications
from tests.integration.notify_world import SECRET, Store, make_alert, stored, webhook, write_file
from veilocity.errors import FencedError
from veilocity.settings import load

pytestmark = pytest.mark.services


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Crash:
    """Lets calls to MongoDB through and kills at one of them."""

    def __init__(self) -> None:
        self.calls = 0
        self.at = 0
        self.before = False
        self.happened = False

    def arm(self, at: int, *, before: bool) -> None:
        self.calls, self.at, self.before, self.happened = 0, at, before, False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.calls += 1
        fatal = self.calls == self.at
        if fatal and self.before:
            self.happened = True
            raise Killed
        with translated():
            yield
        if fatal:
            self.happened = True
            raise Killed


@pytest.fixture(name="crash")
def _crash(monkeypatch: pytest.MonkeyPatch) -> Crash:
    crash = Crash()
    for module in (cases, outbox, reading):
        monkeypatch.setattr(module, "translated", crash)
    return crash


@pytest.mark.parametrize("storm_cases", [1, 50])
def test_no_step_can_be_the_last_one(mongodb_server: str, tmp_path: Path, crash: Crash, storm_cases: int) -> None:
    settings = load({}, mongodb_uri=SecretStr(mongodb_server), mongodb_database=f"crash{storm_cases}", state_dir=tmp_path)
    routes = [{"name": "all", "receivers": ["hook"], "storm_cases": storm_cases}]
    found = read_notifications(write_file(tmp_path, {"hook": webhook("http://127.0.0.1:1/")}, routes), {"HOOK_SECRET": SECRET})
    now = [1_795_305_600_000]
    owners = (f"owner{number}" for number in count())

    def planner() -> Planner:
        return Planner(store.database, found, next(owners), lambda: now[0])

    with stored(settings) as store:
        ensure_notifications(store.database)
        planner().begin()
        written: list[str] = []
        for at in count(1):
            happened = [die_once(store, planner, crash, now, written, at, before=before) for before in (True, False)]
            if not any(happened):
                break
            assert at < 100, "a step ends"
        assert at > 10
        told = Counter(line["id"] for message in store.messages() for line in message["lines"])
        assert set(told) == set(written)
        assert set(told.values()) == {1}
        assert sum(message["alerts"] for message in store.messages()) == len(written)


def die_once(
    store: Store, planner: Callable[[], Planner], crash: Crash, now: list[int], written: list[str], at: int, *, before: bool
) -> bool:
    """Let one planner die at call number `at` and another finish; say whether the first died at all."""
    some = [make_alert(1_000 + len(written) + number, 0) for number in range(2)]
    written += [one.id for one in some]
    store.write(*some)
    first, second = planner(), planner()
    crash.arm(at, before=before)
    try:
        first.step()
    except Killed:
        pass
    died = crash.happened
    crash.arm(0, before=False)
    # About the same people: what was being told must be finished before their cases can change.
    more = [make_alert(2_000 + len(written) + number, 0, subject=one.subject) for number, one in enumerate(some)]
    written += [one.id for one in more]
    store.write(*more)
    # The lease of the dead ends, and its silence after a storm.
    for _ in range(3):
        now[0] += LEASE_MS + 60_000
        assert second.step()
    second.resign()
    return died


def test_a_process_that_only_slept_makes_nothing_told_that_was_not(
    mongodb_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load({}, mongodb_uri=SecretStr(mongodb_server), mongodb_database="slept", state_dir=tmp_path)
    found = read_notifications(write_file(tmp_path, {"hook": webhook("http://127.0.0.1:1/")}), {"HOOK_SECRET": SECRET})
    now = [1_795_305_600_000]
    with stored(settings) as store:
        ensure_notifications(store.database)
        asleep, awake = (Planner(store.database, found, owner, lambda: now[0]) for owner in ("asleep", "awake"))
        awake.begin()
        first = make_alert(1, 0)
        second = make_alert(2, 0, subject=first.subject)
        store.write(first)
        assert asleep._lead.hold(now[0]) is not None
        asleep._fold([seen for _, some in asleep._source.after(0, 1, 10) for seen in some])
        (due,) = asleep._cases.due("all>hook", news=True, now_ms=now[0], most=9)
        # Here it falls asleep, about to make the message; another leads, makes it, is killed before it notes that the cases know.
        now[0] += LEASE_MS
        monkeypatch.setattr(awake._outbox, "settled", lambda _identity: None)
        assert awake.step()
        store.write(second)
        assert awake.step()
        for in_storm in (False, True):
            with suppress(FencedError):
                asleep._make(message_id(due), [due.id], in_storm=in_storm)
        now[0] += 60_000
        assert awake.step()
        told = [(line["id"], line["news"]) for message in store.messages() for line in message["lines"]]
    assert told == [(first.id, "new"), (second.id, "new")]
