"""What the phones of a subject say around one moment, read from their histories."""

from __future__ import annotations

from functools import partial
from itertools import islice

from rules.book import RuleBook
from rules.motion import Trace
from rules.motion.clock import PathPoint, extend_path
from rules.motion.stays import extend_stays, last_stay
from rules.scene import PhoneView
from rules.sight import DOUBTFUL, Sight
from rules.subject import Lane, SubjectState

__all__ = ["LOOK_BACK_NS", "Reading", "begin", "is_established", "nearest", "read", "stays_of", "views"]

LOOK_BACK_NS = 900_000_000_000
"""Fixes so much older than the history are kept for what a rule asks of the minutes before a payment."""
_DAY_NS = 86_400_000_000_000
_FAR_NS = 2**62


class Reading:
    """The fold over one phone's remembered fixes: its trace, and which track each fix is on."""

    __slots__ = ("base_track", "lane", "refuted", "trace", "tracks")

    def __init__(self, lane: Lane, trace: Trace | None, tracks: dict[int, int], refuted: dict[int, int]) -> None:
        self.lane = lane
        self.trace = trace
        """None for a calm phone: one track, nothing to tell."""
        self.tracks = tracks
        """Track by time of fix; of a calm phone empty."""
        self.refuted = refuted
        """Times of fixes that were wrong, and when that became plain."""
        self.base_track = 0 if lane.trace is None else lane.trace.tracks[-1].number
        """Track that the forgotten fixes ended on."""

    def trusts(self, sight: Sight, known_ns: int) -> bool:
        """Say whether a fix is evidence of where the phone was, as far as the fixes up to a time tell."""
        return not sight.flags & DOUBTFUL and (not self.refuted or self.refuted.get(sight.event_ns, _FAR_NS) > known_ns)


def read(lane: Lane, book: RuleBook) -> Reading:
    """Return the fold over a phone's fixes under the thresholds of a book."""
    if lane.calm:
        return Reading(lane, lane.trace, {}, {})
    trace = lane.trace.copy() if lane.trace is not None else begin(lane, book)
    trace.limits = book.motion
    tracks: dict[int, int] = {}
    path = lane.path
    for sight in lane.history.sights(lane.device):
        if sight.flags & DOUBTFUL:
            continue
        tracks[sight.event_ns] = trace.step(sight, path)
        if trace.is_settled:
            path = extend_path(path, sight.event_ns, sight.lat_e7, sight.lon_e7)
    refuted = dict(trace.wrong)
    glitches = trace.glitches()
    if glitches:
        # What the phone reports after it came back is not refuted by that, even where it goes there again.
        refuted.update({event_ns: glitches[track] for event_ns, track in tracks.items() if event_ns < glitches.get(track, event_ns)})
    return Reading(lane, trace, tracks, refuted)


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
        moves=alone or len(_path_until(reading, event_ns)) > 1,
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
    lane = reading.lane
    track = reading.tracks.get(around.event_ns)
    times = [
        one.event_ns
        for one in lane.history.sights(lane.device)
        if one.event_ns <= known_ns and reading.trusts(one, known_ns) and reading.tracks.get(one.event_ns) == track
    ]
    count, first_ns = len(times), times[0]
    if reading.trace is None or reading.base_track == track or not reading.tracks:
        forgotten = lane.track_count if lane.trace is None else lane.trace.tracks[-1].count
        if forgotten:
            count += forgotten
            first_ns = lane.track_ns if lane.trace is None else lane.trace.tracks[-1].first_ns
    elif lane.trace is not None:
        begun = next((one for one in lane.trace.tracks if one.number == track), None)
        if begun is not None and begun.count:
            count, first_ns = count + begun.count, begun.first_ns
    return count, (times[-1] - first_ns) / 1e9


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


def _path_until(reading: Reading, event_ns: int) -> tuple[PathPoint, ...]:
    path = reading.lane.path
    for sight in reading.lane.history.sights(reading.lane.device):
        if sight.event_ns > event_ns:
            break
        if reading.trusts(sight, event_ns):
            path = extend_path(path, sight.event_ns, sight.lat_e7, sight.lon_e7)
    return path
