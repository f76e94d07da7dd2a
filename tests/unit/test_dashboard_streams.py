"""The page of streams without a browser: estimates in their bounds, the graph, when the store is asked, and what is served."""

from __future__ import annotations

import random
import re
import statistics
from pathlib import Path

import msgspec
import pytest
from flask.testing import FlaskClient

from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.scraping import EMPTY, parse
from dashboard.streams_course import CourseFile
from dashboard.streams_desk import EXACT_MOST, StreamsDesk
from dashboard.streams_picture import picture_distinct, picture_filter, picture_groups, picture_sample
from storage.documents import Progress, Sample
from tests.e2e.health_world import PRIVACY_METRICS
from tests.e2e.pages_world import CATEGORIES, StreamsWorld, course, group, payment, streams_day
from tests.e2e.privacy_world import HOUR_MS, START_MS, progress
from tests.unit.hand_clock import Clock

NOW_MS = START_MS + 15 * HOUR_MS
METRICS = parse(PRIVACY_METRICS % {"behind": 0, "payments": 1})


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock(NOW_MS)


def desk_of(world: StreamsWorld, clock: Clock) -> StreamsDesk:
    return StreamsDesk(lambda: world, scrape=lambda: METRICS, clock_ms=clock)


def test_the_interval_of_the_mean_holds_the_truth_in_about_95_of_100_samples() -> None:
    draw = random.Random(3)  # noqa: S311  # a made-up stream
    whole = [msgspec.structs.replace(payment(number, draw), currency="GBP") for number in range(2_000)]
    truth = statistics.fmean(one.amount for one in whole)
    flagged = sum(one.verdict == "flagged" for one in whole) / len(whole)
    held = {"Mean amount": 0, "Flagged share": 0}
    for _ in range(300):
        drawn = draw.sample(whole, 300)
        sample = Sample("sample", 1, len(whole), tuple(one.id for one in drawn))
        for one in picture_sample(sample, drawn, None, EMPTY).estimates:
            held[one.what] += one.low <= (truth if one.what == "Mean amount" else flagged) <= one.high
    # 285 of 300 are expected; fewer than 270 have a chance below 1e-4 where each holds with 0.95.
    assert all(270 <= count for count in held.values()), held
    assert held["Mean amount"] < 300, "an interval that never misses is too wide"


def test_a_sample_of_everything_is_exact() -> None:
    draw = random.Random(4)  # noqa: S311  # a made-up stream
    whole = [payment(number, draw) for number in range(40)]
    picture = picture_sample(Sample("sample", 1, 40, tuple(one.id for one in whole)), whole, None, EMPTY)
    for one in picture.estimates:
        assert one.low == pytest.approx(one.estimate) == pytest.approx(one.high)


def test_an_empty_sample_has_no_estimates_and_one_payment_no_mean() -> None:
    one = payment(0, random.Random(1))  # noqa: S311  # a made-up stream
    assert picture_sample(Sample("sample", 1, 0, ()), [], None, EMPTY).estimates == ()
    assert [found.what for found in picture_sample(Sample("sample", 1, 9, (one.id,)), [one], None, EMPTY).estimates] == ["Flagged share"]


def test_what_nobody_knows_is_not_made_up_and_says_why() -> None:
    world = streams_day(NOW_MS)
    assert world.sketches_document is not None
    people, merchants, _ = picture_distinct(world.sketches_document, world.truth, METRICS)
    assert (people.exact, merchants.exact) == (None, 265)
    assert "tokens" in people.why
    assert not merchants.why
    unknown = picture_distinct(world.sketches_document, None, EMPTY)
    assert [(one.exact, one.memory_bytes) for one in unknown] == [(None, None)] * 3
    assert all(one.why for one in unknown)


def test_the_filter_tells_its_fill_where_the_privacy_stage_does() -> None:
    world = streams_day(NOW_MS)
    assert world.sketches_document is not None
    told = picture_filter(world.sketches_document, METRICS)
    assert (told.visits, told.capacity, told.fill, told.memory_bytes) == (5_311, 1_000_000, 0.00369, 1_797_200)
    silent = picture_filter(world.sketches_document, EMPTY)
    assert (silent.visits, silent.capacity, silent.fill, silent.memory_bytes) == (5_311, None, None, None)


def test_groups_that_share_four_features_are_joined_and_a_hub_has_few_lines() -> None:
    draw = random.Random(2)  # noqa: S311  # made-up groups
    groups = [group(number, draw, 0) for number in range(60)]
    picture = picture_groups(groups, 48)
    assert (len(picture.groups), picture.complete) == (48, False)
    sizes = [one.payments for one in picture.groups]
    assert sizes == sorted(sizes, reverse=True)
    for first, second, shared in picture.lines:
        assert len(set(picture.groups[first].features) & set(picture.groups[second].features)) == shared >= 4
    ends = [end for first, second, _ in picture.lines for end in (first, second)]
    assert ends
    assert max(map(ends.count, ends)) <= 3


def test_a_cell_that_all_share_has_a_middle_and_others_have_none() -> None:
    one = group(0, random.Random(1), 0)  # noqa: S311  # made-up groups
    found = picture_groups([one], 5).groups[0]
    assert found.lat == pytest.approx(51.5, abs=0.1)
    without = msgspec.structs.replace(one, features=tuple(feature for feature in one.features if not feature.startswith("cell=")))
    assert picture_groups([without], 5).groups[0].lat is None


