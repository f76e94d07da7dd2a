"""A stream that falls silent is drained, once and repeatably, and only then."""

from itertools import pairwise
from pathlib import Path

import pytest

from privacy.heartbeat import Heartbeat, Silence, read_positions
from tests.unit.privacy_world import ENDS, PAYMENTS, WIDTH, Store, beat, drained, part, play, released, renamed, stage
from veilocity.errors import StateError, StoreUnavailableError


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return play(tmp_path_factory.mktemp("unbroken"), 25)


def test_a_silent_stream_drains_through_all_tiers(tmp_path: Path, unbroken: Store) -> None:
    store = drained(tmp_path)
    assert store.progress is not None
    assert store.progress.pending == 0
    assert store.progress.transactions == 400 == store.progress.released + store.progress.suppressed + store.progress.late
    sample = unbroken.documents["sample", "sample"]
    assert unbroken.told().items() <= {**store.told(), ("sample", "sample"): sample}.items()
    late = [renamed(one, 9_000 + number) for number, one in enumerate(PAYMENTS[-30:])]
    running = stage(tmp_path, store)
    running.process([part(late)], 19, {0: 600, 1: 600})
    assert unbroken.progress is not None
    assert (store.progress.late, store.progress.pending) == (unbroken.progress.late + 30, 0)


def test_windows_cut_by_a_drain_begin_anew_and_are_never_opened_again(tmp_path: Path) -> None:
    store = drained(tmp_path)
    before = {one.class_id: one for one in released(store)}
    running = stage(tmp_path, store)
    later = [renamed(one, 9_000 + number, 8 * WIDTH) for number, one in enumerate(PAYMENTS)]
    for number in range(8):
        running.process([part(later[number * 50 : number * 50 + 50])], 19 + number, {})
    running.process([beat(90_000, {0: 900})], 27, {0: 900})
    running.process([beat(91_000, {0: 900})], 28, {0: 900})
    assert store.progress is not None
    assert store.progress.pending == 0
    after = {one.class_id: one for one in released(store)}
    assert before.items() <= after.items()
    assert len(after) > len(before)
    windows = sorted({(one.window_end_ms - one.window_start_ms, one.window_start_ms, one.window_end_ms) for one in after.values()})
    for tier in (WIDTH, 2 * WIDTH, 4 * WIDTH):
        spans = [(start, end) for width, start, end in windows if width == tier]
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))


@pytest.mark.parametrize(
    ("ends", "positions"),
    [
        ([ENDS, {0: 500, 1: 502}, ENDS], ENDS),
        ([ENDS, ENDS], {0: 500, 1: 502}),
        ([ENDS, ENDS], {0: 500}),
    ],
)
def test_no_drain_without_silence_or_short_of_the_ends(tmp_path: Path, ends: list[dict[int, int]], positions: dict[int, int]) -> None:
    store = Store()
    running = stage(tmp_path, store)
    running.process([part(PAYMENTS[:50])], 0, {})
    for number, one in enumerate(ends, 1):
        running.process([beat(number * 1_500, one)], number, positions)
    assert store.progress is not None
    assert store.progress.pending == store.progress.transactions - store.progress.late > 0


def test_a_clock_that_was_set_back_begins_anew() -> None:
    silence, drain = Silence(ENDS, 10_000).after([Heartbeat(9_000, ENDS)], 1_000, ENDS)
    assert (silence.since_ms, drain) == (9_000, False)
    assert silence.after([Heartbeat(10_000, ENDS)], 1_000, ENDS)[1]
    assert not silence.after([Heartbeat(10_000_000, ENDS)], 0, ENDS)[1], "zero is never"


@pytest.mark.parametrize("moment", ["fail_before", "fail_after", "after_ledger"])
def test_a_crash_while_draining_changes_nothing(tmp_path: Path, moment: str) -> None:
    whole = drained(tmp_path / "whole")
    store = play(tmp_path / "broken", 25)
    running = stage(tmp_path / "broken", store)
    running.process([beat(5_000, ENDS)], 16, ENDS)
    running.process([beat(5_999, ENDS)], 17, ENDS)
    if moment != "after_ledger":
        setattr(store, moment, 19)
        with pytest.raises(StoreUnavailableError):
            running.process([beat(6_000, ENDS)], 18, ENDS)
    else:
        running.process([beat(6_000, ENDS)], 18, ENDS)
    stage(tmp_path / "broken", store).process([beat(6_000, ENDS)], 18, ENDS)
    assert store.told() == whole.told()
    assert store.progress == whole.progress


def test_the_positions_of_a_micro_batch_are_read_from_sparks_own_entry(tmp_path: Path) -> None:
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / "7").write_text('v1\n{"batchWatermarkMs":0}\n{"x.decisions":{"1":5,"0":9},"x.fixes":{"0":1}}\n')
    assert read_positions(tmp_path, 7, "x.decisions") == {0: 9, 1: 5}
    assert read_positions(tmp_path, 7, "x.alerts") == {}
    with pytest.raises(StateError, match="checkpoint"):
        read_positions(tmp_path, 8, "x.decisions")
