"""The dashboard as a process: gunicorn with one worker of many threads, one poller, and an end that keeps nobody waiting.

It starts without the store and says so on the page. On SIGTERM open streams end at once, so that the process is gone within three seconds.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import signal
import socket
import time
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard.access import Access
from dashboard.app import create_server
from dashboard.case_api import CaseDesk, Unmask
from dashboard.course import course_file
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.health_desk import HealthDesk
from dashboard.health_services import Services
from dashboard.live_desk import LiveDesk
from dashboard.payments_desk import PaymentsDesk
from dashboard.phone_desk import PhoneDesk
from dashboard.phone_reader import Reader as PhoneReader
from dashboard.poller import Poller
from dashboard.privacy_desk import PrivacyDesk
from dashboard.reports_desk import ReportsDesk
from dashboard.scraping import EMPTY, Scrape, ask, targets
from dashboard.streams_course import CourseFile
from dashboard.streams_desk import StreamsDesk
from storage.accounts import AccountStore, LoginDoor
from storage.cases import CaseReader, CaseWriter
from storage.cases.watch import LabelWatch
from storage.census import take_census
from storage.privacy_queries import PrivacyReader
from storage.queries import Reader
from storage.reports import ReportReader
from storage.roles import Role
from storage.segments import SegmentReader
from storage.streams_queries import StreamsReader
from veilocity.errors import PortTakenError, SettingsError
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["check_exposure", "listen", "run"]

_THREADS = 32
_STREAMS = 24
"""Each stream holds a thread; the rest serve the page itself."""
_GRACE_S = 2
_BIND_PATIENCE_S = 3.0
"""A worker whose parent was killed gives its port back within a second or two: a restart must not fail on that."""

_log = get_logger(__name__)


def run(settings: Settings, unmask: Unmask | None = None) -> None:
    """Serve the dashboard until SIGTERM or SIGINT.

    Args:
        settings: as loaded.
        unmask: opens sealed evidence, after recording who asked; None where this process cannot.

    Raises:
        PortTakenError: another program listens on the dashboard's port.
        SettingsError: this machine has no such address, or others could reach a dashboard without a login.
    """
    check_exposure(settings)
    listener = listen(settings.dashboard_host, settings.dashboard_port)
    _log.info("The dashboard listens", address=settings.dashboard_host, port=settings.dashboard_port)
    _Service(settings, listener, unmask).run()


def check_exposure(settings: Settings) -> None:
    """Return if the dashboard may listen where it is told to.

    Raises:
        SettingsError: others could reach it, and nobody would have to log in.
    """
    if _is_loopback(settings.dashboard_host):
        return
    if settings.dashboard_login == "off":
        raise SettingsError("VEILOCITY_DASHBOARD_HOST lets other machines in: leave VEILOCITY_DASHBOARD_LOGIN on, or listen on 127.0.0.1")
    if not settings.dashboard_https:
        _log.warning("Passwords may cross a network in the clear: put a proxy with TLS in front and set VEILOCITY_DASHBOARD_HTTPS")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, patience_s: float = _BIND_PATIENCE_S) -> socket.socket:
    """Return a listening socket: gunicorn alone would tell a taken port in its own words.

    Raises:
        PortTakenError: another program listens on the port for longer than `patience_s`.
        SettingsError: this machine has no such address.
    """
    deadline = time.monotonic() + patience_s
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        try:
            return socket.create_server((host, port), family=family)
        except OSError as cause:
            if cause.errno != errno.EADDRINUSE:
                message = f"cannot listen on VEILOCITY_DASHBOARD_HOST, port {port}: {os.strerror(cause.errno or 0)}"
                raise SettingsError(message) from cause
            if time.monotonic() > deadline:
                message = f"port {port} is taken by another program: stop it, or set VEILOCITY_DASHBOARD_PORT to a free port"
                raise PortTakenError(message) from cause
        time.sleep(0.1)


class _Service(BaseApplication):
    """What gunicorn runs. The poller starts in the worker, because threads and store connections do not survive a fork."""

    def __init__(self, settings: Settings, listener: socket.socket, unmask: Unmask | None) -> None:
        self._settings = settings
        self._unmask = unmask
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn its options."""
        options: dict[str, Any] = {
            # gunicorn takes the descriptor over and closes it.
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": _THREADS,
            "keepalive": _GRACE_S,
            "graceful_timeout": _GRACE_S,
            "accesslog": None,
            "logger_class": _ServiceLogger,
            "control_socket_disable": True,
            "post_worker_init": _end_streams_when_told,
            "worker_exit": _stop_poller,
        }
        for name, value in options.items():
            # Older gunicorns have no control socket to disable.
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application: called in the worker, after the fork."""
        hub = Hub(self._settings.dashboard_stale_s, max_streams=_STREAMS)
        poller = Poller(lambda: Reader(self._settings), hub, self._settings.dashboard_poll_ms / 1000.0)
        privacy = PrivacyDesk(
            lambda: PrivacyReader(self._settings),
            audit_every_s=self._settings.privacy_audit_s,
            stale_s=self._settings.dashboard_stale_s,
        )
        login = self._settings.dashboard_login == "on"
        access = Access(
            door=LoginDoor(self._settings) if login else None,
            https=self._settings.dashboard_https,
            role=Role(self._settings.cases_role),
        )
        cases = CaseDesk(CaseReader(self._settings), CaseWriter(self._settings), self._unmask)
        accounts = AccountStore(self._settings) if login else None
        streams = StreamsDesk(
            lambda: StreamsReader(self._settings),
            scrape=self._ask_privacy,
            course=CourseFile(course_file(self._settings)).read,
            stale_s=self._settings.dashboard_stale_s,
        )
        phone = PhoneDesk(self._settings, lambda room: PhoneReader(self._settings, room), stale_s=self._settings.dashboard_stale_s)
        health = HealthDesk(lambda: Services(self._settings), lambda: take_census(self._settings), stale_s=self._settings.dashboard_stale_s)
        payments = PaymentsDesk(lambda: Reader(self._settings), stale_s=self._settings.dashboard_stale_s)
        reports = ReportsDesk(
            lambda: ReportReader(self._settings), lambda: SegmentReader(self._settings), stale_s=self._settings.dashboard_stale_s
        )
        desks = Desks(
            cases=cases,
            accounts=accounts,
            course=course_file(self._settings),
            privacy=privacy,
            streams=streams,
            phone=phone,
            health=health,
            live=LiveDesk(Reader(self._settings), PrivacyReader(self._settings)),
            payments=payments,
            reports=reports,
        )
        server = create_server(hub, lambda: poller.alive, desks, access=access, tiles=self._settings.dashboard_tiles_url)
        if self._settings.dashboard_proxies:
            server.wsgi_app = ProxyFix(server.wsgi_app, x_for=self._settings.dashboard_proxies, x_proto=0)  # type: ignore[method-assign]  # Flask's own advice
        server.extensions["veilocity"] = (hub, poller)
        poller.start()
        LabelWatch(self._settings).start()
        return server

    def _ask_privacy(self) -> Scrape:
        url = next(target.url for target in targets(self._settings) if target.name == "privacy")
        return ask(url)[1] if url else EMPTY


def _end_streams_when_told(worker: Any) -> None:
    """Close the hub before gunicorn begins to wait for open connections, of which every stream is one."""
    hub, _ = worker.wsgi.extensions["veilocity"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        before = signal.getsignal(number)

        def stop(signal_number: int, frame: FrameType | None, before: Any = before) -> None:
            hub.close()
            if callable(before):
                before(signal_number, frame)

        signal.signal(number, stop)


def _stop_poller(_server: object, worker: Any) -> None:
    if worker.wsgi is None:
        return
    hub, poller = worker.wsgi.extensions["veilocity"]
    hub.close()
    # A question to a dead store may hang for seconds; the thread is a daemon and owns nothing that must be saved.
    poller.stop(timeout_s=0.5)


class _ServiceLogger(Logger):
    """gunicorn's lines through our guarded log."""

    def setup(self, cfg: Config) -> None:
        """Hand all lines to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
