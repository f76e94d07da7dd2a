"""What the phones of a subject say around one moment, read from their histories."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import NamedTuple

from rules.book import RuleBook
from rules.motion import Trace
from rules.motion.clock import extend_path
from rules.motion.stays import extend_stays, last_stay
from rules.scene import PhoneView
from rules.sight import DOUBTFUL, Sight
from rules.subject import Lane, SubjectState

__all__ = ["LOOK_BACK_NS", "Reading", "begin", "is_established", "nearest", "read", "stays_of", "views"]

LOOK_BACK_NS = 900_000_000_000
"""Fixes so much older than the history are kept for what a rule asks of the minutes before a payment."""
_DAY_NS = 86_400_000_000_000
_FAR_NS = 2**62


class Step(NamedTuple):
    """The track that a fix is on, as it was once that fix was taken."""

    track: int
    fixes: int
    first_ns: int


class Reading:
    """The fold over one phone's remembered fixes: its trace, and which track each fix is on."""

    __slots__ = ("lane", "moved_ns", "refuted", "steps", "trace")

    def __init__(self, lane: Lane, trace: Trace | None, steps: dict[int, Step], refuted: dict[int, int], moved_ns: int) -> None:
        self.lane = lane
        self.trace = trace
        """None for a calm phone: one track, nothing to tell."""
        self.steps = steps
        """By time of fix; of a calm phone empty."""
        self.refuted = refuted
        """Times of fixes that were wrong, and when that became plain."""
        self.moved_ns = moved_ns
        """Since when the phone has been seen at two places; of a calm phone as far as the forgotten fixes tell."""

    def trusts(self, sight: Sight, known_ns: int) -> bool:
        """Say whether a fix is evidence of where the phone was, as far as the fixes up to a time tell."""
        return not sight.flags & DOUBTFUL and (not self.refuted or self.refuted.get(sight.event_ns, _FAR_NS) > known_ns)


def read(lane: Lane, book: RuleBook) -> Reading:
    """Return the fold over a phone's fixes under the thresholds of a book."""
    path = lane.path
    moved_ns = -_FAR_NS if len(path) > 1 else _FAR_NS
    if lane.calm:
        return Reading(lane, lane.trace, {}, {}, moved_ns)
    trace = lane.trace.copy() if lane.trace is not None else begin(lane, book)
    trace.limits = book.motion
    steps: dict[int, Step] = {}
    for sight in lane.history.sights(lane.device):
        if sight.flags & DOUBTFUL:
            continue
        trace.step(sight, path)
        track = trace.tracks[-1]
        steps[sight.event_ns] = Step(track.number, track.count, track.first_ns)
        if trace.is_settled(sight.event_ns):
            path = extend_path(path, sight.event_ns, sight.lat_e7, sight.lon_e7)
            if moved_ns == _FAR_NS and len(path) > 1:
                moved_ns = sight.event_ns
    return Reading(lane, trace, steps, _refuted(trace, steps), moved_ns)


def _refuted(trace: Trace, steps: dict[int, Step]) -> dict[int, int]:
    """Return the times of the fixes that were wrong, each with the time at which that first became plain."""
    refuted: dict[int, int] = {}
    glitches = trace.glitches()
    if glitches:
        # What the phone reports after it came back is not refuted by that, even where it goes there again.
        refuted = {event_ns: glitches[step.track] for event_ns, step in steps.items() if event_ns < glitches.get(step.track, event_ns)}
    refuted.update(trace.wrong)  # a stale fix is found out before its track is left
    return refuted


def begin(lane: Lane, book: RuleBook) -> Trace:
    """Return the fold over the forgotten fixes of a phone that never left its track."""
    first_ns = lane.track_ns if lane.track_count else lane.history.time_at(0)
    return Trace(book.motion, first_ns, lane.track_count)


def is_established(state: SubjectState, lane: Lane, event_ns: int) -> bool:
    """Say whether a phone is the person's own: the first one, or seen for a day."""
    if event_ns - lane.born_ns >= _DAY_NS or len(state.lanes) == 1:
        return True
    return all((lane.born_ns, lane.device) <= (other.born_ns, other.device) for other in state.lanes)


def views(state: SubjectState, readings: list[Reading], sight: Sight, book: RuleBook) -> tuple[PhoneView, ...]:
    """Return what each phone says around a payment, the person's own phones first, then by age; later ones play no part."""
    known_ns = sight.event_ns + book.look_ahead_ns
    readings = [reading for reading in readings if reading.lane.born_ns <= known_ns]
    if not readings:
        return ()
    if len(readings) == 1:
        return (_view(readings[0], sight, book, established=True, alone=True),)
    known = ((not is_established(state, reading.lane, sight.event_ns), reading.lane.born_ns, reading.lane.device) for reading in readings)
    ordered = sorted(zip(known, readings, strict=True), key=lambda pair: pair[0])
    return tuple(_view(reading, sight, book, established=not key[0], alone=False) for key, reading in ordered)


