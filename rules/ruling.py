"""What is said of one payment: verdict, score and reasons from its findings, and what it teaches."""

from __future__ import annotations

from collections.abc import Sequence

from rules.book import RuleBook
from rules.hits import Hit, severity_rank
from rules.profile import Profile
from rules.rule import Rule
from rules.scene import PhoneView
from rules.sight import ATM, FIX, Sight, is_null_island
from rules.told import Ruling
from rules.travel import gap_m
from veilocity.contracts import Decision, Severity, Transaction, Verdict
from veilocity.geo import valid_coordinates

__all__ = ["CLEAR", "FUTURE_TIME", "TOO_LATE", "absorb", "contradicts_phone", "decide", "not_scorable", "rule_on", "unscorable_reason"]

CHANNEL_WITHOUT_PLACE = "channel_without_place"
COORDINATES_MISSING = "coordinates_missing"
COORDINATES_SWAPPED = "coordinates_swapped"
NULL_ISLAND = "null_island"
MOVING_TERMINAL = "moving_terminal"
NO_NEIGHBOUR = "no_neighbour"
NEIGHBOUR_TOO_OLD = "neighbour_too_old"
TOO_LATE = "too_late"
FUTURE_TIME = "future_time"
_TRAVEL = frozenset(("impossible-travel", "phone-far-from-card"))
_CANDIDATE_M = 50_000.0


def contradicts_phone(hits: Sequence[Hit]) -> bool:
    """Say whether one of a payment's findings is that a phone was elsewhere."""
    return any(hit.rule in _TRAVEL and FIX in (hit.evidence.first.kind, hit.evidence.second.kind) for hit in hits)


def absorb(profile: Profile, sight: Sight, transaction: Transaction, hits: Sequence[Hit]) -> None:
    """Let the profile learn from a payment that was judged.

    The reference, by which the next payment is judged, moves on with every payment that is believed. After a contradiction between two
    payments nobody knows which was the odd one, so a second payment near the contradicting one moves it, too.
    """
    if not hits:
        profile.learn(sight, transaction, is_usual=True, contradicts_phone=False)
        if sight.has_place:
            profile.reference, profile.candidate = sight, None
        return
    far = contradicts_phone(hits)
    usual = all(hit.severity is Severity.LOW for hit in hits)
    profile.learn(sight, transaction, is_usual=usual, contradicts_phone=far)
    if not sight.has_place or far:
        return
    if not any(hit.rule in _TRAVEL for hit in hits):
        profile.reference, profile.candidate = sight, None
    elif profile.candidate is not None and gap_m(profile.candidate, sight) <= _CANDIDATE_M:
        profile.reference, profile.candidate = sight, None
    else:
        profile.candidate = sight


def unscorable_reason(transaction: Transaction, sight: Sight, phones: Sequence[PhoneView], profile: Profile, book: RuleBook) -> str | None:
    """Return why nothing can be said of where the payment was made, or None."""
    if sight.accuracy_dm < 0:
        return _no_place(transaction, sight, book)
    if any(phone.before is not None or phone.after is not None for phone in phones):
        return None
    reference = profile.reference
    if reference is not None and sight.event_ns - reference.event_ns <= book.memory.neighbour_s * 1_000_000_000:
        return None
    return NEIGHBOUR_TOO_OLD if reference is not None or any(phone.seen for phone in phones) else NO_NEIGHBOUR


def _no_place(transaction: Transaction, sight: Sight, book: RuleBook) -> str:
    if sight.kind > ATM:
        return CHANNEL_WITHOUT_PLACE
    lat, lon = transaction.lat, transaction.lon
    if lat is None or lon is None:
        return COORDINATES_MISSING
    if valid_coordinates(lat, lon):
        return NULL_ISLAND if is_null_island(lat, lon) else MOVING_TERMINAL
    return COORDINATES_SWAPPED if valid_coordinates(lon, lat) else COORDINATES_MISSING


def rule_on(hits: Sequence[tuple[Hit, str]], unscorable: str | None, book: RuleBook) -> Ruling:
    """Return what is said of a payment.

    Args:
        hits: findings, each with the id of the alert it belongs to.
        unscorable: why nothing can be said of its place; None where something can.
        book: for the fallback severities.
    """
    if not hits:
        if unscorable is None:
            return CLEAR
        return Ruling(Verdict.NOT_SCORABLE, 0.0, (unscorable,), (), None, book.fallback.get(unscorable))
    ordered = sorted(hits, key=lambda pair: (-severity_rank(pair[0].severity), -pair[0].score, pair[0].rule))
    gravest, alert = ordered[0]
    reasons = tuple(dict.fromkeys(hit.cause for hit, _ in ordered))
    rules = tuple(dict.fromkeys(hit.rule for hit, _ in ordered))
    score = max(hit.score for hit, _ in ordered)
    if gravest.severity is not Severity.LOW:
        return Ruling(Verdict.FLAGGED, score, reasons, rules, alert, gravest.severity)
    if unscorable is not None:
        return Ruling(Verdict.NOT_SCORABLE, score, (unscorable, *reasons), rules, alert, gravest.severity)
    return Ruling(Verdict.CLEAR, score, reasons, rules, alert, gravest.severity)


CLEAR = Ruling(Verdict.CLEAR, 0.0, (), (), None, None)


def decide(transaction: Transaction, ruling: Ruling, revision: int, rules: dict[str, Rule]) -> Decision:  # type: ignore[type-arg]  # any parameters
    """Return a ruling as the decision that is told."""
    if ruling is CLEAR:
        return Decision(transaction, Verdict.CLEAR, 0.0, (), {}, None, None, revision)
    versions = {name: rules[name].version for name in ruling.rules}
    return Decision(transaction, ruling.verdict, ruling.score, ruling.reasons, versions, ruling.alert_id, ruling.severity, revision)


def not_scorable(transaction: Transaction, reason: str, book: RuleBook) -> Decision:
    """Return the decision on a payment that does not enter the history."""
    return Decision(transaction, Verdict.NOT_SCORABLE, 0.0, (reason,), {}, None, book.fallback.get(reason))
