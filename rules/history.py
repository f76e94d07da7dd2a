"""The ordered history of one subject: insertion, thinning, lateness and forgetting.

Promise: after any set of events, each within the horizon when it arrives, the history is the same whatever the order of arrival. That is
why slots and horizon are aligned to 1970, the winner of a slot is a minimum over the fixes themselves, and what is forgotten is cut where
nothing can be inserted any more.
"""

from __future__ import annotations

from bisect import bisect_left
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple

from rules.entries import DOUBTFUL_FIX, Entry, is_payment, order, rank
from rules.parameters import EngineParameters
from rules.state import MAX_DEVICES, MAX_IDS, MAX_PAYMENTS, SubjectState

__all__ = [
    "Placement",
    "add_fix",
    "add_payment",
    "device_index",
    "horizon_ns",
    "neighbours",
    "older_than",
    "overfull",
    "remember_id",
    "shorten",
]

_event_ns = attrgetter("event_ns")


class Placement(NamedTuple):
    """What became of a fix."""

    counted: str
    """The counter of `RulesProgress` it belongs to. A fix that takes a slot from another counts as thinned for the one it replaces."""
    place: int | None = None
    """Where it stands in the history now; None when it was not taken."""
    replaced: bool = False
    """It took the place of another."""
    moved: bool = False
    """That one stood elsewhere in the order, so two others have become neighbours."""


def horizon_ns(state: SubjectState, event_ns: int, parameters: EngineParameters) -> int:
    """Return the start of the history once an event of this time has been seen."""
    return max(parameters.horizon_ns(max(state.newest_ns, event_ns)), state.floor_ns)


def older_than(state: SubjectState, event_ns: int) -> int:
    """Return how many entries lie before this time."""
    history = state.history
    if not history or history[-1].event_ns < event_ns:
        return len(history)
    return bisect_left(history, event_ns, key=_event_ns)


def add_payment(state: SubjectState, entry: Entry) -> int:
    """Insert a payment and return its place."""
    return _insert(state, entry)


def add_fix(state: SubjectState, entry: Entry, parameters: EngineParameters) -> Placement:
    """Let a fix compete for its slot."""
    holder = _slot_holder(state, entry, parameters)
    if holder is None:
        return Placement("fixes_kept", _insert(state, entry))
    known = state.history[holder]
    if known == entry:
        return Placement("fixes_duplicate")
    if _rank(state, known) <= _rank(state, entry):
        return Placement("fixes_thinned")
    del state.history[holder]
    index = _insert(state, entry)
    return Placement("fixes_thinned", index, replaced=True, moved=index != holder)


def _insert(state: SubjectState, entry: Entry) -> int:
    history = state.history
    newest = not history or history[-1].event_ns < entry.event_ns
    index = len(history) if newest else bisect_left(history, order(entry), key=order)
    history.insert(index, entry)
    return index


def _rank(state: SubjectState, entry: Entry) -> tuple[bool, int, int, int, int, str]:
    return rank(entry, state.devices[entry.source] if isinstance(entry.source, int) else "")


def _slot_holder(state: SubjectState, entry: Entry, parameters: EngineParameters) -> int | None:
    start_ns = entry.event_ns // parameters.slot_ns * parameters.slot_ns
    index = older_than(state, start_ns + parameters.slot_ns) - 1
    while index >= 0 and state.history[index].event_ns >= start_ns:
        if isinstance(state.history[index].source, int):
            return index
        index -= 1
    return None


def neighbours(history: list[Entry], index: int) -> tuple[Entry | None, Entry | None]:
    """Return the nearest entries before and after that say where the person was."""
    before = next((history[i] for i in range(index - 1, -1, -1) if history[i].kind != DOUBTFUL_FIX), None)
    after = next((history[i] for i in range(index + 1, len(history)) if history[i].kind != DOUBTFUL_FIX), None)
    return before, after


def shorten(state: SubjectState, horizon: int) -> list[Entry]:
    """Forget what lies before the horizon, except its two newest observations.

    The newest is the left neighbour of the next event that may still arrive behind it; the one before it is the other end of the
    newest's own journey, without which an alert at the newest could not be judged again.

    Returns:
        The forgotten observations in order (without doubtful fixes), to be summed up by the rules.
    """
    if len(state.history) <= 2 or state.history[2].event_ns >= horizon:
        return []
    cut = older_than(state, horizon)
    older = [entry for entry in state.history[:cut] if entry.kind != DOUBTFUL_FIX]
    state.history[:cut] = older[-2:]
    return older[:-2]


def overfull(state: SubjectState, horizon: int, parameters: EngineParameters) -> int:
    """Return a later horizon when the history holds more than `MAX_PAYMENTS` payments, else the same."""
    if len(state.history) <= MAX_PAYMENTS:
        return horizon
    payments = [entry.event_ns for entry in state.history if is_payment(entry) and entry.event_ns >= horizon]
    if len(payments) <= MAX_PAYMENTS:
        return horizon
    return (payments[-MAX_PAYMENTS - 1] // parameters.slot_ns + 1) * parameters.slot_ns


def remember_id(state: SubjectState, transaction_id: str) -> bool:
    """Remember a transaction and say whether it is new among the last `MAX_IDS` of this subject.

    Guarantee: a repeat is always found. A new id is taken for a repeat with probability at most MAX_IDS / 2**64.
    """
    digest = int.from_bytes(blake2b(transaction_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    if digest in state.ids:
        return False
    state.ids.append(digest)
    if len(state.ids) > MAX_IDS:
        del state.ids[0]
    return True


def device_index(state: SubjectState, device: str) -> int:
    """Return the device's place in the subject's list; a place that nothing refers to any more is used again."""
    if device in state.devices:
        return state.devices.index(device)
    if len(state.devices) >= MAX_DEVICES:
        used = {entry.source for entry in state.history}
        for alert in state.alerts.values():
            used.update((alert.anchor.source, alert.first.source, alert.second.source))
        free = next((index for index in range(len(state.devices)) if index not in used), None)
        if free is not None:
            state.devices[free] = device
            return free
    state.devices.append(device)
    return len(state.devices) - 1
