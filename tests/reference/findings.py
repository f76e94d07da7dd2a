"""What each payment, jump and new phone amounts to: the four rules about travel, told anew from docs/rules.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.reference.measures import Span, apart, distance
from tests.reference.phones import DAY_NS, HOUR_NS, Jump, Phone
from tests.reference.seen import NS, Seen, Settings
from veilocity.contracts import Severity, Transaction

__all__ = ["Contradiction", "Finding", "Habits", "View", "device_findings", "judge", "jump_findings", "views_of"]

DOUBTS = ("disputed_phone", "swapped_coordinates", "terminal_place", "shared_card", "settled_late")


@dataclass(frozen=True)
class Finding:
    """What one rule says of one event."""

    rule: str
    anchor: str
    severity: Severity
    cause: str
    is_against_phone: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Contradiction:
    """A card or a merchant that contradicted the phone."""

    name: str
    place: Seen
    times: int
    first_ns: int


@dataclass
class Habits:
    """What is learned from payment to payment."""

    reference: Seen | None = None
    candidate: Seen | None = None
    contradictions: list[Contradiction] = field(default_factory=list)

    def known(self, name: str, place: Seen | None) -> Contradiction | None:
        """Return what contradicted before, within 25 km of a place if one is given."""
        for one in self.contradictions:
            if one.name == name and (place is None or not _circle(one.place, place).over(25_000.0)):
                return one
        return None

    def learn(self, payment: Transaction, place: Seen | None, findings: Sequence[Finding]) -> None:
        """Take the next payment."""
        if place is None:
            return
        if any(one.is_against_phone for one in findings):
            if payment.card:
                self._count("card " + payment.card, place, self.known("card " + payment.card, place))
            self._count("merchant " + payment.merchant, place, self.known("merchant " + payment.merchant, None))
        elif not any(one.rule in ("impossible-travel", "phone-far-from-card") for one in findings):
            self.reference, self.candidate = place, None
        elif self.candidate is not None and not apart(self.candidate, place).over(50_000.0):
            self.reference, self.candidate = place, None
        else:
            self.candidate = place

    def _count(self, name: str, place: Seen, known: Contradiction | None) -> None:
        grown = Contradiction(name, place, 1, place.at_ns)
        if known is not None:
            grown = Contradiction(name, known.place, known.times + 1, known.first_ns)
        self.contradictions = [*(one for one in self.contradictions if one is not known), grown][-8:]


@dataclass(frozen=True)
class View:
    """One phone around one moment."""

    phone: Phone
    at_ns: int
    known_ns: int
    is_established: bool
    before: Seen | None
    after: Seen | None

    @property
    def is_disputed(self) -> bool:
        """Whether the phone contradicts itself here."""
        return self.phone.in_dispute(self.at_ns, self.known_ns)

    @property
    def chain(self) -> list[Seen]:
        """The fixes around the moment, up to two on each side."""
        trusted = [fix for fix in self.phone.trusted(self.known_ns) if fix.at_ns <= self.known_ns]
        earlier = [fix for fix in trusted if fix.at_ns <= self.at_ns][-2:] if self.before is not None else []
        later = [fix for fix in trusted if fix.at_ns > self.at_ns][:2] if self.after is not None else []
        return [*earlier, *later]

    def is_beside(self, place: Seen) -> bool:
        """Whether the phone was at a place minutes before or after."""
        return any(
            one is not None and abs(one.at_ns - self.at_ns) <= 900 * NS and not apart(one, place).over(1_000.0)
            for one in (self.before, self.after)
        )


def views_of(phones: Sequence[Phone], began_ns: dict[str, int], at_ns: int, settings: Settings) -> list[View]:
    """Return what each phone that began by the look-ahead says around a moment, the person's own first, then by age."""
    first = min(began_ns, key=lambda device: (began_ns[device], device), default="")
    found = []
    known_ns = at_ns + settings.look_ahead_s * NS
    for phone in (one for one in phones if began_ns[one.device] <= known_ns):
        trusted = phone.trusted(known_ns)
        before = next((fix for fix in reversed(trusted) if fix.at_ns <= at_ns), None)
        if before is not None and at_ns - before.at_ns > settings.neighbour_s * NS:
            before = None
        after = next((fix for fix in trusted if at_ns < fix.at_ns <= known_ns), None)
        established = phone.device == first or at_ns - began_ns[phone.device] >= DAY_NS
        found.append(View(phone, at_ns, known_ns, established, before, after))
    return sorted(found, key=lambda view: (not view.is_established, began_ns[view.phone.device], view.phone.device))


