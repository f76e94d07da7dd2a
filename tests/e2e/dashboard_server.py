"""The dashboard in this process, on a port it keeps: stopped and started like a real one, fed by a made-up world."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from flask import Response, request
from pydantic import SecretStr
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from dashboard.access import Access
from dashboard.app import create_server
from dashboard.case_api import CaseDesk
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.health_desk import HealthDesk
from dashboard.live_desk import LiveDesk
from dashboard.payments_desk import PaymentsDesk
from dashboard.phone_desk import PhoneDesk
from dashboard.phone_room import Room
from dashboard.poller import Poller
from dashboard.privacy_desk import PrivacyDesk
from dashboard.reports_desk import ReportsDesk
from dashboard.scraping import parse
from dashboard.streams_course import CourseFile
from dashboard.streams_desk import StreamsDesk
from storage.roles import Role
from tests.e2e.dashboard_world import World
from tests.e2e.health_world import PRIVACY_METRICS, HealthWorld
from tests.e2e.live_world import CasesWorld, LiveWorld
from tests.e2e.pages_world import PhoneWorld, StreamsWorld
from tests.e2e.payments_world import PaymentsWorld
from tests.e2e.privacy_world import PrivacyWorld
from tests.e2e.reports_world import ReportsWorld
from veilocity.settings import Settings, load

PUBLIC = "https://phones.example"
TOKEN = SecretStr("not-a-secret")


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


class DashboardServer:
    """Context manager; `stop` and `start` in between act like an outage."""

    def __init__(  # noqa: PLR0913  # a world for each page, all optional
        self,
        world: World,
        stale_s: float = 60.0,
        privacy: PrivacyWorld | None = None,
        *,
        streams: StreamsWorld | None = None,
        health: HealthWorld | None = None,
        payments: PaymentsWorld | None = None,
        reports: ReportsWorld | None = None,
        settings: Settings | None = None,
        report: Path | None = None,
        role: Role = Role.ADMIN,
        tiles: str = "",
    ) -> None:
        self.world = world
        self.privacy = privacy or PrivacyWorld()
        self.streams = streams or StreamsWorld()
        self.health = health or HealthWorld()
        self.payments = payments or PaymentsWorld()
        self.reports = reports or ReportsWorld()
        self.settings = settings or load({}, dashboard_phone="on", ingest_host="0.0.0.0", ingest_public_url=PUBLIC, ingest_token=TOKEN)  # noqa: S104  # not bound
        self.report = report
        self.role = role
        self.tiles = tiles
        self.live = LiveWorld(follows=world)
        self.cases = CasesWorld(self.live.cases)
        self.forbidden: set[str] = set()
        """Addresses that answer 403, as they do to who lacks the permission."""
        self.busy = False
        """Whether no page may watch any more."""
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
        desks = Desks(
            privacy=desk,
            streams=self._streams(),
            phone=self._phone(),
            health=self._health(),
            live=LiveDesk(self.live, self.privacy),
            payments=self._payments(),
            reports=self._reports(),
            cases=CaseDesk(self.cases, self.cases),
        )
        application = create_server(self._hub, lambda: self._poller.alive, desks, access=Access(role=self.role), tiles=self.tiles)
        application.before_request(self._refuse)
        self._server = make_server("127.0.0.1", self._port, application, threaded=True, request_handler=_Quiet)
        self._port = self._server.port
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="dashboard-server", daemon=True)
        self._poller.start()
        self._thread.start()

    def _streams(self) -> StreamsDesk:
        course = CourseFile(self.report).read if self.report else lambda: None
        scrape = lambda: parse(PRIVACY_METRICS % {"behind": 0, "payments": 1})  # noqa: E731  # as short as what it stands for
        return StreamsDesk(lambda: self.streams, scrape=scrape, course=course, stale_s=self._stale_s, read_every_s=0.2)

    def _phone(self) -> PhoneDesk:
        def source(room: Room) -> PhoneWorld:
            self.phone = PhoneWorld(room)
            return self.phone

        return PhoneDesk(self.settings, source, stale_s=self._stale_s)

    def _health(self) -> HealthDesk:
        return HealthDesk(lambda: self.health, self.health.count, stale_s=self._stale_s, read_every_s=0.3)

    def _payments(self) -> PaymentsDesk:
        return PaymentsDesk(lambda: self.payments, stale_s=self._stale_s, read_every_s=0.2)

    def _reports(self) -> ReportsDesk:
        return ReportsDesk(lambda: self.reports, lambda: self.reports.segments, stale_s=self._stale_s, read_every_s=0.2)

    def _refuse(self) -> Response | None:
        if self.busy and request.path == "/events":
            return Response("24 pages watch already: close one, or start another dashboard\n", status=503, mimetype="text/plain")
        return Response("{}", status=403, mimetype="application/json") if request.path in self.forbidden else None

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
