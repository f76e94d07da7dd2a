"""Runs the gateway under gunicorn: one worker process, several request threads.

The process that the user starts binds the port and watches over the worker; the worker owns the Kafka clients, which do not survive a fork.
/healthz answers from the first second; everything that needs Kafka answers 503 until the topics exist and the directory is read.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger

from ingest.app import create_app
from ingest.auth import check_exposure
from ingest.directory import Directory, read_file
from ingest.directory_feed import DirectoryFeed
from ingest.outcome import DirectoryChange
from ingest.producer import Sender
from ingest.sealed import read_keys
from veilocity.errors import PortTakenError, SettingsError
from veilocity.logs import get_logger
from veilocity.settings import Settings

__all__ = ["run"]

_BIND_PATIENCE_S = 3.0
"""A worker whose parent was killed gives its port back within a second or two: a restart must not fail on that."""
_KEEP_ALIVE_S = 75
"""Phones push every second or every minute: both keep their connection."""
_GRACE_S = 2
"""No request takes longer, as none waits longer for Kafka."""
_BACKLOG = 1024
_logger = get_logger(__name__)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError: others could reach it and no token is set, or the file of the directory or of keys is wrong.
        PortTakenError: another program holds the port.
    """
    check_exposure(settings)
    initial = read_file(Path(settings.ingest_directory_file)) if settings.ingest_directory_file else []
    if settings.ingest_keys_file:
        # The worker reads it for itself; a wrong one is told before anything listens.
        read_keys(Path(settings.ingest_keys_file))
    listener = bind(settings.ingest_host, settings.ingest_port)
    _logger.info("The gateway listens", port=settings.ingest_port)
    _Gateway(settings, listener, initial).run()


def bind(host: str, port: int, patience_s: float = _BIND_PATIENCE_S) -> socket.socket:
    """Return a listening socket.

    Raises:
        PortTakenError: another program held the port for `patience_s`.
        SettingsError: this machine has no such address.
    """
    deadline = time.monotonic() + patience_s
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as cause:
            if cause.errno != errno.EADDRINUSE:
                raise SettingsError(f"cannot listen on VEILOCITY_INGEST_HOST, port {port}: {os.strerror(cause.errno or 0)}") from cause
            if time.monotonic() > deadline:
                sentence = f"port {port} is taken by another program: stop it, or set VEILOCITY_INGEST_PORT to a free port"
                raise PortTakenError(sentence) from cause
        time.sleep(0.1)


class _Gateway(BaseApplication):
    """gunicorn's view of us: where to listen, and how to make the application once forked."""

    def __init__(self, settings: Settings, listener: socket.socket, initial: Sequence[DirectoryChange]) -> None:
        self._settings = settings
        self._listener = listener
        self._initial = initial
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn its options."""
        options: dict[str, Any] = {
            # gunicorn takes the descriptor over and closes it.
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": self._settings.ingest_threads,
            "keepalive": _KEEP_ALIVE_S,
            "graceful_timeout": _GRACE_S,
            "backlog": _BACKLOG,
            "accesslog": None,
            "logger_class": _GatewayLogger,
            "control_socket_disable": True,
            "worker_exit": _stopped,
        }
        for name, value in options.items():
            # Older gunicorns have no control socket to disable.
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application: called in the worker, after the fork."""
        sender = Sender(self._settings)
        feed = DirectoryFeed(self._settings, Directory(), sender, self._initial)
        feed.start()
        app = create_app(self._settings, sender, feed)
        app.extensions["veilocity"] = (feed, sender)
        return app


def _stopped(_server: object, worker: Any) -> None:
    """Stop the Kafka clients of a worker that ends."""
    if worker.wsgi is None:
        return
    feed, sender = worker.wsgi.extensions["veilocity"]
    feed.stop()
    sender.close()


class _GatewayLogger(Logger):
    """gunicorn's lines through our guarded log; without addresses of senders and without queries, which may hold the token."""

    def setup(self, cfg: Config) -> None:
        """Hand all lines to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self.error_log.addFilter(_without_sender)


def _without_sender(line: logging.LogRecord) -> bool:
    for beginning in ("Invalid request", "Error handling request", "Invalid HTTP"):
        if str(line.msg).startswith(beginning):
            line.msg, line.args = beginning, ()
    return True
