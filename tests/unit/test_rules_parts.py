"""How states are written down and read back."""

from __future__ import annotations

import pytest

from rules import state_bound_bytes
from rules.parts import HEAD, IDS, STATE_VERSION, all_parts, changed_parts, join, page_of
from rules.store import PagedStore
from tests.unit.rules_world import LAGOS, START_MS, Event, Tally, fix, parameters, payment, play
from veilocity.errors import StateError

LIMITS = parameters()


def test_a_state_comes_back_as_it_was() -> None:
    events: list[Event] = [fix(step * 20.0, device=f"phone-{step % 3}") for step in range(400)]
    state = play([*events, payment(8_000, LAGOS, id="t1"), payment(8_010, id="t2")]).state
    assert state.alerts
    assert join(all_parts(state, LIMITS), LIMITS) == state


def test_one_event_rewrites_one_page() -> None:
    state = play(fix(step * 20.0) for step in range(200)).state
    whole = all_parts(state, LIMITS)
    newest = page_of(state.history[-1].event_ns, LIMITS)
    changed = dict(changed_parts(state, {newest}, False, whole, LIMITS))
    assert set(changed) == {HEAD, newest}
    assert sum(len(data or b"") for data in changed.values()) < sum(map(len, whole.values())) / 4


def test_pages_that_are_forgotten_are_deleted() -> None:
    store = PagedStore(LIMITS)
    newest: dict[bytes, bytes | None] = {}
    for step in range(2_000):
        event = fix(step * 20.0)
        play([event], LIMITS, after=Tally(state=store.load("anna")))
        store.touch("anna", page_of(event.fix_ns, LIMITS), ids=False)
        newest.update(store.changes())
    kept = [key for key, data in newest.items() if data is not None]
    assert len(kept) <= 3600 // (15 * 32) + 3
    assert len(newest) > 80


def test_states_let_go_as_objects_are_read_back() -> None:
    store = PagedStore(LIMITS, busy_subjects=1)
    for subject in ("anna", "ben", "anna"):
        state = store.load(subject)
        state.ids.append(len(state.ids))
        store.touch(subject, None, ids=True)
        list(store.changes())
    assert store.load("anna").ids == [0, 1]
    assert store.subjects == 2
    assert store.size_bytes > 0


@pytest.mark.parametrize("part", [HEAD, IDS, page_of(START_MS * 1_000_000, LIMITS)])
def test_a_newer_version_is_refused(part: bytes) -> None:
    parts = all_parts(play([fix(0), payment(5)]).state, LIMITS)
    parts[part] = bytes((STATE_VERSION + 1,)) + parts[part][1:]
    with pytest.raises(StateError, match="upgrade the rules service"):
        join(parts, LIMITS)


@pytest.mark.parametrize("data", [b"", b"\x00", bytes((STATE_VERSION,)), bytes((STATE_VERSION,)) + b"\xc1\xff"])
def test_a_damaged_part_is_refused(data: bytes) -> None:
    parts = {**all_parts(play([fix(0)]).state, LIMITS), HEAD: data}
    with pytest.raises(StateError, match="rules-state"):
        join(parts, LIMITS)


def test_pages_without_a_head_are_refused() -> None:
    parts = all_parts(play([fix(0)]).state, LIMITS)
    del parts[HEAD]
    with pytest.raises(StateError, match="lacks the head"):
        join(parts, LIMITS)


def test_the_fullest_state_stays_within_the_bound() -> None:
    """Every slot taken by another far-away phone, every payment elsewhere: nearly every entry has an open alert."""
    device = "d" * 36
    fixes: list[Event] = [
        fix(step * 15.0 + 1, (10.0 + 70.0 * (step % 2), 170.1234567), accuracy_m=123.4, device=f"{device}{step % 20:02}")
        for step in range(240)
    ]
    payments: list[Event] = [payment(step * 13.0, (-60.0 + step % 3, 100.7654321), id=f"{step:038}") for step in range(300)]
    state = play(sorted([*fixes, *payments], key=lambda event: event.received_ms)).state
    size = sum(map(len, all_parts(state, LIMITS).values()))
    bound = state_bound_bytes(LIMITS, longest_id_bytes=38)
    assert bound / 8 < size <= bound
