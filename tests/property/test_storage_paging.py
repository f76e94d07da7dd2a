"""However a list is found and whatever is inserted meanwhile: pages give each thing once, in order; a link gives its view."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from storage.areas import Area, Box, Cell, Circle
from storage.cases.model import Status
from storage.cursors import Key
from storage.filters import Filter
from storage.paging import Part, make_page
from veilocity.contracts import Channel, Severity, Verdict

KEYS = st.tuples(st.integers(0, 6), st.text("abc", min_size=1, max_size=3))
TIMES = st.none() | st.integers(0, 2_000_000_000_000)
AMOUNTS = st.none() | st.floats(0, 1e9, allow_nan=False)
WORDS = st.text(min_size=1, max_size=12).map(str.strip).filter(lambda text: bool(text) and text.isprintable() and "," not in text)
LATS, LONS = st.floats(-90, 90), st.floats(-180, 180)


class Shop:
    """A list in memory: given in parts of any length, from the newest on, with things that nobody wants in between."""

    def __init__(self, keys: set[Key], wanted: Callable[[Key], bool], lengths: st.DataObject) -> None:
        self.keys = keys
        self.wanted = wanted
        self.lengths = lengths

    def source(self, key: Key | None, count: int) -> Part[Key]:
        below = sorted((one for one in self.keys if key is None or one < key), reverse=True)
        looked = below[: self.lengths.draw(st.integers(1, 5))]
        end = None if len(looked) == len(below) else looked[-1]
        if end is not None and self.lengths.draw(st.booleans()):
            # As when whole minutes were looked at.
            looked = [one for one in below if one[0] >= end[0]]
            end = (end[0], "")
        return Part([(one, one) for one in looked if self.wanted(one)], end)


@given(
    start=st.sets(KEYS, max_size=25),
    inserted=st.lists(st.sets(KEYS, max_size=4), max_size=6),
    limit=st.integers(1, 4),
    modulus=st.integers(1, 4),
    data=st.data(),
)
def test_pages_give_each_thing_once_and_in_order_while_others_are_inserted(
    start: set[Key], inserted: list[set[Key]], limit: int, modulus: int, data: st.DataObject
) -> None:
    def wanted(key: Key) -> bool:
        return sum(map(ord, key[1])) % modulus == 0

    shop = Shop(set(start), wanted, data)
    seen: list[Key] = []
    cursor: str | None = None
    for _ in range(500):
        page = make_page(shop.source, "list?", limit, cursor, parts=2)
        assert len(page.items) <= limit
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
        shop.keys |= inserted.pop() if inserted else set()
    assert cursor is None, "the list did not end"
    assert seen == sorted(set(seen), reverse=True)
    assert set(filter(wanted, start)) <= set(seen) <= set(filter(wanted, shop.keys))


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    times = sorted({draw(TIMES) or 0, draw(TIMES) or 1})
    low, high = draw(AMOUNTS), draw(AMOUNTS)
    if low is not None and high is not None:
        low, high = sorted((low, high))
    area: Area | None = draw(
        st.none()
        | st.builds(Cell, st.just("87283082affffff"))
        | st.builds(Circle, LATS, LONS, st.floats(0.5, 2e7))
        | st.tuples(LATS, LONS, LATS, LONS).map(lambda four: Box(min(four[0], four[2]), four[1], max(four[0], four[2]), four[3]))
    )
    return Filter(
        since_ms=draw(st.none() | st.just(times[0])),
        until_ms=draw(st.none() | st.just(times[-1] + 1)),
        severities=tuple(draw(st.sets(st.sampled_from(Severity)))),
        rules=tuple(draw(st.sets(WORDS, max_size=3))),
        status=draw(st.none() | st.sampled_from(Status)),
        verdicts=tuple(draw(st.sets(st.sampled_from(Verdict)))),
        channels=tuple(draw(st.sets(st.sampled_from(Channel)))),
        categories=tuple(draw(st.sets(WORDS, max_size=3))),
        currency=draw(st.none() | WORDS),
        amount_low=low,
        amount_high=high,
        area=area,
        subject=draw(st.none() | WORDS),
    )


@given(which=filters())
def test_a_filter_comes_back_from_its_link(which: Filter) -> None:
    text = which.to_query()
    assert text.isascii()
    assert Filter.from_query(text) == which
    assert Filter.from_query(text).to_query() == text


@given(which=filters(), name=st.sampled_from(Filter.__struct_fields__))
def test_different_filters_have_different_links(which: Filter, name: str) -> None:
    without = msgspec.structs.replace(which, **{name: Filter().__getattribute__(name)})
    assert (without == which) == (without.to_query() == which.to_query())
