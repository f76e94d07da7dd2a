"""The slow, obvious reference: everything that arrived, and from it the answers. It shares no code with `rules`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.reference.findings import Finding, Habits, View, device_findings, judge, jump_findings, views_of
from tests.reference.phones import Phone
from tests.reference.seen import NS, Seen, Settings, is_on_earth, is_zero, take_in
from veilocity.contracts import Channel, Fix, Severity, Transaction, Verdict

__all__ = ["Answer", "Answers", "answer"]


@dataclass(frozen=True)
class Answer:
    """What is said of one payment."""

    verdict: Verdict
    reasons: frozenset[str]
    rules: frozenset[str]
    severity: Severity | None


@dataclass(frozen=True)
class Answers:
    """What follows from all events."""

    payments: dict[str, Answer]
    findings: frozenset[Finding]


_RANK = {Severity.LOW: 0, Severity.MEDIUM: 1, Severity.HIGH: 2}


def answer(arrivals: Sequence[Fix | Transaction], settings: Settings) -> Answers:
    """Return the final answers after these arrivals.

    Raises:
        NearThresholdError: sphere and ellipsoid may disagree about one of them.
    """
    given = take_in(arrivals, settings)
    phones = [Phone(device, fixes) for device, fixes in given.phones.items()]
    findings = [one for phone in phones for jump in phone.jumps for one in jump_findings(jump)]
    if len(phones) > 1:
        findings += [one for phone in phones for one in device_findings(phone, phones, given.began_ns, settings)]
    answers = {name: Answer(Verdict.NOT_SCORABLE, frozenset((reason,)), frozenset(), None) for name, reason in given.refused.items()}
    habits, earlier = Habits(), list[Seen]()
    for payment, place in given.payments:
        views = views_of(phones, given.began_ns, payment.authorised_ms * 1_000_000, settings)
        found = judge(payment, place, views, habits, earlier)
        answers[payment.id] = _sum_up(found, _unscorable(payment, place, views, habits, settings))
        findings += found
        habits.learn(payment, place, found)
        if place is not None:
            earlier.append(place)
    return Answers(answers, frozenset(findings))


def _sum_up(found: list[Finding], reason: str | None) -> Answer:
    severity = max((one.severity for one in found), key=_RANK.__getitem__, default=None)
    causes = frozenset(one.cause for one in found)
    rules = frozenset(one.rule for one in found)
    if severity in (Severity.MEDIUM, Severity.HIGH):
        return Answer(Verdict.FLAGGED, causes, rules, severity)
    if reason is not None:
        return Answer(Verdict.NOT_SCORABLE, causes | {reason}, rules, severity)
    return Answer(Verdict.CLEAR, causes, rules, severity)


def _unscorable(payment: Transaction, place: Seen | None, views: list[View], habits: Habits, settings: Settings) -> str | None:
    if place is None:
        return _no_place(payment)
    if any(view.before is not None or view.after is not None for view in views):
        return None
    if habits.reference is not None and place.at_ns - habits.reference.at_ns <= settings.neighbour_s * NS:
        return None
    was_seen = any(fix.at_ns <= place.at_ns for view in views for fix in view.phone.fixes)
    return "neighbour_too_old" if habits.reference is not None or was_seen else "no_neighbour"


def _no_place(payment: Transaction) -> str:
    if payment.channel not in (Channel.CARD_PRESENT, Channel.ATM):
        return "channel_without_place"
    lat, lon = payment.lat, payment.lon
    if lat is None or lon is None:
        return "coordinates_missing"
    if not is_on_earth(lat, lon):
        return "coordinates_swapped" if is_on_earth(lon, lat) else "coordinates_missing"
    return "null_island" if is_zero(lat, lon) else "moving_terminal"
