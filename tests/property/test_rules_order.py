"""Any order of arrival, any repetition, any batch split and any interruption lead to the same alerts."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from rules import SubjectState, evaluate, recompute, state_bound_bytes
from rules.parts import all_parts, join
from tests.unit.rules_world import APIA, LAGOS, LONDON, PARIS, SUVA, Event, Tally, fix, judge_all, parameters, payment, play
from veilocity.contracts import Channel, FixFlag, Transaction

LIMITS = parameters(rules_history_s=300, rules_slot_s=15)
HISTORY_S = 300

places = st.sampled_from([LONDON, LONDON, LONDON, PARIS, LAGOS, SUVA, APIA, (51.6, 0.9), (90.0, 0.0), (-90.0, 12.0)])
times = st.integers(0, 240).map(lambda step: step * 5.0)


@st.composite
def arrivals(draw: st.DrawFn, shared: tuple[Event, ...] | None = None) -> list[Event]:
    """A permutation with repeats in which no event is later than the lateness bound allows."""
    events = shared if shared is not None else draw(event_sets())
    repeats = draw(st.lists(st.sampled_from(events), max_size=6))
    delays = draw(st.lists(st.integers(0, HISTORY_S), min_size=len(events) + len(repeats), max_size=len(events) + len(repeats)))
    stamped = [
        (_seconds(event) + delay, place, event) for place, (event, delay) in enumerate(zip([*events, *repeats], delays, strict=True))
    ]
    return [event for _, _, event in sorted(stamped, key=lambda one: one[:2])]


def _seconds(event: Event) -> float:
    return event.authorised_ms / 1e3 if isinstance(event, Transaction) else event.fix_ns / 1e9


@st.composite
def event_sets(draw: st.DrawFn) -> tuple[Event, ...]:
    fixes = draw(
        st.lists(
            st.builds(
                fix,
                times,
                places,
                accuracy_m=st.sampled_from([5.0, 20.0, None, 40_000.0]),
                device=st.sampled_from(["phone", "tablet"]),
                flags=st.sampled_from([(), (), (), (FixFlag.MOCK,), (FixFlag.CACHED,), (FixFlag.CLOAKED,)]),
            ),
            max_size=25,
        )
    )
    channels = st.sampled_from([Channel.CARD_PRESENT, Channel.CARD_PRESENT, Channel.ATM, Channel.ECOMMERCE])
    spots = draw(st.lists(st.tuples(times, places, channels), max_size=10))
    payments = [payment(at_s, place, id=f"t{number}", channel=channel) for number, (at_s, place, channel) in enumerate(spots)]
    return (*fixes, *payments) or (fix(0.0),)


@st.composite
def two_arrivals(draw: st.DrawFn) -> tuple[tuple[Event, ...], list[Event], list[Event]]:
    events = draw(event_sets())
    return events, draw(arrivals(events)), draw(arrivals(events))


@settings(max_examples=300)
@given(two_arrivals())
def test_the_order_of_arrival_changes_no_alert(case: tuple[tuple[Event, ...], list[Event], list[Event]]) -> None:
    events, one, other = case
    first, second = play(one, LIMITS), play(other, LIMITS)
    assert first.standing == second.standing
    assert {alert.anchor: (alert.first.id, alert.second.id) for alert in first.standing.values()} == judge_all(events, LIMITS)


@settings(max_examples=150)
@given(arrivals())
def test_the_shortcut_changes_nothing(events: list[Event]) -> None:
    quick, thorough = play(events, LIMITS), play(events, LIMITS, shortcut=False)
    assert quick.outcomes == thorough.outcomes
    assert quick.state == thorough.state


@settings(max_examples=100)
@given(arrivals())
def test_writing_the_state_down_after_every_event_changes_nothing(events: list[Event]) -> None:
    tally, state = Tally(), SubjectState()
    bound = state_bound_bytes(LIMITS, longest_id_bytes=16)
    for event in events:
        tally.outcomes.append(evaluate(state, event, LIMITS))
        parts = all_parts(state, LIMITS)
        assert sum(map(len, parts.values())) <= bound
        state = join(parts, LIMITS)
    assert tally.outcomes == play(events, LIMITS).outcomes


@settings(max_examples=100)
@given(arrivals())
def test_every_revision_can_be_recomputed_from_itself(events: list[Event]) -> None:
    for alert in play(events, LIMITS).revisions:
        assert recompute(alert) == alert


@settings(max_examples=100)
@given(arrivals())
def test_every_event_is_counted_once_and_every_transaction_decided_once(events: list[Event]) -> None:
    tally = play(events, LIMITS)
    payments = [event.id for event in events if isinstance(event, Transaction)]
    decided = [outcome.decision.transaction.id for outcome in tally.outcomes if outcome.decision]
    assert Counter(decided) == Counter(set(payments))
    assert tally.count("transactions_duplicate") == len(payments) - len(decided)
    counted = sum(tally.count(name) for name in ("fixes_kept", "fixes_duplicate", "fixes_thinned"))
    assert counted == len(events) - len(payments)
    assert tally.count("fixes_late") == 0
