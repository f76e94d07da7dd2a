"""How the history moves on: what leaves it is summed up first, so that forgetting changes nothing that was found.

A payment leaves once nothing that may still arrive can touch its findings: when the look-ahead after it lies before the horizon. Its
habits go into the base, its findings into the episodes. A phone's fixes leave a quarter of an hour later, folded into its trace, except the
newest four before that.
"""

from __future__ import annotations

from itertools import islice

from rules.book import RuleBook
from rules.episodes import alert_id, merge
from rules.hits import Hit
from rules.judgement import device_hits, jump_hits, profile_of, written_habits
from rules.motion.clock import extend_path
from rules.motion.trace import FAR_FUTURE_NS
from rules.packed import RECORD_BYTES
from rules.rows import unpack
from rules.ruling import absorb
from rules.sight import DOUBTFUL
from rules.subject import MAX_PAYMENTS, NEVER_NS, Lane, SubjectState
from rules.views import LOOK_BACK_NS, Reading, begin, read, stays_of
from veilocity.contracts import SubjectId

__all__ = ["advance", "horizon_ns", "is_due", "is_full", "make_room"]

_KEPT = 4
PAST_NS = 3_600_000_000_000
"""How long a payment is a neighbour of later ones: the longest window of a rule that compares payments with each other."""
_STEP_BYTES = 16 * RECORD_BYTES


def horizon_ns(state: SubjectState, book: RuleBook) -> int:
    """Return the start of the history: an event before it is late."""
    return max(book.horizon_ns(state.newest_ns), state.floor_ns) if state.newest_ns != NEVER_NS else NEVER_NS


def is_due(state: SubjectState, horizon: int, book: RuleBook) -> bool:
    """Say whether there is enough to forget that it is worth the work; where there is not, ask later again."""
    final_ns = horizon - book.look_ahead_ns
    if state.payments and (state.payments[0].sight.event_ns < final_ns or len(state.payments) > MAX_PAYMENTS):
        return True
    for lane in state.lanes:
        if len(lane.history.data) >= lane.check_at and is_full(lane, final_ns - LOOK_BACK_NS):
            return True
    return False


def is_full(lane: Lane, fixes_ns: int) -> bool:
    """Say whether a phone has fixes to forget, those before a time; where it has none, it is asked later again."""
    if lane.history.time_at(_KEPT) < fixes_ns:
        return True
    lane.check_at = len(lane.history.data) + _STEP_BYTES
    return False


def advance(state: SubjectState, subject: SubjectId, horizon: int, book: RuleBook) -> None:
    """Sum up and forget what lies before the horizon.

    When this is done makes no difference to what is found: each thing that leaves is final by then.
    """
    final_ns = horizon - book.look_ahead_ns
    fixes_ns = final_ns - LOOK_BACK_NS
    readings = [read(lane, book) for lane in state.lanes]
    gone = {id(reading.lane): _forgettable(reading, fixes_ns, horizon) for reading in readings}
    settled: list[Hit] = []
    for reading in readings if len(readings) > 1 else ():
        found = list(device_hits(state, readings, reading, fixes_ns, subject, book))
        if found:
            lane = reading.lane
            lane.far_first_ns = lane.far_first_ns if lane.far_count else found[0].anchor_ns
            lane.far_count += len(found)
            settled += found
    state.settled_ns = max(state.settled_ns, fixes_ns)
    for reading in readings:
        settled += _forget_fixes(reading, gone[id(reading.lane)], final_ns, subject, book)
    settled += _forget_payments(state, final_ns)
    settled.sort(key=lambda hit: (hit.anchor_ns, hit.anchor, hit.rule))
    state.episodes = tuple(merge(state.episodes, settled, book.memory.episode_s * 1_000_000_000)[0])
    _close_episodes(state, subject, readings, fixes_ns, book)


def _forgettable(reading: Reading, fixes_ns: int, horizon: int) -> int:
    """Return how many fixes may go: those before the time but for the newest four that are evidence of where the phone was."""
    history = reading.lane.history
    count = history.find(fixes_ns)
    if reading.lane.calm:
        return max(0, count - _KEPT)
    # A track that may still turn out never to have been is no evidence to fall back on. What fixes from the horizon on say is not final.
    unsure = reading.trace.unsure(horizon) if reading.trace is not None else set()
    kept = 0
    while count > 0 and kept < _KEPT:
        count -= 1
        sight = history.sight_at(count, reading.lane.device)
        kept += reading.trusts(sight, FAR_FUTURE_NS - 1) and reading.steps[sight.event_ns].track not in unsure
    return count