def judge(payment: Transaction, place: Seen | None, views: list[View], habits: Habits, earlier: Sequence[Seen]) -> list[Finding]:
    """Return what the four rules find wrong with a payment.

    Args:
        payment: the payment.
        place: where it was made, if that can be told.
        views: the phones around it.
        habits: of the person before it.
        earlier: the payments at a place before it, in order.
    """
    if place is None:
        return []
    beside = any(view.is_established and view.is_beside(place) for view in views)
    doubts = _Doubts(payment, place, habits)
    found = [
        _impossible(place, views, beside, doubts, habits.reference),
        _out_of_reach(place, views, beside, doubts),
        _at_once(place, views, beside, doubts, earlier),
        _machines(place, views, beside, doubts, [one for one in earlier if one.kind == "atm"]),
    ]
    return [one for one in found if one is not None]


@dataclass(frozen=True)
class _Doubts:
    payment: Transaction
    place: Seen
    habits: Habits

    def first(self, view: View | None, *, ask_dispute: bool) -> str | None:
        """Return the doubt that names the cause."""
        applies = {
            "disputed_phone": ask_dispute and view is not None and (view.is_disputed or is_unsteady(view.chain)),
            "swapped_coordinates": view is not None and self._is_swapped(view),
            "terminal_place": self._is_old(self.habits.known("merchant " + self.payment.merchant, None)),
            "shared_card": bool(self.payment.card) and self._is_old(self.habits.known(f"card {self.payment.card}", self.place)),
            "settled_late": view is not None and self._was_there(view),
        }
        return next((name for name in DOUBTS if applies[name]), None)

    def _is_old(self, known: Contradiction | None) -> bool:
        return known is not None and known.times >= 2 and self.place.at_ns - known.first_ns >= 20 * HOUR_NS

    def _is_swapped(self, view: View) -> bool:
        place = self.place
        if abs(place.lon) > 90.0:
            return False
        exchanged = Seen(place.at_ns, place.lon, place.lat, place.radius_m, place.name)
        return any(one is not None and not apart(one, exchanged).over(25_000.0) for one in (view.before, view.after))

    def _was_there(self, view: View) -> bool:
        for from_ns, until_ns, lat, lon in view.phone.stays(self.place.at_ns):
            stay = Seen(from_ns, lat, lon, 0.0, "")
            if until_ns >= self.place.at_ns - 12 * HOUR_NS and not apart(stay, self.place).over(2_000.0):
                return True
        return False


def is_unsteady(chain: Sequence[Seen]) -> bool:
    """Whether the receiver jumps, or its clock is late."""
    if any("late clock" in one.flags for one in chain):
        return True
    for first, second in pairwise(chain):
        elapsed_s = (second.at_ns - first.at_ns) / 1e9
        kmh = 1.3 * max(200.0, _reported_kmh(first, second))
        gap = apart(first, second)
        if elapsed_s < 1800.0 and gap.over(3_000.0) and gap.over(kmh * (elapsed_s + 30.0) / 3.6):
            return True
    return False


def is_impossible(first: Seen, second: Seen, slack_s: float, least_m: float = 50_000.0) -> bool:
    """Whether no means of travel connects the two."""
    gap = apart(first, second)
    if not gap.reaches(least_m):
        return False
    time_s = with_slack_s(first, second, slack_s)
    return time_s <= 0.0 or gap.over(1100.0 * time_s / 3.6)


