"""The page of reports without a browser: what is drawn of the windows, when the store is asked, and what is served."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from flask.testing import FlaskClient

from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.reports_desk import ReportsDesk
from dashboard.reports_picture import left_out, picture_cells, picture_frauds, picture_sales, picture_window
from storage.reports import ReportDocument, ReportRow
from tests.e2e.reports_world import (
    DAY_MS,
    SECOND_MS,
    ReportsWorld,
    SegmentsWorld,
    fraud_window,
    merchants_window,
    reports_day,
    segmentation,
)
from tests.unit.hand_clock import Clock

NOW_MS = 1_795_400_000_000
TEN_MS = 10 * SECOND_MS
HALF_MS = 30 * SECOND_MS


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock(NOW_MS)


def desk_of(world: ReportsWorld, clock: Clock) -> ReportsDesk:
    return ReportsDesk(lambda: world, lambda: world.segments, clock_ms=clock)


def window(end_ms: int, *rows: tuple[str, int, dict[str, int]]) -> ReportDocument:
    shown = tuple(ReportRow(place, name, f"Shop {name}", "fuel", count, amounts) for place, (name, count, amounts) in enumerate(rows, 1))
    return ReportDocument(f"merchants:{end_ms - HALF_MS}", "merchants", end_ms - HALF_MS, end_ms, None, rows=shown)


def test_bars_are_the_newest_twenty_windows_in_order_and_what_is_withheld_is_not_zero() -> None:
    windows = [fraud_window(NOW_MS + step * TEN_MS, None if step == 20 else step) for step in range(25)]
    random.Random(1).shuffle(windows)  # noqa: S311  # any order
    found = picture_frauds(windows)
    assert found is not None
    assert [one.count for one in found.windows] == [*range(5, 20), None, *range(21, 25)]
    assert found.step_ms == TEN_MS
    assert [one.end_ms - one.start_ms for one in found.windows] == [120 * SECOND_MS] * 20


def test_a_missing_window_leaves_the_step_as_it_is() -> None:
    found = picture_frauds([fraud_window(NOW_MS + step * TEN_MS, 1) for step in (0, 3, 4)])
    assert found is not None
    assert found.step_ms == TEN_MS
    assert picture_frauds([]) is None


def test_cells_are_those_of_the_newest_window_that_tells_any_the_fullest_first() -> None:
    aligned = NOW_MS // 120_000 * 120_000
    later = [fraud_window(aligned + TEN_MS, 40), fraud_window(aligned + 120_000, 40)]
    found = picture_cells([fraud_window(aligned - 120_000, 9, (50, 60)), fraud_window(aligned, 9, (5, 8, 6)), *later])
    assert found is not None
    assert (found.end_ms, [cell.count for cell in found.cells], found.suppressed) == (aligned, [8, 6, 5], 2)


def test_where_no_cell_is_told_the_newest_window_that_could_tell_one_says_so() -> None:
    aligned = NOW_MS // 120_000 * 120_000
    silent = msgspec.structs.replace(fraud_window(aligned, 4), suppressed=3)
    found = picture_cells([silent, fraud_window(aligned + TEN_MS, 4)])
    assert found is not None
    assert (found.end_ms, found.cells, found.suppressed) == (aligned, (), 3)
    assert picture_cells([]) is None


def test_sales_are_running_sums_of_the_windows_counted_one_by_one() -> None:
    draw = random.Random(7)  # noqa: S311  # a made-up day
    windows = [merchants_window(NOW_MS + step * HALF_MS, draw) for step in range(30)]
    found = picture_sales(windows[::-1])
    assert found is not None
    assert found.ends_ms == tuple(one.end_ms for one in windows)
    worths: dict[str, Callable[[ReportRow], float]] = {"payments": lambda row: row.count, "GBP": lambda row: row.amounts["GBP"] / 100}
    for measure, worth in worths.items():
        lines = next(one.lines for one in found.measures if one.name == measure)
        totals: dict[str, float] = {}
        running = []
        for one in windows:
            for row in one.rows:
                totals[row.id] = totals.get(row.id, 0) + worth(row)
            running.append(dict(totals))
        assert [line.id for line in lines] == [name for name, _ in sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))[:20]]
        for line in lines:
            assert line.values == pytest.approx([each.get(line.id, 0) for each in running])


def test_equal_merchants_stand_in_the_order_of_their_ids_and_at_most_twenty_are_drawn() -> None:
    found = picture_sales([window(NOW_MS, *((f"m{number:02d}", 5, {"GBP": 100}) for number in reversed(range(26))))])
    assert found is not None
    for measure in found.measures:
        assert [line.id for line in measure.lines] == [f"m{number:02d}" for number in range(20)]


def test_money_is_never_added_over_currencies_and_each_has_its_own_minor_unit() -> None:
    rows = [("a", 3, {"EUR": 1_250, "JPY": 900, "KWD": 1_500}), ("b", 2, {"EUR": 100, "USD": 7}), ("c", 1, {"EUR": 5, "JPY": 1, "KWD": 1})]
    found = picture_sales([window(NOW_MS, *rows)])
    assert found is not None
    assert [one.name for one in found.measures] == ["payments", "EUR", "JPY", "KWD"], "the three most frequent"
    firsts = {one.name: one.lines[0].values[-1] for one in found.measures}
    assert firsts == {"payments": 3, "EUR": 12.5, "JPY": 900, "KWD": 1.5}
    assert [line.id for line in found.measures[2].lines] == ["a", "c"], "who sold nothing in it has no line"


def test_what_is_left_out_is_told_for_each_report_of_its_newest_window() -> None:
    older, newer = fraud_window(NOW_MS, 3, late=1), fraud_window(NOW_MS + TEN_MS, None, late=4)
    rows = left_out([[newer, older], [], [msgspec.structs.replace(window(NOW_MS), late=2)]])
    assert [(one.report, one.late, one.suppressed) for one in rows] == [("frauds", 4, 1), ("merchants", 2, 0)]
    newest = picture_window([older, newer])
    assert newest is not None
    assert (newest.end_ms, newest.count) == (NOW_MS + TEN_MS, None)
    assert picture_window([]) is None


def test_the_store_is_asked_seldom_and_for_what_came_since(clock: Clock) -> None:
    world = reports_day(NOW_MS)
    desk = desk_of(world, clock)
    for _ in range(50):
        assert desk.state().store == "up"
    assert Counter(world.questions) == {("newest", name): 1 for name in ("frauds", "high_value", "day_counts", "sessions")} | {
        ("newest", "merchants"): 2
    }
    clock.ms += 3_000
    desk.state()
    assert ("since", "merchants") not in world.questions, "nothing came"
    before = desk.state().sales
    assert before is not None
    world.documents += [merchants_window(before.ends_ms[-1] + step * HALF_MS, random.Random(step)) for step in (1, 2)]  # noqa: S311  # made up
    clock.ms += 3_000
    after = desk.state().sales
    assert world.questions.count(("since", "merchants")) == 1
    assert world.questions.count(("newest", "merchants")) == 4
    assert after == picture_sales([one for one in world.documents if one.report == "merchants"])


def test_a_store_that_began_anew_is_read_anew(clock: Clock) -> None:
    world = reports_day(NOW_MS)
    desk = desk_of(world, clock)
    desk.state()
    anew = merchants_window(NOW_MS - DAY_MS, random.Random(3))  # noqa: S311  # made up
    world.documents = [anew]
    clock.ms += 3_000
    state = desk.state()
    assert state.sales == picture_sales([anew])
    assert (state.frauds, state.high_value) == (None, None)


def test_news_are_as_old_as_they_were_seen_first_and_the_first_look_trusts_the_clock_of_the_events(clock: Clock) -> None:
    world = ReportsWorld([fraud_window(NOW_MS - 300_000, 3)])
    desk = desk_of(world, clock)
    first = desk.state()
    assert first.written_ms == NOW_MS - 300_000 + 120_000, "late rows were waited for"
    assert first.now_ms - first.written_ms > first.stale_s * 1_000
    world.documents.append(fraud_window(NOW_MS - 290_000, 4))
    clock.ms += 3_000
    assert desk.state().written_ms == clock.ms
    seen_ms = clock.ms
    clock.ms += 9_000
    assert desk.state().written_ms == seen_ms
    ahead = desk_of(ReportsWorld([fraud_window(NOW_MS + DAY_MS, 3)]), clock).state()
    assert ahead.written_ms == clock.ms, "events of a clock that runs ahead are not from tomorrow"


def test_a_dead_store_is_told_and_the_last_picture_stays(clock: Clock) -> None:
    world = reports_day(NOW_MS)
    desk = desk_of(world, clock)
    before = desk.state()
    world.down = True
    clock.ms += 3_000
    after = desk.state()
    assert (after.store, after.loaded, after.sales) == ("down", True, before.sales)
    assert desk_of(ReportsWorld(down=True), clock).state().loaded is False


def test_segments_are_shown_without_reports_and_reports_without_segments(clock: Clock) -> None:
    alone = desk_of(ReportsWorld(segments=SegmentsWorld(segmentation(NOW_MS))), clock).state()
    assert (alone.loaded, alone.event_ms, alone.left_out) == (True, 0, ())
    assert alone.segments is not None
    assert [one.segment for one in alone.segments.segments] == ["A", "B", "C", "D"]
    assert desk_of(ReportsWorld([fraud_window(NOW_MS, 1)]), clock).state().segments is None


@pytest.fixture(name="client")
def _client(clock: Clock) -> FlaskClient:
    return create_server(Hub(), desks=Desks(reports=desk_of(reports_day(NOW_MS), clock))).test_client()


def test_the_page_runs_only_files_of_ours(client: FlaskClient) -> None:
    answer = client.get("/reports")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"style=|<script>|<style|https?:", answer.text)
    for path in re.findall(r'(?:src|href)="(assets/[^"]+)"', answer.text):
        assert client.get(f"/{path}", buffered=True).status_code == 200, path


def test_what_it_shows_is_kept_by_nobody_and_is_small(client: FlaskClient) -> None:
    answer = client.get("/reports/state")
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()
    assert (len(told["frauds"]["windows"]), len(told["sales"]["ends_ms"]), len(told["cells"]["cells"])) == (20, 40, 4)
    assert told["sessions"]["bands"][0] == {"band": "bought", "count": 131}
    assert len(answer.data) < 80_000
