"""What one core does with the pure parts, each beside the obvious peer in the same run. Run it with `make bench`."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable

from haversine import Unit, haversine

from benchmarks.figures import Figure, write
from ingest import sensor_logger, transactions
from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.simulator import CityPlan, Push, directory, simulate
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.tokens import TokenKind
from veilocity.contracts import Fix, Transaction, decode, encode
from veilocity.geo import great_circle_m

_START_MS = 1_750_000_000_000
_REPEATS = 3


def _rate(work: Callable[[], int]) -> float:
    """Return the best of some runs, in items per second: noise only ever slows a run down."""
    best = 0.0
    for _ in range(_REPEATS):
        began = time.perf_counter()
        count = work()
        best = max(best, count / (time.perf_counter() - began))
    return best


def _day() -> list[Fix | Transaction]:
    plan = CityPlan(people=100)
    people = Directory()
    for entry in directory(plan):
        people.put(entry)
    events: list[Fix | Transaction] = []
    for event in simulate(plan, _START_MS, 6.0):
        parse = sensor_logger.parse if isinstance(event, Push) else transactions.parse
        events += [item for item in parse(event.body, Arrival(event.due_ms, 0.0), people).accepted if isinstance(item, Fix | Transaction)]
    return events


def _against(name: str, unit: str, target: str, ours: float, peer: str, theirs: float) -> Figure:
    return Figure(name, round(ours, 1), unit, target, peer, round(ours / theirs, 2))


def main() -> None:
    """Measure and write the figures."""
    events = _day()
    fixes = [encode(event) for event in events if isinstance(event, Fix)]
    places = [(event.lat, event.lon) for event in events if isinstance(event, Fix)]
    pairs = list(itertools.pairwise(places))
    ring = KeyRing([(1, ALWAYS_MS, bytes(range(32)))])
    names = [f"card-{number}" for number in range(100_000)]

    def decode_all() -> int:
        return len([decode(data, Fix) for data in fixes])

    def json_all() -> int:
        return len([json.loads(data) for data in fixes])

    def distances() -> int:
        return len([great_circle_m(*a, *b) for a, b in pairs])

    def haversines() -> int:
        return len([haversine(a, b, unit=Unit.METERS) for a, b in pairs])

    def tokens() -> int:
        # Anew each time, so that nothing is remembered.
        return len(Pseudonymiser(ring, "mongodb", 0).tokens(TokenKind.CARD, names, 0))

    def plain_hmac() -> int:
        return len([hmac.new(bytes(32), name.encode(), hashlib.sha256).hexdigest() for name in names])

    write(
        "micro",
        [
            _against("contracts.decode_per_s", "records/s", ">= 3x json", _rate(decode_all), "json.loads", _rate(json_all)),
            _against("geo.distances_per_s", "distances/s", ">= 1x haversine", _rate(distances), "haversine", _rate(haversines)),
            _against("tokens.per_s", "tokens/s", ">= 1x a plain loop", _rate(tokens), "hmac.new", _rate(plain_hmac)),
        ],
        ("msgspec", "haversine"),
    )


if __name__ == "__main__":
    main()