def with_slack_s(first: Seen, second: Seen, slack_s: float) -> float:
    """Return the time between two observations, in favour of the traveller."""
    whole = sum(one.kind != "fix" and one.at_ns % (60 * NS) == 0 for one in (first, second))
    return (second.at_ns - first.at_ns) / 1e9 + slack_s + 60.0 * whole


def _reported_kmh(*fixes: Seen | None) -> float:
    return max((one.speed_kmh for one in fixes if one is not None and one.speed_kmh is not None), default=0.0)


def _witnesses(views: list[View]) -> list[View]:
    own = [view for view in views if view.is_established]
    if len(own) < 2:
        return own
    moving = [view for view in own if view.phone.has_moved(view.at_ns)]
    return sorted(moving or own, key=lambda view: view.is_disputed)


def _sides(view: View, place: Seen) -> list[tuple[Seen, Seen]]:
    sides = []
    if view.before is not None:
        sides.append((view.before, place))
    if view.after is not None:
        sides.append((place, view.after))
    return sides


def _support(view: View) -> tuple[int, float]:
    around = view.before or view.after
    assert around is not None
    return view.phone.support(around, view.known_ns)


def _is_confirmed(view: View) -> bool:
    fixes, span_s = _support(view)
    return fixes >= 3 and round(span_s) >= 60


def _impossible(place: Seen, views: list[View], beside: bool, doubts: _Doubts, reference: Seen | None) -> Finding | None:
    rule = "impossible-travel"
    for view in _witnesses(views):
        if any(is_impossible(*side, 30.0) for side in _sides(view, place)):
            if beside and len(views) > 1:
                return None
            doubt = doubts.first(view, ask_dispute=True)
            if doubt is not None:
                return Finding(rule, place.name, Severity.LOW, doubt, True)
            if not _is_confirmed(view):
                return Finding(rule, place.name, Severity.LOW, "phone_not_confirmed", True)
            return Finding(rule, place.name, Severity.HIGH, "impossible_travel", True)
    if beside or reference is None or not is_impossible(reference, place, 30.0):
        return None
    doubt = doubts.first(None, ask_dispute=False)
    return Finding(rule, place.name, Severity.LOW if doubt else Severity.HIGH, doubt or "impossible_travel")


def _out_of_reach(place: Seen, views: list[View], beside: bool, doubts: _Doubts) -> Finding | None:
    rule = "phone-far-from-card"
    for view in _witnesses(views):
        near = [side for side in _sides(view, place) if side[1].at_ns - side[0].at_ns <= 7200 * NS and apart(*side).reaches(8_000.0)]
        if any(is_impossible(*side, 60.0) for side in near):
            continue
        kmh = _reported_kmh(view.before, view.after)
        far = [side for side in near if apart(*side).over(reach_m(with_slack_s(*side, 60.0), kmh))]
        if not far:
            continue
        if beside and len(views) > 1:
            return None
        doubt = doubts.first(view, ask_dispute=True)
        if doubt is not None:
            return Finding(rule, place.name, Severity.LOW, doubt, True)
        if not _is_confirmed(view):
            return Finding(rule, place.name, Severity.LOW, "phone_not_confirmed", True)
        if len(far) > 1:
            return Finding(rule, place.name, Severity.HIGH, "out_of_reach_both_sides", True)
        return Finding(rule, place.name, Severity.MEDIUM, "out_of_reach", True)
    return None


def reach_m(time_s: float, seen_kmh: float) -> float:
    """Return how far a person gets."""
    kmh = max(160.0, min(1.3 * seen_kmh, 1000.0))
    return max(kmh * time_s, 1000.0 * (time_s - 1200.0)) / 3.6


def _at_once(place: Seen, views: list[View], beside: bool, doubts: _Doubts, earlier: Sequence[Seen]) -> Finding | None:
    if beside:
        return None
    for other in earlier:
        gap = apart(other, place)
        if place.at_ns - other.at_ns > 60 * NS or not gap.reaches(2_000.0):
            continue
        if gap.over(160.0 * with_slack_s(other, place, 5.0) / 3.6):
            doubt = doubts.first(views[0] if views else None, ask_dispute=False)
            severity = Severity.LOW if doubt else Severity.HIGH if gap.reaches(50_000.0) else Severity.MEDIUM
            return Finding("simultaneous-use", place.name, severity, doubt or "two_payments_at_once")
    return None


