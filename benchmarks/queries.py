"""How long each question of the pages takes on a million alerts and payments: real stores, every question with random parameters.

Both stores, this program and everything else share the cores of the machine. What is timed is the call of `storage.queries.Reader`: the
questions to the stores, their answers, and the records made of them. Pages have 50 items; a question that goes on is asked with the cursor
of the page before. The figure is the worst of all p95. Run it with `make bench-queries`.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from pymongo import MongoClient

from benchmarks.figures import Figure, percentile, write
from benchmarks.queries_world import CITIES, RULES, START_MS, Plan, World, fill
from devstack import Stack
from storage.areas import Box, Cell, Circle
from storage.cases.model import Status
from storage.filters import Filter
from storage.kinds import Document
from storage.migrations import prepare_stores
from storage.queries import Reader
from veilocity import settings as kernel_settings
from veilocity.contracts import Channel, Severity, Verdict
from veilocity.settings import Settings

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_PAGE = 50
_TARGET_MS = 100.0
_WARM = 5
_SPANS_MS = (_HOUR_MS, 6 * _HOUR_MS, _DAY_MS, 7 * _DAY_MS)


@dataclass(frozen=True, slots=True)
class _Analyst:
    """Draws questions."""

    reader: Reader
    world: World
    dice: random.Random

    def times(self, spans_ms: tuple[int, ...] = _SPANS_MS) -> dict[str, Any]:
        span_ms = min(self.dice.choice(spans_ms), self.world.days * _DAY_MS - 60_000)
        since_ms = START_MS + self.dice.randrange(0, self.world.days * _DAY_MS - span_ms, 60_000)
        return {"since_ms": since_ms, "until_ms": since_ms + span_ms}

    def box(self) -> Box:
        (lat, lon), size = self.dice.choice(CITIES), self.dice.choice((0.05, 0.3, 2.0))
        return Box(lat - size, lon - size, lat + size, lon + size)

    def circle(self) -> Circle:
        lat, lon = self.dice.choice(CITIES)
        return Circle(lat + self.dice.gauss(0, 0.1), lon, self.dice.choice((2_000.0, 10_000.0, 50_000.0)))

    def cell(self) -> Cell:
        alert = self.reader.evidence(self.dice.choice(self.world.alerts), 1, 0).alert
        return Cell(alert.second.place.cell if alert.second.place else "87194e64dffffff")

    def severities(self) -> tuple[Severity, ...]:
        return tuple(self.dice.sample(tuple(Severity), self.dice.choice((1, 1, 2))))

    def status(self) -> Status:
        return self.dice.choice(tuple(Status))

    def amounts(self) -> dict[str, Any]:
        low = self.dice.choice((0.0, 10.0, 100.0, 500.0))
        return {"amount_low": low, "amount_high": low * 5 + 20.0}


Question = Callable[[], Any]
_Asks = Callable[[_Analyst], Question]


def _alerts(make: Callable[[_Analyst], Filter]) -> _Asks:
    return lambda who: partial(who.reader.alert_page, make(who), _PAGE)


def _payments(make: Callable[[_Analyst], Filter]) -> _Asks:
    return lambda who: partial(who.reader.payment_page, make(who), _PAGE)


def _next_alerts(who: _Analyst) -> Question:
    which = Filter(severities=who.severities(), until_ms=START_MS + who.dice.randrange(_HOUR_MS, who.world.days * _DAY_MS, 60_000))
    return partial(who.reader.alert_page, which, _PAGE, who.reader.alert_page(which, _PAGE).next)


def _replay(who: _Analyst) -> Question:
    times = who.times((_HOUR_MS, _DAY_MS))
    return partial(who.reader.replay_page, times["since_ms"], times["until_ms"], 200)


def _changes(who: _Analyst) -> Question:
    seq = who.dice.randrange(who.world.days * 288 - 2)
    return partial(who.reader.changes, seq, seq + 1)


QUESTIONS: Mapping[str, _Asks] = {
    "newest alerts": lambda who: partial(who.reader.alerts, 300),
    "newest payments": lambda who: partial(who.reader.recent_transactions, 60),
    "changes of a batch": _changes,
    "alerts": _alerts(lambda who: Filter()),
    "alerts by time": _alerts(lambda who: Filter(**who.times())),
    "alerts by severity": _alerts(lambda who: Filter(severities=who.severities())),
    "alerts by severity, next page": _next_alerts,
    "alerts by rule and time": _alerts(lambda who: Filter(rules=(who.dice.choice(RULES),), **who.times())),
    "alerts by rare rule": _alerts(lambda who: Filter(rules=RULES[-1:], severities=(Severity.HIGH,))),
    "alerts by status": _alerts(lambda who: Filter(status=who.status())),
    "alerts by status, severity and time": _alerts(lambda who: Filter(status=who.status(), severities=who.severities(), **who.times())),
    "alerts in a box": _alerts(lambda who: Filter(area=who.box())),
    "alerts in a circle, by time": _alerts(lambda who: Filter(area=who.circle(), **who.times())),
    "alerts in a cell": _alerts(lambda who: Filter(area=who.cell())),
    "alerts by amount": _alerts(lambda who: Filter(**who.amounts())),
    "alerts by everything": _alerts(
        lambda who: Filter(area=who.box(), severities=who.severities(), status=Status.NEW, **who.amounts(), **who.times())
    ),
    "alerts of a person": _alerts(lambda who: Filter(subject=who.dice.choice(who.world.subjects))),
    "counts by rule, severity, status": lambda who: partial(
        who.reader.alert_facets, Filter(area=who.dice.choice((None, who.box())), **who.times())
    ),
    "counts of a month": lambda who: partial(who.reader.alert_facets, Filter(severities=who.severities())),
    "evidence of an alert": lambda who: partial(who.reader.evidence, who.dice.choice(who.world.alerts)),
    "replay": _replay,
    "people in a box": lambda who: partial(who.reader.people_page, who.box(), _PAGE),
    "look up a pseudonym": lambda who: partial(who.reader.look_up, who.dice.choice(who.world.subjects)),
    "ten panels of a day": lambda who: partial(who.reader.panels, Filter(**who.times((_HOUR_MS, 6 * _HOUR_MS, _DAY_MS)))),
    "ten panels of a week": lambda who: partial(who.reader.panels, Filter(**who.times((7 * _DAY_MS,)))),
    "payments": _payments(lambda who: Filter(**who.times())),
    "payments by amount": _payments(lambda who: Filter(**who.amounts(), **who.times())),
    "payments by verdict and channel": _payments(
        lambda who: Filter(verdicts=(Verdict.FLAGGED,), channels=(who.dice.choice(tuple(Channel)),))
    ),
    "payments in a circle": _payments(lambda who: Filter(area=who.circle(), categories=("travel",))),
}
"""Everything that the pages ask, with parameters that people would choose."""


def measure(reader: Reader, world: World, times: int) -> dict[str, list[float]]:
    """Return the milliseconds of every call, by question."""
    taken: dict[str, list[float]] = {}
    for name, asks in QUESTIONS.items():
        who = _Analyst(reader, world, random.Random(name))  # noqa: S311  # questions, the same in every run
        for _ in range(_WARM):
            asks(who)()
        taken[name] = []
        for _ in range(times):
            question = asks(who)
            begun = time.perf_counter()
            question()
            taken[name].append((time.perf_counter() - begun) * 1_000)
        print(f"{name:38} p95 {percentile(taken[name], 0.95):9.1f} ms", flush=True)
    return taken


def _plans(settings: Settings) -> None:
    """Show what the servers say of the indexes; that each question uses one is a test."""
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    try:
        database = client[settings.mongodb_database]
        for name in ("alerts", "transactions", "cases", "positions"):
            print(f"{name}: {', '.join(sorted(database[name].index_information()))}")
    finally:
        client.close()


def _table(taken: Mapping[str, list[float]]) -> None:
    print(f"{'question':38} {'p50 ms':>9} {'p95 ms':>9} {'max ms':>9}")
    for name, values in taken.items():
        print(f"{name:38} {percentile(values, 0.5):9.1f} {percentile(values, 0.95):9.1f} {max(values):9.1f}")


def main() -> None:
    """Fill both stores, ask, and write the figures."""
    parser = argparse.ArgumentParser(description="Measure the questions of the pages on a million documents.")
    parser.add_argument("--documents", type=int, default=1_000_000, help="alerts and payments, one alert to nine payments")
    parser.add_argument("--days", type=int, default=30, help="over which they are spread")
    parser.add_argument("--times", type=int, default=200, help="calls of each question")
    arguments = parser.parse_args()
    plan = Plan(arguments.documents * 9 // 10, arguments.documents // 10, max(1, arguments.documents // 250), arguments.days)
    with tempfile.TemporaryDirectory(prefix="veilocity-queries-") as folder:
        loaded = kernel_settings.load({}, state_dir=Path(folder))
        with Stack(loaded, servers=("elasticsearch", "mongodb"), services=()) as stack:
            prepare_stores(stack.settings, Event())
            begun = time.monotonic()
            world = fill(stack.settings, plan)
            print(f"{plan.payments + plan.alerts:,} documents in both stores after {time.monotonic() - begun:.0f} s", flush=True)
            _plans(stack.settings)
            reader = Reader(stack.settings)
            taken = measure(reader, world, arguments.times)
            reader.close()
    _table(taken)
    p95 = {name: percentile(values, 0.95) for name, values in taken.items()}
    worst = max(p95, key=lambda name: p95[name])
    below = f"< {_TARGET_MS:.0f}"
    figures = [Figure("query.worst_p95_ms", p95[worst], "ms", below, peer=f"worst of {len(p95)}: {worst}")]
    figures += [Figure(f"query.p95_ms[{name}]", value, "ms", below) for name, value in p95.items()]
    write("queries", figures, ("pymongo", "elasticsearch"), {"documents": str(plan.payments + plan.alerts)})


if __name__ == "__main__":
    main()
