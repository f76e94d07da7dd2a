"""The page of payments without a browser: what an address means, when the stores are asked, and what is served."""

from __future__ import annotations

import random
import re

import msgspec
import pytest
from flask.testing import FlaskClient

from dashboard.app import create_server
from dashboard.desks import Desks
from dashboard.events import Hub
from dashboard.payments_desk import PaymentsDesk, PaymentsState
from dashboard.payments_picture import picture_panels
from dashboard.payments_view import SPANS, View
from storage.documents import MaskedTransaction
from storage.filters import holds_payment
from storage.read_panels import STEP_MS
from tests.e2e.pages_world import payment
from tests.e2e.payments_world import PaymentsWorld, payments_day
from tests.e2e.privacy_world import HOUR_MS, START_MS, progress
from tests.unit.hand_clock import Clock
from veilocity.errors import InvalidInputError

NOW_MS = START_MS + 24 * HOUR_MS


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock(NOW_MS)


@pytest.fixture(name="world")
def _world() -> PaymentsWorld:
    return payments_day(NOW_MS)


def desk_of(world: PaymentsWorld, clock: Clock) -> PaymentsDesk:
    return PaymentsDesk(lambda: world, clock_ms=clock)


def later(desk: PaymentsDesk, clock: Clock, query: str = "") -> PaymentsState:
    clock.ms += 2_000
    return desk.state(query)


def one_more(number: int) -> MaskedTransaction:
    return msgspec.structs.replace(payment(number, random.Random(number)), minute_ms=START_MS + 10 * HOUR_MS)  # noqa: S311  # made up


@pytest.mark.parametrize(
    "query",
    [
        "last=24h",
        "last=7d&category=fuel",
        "last=1h&verdict=flagged&channel=atm%2Ce-commerce&currency=EUR&amount=10.0..&box=37.0%2C-123.0%2C38.0%2C-122.0",
        f"since={START_MS}&until={START_MS + HOUR_MS}&severity=high",
    ],
)
def test_a_view_is_the_same_after_a_round_trip(query: str) -> None:
    view = View.from_query(query)
    assert view.to_query() == query
    assert View.from_query(view.to_query()) == view


def test_an_address_without_a_time_is_of_the_last_day_and_half_a_range_is_made_a_whole_day() -> None:
    assert View.from_query("").last == "24h"
    assert View.from_query(f"until={NOW_MS}").which.since_ms == START_MS
    assert View.from_query(f"since={START_MS}").which.until_ms == NOW_MS
    assert View.from_query("until=60000").which.since_ms == 0


@pytest.mark.parametrize("last", SPANS)
def test_a_view_that_moves_ends_with_the_ten_minutes_of_the_latest_event_and_has_whole_steps(last: str) -> None:
    event_ms = NOW_MS - 60_000
    bounded = View.from_query(f"last={last}").bounded(event_ms)
    assert bounded.since_ms is not None
    assert bounded.until_ms is not None
    assert bounded.since_ms % STEP_MS == bounded.until_ms % STEP_MS == 0
    assert event_ms < bounded.until_ms <= event_ms + STEP_MS
    assert bounded.until_ms - bounded.since_ms == SPANS[last]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("last=2h", "`last` is one of 1h, 6h, 24h, 7d"),
        ("last=1h&last=6h", "either `last`"),
        ("last=1h&since=0", "either `last`"),
        ("since=0&until=604800001", "at most seven days"),
        ("subject=somebody", "cannot be limited by subject"),
        ("status=new", "cannot be limited by status"),
        ("colour=red", "knows no `colour`"),
        ("channel=pigeon", "`channel` is one of"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_a_sentence_and_nobody_is_asked(
    query: str, why: str, world: PaymentsWorld, clock: Clock
) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(why)):
        View.from_query(query)
    state = desk_of(world, clock).state(query)
    assert why in state.refused
    assert (state.loaded, state.panels, world.looks) == (False, None, 0)


def test_the_panels_are_of_the_payments_that_the_address_names(world: PaymentsWorld, clock: Clock) -> None:
    desk = desk_of(world, clock)
    whole = desk.state("").panels
    assert whole is not None
    assert (whole.payments, len(whole.volume), sum(whole.volume)) == (2_600, 144, 2_600)
    query = f"since={START_MS + 9 * HOUR_MS}&until={START_MS + 12 * HOUR_MS}&category=fuel&currency=GBP"
    narrow = desk.state(query).panels
    shown = [one for one in world.payments if holds_payment(View.from_query(query).which, one)]
    assert narrow is not None
    assert (narrow.payments, sum(narrow.volume), len(narrow.volume)) == (len(shown), len(shown), 18)
    assert [money.currency for money in narrow.money] == ["GBP"]
    assert narrow.money[0].average == pytest.approx(sum(one.amount for one in shown) / len(shown))


