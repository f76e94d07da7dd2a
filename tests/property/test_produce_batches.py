"""Paced replay: every row once and in order, sizes in range, seconds spread evenly, nothing lost between batches or by a stop."""

from __future__ import annotations

import csv
import json
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.produce.batching import Sizes, batches, spread_s
from ingest.produce.csv_feed import CsvPlay, play_csv
from ingest.produce.csv_rows import rows_of
from ingest.produce.mapping import Mapping
from ingest.produce.pairing import Beside, paired, time_ns
from ingest.push import Pusher
from ingest.simulator.clock import Clock
from veilocity.errors import ServiceUnavailableError

sizes = st.tuples(st.integers(1, 30), st.integers(0, 40), st.integers(0, 2**31)).map(lambda one: Sizes(one[0], one[0] + one[1], one[2]))


@given(st.integers(0, 400), sizes)
def test_batches_are_the_rows_each_once_in_order_and_of_sizes_in_range(count: int, size: Sizes) -> None:
    found = list(batches(range(count), size))
    assert [row for batch in found for row in batch] == list(range(count))
    assert all(size.low <= len(batch) <= size.high for batch in found[:-1])
    assert not found or 1 <= len(found[-1]) <= size.high
    assert found == list(batches(range(count), size)), "the same seed, the same batches"


@given(st.integers(1, 400), sizes, st.integers(0, 20))
def test_batches_after_a_stop_are_those_that_were_left(count: int, size: Sizes, played: int) -> None:
    whole = list(batches(range(count), size))
    done = sum(len(batch) for batch in whole[:played])
    assert list(batches(range(done, count), size, played)) == whole[played:]


@given(st.integers(1, 3_000), st.integers(1, 60), st.integers(0, 2**31))
def test_seconds_are_spread_evenly_and_there_is_never_one_too_many(count: int, every_s: int, start_s: int) -> None:
    found = spread_s(count, every_s, start_s)
    assert found == sorted(found) and len(found) == count
    assert found[0] == start_s and found[-1] < start_s + every_s
    held = Counter(found)
    rows = [held[start_s + second] for second in range(every_s)]
    assert max(rows) - min(rows) <= 1


times = st.integers(0, 60) | st.none()


@given(st.lists(times, max_size=60), st.lists(times, max_size=60), sizes)
def test_no_row_between_batches_is_lost_or_sent_twice(first: list[int | None], second: list[int | None], size: Sizes) -> None:
    def rows(stated: list[int | None]) -> list[dict[str, str]]:
        return [{"n": str(number), "at": "" if at is None else str(at)} for number, at in enumerate(stated)]

    def time_of(row: dict[str, str]) -> int | None:
        return time_ns(row["at"])

    beside = Beside(rows(second), time_of)
    sent: list[str] = []
    for batch in paired(batches(rows(first), size), time_of):
        taken = list(beside.before(batch.until_ns))
        sent += [row["n"] for row in taken]
        limit = batch.until_ns
        assert limit is None or all((at := time_of(row)) is None or at < limit for row in taken), "half-open"
    assert sent == ([str(number) for number in range(len(second))] if first else [])


cells = st.text(max_size=12).filter(lambda text: "\r" not in text and "\x00" not in text)


@given(st.lists(st.tuples(cells, cells), max_size=20), st.integers(0, 25))
def test_a_file_gives_its_rows_after_those_that_were_played(found: list[tuple[str, str]], skip: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
            writer.writerows([("a", "b"), *found])
        assert list(rows_of(file, skip)) == [{"a": one, "b": two} for one, two in found[skip:]]


class Door:
    """A gateway that takes everything, until it is away for good after so many requests."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.left = 10**9

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.left == 0:
            return httpx.Response(503)
        self.left -= 1
        found = json.loads(request.content)
        self.items += found
        return httpx.Response(200, json={"accepted": len(found), "rejected": 0, "ignored": 0})


@given(st.integers(1, 200), st.integers(0, 90), sizes, st.integers(0, 6), st.booleans())
def test_a_play_that_was_interrupted_goes_on_where_it_was_answered(
    rows: int, others: int, size: Sizes, answered: int, stamped: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, count, column in ((folder / "a.csv", rows, "event_time"), (folder / "b.csv", others, "created_at")):
            file.write_text(f"n,{column}\n" + "".join(f"{number},{1_000 + number}\n" for number in range(count)), encoding="utf-8")
        as_it_is = Mapping(door="/a", fields=None), Mapping(door="/b", fields=None)
        play = CsvPlay(
            folder / "a.csv", size, 5, as_it_is[0], not stamped, beside=folder / "b.csv", beside_mapping=as_it_is[1], position=folder / "p"
        )
        door = Door()
        with Pusher("http://gateway", transport=httpx.MockTransport(door), patience_s=0.0, sleep=lambda _: None) as pusher:
            clock = Clock(0, 10**12, 1.0)
            door.left = answered
            try:
                play_csv(play, pusher, clock, threading.Event(), wall_ms=lambda: 2 * 10**12)
            except ServiceUnavailableError:
                door.left = 10**9
                play_csv(play, pusher, clock, threading.Event(), wall_ms=lambda: 2 * 10**12)
        for column, count in (("event_time", rows), ("created_at", others)):
            sent = [int(item["n"]) for item in door.items if column in item]
            assert set(sent) == set(range(count))
            twice = sorted(number for number, times in Counter(sent).items() if times > 1)
            # What goes beside a batch goes after it: if that was not answered, the batch comes again as a whole, and nothing else does.
            assert twice in ([], *batches(range(rows), size)) if column == "event_time" else not twice
        assert all(("ts" in item) is stamped for item in door.items)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    import tracemalloc

    def peak(rows: int) -> int:
        file = tmp_path / f"{rows}.csv"
        with file.open("w", encoding="utf-8") as stream:
            stream.write("event_time,text\n")
            stream.writelines(f"{number},{'x' * 100}\n" for number in range(rows))
        tracemalloc.start()
        for _ in paired(batches(rows_of(file), Sizes(200, 500, 1)), lambda row: time_ns(row["event_time"])):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(20_000) < 1.5 * peak(4_000)


@pytest.mark.parametrize("text", ["0-5", "9-3", "x", "-4", "5-"])
def test_sizes_that_cannot_be_are_refused(text: str) -> None:
    from ingest.produce.batching import sizes_of
    from veilocity.errors import SettingsError

    with pytest.raises(SettingsError, match="--rows"):
        sizes_of(text, 1)
