"""No line of the log holds an identifier, wherever it hides: event, field, field name, number, exception or a library's message."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from veilocity import logs


def with_check_digit(digits: str) -> str:
    """Return the digits with the one appended that makes the number valid (Luhn, ISO/IEC 7812-1)."""
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))]
    return digits + str(-sum(number - 9 if number > 9 else number for number in doubled) % 10)


card_numbers = st.from_regex(r"[1-9][0-9]{9,17}", fullmatch=True).map(with_check_digit)


@st.composite
def written_card_numbers(draw: st.DrawFn) -> str:
    """A card number as people and programs write it: bare, spaced or dashed anywhere, or in groups of four."""
    number = draw(card_numbers)
    style = draw(st.sampled_from(["bare", "anywhere", "groups"]))
    if style == "groups":
        return draw(st.sampled_from([" ", "-", "_", "\u00a0", "\u2013"])).join(re.findall(r".{1,4}", number))
    if style == "anywhere":
        return "".join(digit + draw(st.sampled_from(["", " ", "-"])) for digit in number).rstrip(" -")
    return number


local_parts = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}(\.[a-z0-9]{1,8})?", fullmatch=True)
email_addresses = st.emails() | st.tuples(local_parts, st.sampled_from(["example.org", "mail.example.co.uk"])).map("@".join)
hashes = st.binary(max_size=8).map(lambda seed: hashlib.sha256(seed).digest())
# One in 1,500 random tokens of 32 bytes holds no digit and looks like a class name: those are not recognised.
url_tokens = hashes.map(lambda value: base64.urlsafe_b64encode(value).rstrip(b"=").decode()).filter(
    lambda text: any(character.isdigit() for character in text)
)
identifiers = st.one_of(
    written_card_numbers(),
    st.uuids().map(str),
    st.uuids().map(lambda value: str(value).upper()),
    st.uuids().map(lambda value: value.hex),
    email_addresses,
    hashes.map(bytes.hex),
    url_tokens,
)
words = st.sampled_from(["", "card ", "for user ", "id=", '{"id": "', "x_", "(", "<", "1.", "refused:", "/v1/"])
endings = st.sampled_from(["", ".", " after 120 ms", '"}', ")", ">", ", try again", "_x"])


@contextmanager
def written() -> Iterator[io.StringIO]:
    """Configure logs into memory, and put back what was configured before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("test", "DEBUG", stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def raise_logged(log: Callable[..., object], text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        log("It failed", exc_info=True)


def say_everywhere(text: str) -> None:
    """Put the text into every place of a line that can take one."""
    ours, library = logs.get_logger("ours"), logging.getLogger("library")
    ours.info(text)
    ours.info("Constant", error=text, reason=[text], url={"a": text})
    ours.info("Constant", **{"card": text, text: 1})
    ours.info("Constant %s", text)
    raise_logged(ours.error, text)
    library.warning("library says %s", text)
    library.warning(text.replace("%", "%%"), extra={"card": text})
    raise_logged(library.error, text)
    logging.getLogger(text).warning("named by data")
    logs.get_logger(text).warning("named by data")


def assert_hidden(identifier: str, output: str) -> None:
    assert output
    lines = [json.loads(line) for line in output.splitlines()]
    for line in lines:
        line.pop("timestamp", None)
    printed = json.dumps(lines, ensure_ascii=False)
    assert identifier not in printed
    assert identifier.lower() not in printed.lower()
    digits = re.sub(r"\D", "", identifier)
    if len(digits) >= 11:
        assert digits not in re.sub(r"\D", "", printed)


@settings(max_examples=100)
@given(before=words, identifier=identifiers, after=endings)
@example(before="", identifier="4539.1488.0343.6467", after="")
@example(before="", identifier="4539/1488/0343/6467", after="")
@example(before="", identifier="4539  1488  0343  6467", after="")
@example(before="paid by .", identifier="4539148803436467", after="")
@example(before="dev_", identifier="9774d56d682e549c", after="")
def test_no_identifier_is_printed_from_any_place(before: str, identifier: str, after: str) -> None:
    with written() as stream:
        say_everywhere(f"{before}{identifier}{after}")
    assert_hidden(identifier, stream.getvalue())


@given(card_numbers)
def test_a_card_number_is_not_printed_as_a_number_either(number: str) -> None:
    with written() as stream:
        log = logs.get_logger("ours")
        log.info("Constant", offset=int(number), count=-int(number), duration_ms=float(number))
        log.info("Constant", **{f"card_{number}": 1, number: 2})
    assert_hidden(number, stream.getvalue())


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer s3cr3t-t0ken",
        "GET /v1/sensor-logger?token=s3cr3t-t0ken&x=1",
        "GET /v1/sensor-logger?TOKEN=s3cr3t-t0ken",
        '{"password": "s3cr3t-t0ken"}',
        "password=s3cr3t-t0ken",
        "mongodb://reader:s3cr3t-t0ken@mongodb:27017/?w=1",
        "mongodb://reader:s3cr3t-t0ken!with@sign@mongodb:27017",
    ],
)
def test_credentials_are_not_printed(text: str) -> None:
    with written() as stream:
        say_everywhere(text)
    assert "s3cr3t" not in stream.getvalue()


def test_a_line_that_cannot_be_built_is_reported_without_its_arguments(capfd: pytest.CaptureFixture[str]) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("4539148803436467")

    with written() as stream:
        logging.getLogger("library").warning("%d cards", "4539148803436467")
        logs.get_logger("ours").info("Constant", error=Unprintable())
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines[0]["event"] == "A log line could not be built."
    assert lines[1]["error"] == "[unprintable Unprintable]"
    captured = capfd.readouterr()
    assert "4539148803436467" not in stream.getvalue() + captured.out + captured.err


def test_what_operators_need_is_left_alone() -> None:
    with written() as stream:
        logs.get_logger("rules.service").info(
            "Batch committed", topic="transactions", partition=1, offset=1_234_567_890, duration_ms=12.345678, address="127.0.0.1:9092"
        )
        logs.get_logger("ours").warning("Kafka at 192.168.100.200:9092 does not answer; window 2026-11-22T14:00:00Z waits 120 ms")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["topic"], first["partition"], first["offset"]) == ("transactions", 1, 1_234_567_890)
    assert (first["duration_ms"], first["address"], first["service"], first["level"]) == (12.345678, "127.0.0.1:9092", "test", "info")
    assert second["event"] == "Kafka at 192.168.100.200:9092 does not answer; window 2026-11-22T14:00:00Z waits 120 ms"


@pytest.fixture
def _hooks() -> Iterator[None]:
    before = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = before
    logging.captureWarnings(False)


@pytest.mark.usefixtures("_hooks")
def test_an_error_that_nobody_caught_passes_the_guard(capfd: pytest.CaptureFixture[str]) -> None:
    with written() as stream:
        logs.guard_crashes()
        thread = threading.Thread(target=int, args=("4539148803436467 is no number",))
        thread.start()
        thread.join()
        error = ValueError("4539148803436467")
        sys.excepthook(ValueError, error, None)
    captured = capfd.readouterr()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["critical", "critical"]
    assert all("ValueError" in line["exception"] for line in lines)
    assert "4539148803436467" not in stream.getvalue() + captured.out + captured.err


def test_declared_fields_are_words() -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in logs.FIELDS)
