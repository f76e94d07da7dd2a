"""Structured logs that cannot print an identifier.

Two guards, both on every line: a field is printed only if its name is on the list below, and any text that could hold an identifier
(a run of nine or more digits, a long hexadecimal run, a UUID, an e-mail address, a token, a password in an address) is replaced by a mark,
and so is a number of eleven or more digits. An event is a constant sentence; what varies goes into fields. Exceptions print their class,
place and scrubbed message, never the frame's variables. What errs on the safe side here hides a long decimal fraction now and then.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

__all__ = ["FIELDS", "configure", "describe", "get_logger", "guard_crashes", "scrub"]

FIELDS = frozenset(
    (
        "address alerts attempt batch body_bytes bytes cause count decisions dropped duration_ms error event "
        "events exception expected fixes instance items late level logger name offset partition partitions "
        "path pending pid port position reason receiver rejected released retry_in_s rows rule seconds service signal "
        "source stage state status step store suppressed timestamp topic transactions url version window"
    ).split()
)
"""The names that may be printed. Adding one is a decision: its values must never identify a person."""

_SUSPECT = re.compile(
    r"""
      (?<=://)[^\s/]*@                                        # user and password in an address
    | [^\s@]{1,128}@[^\s@]+                                   # e-mail
    | (?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])   # UUID
    | (?<![0-9a-f])[0-9a-f]{16,}(?![0-9a-f])                 # hash, key, device id
    | (?<!\d)\d{4}(?:[./]\d{4}){2}[./]\d{1,7}                # card number in groups
    | (?<!\d)\d(?:[\s_\u2010-\u2015\u2212-]{0,2}\d){8,}       # card, phone and account numbers, however spaced
    | (?:bearer|basic)\s+\S+
    | (?<![a-z])(?:password|passwd|secret|token|api_?key|authorization)["']?=\S+
    | (?<=["'])(?:password|passwd|secret|token|api_?key|authorization)["']\s*:\s*\S+
    | (?=[\w-]*[a-z])(?=[\w-]*\d)(?-i:(?=[\w-]*[A-Z])(?=[\w-]*[a-z]))[\w-]{22,}   # random token: small, capital and digit
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FIELD_NAME = re.compile(r"[a-z]+(?:_[a-z]+)*")
_LARGEST_NUMBER = 10**10
"""Counts, offsets and bytes stay below; a card number of eleven digits does not."""
_MARK = "[hidden]"


def scrub(text: str) -> str:
    """Return `text` with everything that may identify a person replaced.

    >>> scrub("card 4539 1488 0343 6467 of jo@example.org failed after 120 ms")
    'card [hidden] of [hidden] failed after 120 ms'
    """
    return _SUSPECT.sub(_MARK, text)


def describe(error: BaseException) -> str:
    """Return class, scrubbed message and the last six places of an error, innermost first; never a variable's value.

    >>> describe(KeyError("4539 1488 0343 6467"))
    "KeyError: '[hidden]' at "
    """
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__}: {scrub(_text(error))} at {scrub(places)}"


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # whatever a foreign __str__ raises, a log line must not end the program
        return f"[unprintable {type(value).__name__}]"


_BOOKKEEPING = ("_record", "_from_structlog")
"""What structlog passes along with a library's line and takes out before it is printed."""


def _guard(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    guarded: EventDict = {}
    for name, value in event.items():
        if name == "timestamp" or name in _BOOKKEEPING:
            guarded[name] = value
        elif name not in FIELDS:
            # A name can be data too, where a dictionary was spread into a call.
            guarded[name if _FIELD_NAME.fullmatch(name) and scrub(name) == name else "field"] = _MARK
        elif isinstance(value, bool | int | float | None):
            guarded[name] = _MARK if value is not None and abs(value) >= _LARGEST_NUMBER else value
        else:
            guarded[name] = scrub(_text(value))
    return guarded


def _format_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()[1]
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        event["exception"] = describe(raised)
    return event


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; a line that cannot be built is reported without its arguments, which `logging` would print."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream or sys.stderr)
        self._follows_stderr = stream is None

    def emit(self, record: logging.LogRecord) -> None:
        if self._follows_stderr:
            # Whoever swaps standard error for a while closes what stood in for it.
            self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # the name is logging's
        self.stream.write(f'{{"event": "A log line could not be built.", "level": "error", "logger": "{scrub(record.name)}"}}\n')


def configure(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logs of this process, our own and libraries', as JSON lines to `stream` (standard error).

    Args:
        service: written into every line.
        level: lowest level printed.
        stream: where to; a test passes its own.
    """

    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        # Not a context variable: those do not reach the threads of a service.
        event["service"] = service
        return event

    shared: list[Any] = [
        name_service,
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
    handler = _Handler(stream)
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
    for chatty in ("urllib3", "elastic_transport", "py4j", "httpx", "httpx2", "httpcore", "werkzeug", "cassandra"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def guard_crashes() -> None:
    """Have errors that nobody caught, in any thread, and Python's warnings logged through the guard instead of printed as they are."""

    def report(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        get_logger("veilocity").critical("The program met an error that nobody handles.", exc_info=error)

    def report_thread(arguments: threading.ExceptHookArgs) -> None:
        get_logger("veilocity").critical("A thread ended by an error that nobody handles.", exc_info=arguments.exc_value)

    def report_unraisable(arguments: sys.UnraisableHookArgs) -> None:
        get_logger("veilocity").error("An error was met while cleaning up.", exc_info=arguments.exc_value)

    sys.excepthook = report
    threading.excepthook = report_thread
    sys.unraisablehook = report_unraisable
    logging.captureWarnings(True)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; call it with a constant sentence and fields from `FIELDS`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