def _machines(place: Seen, views: list[View], beside: bool, doubts: _Doubts, earlier: Sequence[Seen]) -> Finding | None:
    draws = [one for one in earlier if place.at_ns - one.at_ns <= 3600 * NS]
    if place.kind != "atm" or not draws:
        return None
    gap = apart(draws[-1], place)
    if not beside and gap.reaches(5_000.0) and gap.over(160.0 * with_slack_s(draws[-1], place, 60.0) / 3.6):
        doubt = doubts.first(views[0] if views else None, ask_dispute=False)
        return Finding("atm-hop", place.name, Severity.LOW if doubt else Severity.MEDIUM, doubt or "machines_out_of_reach")
    machines: list[Seen] = []
    for draw in (*draws, place):
        if all(_less(_circle(draw, other), draw.radius_m).over(150.0) for other in machines):
            machines.append(draw)
    if len(machines) < 4:
        return None
    return Finding("atm-hop", place.name, Severity.LOW if beside else Severity.MEDIUM, "many_machines")


def _less(circle: Span, radius_m: float) -> Span:
    return Span(max(0.0, circle.low * 0.9944 - radius_m), max(0.0, circle.high * 0.9944 - radius_m))


def _circle(first: Seen, second: Seen) -> Span:
    return distance(first.lat, first.lon, second.lat, second.lon)


def jump_findings(jump: Jump) -> list[Finding]:
    """Return what a jump of a phone amounts to."""
    anchor = f"{jump.destination.name}@{jump.destination.at_ns}"
    fixes = min(jump.left[0], jump.right[0])
    span_s = min(round(jump.left[1]), round(jump.right[1]))
    low = {"two_sources": "two_sources", "clock_shift": "clock_shift", "glitch": "excursion_returned"}.get(jump.cause)
    if jump.cause != "two_sources" and (fixes < 3 or span_s < 60):
        return []
    if low is not None:
        return [Finding("impossible-travel", anchor, Severity.LOW, low)]
    is_long = (fixes >= 10 and span_s >= 600) or (fixes >= 5 and span_s >= 300)
    if is_long and apart(jump.origin, jump.destination).reaches(100_000.0):
        return [Finding("impossible-travel", anchor, Severity.HIGH, "impossible_travel")]
    return [Finding("impossible-travel", anchor, Severity.LOW, "confirmed_low")]


def device_findings(phone: Phone, phones: Sequence[Phone], began_ns: dict[str, int], settings: Settings) -> list[Finding]:
    """Return what the fixes of a phone that is new amount to."""
    found: list[Finding] = []
    first_ns = math.inf
    for fix in phone.fixes:
        known_ns = fix.at_ns + settings.look_ahead_s * NS
        if fix not in phone.trusted(known_ns):
            continue
        established = {view.phone.device for view in views_of(phones, began_ns, fix.at_ns, settings) if view.is_established}
        if phone.device in established:
            continue
        own = [other for other in phones if other.device in established]
        if not any(_is_elsewhere(fix, other, known_ns) for other in own):
            continue
        first_ns = min(first_ns, fix.at_ns)
        is_sure = len(found) >= 2 and (fix.at_ns - first_ns) // NS >= 60
        severity, cause = (Severity.HIGH, "new_phone_elsewhere") if is_sure else (Severity.LOW, "new_phone_one_fix")
        found.append(Finding("simultaneous-use", f"{fix.name}@{fix.at_ns}", severity, cause))
    return found


def _is_elsewhere(fix: Seen, own: Phone, known_ns: int) -> bool:
    trusted = own.trusted(known_ns)
    before = next((one for one in reversed(trusted) if one.at_ns <= fix.at_ns), None)
    after = next((one for one in trusted if fix.at_ns < one.at_ns <= known_ns), None)
    sides = [(before, fix)] if before is not None else []
    sides += [(fix, after)] if after is not None else []
    return any(is_impossible(*side, 30.0) for side in sides)
