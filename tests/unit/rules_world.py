"""Events, rule books and a tally, shared by the tests of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from rules import Engine, Outcome, RuleBook, SubjectState, default_rule_book
from rules.book import Memory, RuleEntry
from rules.catalogue import RULE_TYPES
from veilocity.contracts import Alert, AlertState, CardId, Channel, Decision, DeviceId, Fix, FixFlag, SubjectId, Transaction

START_MS = 1_764_000_000_000
"""2025-11-24T16:00:00Z, a multiple of a slot."""
SUBJECT = SubjectId("anna")
LONDON, PARIS, LAGOS = (51.5074, -0.1278), (48.8566, 2.3522), (6.5244, 3.3792)
SUVA, APIA = (-18.1248, 178.4501), (-13.8507, -171.7514)
"""On both sides of the antimeridian, 1,140 km apart."""

Event = Fix | Transaction


def book(*rules: str, **memory: int) -> RuleBook:
    """Return the default parameters, of some rules only if any are named, with another memory."""
    names = rules or tuple(default_rule_book().rules)
    return RuleBook(tuple(RuleEntry(RULE_TYPES[name](RULE_TYPES[name].parameter_type())) for name in names), Memory(**memory))


def fix(
    at_s: float,
    place: tuple[float, float] = LONDON,
    *,
    accuracy_m: float | None = 20.0,
    device: str = "phone",
    flags: tuple[FixFlag, ...] = (),
    subject: str = SUBJECT,
    speed_mps: float | None = None,
) -> Fix:
    at_ms = START_MS + round(at_s * 1000)
    return Fix(
        subject=SubjectId(subject),
        device=DeviceId(device),
        source="sensor-logger",
        fix_ns=at_ms * 1_000_000,
        received_ms=at_ms + 500,
        lat=place[0],
        lon=place[1],
        accuracy_m=accuracy_m,
        speed_mps=speed_mps,
        flags=flags,
    )


def payment(  # noqa: PLR0913  # every field that a rule looks at
    at_s: float,
    place: tuple[float, float] | None = LONDON,
    *,
    id: str = "",
    channel: Channel = Channel.CARD_PRESENT,
    subject: str = SUBJECT,
    amount_minor: int = 1250,
    merchant: str = "Corner shop",
    card: str | None = None,
    device: str | None = None,
    country: str | None = None,
    category: str = "grocery",
) -> Transaction:
    at_ms = START_MS + round(at_s * 1000)
    return Transaction(
        id=id or f"payment-{at_s}-{place}",
        subject=SubjectId(subject),
        authorised_ms=at_ms,
        received_ms=at_ms + 700,
        amount_minor=amount_minor,
        currency="EUR",
        merchant=merchant,
        category=category,
        card=CardId(card) if card else None,
        device=DeviceId(device) if device else None,
        country=country,
        channel=channel,
        lat=place[0] if place else None,
        lon=place[1] if place else None,
    )


@dataclass
class Tally:
    """What a run of events led to."""

    outcomes: list[Outcome] = field(default_factory=list)
    state: SubjectState = field(default_factory=SubjectState)

    @property
    def revisions(self) -> list[Alert]:
        return [alert for outcome in self.outcomes for alert in outcome.alerts]

    @property
    def newest(self) -> dict[str, Alert]:
        """The newest revision of each alert; revisions must rise by one."""
        newest: dict[str, Alert] = {}
        for alert in self.revisions:
            before = newest.get(alert.id)
            assert alert.revision == (before.revision if before else 0) + 1
            newest[alert.id] = alert
        return newest

    @property
    def standing(self) -> dict[str, Alert]:
        """Alerts that hold at the end, without what tells of the order of arrival."""
        return {
            name: msgspec.structs.replace(alert, revision=0, received_ms=0, state=AlertState.OPEN)
            for name, alert in self.newest.items()
            if alert.state is not AlertState.RETRACTED
        }

    @property
    def decisions(self) -> dict[str, Decision]:
        """The final decision on each transaction, without its revision; revisions must rise by one."""
        newest: dict[str, Decision] = {}
        for outcome in self.outcomes:
            for decision in outcome.decisions:
                before = newest.get(decision.transaction.id)
                assert decision.revision == (before.revision if before else 0) + 1
                newest[decision.transaction.id] = decision
        return {name: msgspec.structs.replace(decision, revision=0) for name, decision in newest.items()}

    def count(self, name: str) -> int:
        return sum(outcome.counted == name for outcome in self.outcomes)


def play(events: Iterable[Event], rules: RuleBook | None = None, *, after: Tally | None = None) -> Tally:
    """Process the events, going on from another run if one is given."""
    tally, engine = after or Tally(), Engine(rules or default_rule_book())
    for event in events:
        tally.outcomes.append(engine.process(tally.state, event))
    return tally
