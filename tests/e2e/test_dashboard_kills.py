"""Twenty kills of the dashboard at random moments while alerts come in: at the end the list has every alert, once.

The command that a user starts, on a real MongoDB, with a page open in a real Chromium all the time. A kill is SIGKILL: to the worker alone,
which gunicorn replaces, or to the whole process, which is started again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from playwright.sync_api import Browser
from pydantic import SecretStr

from storage.documents import MaskedBatch, Progress
from storage.mongo import MongoStore
from storage.schema import ensure_collections
from tests.e2e.dashboard_browser import Watched, watch
from tests.e2e.dashboard_server import now_ms
from tests.e2e.dashboard_world import FAR, LONDON, MINUTE_MS, START_MS, make_alert
from tests.integration.test_dashboard_service import ROOT, free_port, until_healthy
from veilocity.settings import Settings, load

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.timeout(240)]
KILLS = 20
SEED = 20
_PLACES = list(FAR.values())
_NEWEST_FIRST = "rows => rows.map(row => [row.dataset.alertId, Number(row.dataset.revision)])"


class Writer:
    """Writes alerts as the privacy stage does, a batch each, until it is told to stop; now and then it amends one."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._store = MongoStore(settings)
        ensure_collections(self._store.database)
        self._dice = random.Random(seed)  # noqa: S311  # chooses moments
        self._seq = 0
        self._over = Event()
        self._thread = Thread(target=self._run, name="writer", daemon=True)
        self.revisions: list[int] = []
        """Of each alert, oldest first."""

    def write(self) -> None:
        again = self.revisions and self._dice.random() < 0.2
        number = self._dice.randrange(len(self.revisions)) if again else len(self.revisions)
        if again:
            self.revisions[number] += 1
        else:
            self.revisions.append(1)
        minute_ms = START_MS + number * MINUTE_MS
        where = _PLACES[number % len(_PLACES)]
        alert = make_alert(number, LONDON, where, minute_ms=minute_ms, seq=self._seq, revision=self.revisions[number])
        newest_ms = START_MS + len(self.revisions) * MINUTE_MS
        progress = Progress(id="privacy", seq=self._seq, event_ms=newest_ms, alerts=len(self.revisions), written_ms=now_ms())
        assert self._store.write(MaskedBatch(progress=progress, alerts=(alert,))) == []
        self._store.write_progress(progress)
        self._seq += 1

    def _run(self) -> None:
        while not self._over.wait(self._dice.uniform(0.05, 1.0)):
            self.write()

    def __enter__(self) -> Writer:
        self.write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._store.close()


class Process:
    """The dashboard as a process that is killed and started again on the same port."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.port = free_port()
        self._log = log
        self._variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("VEILOCITY_")},
            "VEILOCITY_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
            "VEILOCITY_MONGODB_DATABASE": settings.mongodb_database,
            "VEILOCITY_STATE_DIR": str(settings.state_dir),
            "VEILOCITY_DASHBOARD_PORT": str(self.port),
            "VEILOCITY_DASHBOARD_LOGIN": "off",
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "veilocity.cli", "dashboard"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # ended by `kill`
                command, cwd=ROOT, env=self._variables, stdout=log, stderr=log, text=True, start_new_session=True
            )

    def until_healthy(self) -> None:
        until_healthy(self.port, self._process)

    def kill_worker(self) -> None:
        for child in psutil.Process(self._process.pid).children():
            child.kill()

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture(name="settings")
def _settings(mongodb_server: str, tmp_path: Path) -> Iterator[Settings]:
    settings = load({}, mongodb_uri=SecretStr(mongodb_server), mongodb_database=f"kills{uuid.uuid4().hex[:10]}", state_dir=tmp_path)
    yield settings
    store = MongoStore(settings)
    store._client.drop_database(settings.mongodb_database)
    store.close()


def test_twenty_kills_lose_no_alert_and_double_none(browser: Browser, settings: Settings, tmp_path: Path) -> None:
    dice = random.Random(SEED)  # noqa: S311  # chooses moments
    process = Process(settings, tmp_path / "dashboard.log")
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    try:
        with Writer(settings, SEED) as writer:
            process.until_healthy()
            watched = watch(context.new_page(), f"http://127.0.0.1:{process.port}", may_lose_line=True, may_refuse=(503,))
            watched.page.goto(watched.origin, wait_until="domcontentloaded")
            watched.until_ready()
            for number in range(KILLS):
                watched.until_connection("live")
                watched.page.wait_for_timeout(dice.uniform(0.0, 700.0))
                if number % 4:
                    process.kill_worker()
                else:
                    process.kill()
                    process.start()
                watched.until_connection("disconnected")
        watched.until_connection("live")
        expected = [(f"alert{number:05d}", revision) for number, revision in enumerate(writer.revisions)][::-1]
        watched.until(lambda: listed(watched) == expected, f"the list has exactly the {len(expected)} alerts")
        assert watched.state()["alerts"] == len(expected) > KILLS
        assert watched.outside == []
        assert watched.complaints == []
    finally:
        context.close()
        process.kill()


def listed(watched: Watched) -> list[tuple[str, int]]:
    return [(identity, revision) for identity, revision in watched.page.eval_on_selector_all("#alerts > li", _NEWEST_FIRST)]