def test_figures_over_time_have_one_value_for_each_ten_minutes_and_none_where_nothing_was_paid(world: PaymentsWorld) -> None:
    bounded = View.from_query("last=7d&currency=USD").bounded(NOW_MS - 60_000)
    panels = world.panels(bounded)
    picture = picture_panels(panels)
    assert len(picture.volume) == 7 * 144
    assert {picture.first_ms + at * STEP_MS: paid for at, paid in enumerate(picture.volume) if paid} == {
        one.start_ms: one.payments for one in panels.volume
    }
    (averages,) = picture.averages
    assert [value is None for value in averages.values] == [paid == 0 for paid in picture.volume]
    assert [value for value in averages.values if value is not None] == [round(value, 2) for _, value in panels.averages[0].points]
    assert len(msgspec.json.encode(picture)) < 20_000


def test_a_filter_offers_what_was_seen_without_it(world: PaymentsWorld, clock: Clock) -> None:
    desk = desk_of(world, clock)
    offered = desk.state("").choices
    assert offered.currencies == ("EUR", "GBP", "USD")
    assert len(offered.categories) >= 5
    assert desk.state("category=fuel&currency=EUR").choices == offered


def test_a_batch_is_counted_as_it_comes_and_once_more_when_it_is_found_and_then_no_more(world: PaymentsWorld, clock: Clock) -> None:
    desk = desk_of(world, clock)
    for _ in range(50):
        desk.state("")
    assert (world.looks, len(world.asked)) == (1, 1)
    for _ in range(4):
        later(desk, clock)
    assert (world.looks, len(world.asked)) == (5, 2)
    world.add(one_more(9_000))
    world.unfound = 1
    first = later(desk, clock).panels
    world.unfound = 0
    shown = [found for _ in range(3) if (found := later(desk, clock).panels) is not None]
    assert first is not None
    assert [first.payments, *(one.payments for one in shown)] == [2_600, 2_601, 2_601, 2_601]
    assert len(world.asked) == 4


def test_views_are_counted_by_themselves_equal_ones_once_and_no_more_than_sixteen_are_kept(world: PaymentsWorld, clock: Clock) -> None:
    desk = desk_of(world, clock)
    desk.state("category=fuel&last=6h")
    desk.state("last=6h&category=fuel")
    assert len(world.asked) == 1
    for low in range(15):
        desk.state(f"amount={low}..")
    desk.state("category=fuel&last=6h")
    desk.state("amount=15..")
    assert len(world.asked) == 17
    desk.state("category=fuel&last=6h")
    assert len(world.asked) == 17, "a view that was looked at lately is kept"
    desk.state("amount=0..")
    assert len(world.asked) == 18, "the view that nobody looked at for longest was let go"


def test_which_store_is_silent_is_told_and_the_last_figures_stay(world: PaymentsWorld, clock: Clock) -> None:
    desk = desk_of(world, clock)
    before = desk.state("")
    world.counting = False
    clock.ms += 2_000
    world.add(one_more(9_001))
    after = desk.state("")
    assert (after.store, after.silent, after.loaded, after.panels) == ("down", "Elasticsearch", True, before.panels)
    world.down = True
    assert later(desk, clock).silent == "MongoDB"
    world.down, world.counting = False, True
    again = later(desk, clock)
    assert (again.store, again.silent) == ("up", "")
    assert again.panels is not None
    world.counting = False
    first = desk.state("last=1h")
    assert (first.store, first.silent, first.loaded) == ("down", "Elasticsearch", False)


def test_before_the_first_batch_there_is_nothing_and_nothing_is_counted(clock: Clock) -> None:
    world = PaymentsWorld()
    state = desk_of(world, clock).state("")
    assert (state.store, state.loaded, state.panels, world.asked) == ("up", True, None, [])
    world.progress_document = progress(NOW_MS)
    shown = later(desk_of(world, clock), clock).panels
    assert shown is not None
    assert shown.payments == 0


@pytest.fixture(name="client")
def _client(world: PaymentsWorld, clock: Clock) -> FlaskClient:
    return create_server(Hub(), desks=Desks(payments=desk_of(world, clock))).test_client()


def test_the_page_runs_only_files_of_ours(client: FlaskClient) -> None:
    answer = client.get("/payments?last=6h")
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert not re.search(r"style=|<script>|<style|https?:", answer.text)
    for path in re.findall(r'(?:src|href)="(assets/[^"]+)"', answer.text):
        assert client.get(f"/{path}", buffered=True).status_code == 200, path


def test_what_it_shows_is_kept_by_nobody_is_small_and_names_nobody(client: FlaskClient) -> None:
    answer = client.get("/payments/state?last=7d&channel=card-present")
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()
    assert told["view"] == "last=7d&channel=card-present"
    assert [one["name"] for one in told["panels"]["channels"]] == ["card-present"]
    assert "subject" not in answer.text
    assert len(answer.data) < 50_000


def test_a_strange_query_is_refused_and_no_error(client: FlaskClient) -> None:
    for query in ("%ff=1", "a", "last=", "since=x", "category=" + 300 * "x", "&&&"):
        answer = client.get(f"/payments/state?{query}")
        assert answer.status_code == 200
        assert bool(answer.get_json()["refused"]) == (query != "&&&"), query
