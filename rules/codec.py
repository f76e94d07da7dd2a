"""How a subject's state is written down: one version byte and MessagePack; the same state gives the same bytes.

A newer version is refused, never guessed at; an older one is read by the migration that its version names.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rules.hits import Hit
from rules.motion.limits import MotionLimits
from rules.motion.trace import Jump, Trace
from rules.motion.track import Track
from rules.packed import History
from rules.profile import Profile
from rules.sight import Sight
from rules.subject import Lane, Payment, SubjectState
from rules.told import EpisodeState, Ruling, Told
from veilocity.errors import StateError

__all__ = ["MIGRATIONS", "STATE_VERSION", "dump", "load", "newest_ns"]

STATE_VERSION = 2
_VERSION = bytes((STATE_VERSION,))


class _Track(msgspec.Struct, array_like=True):
    number: int
    first_ns: int
    count: int
    tail: list[Sight]


class _Jump(msgspec.Struct, array_like=True):
    origin: Sight
    destination: Sight
    left_fixes: int
    left_s: float
    right_fixes: int
    right_s: float
    track: int
    cause: str
    resolved_ns: int


class _Trace(msgspec.Struct, array_like=True):
    tracks: list[_Track]
    next_number: int
    jumps: list[_Jump]
    switches: list[int]
    disputes: list[tuple[int, int, int]]
    doubles: list[tuple[int, int]]
    two_sources_ns: int
    trouble_ns: int


class _Lane(msgspec.Struct, array_like=True):
    device: str
    history: bytes
    born_ns: int
    dropped: int
    calm: bool
    track_ns: int
    track_count: int
    far_first_ns: int
    far_count: int
    check_at: int
    path: tuple[tuple[int, int, int], ...]
    stays: bytes
    trace: _Trace | None


class _Payment(msgspec.Struct, array_like=True):
    sight: Sight
    row: bytes
    hits: tuple[Hit, ...]
    ruling: Ruling | None
    revision: int
    ordinary: bool
    unscorable: str | None


class _State(msgspec.Struct, array_like=True):
    newest_ns: int
    floor_ns: int
    settled_ns: int
    alarmed_ns: int
    lanes: list[_Lane]
    payments: list[_Payment]
    past: tuple[Sight, ...]
    ids: bytes
    base: bytes
    tip: Profile | None
    episodes: tuple[EpisodeState, ...]
    told: dict[str, Told] | None


class _Newest(msgspec.Struct, array_like=True):
    newest_ns: int


_encoder = msgspec.msgpack.Encoder()
_newest_decoder = msgspec.msgpack.Decoder(_Newest)
_decoder = msgspec.msgpack.Decoder(_State)
MIGRATIONS: dict[int, Callable[[bytes], SubjectState]] = {}
"""By version, how a state of an older one is read."""


def dump(state: SubjectState) -> bytes:
    """Return the state as bytes.

    >>> load(dump(SubjectState())).newest_ns == SubjectState().newest_ns
    True
    """
    return _VERSION + _encoder.encode(
        _State(
            state.newest_ns,
            state.floor_ns,
            state.settled_ns,
            state.alarmed_ns,
            [_lane(lane) for lane in state.lanes],
            [_Payment(one.sight, one.row, one.hits, one.ruling, one.revision, one.ordinary, one.unscorable) for one in state.payments],
            state.past,
            state.ids,
            state.base,
            state.tip,
            state.episodes,
            dict(sorted(state.told.items())) if state.told else None,
        )
    )


def newest_ns(data: bytes) -> int:
    """Return the newest event time in a written state, without reading the rest of it.

    >>> newest_ns(dump(SubjectState())) == SubjectState().newest_ns
    True
    """
    return _newest_decoder.decode(memoryview(data)[1:]).newest_ns


def load(data: bytes) -> SubjectState:
    """Return a written state.

    Raises:
        StateError: written by a newer version, or damaged.
    """
    version = data[0] if data else 0
    if version > STATE_VERSION:
        raise StateError(f"a state has version {version}, this program reads up to {STATE_VERSION}: upgrade the rules service")
    if version != STATE_VERSION:
        if version in MIGRATIONS:
            return MIGRATIONS[version](data)
        raise StateError(f"a state has version {version}, which this program cannot read: delete the state topic and replay the inputs")
    try:
        written = _decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as cause:
        raise StateError("a state is damaged: restore its topic, or delete it and replay the inputs") from cause
    return _state(written)


def _payment(payment: Payment) -> _Payment:
    said = payment.ruling, payment.revision
    return _Payment(payment.sight, payment.row, payment.hits, *said, payment.ordinary, payment.unscorable)


def _lane(lane: Lane) -> _Lane:
    trace = None if lane.trace is None else _trace(lane.trace)
    return _Lane(
        lane.device,
        bytes(lane.history.data),
        lane.born_ns,
        lane.dropped,
        lane.calm,
        lane.track_ns,
        lane.track_count,
        lane.far_first_ns,
        lane.far_count,
        lane.check_at,
        lane.path,
        lane.stays,
        trace,
    )


def _trace(trace: Trace) -> _Trace:
    # `wrong` is about fixes of the history: of forgotten ones, which are all that is written, it is empty.
    tracks = [_Track(one.number, one.first_ns, one.count, one.tail) for one in trace.tracks]
    jumps = [_Jump(*(getattr(jump, name) for name in _Jump.__struct_fields__)) for jump in trace.jumps]
    return _Trace(
        tracks,
        trace.next_number,
        jumps,
        trace.switches,
        trace.disputes,
        trace.doubles,
        trace.two_sources_ns,
        trace.trouble_ns,
    )


def _state(written: _State) -> SubjectState:
    state = SubjectState()
    state.settled_ns = written.settled_ns
    state.newest_ns, state.floor_ns, state.alarmed_ns = written.newest_ns, written.floor_ns, written.alarmed_ns
    state.lanes = [_read_lane(lane) for lane in written.lanes]
    state.payments = [_read_payment(payment) for payment in written.payments]
    state.past = written.past
    state.ids, state.base, state.tip = written.ids, written.base, written.tip
    state.episodes, state.told = written.episodes, written.told
    return state


def _read_payment(written: _Payment) -> Payment:
    payment = Payment(written.sight, written.row)
    payment.hits, payment.ruling, payment.revision = written.hits, written.ruling, written.revision
    payment.ordinary, payment.unscorable = written.ordinary, written.unscorable
    return payment


def _read_lane(written: _Lane) -> Lane:
    lane = Lane(written.device)
    lane.history = History(written.history)
    for name in ("born_ns", "dropped", "calm", "track_ns", "track_count", "far_first_ns", "far_count", "check_at", "path", "stays"):
        setattr(lane, name, getattr(written, name))
    lane.trace = None if written.trace is None else _read_trace(written.trace)
    return lane


def _read_trace(written: _Trace) -> Trace:
    # The limits are the rule book's: `rules.views` sets them before the next fold.
    trace = Trace(MotionLimits(), 0, 0)
    trace.tracks = [Track(one.number, one.first_ns, one.count, one.tail) for one in written.tracks]
    trace.jumps = [_read_jump(jump) for jump in written.jumps]
    trace.next_number, trace.switches, trace.disputes = written.next_number, written.switches, written.disputes
    trace.doubles, trace.two_sources_ns, trace.trouble_ns = written.doubles, written.two_sources_ns, written.trouble_ns
    return trace


def _read_jump(written: _Jump) -> Jump:
    left, right = (written.left_fixes, written.left_s), (written.right_fixes, written.right_s)
    return Jump(written.origin, written.destination, left, written.track, right, written.cause, written.resolved_ns)
