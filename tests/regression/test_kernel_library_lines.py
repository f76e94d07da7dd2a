"""Lines that libraries log were lost: the guard hid the bookkeeping by which structlog prints them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from threading import Thread

import pytest

from veilocity import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    logs.configure("ingest", stream=written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_librarys_line_is_printed_guarded(stream: io.StringIO) -> None:
    logging.getLogger("library").warning("card %s refused", "4539148803436467")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"], line["level"]) == ("card [hidden] refused", "library", "warning")
    assert not any(name.startswith("_") for name in line)


def test_a_librarys_exception_is_printed_guarded(stream: io.StringIO) -> None:
    try:
        raise ValueError("4539148803436467")
    except ValueError:
        logging.getLogger("library").exception("failed")
    line = json.loads(stream.getvalue())
    assert line["exception"].startswith("ValueError: [hidden] at test_kernel_library_lines.py")


def test_a_thread_names_its_service_too(stream: io.StringIO) -> None:
    thread = Thread(target=lambda: logs.get_logger("ours").info("A thread says something"))
    thread.start()
    thread.join()
    assert json.loads(stream.getvalue())["service"] == "ingest"