def _view(reading: Reading, sight: Sight, book: RuleBook, *, established: bool, alone: bool) -> PhoneView:
    lane, event_ns = reading.lane, sight.event_ns
    history = lane.history
    index = history.find(event_ns + 1)
    known_ns = event_ns + book.look_ahead_ns
    before = nearest(reading, range(index - 1, -1, -1), known_ns)
    if before is not None and event_ns - before.event_ns > book.memory.neighbour_s * 1_000_000_000:
        before = None
    after = nearest(reading, range(index, len(history)), known_ns)
    if after is not None and after.event_ns > known_ns:
        after = None
    trace = reading.trace
    return PhoneView(
        device=lane.device,
        before=before,
        after=after,
        seen=lane.dropped + index,
        support=partial(_support, reading, before, after, known_ns),
        disputed=trace is not None and trace.in_dispute(event_ns, known_ns),
        established=established,
        moves=alone or _has_moved(reading, event_ns),
        around=partial(_around, reading, before, after, known_ns),
        window=partial(_window, reading, event_ns),
        visited=partial(_visited, reading, sight),
    )


def nearest(reading: Reading, indices: range, known_ns: int) -> Sight | None:
    """Return the first fix of some that is evidence of where the phone was, as far as the fixes up to a time tell."""
    history, device = reading.lane.history, reading.lane.device
    for index in indices:
        sight = history.sight_at(index, device)
        if reading.trusts(sight, known_ns):
            return sight
    return None


def _support(reading: Reading, before: Sight | None, after: Sight | None, known_ns: int) -> tuple[int, float]:
    """Count the fixes of the track that the phone is on around a payment, up to the look-ahead; return also their seconds."""
    around = before or after
    if around is None:
        return 0, 0.0
    lane, history = reading.lane, reading.lane.history
    index = history.find(known_ns + 1) - 1
    if not reading.steps:
        # A calm phone has one track.
        forgotten, first_ns = lane.track_count, lane.track_ns
        if lane.trace is not None:
            forgotten, first_ns = lane.trace.tracks[-1].count, lane.trace.tracks[-1].first_ns
        if not forgotten:
            first_ns = history.time_at(0)
        return forgotten + index + 1, (history.time_at(index) - first_ns) / 1e9
    track = reading.steps[around.event_ns].track
    while True:
        # The newest fix of the track that is not refuted: the track as it was then had none that are.
        at_ns = history.time_at(index)
        step = reading.steps.get(at_ns)
        if step is not None and step.track == track and reading.refuted.get(at_ns, _FAR_NS) > known_ns:
            return step.fixes, (at_ns - step.first_ns) / 1e9
        index -= 1


def _around(reading: Reading, before: Sight | None, after: Sight | None, known_ns: int) -> tuple[Sight | None, Sight | None]:
    """Return the trusted fix before `before` and the one after `after`, up to the look-ahead."""
    history = reading.lane.history
    earlier = None if before is None else nearest(reading, range(history.find(before.event_ns) - 1, -1, -1), known_ns)
    later = None if after is None else nearest(reading, range(history.find(after.event_ns) + 1, len(history)), known_ns)
    return earlier, None if later is not None and later.event_ns > known_ns else later


def _window(reading: Reading, event_ns: int, window_ns: int) -> list[Sight]:
    history = reading.lane.history
    start = history.find(event_ns - min(window_ns, LOOK_BACK_NS))
    end = history.find(event_ns + 1)
    return [history.sight_at(index, reading.lane.device) for index in range(start, end)]


def _visited(reading: Reading, sight: Sight, within_ns: int, near_m: float) -> int | None:
    """Return until when the phone last stayed near the place before the payment."""
    lane = reading.lane
    return last_stay(stays_of(lane, lane.history.find(sight.event_ns + 1) - 1), sight, within_ns, near_m)


def stays_of(lane: Lane, count: int) -> bytes:
    """Return where the phone stopped, with the pairs that the first `count` remembered fixes begin."""
    fixes = islice(lane.history.records(), count + 1)
    return extend_stays(lane.stays, fixes if lane.calm else (one for one in fixes if not one[5] & DOUBTFUL))


def _has_moved(reading: Reading, event_ns: int) -> bool:
    """Say whether the phone was seen at two places by a time; places in doubt do not count."""
    if reading.steps or reading.moved_ns <= event_ns:
        return reading.moved_ns <= event_ns
    path = reading.lane.path
    for at_ns, lat_e7, lon_e7, *_ in reading.lane.history.records() if reading.lane.calm else ():
        if at_ns > event_ns:
            break
        path = extend_path(path, at_ns, lat_e7, lon_e7)
    return len(path) > 1
