"""Structured logs that cannot print an identifier.

Two guards, both on every line: a field is printed only if its name is on the list below, and any text that could hold an identifier
(a run of nine or more digits, a long hexadecimal run, a UUID, an e-mail address, a bearer token) is replaced by a mark. An event is a
constant sentence; what varies goes into fields. Exceptions print their class, place and scrubbed message, never the frame's variables.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

__all__ = ["FIELDS", "configure", "get_logger", "scrub"]

FIELDS = frozenset(
    (
        "address alerts attempt batch body_bytes bytes cause count decisions dropped duration_ms error event "
        "events exception expected fixes instance items late level logger name offset partition partitions "
        "path pending pid port position reason rejected released retry_in_s rows rule seconds service signal "
        "source stage state status step store suppressed timestamp topic transactions url version window"
    ).split()
)
"""The names that may be printed. Adding one is a decision: its values must never identify a person."""

_SUSPECT = re.compile(
    r"""
      [\w.+-]+@[\w-]+\.[\w.]+                                # e-mail
    | \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b   # UUID
    | \b[0-9a-fA-F]{16,}\b                                   # token, hash, device id
    | (?<![\d.])\d(?:[ -]?\d){8,}                            # card, phone and account numbers
    | (?i:bearer)\s+\S+
    | (?<=token=)[^&\s]+
    """,
    re.VERBOSE,
)
_MARK = "[hidden]"


def scrub(text: str) -> str:
    """Return `text` with everything that may identify a person replaced.

    >>> scrub("card 4539 1488 0343 6467 of jo@example.org failed after 120 ms")
    'card [hidden] of [hidden] failed after 120 ms'
    """
    return _SUSPECT.sub(_MARK, text)


def _guard(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    guarded: EventDict = {}
    for name, value in event.items():
        if name not in FIELDS:
            guarded[name if name.isidentifier() else "field"] = _MARK
        elif name == "timestamp" or isinstance(value, bool | int | float | None):
            guarded[name] = value
        else:
            guarded[name] = scrub(str(value))
    return guarded


def _format_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()[1]
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        frames = traceback.extract_tb(raised.__traceback__)[-6:]
        places = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        event["exception"] = f"{type(raised).__name__}: {raised} at {places}"
    return event


def configure(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logs of this process, our own and libraries', as JSON lines to `stream` (standard error).

    Args:
        service: written into every line.
        level: lowest level printed.
        stream: where to; a test passes its own.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _format_exception,
        _guard,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
            # A library's line passes the same guard: we do not know what it puts into its messages.
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("urllib3", "elastic_transport", "py4j", "httpx", "httpcore", "werkzeug"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; call it with a constant sentence and fields from `FIELDS`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
