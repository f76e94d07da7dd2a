"""Any order of arrival, any repetition, any batch split and any interruption lead to the same decisions and alerts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rules import Engine
from rules.catalogue import RULE_TYPES
from rules.codec import dump, load
from rules.episodes import recompute
from tests.unit.rules_world import APIA, LAGOS, LONDON, PARIS, SUVA, Event, Tally, book, fix, payment
from veilocity.contracts import Channel, FixFlag, Transaction

HISTORY_S = 1800
BOOK = book(*RULE_TYPES, history_s=HISTORY_S, slot_s=15, episode_s=3600)
WITH = Engine(BOOK)
WITHOUT = Engine(BOOK, shortcuts=False)

NEAR = (51.6, -0.05)
CAMDEN = (51.5390, -0.1426)
places = st.sampled_from(
    [LONDON, LONDON, LONDON, LONDON, CAMDEN, CAMDEN, NEAR, PARIS, LAGOS, SUVA, APIA, (51.6, 0.9), (90.0, 0.0), (-90.0, 12.0)]
)
times = st.integers(0, 480).map(lambda step: step * 11.0)


@st.composite
def arrivals(draw: st.DrawFn, shared: tuple[Event, ...]) -> list[Event]:
    """A permutation with repeats in which no event is later than the lateness bound allows."""
    repeats = draw(st.lists(st.sampled_from(shared), max_size=6))
    count = len(shared) + len(repeats)
    delays = draw(st.lists(st.sampled_from([0, 0, 0, 1, 30, 300, HISTORY_S - 16]), min_size=count, max_size=count))
    stamped = [
        (_seconds(event) + delay, place, event) for place, (event, delay) in enumerate(zip([*shared, *repeats], delays, strict=True))
    ]
    return [event for _, _, event in sorted(stamped, key=lambda one: one[:2])]


def _seconds(event: Event) -> float:
    return event.authorised_ms / 1e3 if isinstance(event, Transaction) else event.fix_ns / 1e9


@st.composite
def stays(draw: st.DrawFn) -> list[Event]:
    """Fixes of one phone that stays at a place for a while: what makes tracks strong."""
    start, place, device = draw(times), draw(places), draw(st.sampled_from(["phone", "phone", "phone", "tablet"]))
    step, count = draw(st.sampled_from([15.0, 20.0, 70.0])), draw(st.integers(1, 14))
    drift = -1e-5 if place[0] > 0 else 1e-5
    return [fix(start + number * step, (place[0] + number * drift, place[1]), device=device) for number in range(count)]


@st.composite
def event_sets(draw: st.DrawFn) -> tuple[Event, ...]:
    fixes = draw(
        st.lists(
            st.builds(
                fix,
                times,
                places,
                accuracy_m=st.sampled_from([5.0, 20.0, None, 40_000.0]),
                device=st.sampled_from(["phone", "phone", "tablet"]),
                flags=st.sampled_from([(), (), (), (FixFlag.MOCK,), (FixFlag.CACHED,), (FixFlag.CLOAKED,)]),
                speed_mps=st.sampled_from([None, 0.0, 30.0, 240.0]),
            ),
            max_size=10,
        )
    )
    tracks = draw(st.lists(stays(), max_size=5))
    channels = st.sampled_from([Channel.CARD_PRESENT, Channel.CARD_PRESENT, Channel.ATM, Channel.ECOMMERCE, Channel.RECURRING])
    merchants, cards = st.sampled_from(["A", "B", "C", "D"]), st.sampled_from([None, "1", "2"])
    countries, amounts = st.sampled_from([None, "GB", "FR", "NG"]), st.sampled_from([100, 250, 4_000, 900_000])
    spots = draw(st.lists(st.tuples(times, places, channels, merchants, cards, countries, amounts), max_size=12))
    payments = [
        payment(at_s, place, id=f"t{number}", channel=channel, merchant=merchant, card=card, country=country, amount_minor=amount)
        for number, (at_s, place, channel, merchant, card, country, amount) in enumerate(spots)
    ]
    return (*fixes, *(one for track in tracks for one in track), *payments) or (fix(0.0),)


@st.composite
def two_arrivals(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    shared = draw(event_sets())
    return draw(arrivals(shared)), draw(arrivals(shared))


def run(events: list[Event], engine: Engine, *, reload_every: int = 0) -> Tally:
    tally = Tally()
    for number, event in enumerate(events):
        tally.outcomes.append(engine.process(tally.state, event))
        if reload_every and number % reload_every == 0:
            tally.state = load(dump(tally.state))
    return tally


@settings(max_examples=400)
@given(two_arrivals())
def test_decisions_and_alerts_are_a_function_of_the_set_of_events(pair: tuple[list[Event], list[Event]]) -> None:
    one, other = (run(events, WITH) for events in pair)
    assert one.standing == other.standing
    assert one.decisions == other.decisions


@settings(max_examples=400)
@given(event_sets().flatmap(arrivals))
def test_shortcuts_change_nothing(events: list[Event]) -> None:
    quick, slow = run(events, WITH), run(events, WITHOUT)
    assert quick.outcomes == slow.outcomes


@settings(max_examples=100)
@given(event_sets().flatmap(arrivals), st.integers(1, 7))
def test_an_interruption_at_any_moment_changes_nothing(events: list[Event], every: int) -> None:
    unbroken, broken = run(events, WITH), run(events, WITH, reload_every=every)
    assert unbroken.outcomes == broken.outcomes
    assert dump(unbroken.state) == dump(broken.state)


@settings(max_examples=200)
@given(event_sets().flatmap(arrivals))
def test_every_alert_is_recomputed_from_itself(events: list[Event]) -> None:
    for alert in run(events, WITH).revisions:
        assert recompute(alert, RULE_TYPES) == alert