def test_estimate_and_truth_are_of_one_batch_and_are_kept_as_long_as_the_truth_is_dear(clock: Clock) -> None:
    world = streams_day(NOW_MS)

    class Slow(StreamsWorld):
        def exact(self, up_to_seq: int) -> object:  # type: ignore[override]  # the same answer, later
            clock.ms += 500
            return world.exact(up_to_seq)

    slow = Slow(
        **{
            name: getattr(world, name)
            for name in ("progress_document", "sketches_document", "sample_document", "payment_documents", "group_documents", "truth")
        }
    )
    desk = desk_of(slow, clock)
    desk.state()
    assert slow.progress_document is not None
    for seq in (41, 42, 43):
        slow.progress_document = msgspec.structs.replace(slow.progress_document, seq=seq)
        clock.ms += 3_000
        assert desk.state().counts is not None
    assert (slow.questions["sketches"], slow.questions["groups"]) == (1, 4)
    slow.progress_document = msgspec.structs.replace(slow.progress_document, seq=44)
    clock.ms += 3_000
    desk.state()
    assert slow.questions["sketches"] == 2


def test_nothing_exact_is_asked_of_a_large_store(clock: Clock) -> None:
    world = streams_day(NOW_MS)
    assert world.progress_document is not None
    world.progress_document = msgspec.structs.replace(world.progress_document, transactions=EXACT_MOST + 1)
    state = desk_of(world, clock).state()
    assert "exact" not in world.questions
    assert [one.exact for one in state.distinct] == [None] * 3


def test_the_store_is_asked_no_more_often_than_every_two_seconds_and_only_for_news(clock: Clock) -> None:
    world = streams_day(NOW_MS)
    desk = desk_of(world, clock)
    for _ in range(50):
        assert desk.state().store == "up"
    clock.ms += 3_000
    desk.state()
    assert world.questions == {"progress": 2, "exact": 1, "sketches": 1, "sample": 1, "payments": 1, "groups": 1}


def test_a_store_that_began_anew_is_read_anew(clock: Clock) -> None:
    world = streams_day(NOW_MS)
    desk = desk_of(world, clock)
    assert desk.state().groups is not None
    world.progress_document, world.sketches_document, world.sample_document, world.group_documents = Progress("privacy", 1), None, None, []
    clock.ms += 3_000
    state = desk.state()
    assert state.groups is not None
    assert (state.groups.groups, state.sample, state.filter) == ((), None, None)


def test_a_dead_store_is_told_and_the_last_picture_stays(clock: Clock) -> None:
    world = streams_day(NOW_MS)
    desk = desk_of(world, clock)
    before = desk.state()
    world.down = True
    clock.ms += 3_000
    after = desk.state()
    assert (after.store, after.loaded, after.sample) == ("down", True, before.sample)
    assert desk_of(StreamsWorld(down=True), clock).state().loaded is False


def test_the_course_is_read_again_when_it_was_held_again_and_a_broken_file_is_none(tmp_path: Path) -> None:
    file = CourseFile(tmp_path / "rubric.html")
    assert file.read() is None
    assert course(tmp_path, 3) is not None
    first = file.read()
    assert first is not None
    assert [one.title for one in first.chapters] == ["Reservoir sample", "Algorithm 2", "Algorithm 3"]
    course(tmp_path, 25)
    again = file.read()
    assert again is not None
    assert len(again.chapters) == 25
    unbounded = again.chapters[6].figures[0]
    assert (unbounded.high, unbounded.holds) == (None, True)
    (tmp_path / "rubric.json").write_text("{")
    assert file.read() is None


@pytest.fixture(name="client")
def _client(clock: Clock) -> FlaskClient:
    return create_server(Hub(), desks=Desks(streams=desk_of(streams_day(NOW_MS), clock))).test_client()


def test_the_page_runs_only_files_of_ours(client: FlaskClient) -> None:
    answer = client.get("/streams")
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert not re.search(r"style=|<script>|<style|https?:", answer.text)
    for path in re.findall(r'(?:src|href)="(assets/[^"]+)"', answer.text):
        assert client.get(f"/{path}", buffered=True).status_code == 200, path


def test_what_it_shows_is_kept_by_nobody_and_is_small(client: FlaskClient) -> None:
    answer = client.get("/streams/state")
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()
    assert (told["counts"]["payments"], told["sample"]["size"], len(told["groups"]["groups"])) == (6_412, 500, 44)
    assert "subject" not in answer.text
    assert len(answer.data) < 60_000


def test_the_payments_of_a_group_are_told_and_an_unknown_group_is_none(client: FlaskClient) -> None:
    told = client.get("/streams/group?id=group003").get_json()
    assert told["named"] >= len(told["rows"]) > 0
    assert {row["category"] for row in told["rows"]} <= set(CATEGORIES)
    missing = client.get("/streams/group?id=nobody")
    assert (missing.status_code, "no such group" in missing.get_json()["error"]) == (404, True)


def test_a_group_of_a_dead_store_is_503(clock: Clock) -> None:
    world = streams_day(NOW_MS)
    client = create_server(Hub(), desks=Desks(streams=desk_of(world, clock))).test_client()
    world.down = True
    assert client.get("/streams/group?id=group003").status_code == 503


def test_progress_without_sketches_is_no_error(clock: Clock) -> None:
    state = desk_of(StreamsWorld(progress_document=progress(NOW_MS), truth=streams_day(NOW_MS).truth), clock).state()
    assert (state.store, state.sample, state.filter, state.distinct) == ("up", None, None, ())
