"""Everything that the history of a subject says: all findings, all rulings, and what of it must be told.

The judgement is a function of what is remembered: the habits before the history, then its payments in event-time order, each among the
phones around it. It never asks in which order events arrived, which is why the final decisions and alerts do not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from rules.book import RuleBook
from rules.episodes import alert_id, merge, revisions
from rules.glance import is_ordinary
from rules.hits import Hit
from rules.motion.trace import FAR_FUTURE_NS, Jump
from rules.profile import Profile
from rules.rows import unpack
from rules.ruling import CLEAR, absorb, decide, rule_on, unscorable_reason
from rules.scene import Scene
from rules.sight import FIX, Sight
from rules.subject import NEVER_NS, Payment, SubjectState
from rules.views import Reading, is_established, nearest, read, views
from veilocity.contracts import Alert, Decision, SubjectId, Transaction

__all__ = ["Judgement", "device_hits", "judge_again", "judge_one", "judge_payment", "jump_hits", "profile_of", "publish", "written_habits"]

_NO_HABITS = msgspec.msgpack.encode(Profile())
_profile_decoder = msgspec.msgpack.Decoder(Profile)


class Judgement(NamedTuple):
    """What must be told after an event."""

    decisions: tuple[Decision, ...] = ()
    alerts: tuple[Alert, ...] = ()


def profile_of(data: bytes) -> Profile:
    """Return written habits."""
    return _profile_decoder.decode(data)


def written_habits(profile: Profile) -> bytes:
    """Return habits as bytes; of those who have none the same object, because most histories begin so."""
    return msgspec.msgpack.encode(profile) if profile.payments else _NO_HABITS


def judge_payment(scene: Scene, book: RuleBook) -> tuple[Hit, ...]:
    """Return what the rules in force find wrong with a payment."""
    hits: list[Hit] = []
    for entry in book.entries:
        evidence = entry.rule.judge(scene)
        if evidence is not None:
            hit = entry.rule.hit(evidence, scene.sight)
            admitted = entry.admits(hit, scene.transaction) if hit is not None else None
            if admitted is not None:
                hits.append(admitted)
    return tuple(hits)


def judge_again(state: SubjectState, subject: SubjectId, received_ms: int, book: RuleBook, from_ns: int) -> Judgement:
    """Judge the payments from a time on again, and return what of everything is news.

    Args:
        state: of the subject.
        subject: whose.
        received_ms: of the event that makes it necessary.
        book: rules in force.
        from_ns: payments before it are judged as they were.
    """
    readings = [read(lane, book) for lane in state.lanes]
    if state.payments:
        _judge_payments(state, readings, book, from_ns)
    return publish(state, readings, subject, received_ms, book)


def publish(state: SubjectState, readings: list[Reading], subject: SubjectId, received_ms: int, book: RuleBook) -> Judgement:
    """Compare the findings of the whole history with what was told, and return what is news."""
    hits = [*_lane_hits(state, readings, subject, book), *(hit for payment in state.payments for hit in payment.hits)]
    hits.sort(key=lambda hit: (hit.anchor_ns, hit.anchor, hit.rule))
    episodes, homes = merge(state.episodes, hits, book.memory.episode_s * 1_000_000_000)
    names = [alert_id(episode.rule, subject, episode.anchor) for episode in episodes]
    by_hit = {(hit.rule, hit.anchor): names[home] for hit, home in zip(hits, homes, strict=True)}
    if episodes and state.told is None:
        state.told = {}
    standing = dict(zip(names, episodes, strict=True))
    alerts = tuple(revisions(state.told, standing, subject, received_ms, book.rules)) if state.told is not None else ()
    decisions = []
    for payment in state.payments:
        if not payment.hits and payment.ordinary and payment.ruling is CLEAR:
            continue
        ruling = rule_on([(hit, by_hit[hit.rule, hit.anchor]) for hit in payment.hits], payment.unscorable, book)
        if ruling != payment.ruling:
            payment.ruling = ruling
            payment.revision += 1
            decisions.append(decide(unpack(payment.row), ruling, payment.revision, book.rules))
    is_open = _has_new_lane(state) or not all(lane.calm for lane in state.lanes)
    state.alarmed_ns = FAR_FUTURE_NS if is_open else _changeable_ns(state, book)
    return Judgement(tuple(decisions), alerts)


def _judge_payments(state: SubjectState, readings: list[Reading], book: RuleBook, from_ns: int) -> None:
    profile = profile_of(state.base)
    past = [*state.past]
    for payment in state.payments:
        transaction = unpack(payment.row)
        if payment.sight.event_ns >= from_ns:
            judge_one(state, readings, payment, transaction, profile, past, book)
        absorb(profile, payment.sight, transaction, payment.hits)
        past.append(payment.sight)
    state.tip = profile


def judge_one(
    state: SubjectState,
    readings: list[Reading] | None,
    payment: Payment,
    transaction: Transaction,
    profile: Profile,
    past: list[Sight] | None,
    book: RuleBook,
) -> None:
    """Judge one payment, and note on it what was found.

    Args:
        state: of the subject.
        readings: of its phones; None to read them where a glance is not enough.
        payment: to judge.
        transaction: the same.
        profile: habits before it.
        past: payments before it; None for all of the history, which does not hold it yet.
        book: rules in force.
    """
    payment.ordinary = is_ordinary(state, payment.sight, transaction, profile, book)
    if payment.ordinary:
        payment.hits, payment.unscorable = (), None
        return
    if readings is None:
        readings = [read(lane, book) for lane in state.lanes]
    scene = Scene(
        payment.sight,
        transaction,
        profile,
        views(state, readings, payment.sight, book),
        past if past is not None else [*state.past, *(other.sight for other in state.payments)],
    )
    payment.hits = judge_payment(scene, book)
    payment.unscorable = unscorable_reason(transaction, payment.sight, scene.phones, profile, book)


def _changeable_ns(state: SubjectState, book: RuleBook) -> int:
    """Return until when a fix may change a finding that has one in its evidence: the look-ahead of the last, and its slot."""
    for payment in reversed(state.payments):
        if any(FIX in (hit.evidence.first.kind, hit.evidence.second.kind) for hit in payment.hits):
            return payment.sight.event_ns + book.look_ahead_ns + book.slot_ns
    return NEVER_NS


def _has_new_lane(state: SubjectState) -> bool:
    return len(state.lanes) > 1 and not all(is_established(state, lane, state.newest_ns - 86_400_000_000_000) for lane in state.lanes)


def _lane_hits(state: SubjectState, readings: list[Reading], subject: SubjectId, book: RuleBook) -> Iterator[Hit]:
    for reading in readings:
        if reading.trace is not None:
            yield from jump_hits(reading.trace.jumps, subject, book)
    if len(readings) > 1:
        for reading in readings:
            yield from device_hits(state, readings, reading, FAR_FUTURE_NS, subject, book)


def jump_hits(jumps: list[Jump], subject: SubjectId, book: RuleBook) -> Iterator[Hit]:
    """Yield the findings that the jumps of one phone are."""
    for entry in book.entries:
        for jump in jumps:
            evidence = entry.rule.judge_jump(jump)
            hit = entry.rule.hit(evidence, jump.destination) if evidence is not None else None
            if hit is not None and subject not in entry.allowed.subjects:
                yield entry.capped(hit)


def device_hits(
    state: SubjectState, readings: list[Reading], reading: Reading, until_ns: int, subject: SubjectId, book: RuleBook
) -> Iterator[Hit]:
    """Yield the findings at fixes, not summed up yet and before a time, of a phone that is new, given the person's own phones."""
    lane = reading.lane
    first_ns, far = lane.far_first_ns, lane.far_count
    others = sorted((one for one in readings if one is not reading), key=lambda one: (one.lane.born_ns, one.lane.device))
    for sight in lane.history.sights(lane.device, lane.history.find(state.settled_ns)):
        if sight.event_ns >= until_ns:
            return
        if is_established(state, lane, sight.event_ns) or not reading.trusts(sight, sight.event_ns + book.look_ahead_ns):
            continue
        for other in others:
            if not is_established(state, other.lane, sight.event_ns):
                continue
            found = _device_hit(other, sight, (first_ns, far), subject, book)
            if found is not None:
                first_ns, far = (sight.event_ns if far == 0 else first_ns), far + 1
                yield found
                break


def _device_hit(reading: Reading, sight: Sight, before: tuple[int, int], subject: SubjectId, book: RuleBook) -> Hit | None:
    history = reading.lane.history
    index = history.find(sight.event_ns + 1)
    known_ns = sight.event_ns + book.look_ahead_ns
    after = nearest(reading, range(index, len(history)), known_ns)
    after = after if after is not None and after.event_ns <= known_ns else None
    pair = (nearest(reading, range(index - 1, -1, -1), known_ns), after)
    first_ns, far = before
    facts = {"new_fixes": float(far + 1), "new_s": float((sight.event_ns - first_ns) // 1_000_000_000) if far else 0.0}
    for entry in book.entries:
        evidence = entry.rule.judge_devices(sight, pair, facts)
        hit = entry.rule.hit(evidence, sight) if evidence is not None else None
        if hit is not None and subject not in entry.allowed.subjects:
            return entry.capped(hit)
    return None