def _forget_fixes(reading: Reading, count: int, horizon: int, subject: SubjectId, book: RuleBook) -> list[Hit]:
    lane = reading.lane
    trouble_ns = reading.trace.trouble_ns if reading.trace is not None else NEVER_NS
    settled: list[Hit] = []
    if count:
        if lane.trace is None and lane.calm:
            lane.track_ns = lane.track_ns if lane.track_count else lane.history.time_at(0)
            lane.track_count += count
            lane.dropped += count
            for event_ns, lat_e7, lon_e7, *_ in islice(lane.history.records(), count):
                lane.path = extend_path(lane.path, event_ns, lat_e7, lon_e7)
            lane.stays = stays_of(lane, count)
        else:
            settled = _fold(lane, count, subject, book)
        lane.history.drop(count)
    lane.check_at = max(24 * RECORD_BYTES, len(lane.history.data) + _STEP_BYTES)
    if not lane.calm:
        start = lane.history.time_at(0) if len(lane.history) else horizon
        clean = all(not sight.flags & DOUBTFUL for sight in lane.history.sights(lane.device))
        lane.calm = clean and trouble_ns < min(start, horizon) and (lane.trace is None or not lane.trace.jumps)
    if lane.calm and lane.trace is not None and lane.trace.is_plain(lane.history.time_at(0)):
        # Without a jump in what is remembered, the chain of near fixes goes on from here by itself.
        lane.track_ns, lane.track_count = lane.trace.tracks[-1].first_ns, lane.trace.tracks[-1].count
        lane.trace = None
    return settled


def _fold(lane: Lane, count: int, subject: SubjectId, book: RuleBook) -> list[Hit]:
    """Fold the first fixes into the phone's trace, and return the findings that became final."""
    trace = lane.trace if lane.trace is not None else begin(lane, book)
    trace.limits = book.motion
    bound_ns = lane.history.time_at(count) if count < len(lane.history) else lane.history.newest_ns + 1
    lane.dropped += count
    for sight in islice(lane.history.sights(lane.device), count):
        if sight.flags & DOUBTFUL:
            continue
        trace.step(sight, lane.path)
        if trace.is_settled(sight.event_ns):
            lane.path = extend_path(lane.path, sight.event_ns, sight.lat_e7, sight.lon_e7)
    lane.trace = trace
    lane.stays = stays_of(lane, count)
    trace.forget(bound_ns)
    return list(jump_hits(trace.settled(bound_ns), subject, book))


def _forget_payments(state: SubjectState, final_ns: int) -> list[Hit]:
    count = 0
    while count < len(state.payments) and (state.payments[count].sight.event_ns < final_ns or len(state.payments) - count > MAX_PAYMENTS):
        count += 1
    if not count:
        return []
    leaving, state.payments = state.payments[:count], state.payments[count:]
    if not state.payments:
        state.base = b""
    else:
        profile = profile_of(state.base)
        for payment in leaving:
            absorb(profile, payment.sight, unpack(payment.row), payment.hits)
        state.base = written_habits(profile)
    past = (*state.past, *(payment.sight for payment in leaving))
    state.past = tuple(sight for sight in past if sight.event_ns >= final_ns - PAST_NS)[-MAX_PAYMENTS:]
    return [hit for payment in leaving for hit in payment.hits]


def _close_episodes(state: SubjectState, subject: SubjectId, readings: list[Reading], horizon: int, book: RuleBook) -> None:
    """Let go of the alerts that nothing can change any more: their newest revision is the last.

    A finding still to come lies after the horizon, or at a jump that is not settled: a phone that fell silent keeps some from before it.
    """
    gap_ns = book.memory.episode_s * 1_000_000_000
    jumps_ns = [jump.destination.event_ns for reading in readings if reading.trace is not None for jump in reading.trace.jumps]

    def is_open(last_ns: int) -> bool:
        return last_ns >= horizon - gap_ns or any(abs(last_ns - jump_ns) <= gap_ns for jump_ns in jumps_ns)

    closed = {alert_id(one.rule, subject, one.anchor) for one in state.episodes if not is_open(one.last_ns)}
    state.episodes = tuple(episode for episode in state.episodes if is_open(episode.last_ns))
    if state.told is not None:
        state.told = {
            name: told for name, told in state.told.items() if name not in closed and (not told.retracted or is_open(told.last_ns))
        } or None


def make_room(state: SubjectState, book: RuleBook) -> bool:
    """Shorten the history of a subject with more than `MAX_PAYMENTS` payments in it; say whether it was."""
    if len(state.payments) <= MAX_PAYMENTS:
        return False
    oldest_ns = state.payments[len(state.payments) - MAX_PAYMENTS - 1].sight.event_ns
    state.floor_ns = (oldest_ns // book.slot_ns + 1) * book.slot_ns
    return True
