"""What one core does with the whole engine: bytes in, encoded decisions and alerts out, all default rules on. Run it with `make bench`.

Events of `benchmarks.events`: 90 % fixes, 10 % payments, 20,000 subjects, 5 % late by up to ten minutes, 1 % twice. Times are CPU times of
the process, so that other work on the machine does not count; what shares the core's caches still does. The peer is the rule that
everybody ships, on the same bytes in the same run: distance over time between the last two events, with the `haversine` package.
"""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import msgspec
from haversine import haversine

import rules.engine
from benchmarks.compiled import ROOT, build
from benchmarks.events import Plan, events
from benchmarks.figures import Figure, write
from rules import Engine, SubjectState, default_rule_book
from veilocity.contracts import Fix, Transaction, encode
from veilocity.errors import FatalError
from veilocity.topics import FIXES

_START_MS = 1_764_000_000_000
_EVENTS = 1_000_000
_SUBJECTS_IN_MEMORY = 3_000
_OBSERVATIONS = 16

Records = list[tuple[bool, bytes]]


def _records(plan: Plan, count: int) -> Records:
    return [(event.topic is FIXES, event.value) for event in itertools.islice(events(plan, _START_MS), count)]


def _ours(records: Records, engine: Engine) -> tuple[float, list[int]]:
    """Return CPU seconds of the whole way, and the CPU nanoseconds of each evaluation of a second pass."""
    read_fix, read_payment = msgspec.json.Decoder(Fix).decode, msgspec.json.Decoder(Transaction).decode
    states: dict[str, SubjectState] = {}
    gc.collect()
    gc.freeze()
    # As the service sets it: most of what is made stays.
    gc.set_threshold(50_000, 20, 100_000)
    began = time.process_time()
    for is_fix, value in records:
        event = read_fix(value) if is_fix else read_payment(value)
        state = states.get(event.subject)
        if state is None:
            state = states[event.subject] = SubjectState()
        outcome = engine.process(state, event)
        for decision in outcome.decisions:
            encode(decision)
        for alert in outcome.alerts:
            encode(alert)
    spent = time.process_time() - began
    states.clear()
    return spent, _evaluations(records, engine)


def _evaluations(records: Records, engine: Engine) -> list[int]:
    read_fix, read_payment = msgspec.json.Decoder(Fix).decode, msgspec.json.Decoder(Transaction).decode
    states: dict[str, SubjectState] = {}
    spent = []
    for is_fix, value in records:
        event = read_fix(value) if is_fix else read_payment(value)
        state = states.setdefault(event.subject, SubjectState())
        began = time.thread_time_ns()
        engine.process(state, event)
        spent.append(time.thread_time_ns() - began)
    return sorted(spent)


def _naive(records: Records) -> float:
    """Return the CPU seconds of the rule that everybody ships."""
    read_fix, read_payment = msgspec.json.Decoder(Fix).decode, msgspec.json.Decoder(Transaction).decode
    last: dict[str, tuple[float, float, float]] = {}
    alerts = 0
    began = time.process_time()
    for is_fix, value in records:
        event = read_fix(value) if is_fix else read_payment(value)
        at_s = event.fix_ns / 1e9 if isinstance(event, Fix) else event.authorised_ms / 1e3
        if event.lat is None or event.lon is None:
            continue
        known = last.get(event.subject)
        if known is not None:
            hours = max(abs(at_s - known[0]) / 3600.0, 1e-6)
            alerts += haversine((event.lat, event.lon), known[1:]) / hours > 900.0
        last[event.subject] = at_s, event.lat, event.lon
    return time.process_time() - began


def _decode(records: Records) -> float:
    """Return the CPU seconds of reading the bytes and finding the subject: what no engine can be faster than, on this machine, now."""
    read_fix, read_payment = msgspec.json.Decoder(Fix).decode, msgspec.json.Decoder(Transaction).decode
    known: dict[str, str] = {}
    began = time.process_time()
    for is_fix, value in records:
        event = read_fix(value) if is_fix else read_payment(value)
        known[event.subject] = event.subject
    return time.process_time() - began


