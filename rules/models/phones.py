"""Where a person's phones last were, for a model: the newest fix that nothing casts doubt on."""

from __future__ import annotations

from rules.sight import DOUBTFUL, Sight
from rules.subject import SubjectState

__all__ = ["phone_before"]


def phone_before(state: SubjectState, event_ns: int) -> Sight | None:
    """Return the newest fix of any phone at or before a time, without those that say themselves that they are doubtful.

    Guarantee: where two phones were seen at the same time, the order in which they were first heard of makes no difference.
    """
    newest: Sight | None = None
    for lane in state.lanes:
        history = lane.history
        for index in range(history.find(event_ns + 1) - 1, -1, -1):
            sight = history.sight_at(index, lane.device)
            if not sight.flags & DOUBTFUL:
                if newest is None or (sight.event_ns, sight.source) > (newest.event_ns, newest.source):
                    newest = sight
                break
    return newest
