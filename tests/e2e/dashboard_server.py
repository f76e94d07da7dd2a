"""The dashboard in this process, on a port it keeps: stopped and started like a real one, fed by a made-up world."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from dashboard.app import create_server
from dashboard.events import Hub
from dashboard.poller import Poller
from dashboard.privacy_desk import PrivacyDesk
from tests.e2e.dashboard_world import World
from tests.e2e.privacy_world import PrivacyWorld


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


class DashboardServer:
    """Context manager; `stop` and `start` in between act like an outage."""

    def __init__(self, world: World, stale_s: float = 60.0, privacy: PrivacyWorld | None = None) -> None:
        self.world = world
        self.privacy = privacy or PrivacyWorld()
        self._stale_s = stale_s
        self._port = 0
        self._server: BaseWSGIServer | None = None
        self.visitors: list[Callable[[], None]] = []
        """Close the pages that are open."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        self._hub = Hub(self._stale_s)
        self._poller = Poller(lambda: self.world, self._hub, 0.05)
        desk = PrivacyDesk(lambda: self.privacy, audit_every_s=3_600.0, stale_s=self._stale_s, read_every_s=0.2)
        application = create_server(self._hub, lambda: self._poller.alive, privacy=desk)
        self._server = make_server("127.0.0.1", self._port, application, threaded=True, request_handler=_Quiet)
        self._port = self._server.port
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="dashboard-server", daemon=True)
        self._poller.start()
        self._thread.start()

    def stop(self) -> None:
        if self._server is None:
            return
        self._hub.close()
        self._poller.stop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)
        self._server = None

    def __enter__(self) -> DashboardServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A page that is still loading would complain of the server that has gone.
        for leave in self.visitors:
            leave()
        self.stop()


def now_ms() -> int:
    return time.time_ns() // 1_000_000
