"""One event in, its consequences out: the whole judgement, pure.

`Engine.process` takes a subject's state and one event, brings the state up to date and returns what follows. It reads no clock, no
environment and no network, so the live service, the cluster, a test and a replay of old data get the same answers.

Guarantee: for any set of events of one subject, each within the lateness bound when it arrives, any order, any repetition, any batch split
and any interruption lead to the same final decisions and the same alerts (apart from revision numbers and arrival times).

Most events change nothing: a fix near the one before, a payment with nothing against it. They take shortcuts, each of which is exact;
whatever they cannot decide is judged from the whole history (`rules.judgement`).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from rules.book import RuleBook
from rules.forgetting import advance, horizon_ns, is_due, is_full, make_room
from rules.glance import BESIDE_E7
from rules.judgement import Judgement, judge_again, judge_one, publish, written_habits
from rules.motion.trace import FAR_FUTURE_NS
from rules.profile import Profile
from rules.rows import pack
from rules.ruling import FUTURE_TIME, TOO_LATE, absorb, decide, not_scorable, rule_on
from rules.sight import (
    LEAST_DELAY_NS,
    NULL_ISLAND_DEGREES,
    ROUNDED_E7,
    Sight,
    is_null_island,
    payment_sight,
    radius_dm,
    sight_of,
    speed_dms,
)
from rules.subject import MAX_IDS, MAX_LANES, Lane, Payment, SubjectState
from rules.views import LOOK_BACK_NS, read
from veilocity.contracts import Alert, Decision, Fix, Transaction, Verdict
from veilocity.errors import InvalidInputError, RejectReason
from veilocity.geo import valid_coordinates

__all__ = ["Engine", "Outcome"]

_FIRST_NS = 946_684_800 * 1_000_000_000
"""2000-01-01: before it no phone and no card feed told the time rightly."""
_LAST_NS = 7_258_118_400 * 1_000_000_000
"""2200-01-01: later times do not fit 64 bits once the arithmetic of the history has been done on them."""
_TEMPERATE = 89.0
"""Degrees of latitude up to which a place near a valid one is valid."""
_LANE_LIFE_NS = 30 * 86_400_000_000_000


class Outcome(NamedTuple):
    """What follows from one event."""

    counted: str
    """The counter of `RulesProgress` that the event belongs to."""
    decisions: tuple[Decision, ...] = ()
    """The answer to a transaction that is not a repeat, and new answers to earlier ones (revision over 1)."""
    alerts: tuple[Alert, ...] = ()
    """New revisions, in the order they were made."""


_KEPT = Outcome("fixes_kept")
_THINNED = Outcome("fixes_thinned")
_DUPLICATE = Outcome("fixes_duplicate")
_LATE = Outcome("fixes_late")


class Engine:
    """The judgement under one rule book; immutable."""

    def __init__(self, book: RuleBook, *, shortcuts: bool = True) -> None:
        """Prepare the judgement.

        Args:
            book: rules in force.
            shortcuts: take them where they are exact; without them everything is judged again at every event, with the same result.
        """
        self.book = book
        self._shortcuts = shortcuts
        self.version = book.version
        """Changes whenever the same input could be judged differently."""
        self._near_fix_e7 = book.near_fix_e7
        self._near_payment_e7 = book.near_payment_e7
        self._slot_ns = book.slot_ns
        self._remembered_ns = book.history_ns + book.look_ahead_ns + LOOK_BACK_NS
        self._default_m = book.places.default_accuracy_m
        self._future_ns = book.memory.future_s * 1_000_000_000

    def process(self, state: SubjectState, event: Fix | Transaction) -> Outcome:
        """Place one event in its subject's history and return what follows.

        Args:
            state: of the event's subject; brought up to date.
            event: as read from Kafka.

        Raises:
            InvalidInputError: a time, or the place of a fix, that cannot be; the state is unchanged.
        """
        if isinstance(event, Fix):
            return (self._go_on(state, event) if self._shortcuts else None) or self._fix(state, event)
        return self._transaction(state, event)

    def _go_on(self, state: SubjectState, fix: Fix) -> Outcome | None:
        """Append a fix that changes nothing but the newest place; None where more must be looked at.

        Exact, because: it is newer than all, so it has no neighbour after it; it is too near the newest to be a jump; and no payment waits
        for it, or those that do are too near for any rule to hold it against them.
        """
        lanes, lat, lon, event_ns = state.lanes, fix.lat, fix.lon, fix.fix_ns
        is_plain = -_TEMPERATE < lat < _TEMPERATE and -180.0 <= lon <= 180.0 and not -NULL_ISLAND_DEGREES < lat < NULL_ISLAND_DEGREES
        if event_ns <= state.alarmed_ns or not lanes or fix.flags or not is_plain:
            return None
        lane, delay_ns = lanes[0], fix.received_ms * 1_000_000 - event_ns
        history = lane.history
        newest_ns = history.newest_ns
        if event_ns - event_ns % self._slot_ns <= newest_ns or lane.device != fix.device or not lane.calm:
            return None
        if not -self._future_ns <= delay_ns < LEAST_DELAY_NS or event_ns >= _LAST_NS:
            return None
        lat_e7, lon_e7 = round(lat * 1e7), round(lon * 1e7)
        is_rounded = lat_e7 % ROUNDED_E7 == 0 and lon_e7 % ROUNDED_E7 == 0
        if is_rounded or history.apart_e7(-1, lat_e7, lon_e7) > self._near_fix_e7:
            return None
        is_full_now = len(history.data) >= lane.check_at and is_full(lane, event_ns - self._remembered_ns)
        waits = state.newest_ns > newest_ns and not self._leaves_payments(state.payments, newest_ns, event_ns, lat_e7, lon_e7)
        if is_full_now or waits:
            return None
        state.newest_ns = max(state.newest_ns, event_ns)
        history.append(event_ns, lat_e7, lon_e7, radius_dm(fix.accuracy_m, self._default_m), speed_dms(fix.speed_mps))
        return _KEPT

    def _leaves_payments(self, payments: list[Payment], newest_ns: int, event_ns: int, lat_e7: int, lon_e7: int) -> bool:
        """Say whether every payment since the newest fix is judged the same with a fix at this place and time after it."""
        for payment in reversed(payments):
            sight = payment.sight
            if sight.event_ns <= newest_ns:
                return True
            if sight.event_ns >= event_ns or (sight.accuracy_dm >= 0 and not self._is_cleared(payment, lat_e7, lon_e7)):
                return False
        return True

    def _is_cleared(self, payment: Payment, lat_e7: int, lon_e7: int) -> bool:
        sight = payment.sight
        near = abs(lat_e7 - sight.lat_e7) + abs(lon_e7 - sight.lon_e7) <= self._near_payment_e7
        return near and not payment.hits and payment.ruling is not None and payment.ruling.verdict is Verdict.CLEAR

    def _fix(self, state: SubjectState, fix: Fix) -> Outcome:
        self._check(fix)
        book, event_ns = self.book, fix.fix_ns
        if event_ns < state.newest_ns and event_ns < horizon_ns(state, book):
            return _LATE
        lane = self._lane(state, fix.device, event_ns)
        if lane is None:
            return _THINNED
        sight = sight_of(fix, book.places.default_accuracy_m)
        in_order = event_ns > lane.history.newest_ns
        counted, index = lane.history.put(sight, book.slot_ns)
        lane.born_ns = min(lane.born_ns, event_ns)
        if index is None:
            return _DUPLICATE if counted == "fixes_duplicate" else _THINNED
        state.newest_ns = max(state.newest_ns, event_ns)
        if lane.calm and not self._is_calm(lane, sight, index):
            lane.calm = False
            state.alarmed_ns = FAR_FUTURE_NS
        judgement: Judgement | None = None
        quiet = self._shortcuts and event_ns > state.alarmed_ns and len(state.lanes) == 1
        if not quiet or (self._is_awaited(state, sight) if in_order else not self._changes_nothing(state, lane, sight, index)):
            judgement = judge_again(state, fix.subject, fix.received_ms, book, event_ns - book.look_ahead_ns - book.slot_ns)
        horizon = horizon_ns(state, book)
        if is_due(state, horizon, book):
            advance(state, fix.subject, horizon, book)
        if judgement is None:
            return Outcome(counted)
        return Outcome(counted, judgement.decisions, judgement.alerts)

    def _check(self, fix: Fix) -> None:
        if not _FIRST_NS <= fix.fix_ns < _LAST_NS:
            raise InvalidInputError(RejectReason.INVALID_TIME, "the event time must lie between 2000 and 2200: check its unit")
        if fix.fix_ns - fix.received_ms * 1_000_000 > self._future_ns:
            raise InvalidInputError(RejectReason.FUTURE_TIME, "the fix is later than its arrival: check the phone's clock")
        if not valid_coordinates(fix.lat, fix.lon):
            raise InvalidInputError(RejectReason.INVALID_COORDINATES, "latitude must lie in -90..90 and longitude in -180..180")
        if is_null_island(fix.lat, fix.lon):
            raise InvalidInputError(RejectReason.INVALID_COORDINATES, "0, 0 is where missing coordinates are written: check the sender")

    def _lane(self, state: SubjectState, device: str, event_ns: int) -> Lane | None:
        """Return the phone's lane, moved to the front; None where the subject has too many phones at a time."""
        for index, lane in enumerate(state.lanes):
            if lane.device == device:
                if index:
                    state.lanes.insert(0, state.lanes.pop(index))
                return lane
        if len(state.lanes) >= MAX_LANES:
            oldest = min(state.lanes, key=lambda lane: (lane.history.newest_ns, lane.device))
            if event_ns - oldest.history.newest_ns <= _LANE_LIFE_NS:
                return None
            state.lanes.remove(oldest)
        state.lanes = [Lane(device), *state.lanes]
        return state.lanes[0]

    def _is_calm(self, lane: Lane, sight: Sight, index: int) -> bool:
        """Say whether a fix that was put in between leaves the phone's history one chain of near, trusted fixes."""
        history, lat_e7, lon_e7 = lane.history, sight.lat_e7, sight.lon_e7
        if sight.flags or (index > 0 and history.apart_e7(index - 1, lat_e7, lon_e7) > self._near_fix_e7):
            return False
        return index + 1 >= len(history) or history.apart_e7(index + 1, lat_e7, lon_e7) <= self._near_fix_e7

    def _is_awaited(self, state: SubjectState, sight: Sight) -> bool:
        """Say whether a payment of the history may be judged otherwise for a fix that is newer than its phone's others."""
        lane = state.lanes[0]
        before_ns = lane.history.time_at(len(lane.history) - 2) if len(lane.history) > 1 else -(2**62)
        for payment in reversed(state.payments):
            if payment.sight.event_ns <= before_ns:
                return False
            if payment.sight.event_ns >= sight.event_ns:
                return True
            if payment.sight.accuracy_dm >= 0 and not self._is_cleared(payment, sight.lat_e7, sight.lon_e7):
                return True
        return False

    def _changes_nothing(self, state: SubjectState, lane: Lane, sight: Sight, index: int) -> bool:
        """Say whether a fix that was put into the history of a calm phone leaves every payment as it was judged.

        Exact, because: a payment before it that it could be held against is too near for any rule; and a payment after it was judged at a
        glance, which would see the same: a phone as near, silent no longer, and no steadier.
        """
        if not state.payments:
            return True
        history = lane.history
        before_ns = history.time_at(index - 1) if index else -(2**62)
        after_ns = history.time_at(index + 1) if index + 1 < len(history) else 2**62
        for payment in reversed(state.payments):
            event_ns = payment.sight.event_ns
            if event_ns < before_ns:
                break
            if event_ns < sight.event_ns:
                if payment.sight.accuracy_dm >= 0 and not self._is_cleared(payment, sight.lat_e7, sight.lon_e7):
                    return False
            elif not payment.ordinary or (event_ns < after_ns and not _is_beside(payment.sight, sight)):
                return False
        if before_ns < state.payments[-1].sight.event_ns and state.payments[-1].sight.event_ns >= sight.event_ns:
            steadies = [history.accuracy_dm_at(at) for at in (index - 1, index + 1) if 0 <= at < len(history)]
            return sight.accuracy_dm not in steadies
        return True

    def _transaction(self, state: SubjectState, transaction: Transaction) -> Outcome:
        book, event_ns = self.book, transaction.authorised_ms * 1_000_000
        if not self.has_possible_time(transaction):
            raise InvalidInputError(RejectReason.INVALID_TIME, "the event time must lie between 2000 and 2200: check its unit")
        if not _remember(state, transaction.id):
            return Outcome("transactions_duplicate")
        if event_ns - transaction.received_ms * 1_000_000 > self._future_ns:
            return Outcome("decided", (not_scorable(transaction, FUTURE_TIME, book),))
        if event_ns < state.newest_ns and event_ns < horizon_ns(state, book):
            return Outcome("decided", (not_scorable(transaction, TOO_LATE, book),))
        payment = Payment(self.sight(transaction), pack(transaction))
        in_order = not state.payments or state.payments[-1].key < payment.key
        state.newest_ns = max(state.newest_ns, event_ns)
        if in_order and self._shortcuts and event_ns > state.alarmed_ns:
            judgement = self._append(state, payment, transaction)
        else:
            self._insert(state, payment)
            judgement = judge_again(state, transaction.subject, transaction.received_ms, book, event_ns)
        make_room(state, book)
        horizon = horizon_ns(state, book)
        if is_due(state, horizon, book):
            advance(state, transaction.subject, horizon, book)
        return Outcome("decided", judgement.decisions, judgement.alerts)

    def has_possible_time(self, transaction: Transaction) -> bool:
        """Say whether the time of a payment is one that the history can hold."""
        return _FIRST_NS <= transaction.authorised_ms * 1_000_000 < _LAST_NS

    def sight(self, transaction: Transaction) -> Sight:
        """Return a payment as it is judged: without a usable place where its terminal moves, and as sure as is known of its merchant."""
        places = self.book.places
        sight = payment_sight(transaction, places.default_place_accuracy_m)
        if sight.accuracy_dm < 0:
            return sight
        if transaction.category in places.moving_categories:
            return sight._replace(accuracy_dm=-1)
        spread_m = places.terminals.get(transaction.merchant)
        return sight if spread_m is None else sight._replace(accuracy_dm=max(sight.accuracy_dm, round(spread_m * 10.0)))

    def _append(self, state: SubjectState, payment: Payment, transaction: Transaction) -> Judgement:
        """Judge a payment that is later than all others of the history by itself.

        Exact, because no other payment has habits behind it that this one changes.
        """
        book = self.book
        profile = state.tip if state.tip is not None else Profile()
        judge_one(state, None, payment, transaction, profile, None, book)
        if not state.payments:
            state.base = written_habits(profile)
        absorb(profile, payment.sight, transaction, payment.hits)
        state.tip = profile
        state.payments.append(payment)
        if payment.hits:
            readings = [read(lane, book) for lane in state.lanes]
            return publish(state, readings, transaction.subject, transaction.received_ms, book)
        payment.ruling, payment.revision = rule_on((), payment.unscorable, book), 1
        return Judgement((decide(transaction, payment.ruling, 1, book.rules),))

    def _insert(self, state: SubjectState, payment: Payment) -> None:
        if not state.payments:
            state.base = written_habits(state.tip if state.tip is not None else Profile())
        index = len(state.payments)
        while index > 0 and state.payments[index - 1].key > payment.key:
            index -= 1
        state.payments.insert(index, payment)


def _is_beside(first: Sight, second: Sight) -> bool:
    return abs(first.lat_e7 - second.lat_e7) + abs(first.lon_e7 - second.lon_e7) <= BESIDE_E7


def _remember(state: SubjectState, transaction_id: str) -> bool:
    """Remember a transaction; say whether it is new, and not a repeat among the last `MAX_IDS` of this subject.

    Guarantee: a repeat is always found. A new id is taken for a repeat with probability at most MAX_IDS / 2**64.
    """
    digest = blake2b(transaction_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    at = state.ids.find(digest)
    while at >= 0:
        if at % 8 == 0:
            return False
        at = state.ids.find(digest, at + 1)
    state.ids = (state.ids + digest)[-8 * MAX_IDS :]
    return True
