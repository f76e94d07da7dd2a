"""What a week yields: the events in order of arrival, and the truth about every one of them that is not plainly what it seems."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from veilocity.contracts import Fix, SubjectId, Transaction

__all__ = ["Episode", "Fraud", "FraudKind", "Labels", "Week", "fix_id"]


class FraudKind(StrEnum):
    """How an injected fraud is done."""

    TELEPORT = "card-present, phone on"
    """A cloned card is used in a shop far away while the owner's phone records."""
    TELEPORT_PHONE_OFF = "card-present, phone off"
    """The same, while the owner's phone records nothing for some minutes on both sides."""
    ATM = "cash far away"
    """Cash is drawn far away."""
    SIMULTANEOUS = "simultaneous payments"
    """A cloned card is used far away in the very millisecond in which the owner pays."""
    TAKEOVER = "phone takeover"
    """Another device reports as the same person far away for 10 to 60 minutes; for half of them the owner's own phone falls silent."""
    RUN = "run of payments elsewhere"
    """Three to eight payments far away over half an hour."""
    CARD_TESTING = "card testing online"
    """Many small online payments and a large one: no place, so nothing that travel could prove."""
    SHORT = "short contradiction"
    """A card is used 12 to 45 km away 40 seconds after a fix of the owner's phone: nobody travels so, though an aircraft might."""
    DURING_CONFUSER = "while a confuser goes on"
    """A cloned card is used far away while the owner flies, or while the owner's phone errs."""


class Fraud(msgspec.Struct, frozen=True, gc=False):
    """The truth about one injected fraud."""

    kind: FraudKind
    subject: SubjectId
    from_ms: int
    until_ms: int
    """Same as `from_ms` for a single payment."""
    transactions: tuple[str, ...]
    device: str | None
    """The intruder's device."""
    provable: bool
    """Whether geometry alone proves it; see `ingest.simulator.weeks.proof`."""


class Episode(msgspec.Struct, frozen=True, gc=False):
    """One honest stretch of life that looks like fraud to a simple rule."""

    confuser: str
    subject: SubjectId
    from_ms: int
    until_ms: int
    observations: tuple[str, ...] = ()
    """Ids of the observations that it changed or added; empty where it only moves the person."""


class Labels(msgspec.Struct, frozen=True):
    """The whole truth about a week."""

    frauds: tuple[Fraud, ...]
    episodes: tuple[Episode, ...]
    """Those after the cold start."""
    misplaced: frozenset[str]
    """Honest observations that do not say where the person was at the time they state."""
    judged_from_ms: dict[SubjectId, int]
    """Until when a subject's events are there to be learned from: no fraud happens and no confuser but the lasting ones."""


class Week(msgspec.Struct, frozen=True):
    """Events in order of arrival, and their truth."""

    events: tuple[Fix | Transaction, ...]
    labels: Labels


def fix_id(fix: Fix) -> str:
    """Return how an alert names a fix.

    >>> fix_id(Fix(SubjectId("anna"), "phone", "sensor-logger", 5, 0, 51.5, -0.1))
    'phone@5'
    """
    return f"{fix.device}@{fix.fix_ns}"
