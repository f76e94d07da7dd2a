"""Judge a labelled week and a busy hour, and print which build did it, and a hash of everything that was said and remembered."""

from __future__ import annotations

import hashlib
import itertools

import rules.engine
from benchmarks.events import Plan, events
from ingest.simulator.weeks import WeekPlan, labelled_week
from rules import Engine, SubjectState, default_rule_book
from rules.codec import dump
from veilocity.contracts import Fix, Transaction, decode, encode
from veilocity.errors import InvalidInputError
from veilocity.topics import FIXES


def main() -> None:
    engine, said = Engine(default_rule_book()), hashlib.sha256()
    states: dict[str, SubjectState] = {}
    hour = (
        decode(one.value, Fix if one.topic is FIXES else Transaction)
        for one in itertools.islice(events(Plan(subjects=300), 1_764_000_000_000), 30_000)
    )
    week = labelled_week(WeekPlan(seed=3, people=2, days=5)).events
    told = 0
    for event in itertools.chain(week, hour):
        assert isinstance(event, Fix | Transaction)
        try:
            outcome = engine.process(states.setdefault(event.subject, SubjectState()), event)
        except InvalidInputError as refusal:
            said.update(refusal.reason.encode())
            continue
        told += len(outcome.alerts)
        for record in (*outcome.decisions, *outcome.alerts):
            said.update(encode(record))
    for subject in sorted(states):
        said.update(dump(states[subject]))
    print(rules.engine.__file__.endswith(".py"), told, said.hexdigest())


if __name__ == "__main__":
    main()