def _bytes_per_subject(engine: Engine) -> float:
    """Return the memory of one subject with 16 observations in its history, the subject's name and its place in a dictionary included."""
    plan = Plan(subjects=_SUBJECTS_IN_MEMORY, late=0.0, repeated=0.0, fraud=0.0)
    read_fix, read_payment = msgspec.json.Decoder(Fix).decode, msgspec.json.Decoder(Transaction).decode
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    states: dict[str, SubjectState] = {}
    for event in itertools.islice(events(plan, _START_MS), _SUBJECTS_IN_MEMORY * _OBSERVATIONS):
        record = read_fix(event.value) if event.topic is FIXES else read_payment(event.value)
        engine.process(states.setdefault(str(record.subject), SubjectState()), record)
    gc.collect()
    people = tracemalloc.get_traced_memory()[0]
    count = len(states)
    states.clear()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The generator's own people are still there: what went with the states is theirs.
    return (people - max(before, after)) / count


class Measured(msgspec.Struct, frozen=True):
    """What one process measured."""

    is_compiled: bool
    events_per_s: float
    naive_per_s: float
    decode_per_s: float
    p50_us: float
    p99_us: float


def _measure() -> Measured:
    engine = Engine(default_rule_book())
    records = _records(Plan(), _EVENTS)
    spent, evaluations = _ours(records, engine)
    is_compiled = not str(rules.engine.__file__).endswith(".py")
    rates = len(records) / spent, len(records) / _naive(records), len(records) / _decode(records)
    return Measured(is_compiled, *rates, *(evaluations[int(len(evaluations) * share)] / 1e3 for share in (0.5, 0.99)))


def _measured(folder: Path) -> Measured:
    """Return what a process of its own measures with the source in a folder; the better of two, because noise only slows down."""
    runs = []
    for _ in range(2):
        command = [sys.executable, "-m", "benchmarks.engine", "--measure"]
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, stdout=subprocess.PIPE, check=True)
        runs.append(msgspec.json.decode(done.stdout, type=Measured))
    return max(runs, key=lambda one: one.events_per_s)


def main() -> None:
    """Measure and write the figures."""
    if sys.argv[1:] == ["--measure"]:
        print(msgspec.json.encode(_measure()).decode())
        return
    size = _bytes_per_subject(Engine(default_rule_book()))
    plain = _measured(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        compiled = _measured(Path(folder))
    if plain.is_compiled or not compiled.is_compiled:
        raise FatalError("the wrong build was measured: delete compiled modules (rules/*.so) from this checkout")
    naive = "naive rule"
    rates = [
        Figure(name, round(one.events_per_s, 1), "events/s", target, naive, round(one.events_per_s / one.naive_per_s, 3))
        for name, one, target in (
            ("engine.events_per_s_per_core", plain, ">= 300,000"),
            ("engine.compiled_events_per_s_per_core", compiled, ">= 600,000"),
        )
    ]
    write(
        "engine",
        [
            *rates,
            Figure("engine.evaluate_p99_us", round(plain.p99_us, 1), "us", "< 100"),
            Figure("engine.evaluate_p50_us", round(plain.p50_us, 1), "us", "stated"),
            Figure("engine.compiled_evaluate_p99_us", round(compiled.p99_us, 1), "us", "< 100"),
            Figure("engine.decode_events_per_s_per_core", round(plain.decode_per_s, 1), "events/s", "stated: the ceiling"),
            Figure("engine.bytes_per_subject", round(size, 1), "bytes", "<= 2,500 with 16 observations"),
            Figure("engine.gib_per_million_subjects", round(size * 1e6 / 2**30, 2), "GiB", "stated"),
        ],
        ("msgspec", "haversine", "mypy"),
    )


if __name__ == "__main__":
    main()
