"""The windows of the reports do not depend on how Kafka's records are cut into micro-batches, nor on where a run is broken off."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from privacy.reports.clock import Mark
from privacy.reports.events import Payment, Visit, Widths
from privacy.reports.state import ReportState, ReportTerms, absorb
from privacy.reports.taking import Taken
from storage.reports import ReportDocument

TERMS = ReportTerms(k=2, widths=Widths(), high_value={"*": 50}, cell_resolution=7, key_check="")
PARTITIONS = ("decisions/0", "decisions/1", "sessions/0")
Streams = dict[str, list[Payment | Visit]]


@st.composite
def streams(draw: st.DrawFn) -> Streams:
    found: Streams = {}
    for partition in PARTITIONS:
        times = draw(st.lists(st.integers(0, 900_000), max_size=25))
        people = draw(st.lists(st.integers(0, 6), min_size=len(times), max_size=len(times)))
        found[partition] = [
            _event(partition, at, f"p{person}", number) for number, (at, person) in enumerate(zip(times, people, strict=True))
        ]
    return found


def _event(partition: str, at: int, person: str, number: int) -> Payment | Visit:
    if partition.startswith("sessions"):
        return Visit(at, person, f"s{number % 5}{person}", ("ATC", "VI", "HP")[number % 3])
    return Payment(at, person, ("flagged", "clear")[number % 2], f"shop-{number % 3}", "food", "EUR", 10 * number, "unknown")


def _windows(records: Streams, cuts: list[dict[str, int]], marks: list[Mark], *, saved: bool) -> list[ReportDocument]:
    """Return what micro-batches that end at these places give; a saved run is written and read between any two."""
    state, documents = ReportState(), list[ReportDocument]()
    before = dict.fromkeys(PARTITIONS, 0)
    for ends in cuts:
        here = {name: max(before[name], min(ends[name], len(records[name]))) for name in PARTITIONS}
        found = Taken({name: [(offset, records[name][offset]) for offset in range(before[name], here[name])] for name in PARTITIONS})
        documents += absorb(state, found, here, marks, TERMS, {}, frozenset())
        if saved:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=ReportState)
        before = here
    return sorted(documents, key=lambda one: one.id)


@given(streams(), st.lists(st.fixed_dictionaries({name: st.integers(0, 25) for name in PARTITIONS}), max_size=6), st.data())
def test_any_cut_gives_the_same_windows(records: Streams, cuts: list[dict[str, int]], data: st.DataObject) -> None:
    marks = [
        Mark({name: data.draw(st.integers(0, len(records[name])))}, data.draw(st.integers(0, 2_000_000)))
        for name in PARTITIONS
        for _ in range(data.draw(st.integers(0, 2)))
    ]
    end: dict[str, Any] = {name: len(records[name]) for name in PARTITIONS}
    # A last mark that closes everything.
    marks.append(Mark(end, 10**9))
    at_once = _windows(records, [end], marks, saved=False)
    assert _windows(records, [*cuts, end], marks, saved=True) == at_once
    assert len({one.id for one in at_once}) == len(at_once)
