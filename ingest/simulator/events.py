"""What the simulator yields: pushes, payments, browsing events, and the truth about fraud."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from veilocity.contracts import SubjectId

__all__ = ["Browsing", "Event", "FraudKind", "Label", "Payment", "Push"]


class Push(msgspec.Struct, frozen=True, gc=False):
    """One request body as the Sensor Logger app sends it."""

    due_ms: int
    """When the phone sends it: no event in it is later."""
    fixes: int
    body: bytes


class Payment(msgspec.Struct, frozen=True, gc=False):
    """One payment as JSON in the normal form of `POST /v1/transactions`."""

    due_ms: int
    body: bytes


class Browsing(msgspec.Struct, frozen=True, gc=False):
    """One browsing event as JSON of `POST /v1/sessions`."""

    due_ms: int
    body: bytes


Event = Push | Payment | Browsing


class FraudKind(StrEnum):
    """How an injected fraud is done."""

    TELEPORT = "card-present-teleport"
    """A cloned card is used in a shop far away."""
    ATM = "atm-teleport"
    """Cash is drawn far away."""
    SIMULTANEOUS = "simultaneous"
    """A cloned card is used far away in the very millisecond in which the owner pays at home."""
    TAKEOVER = "account-takeover"
    """Another device signs in as the same person far away, and stays for minutes."""
    NEAR_MISS = "near-miss"
    """A stolen card is used 15 km away 20 minutes after the last fix, or 45 km away at once: fraud, but no rule of travel proves it."""


class Label(msgspec.Struct, frozen=True, gc=False):
    """The truth about one injected fraud.

    The bounds are those of the strongest pair of the fraud and an honest neighbour in event time, judged by the default rule parameters.
    """

    kind: FraudKind
    subject: SubjectId
    from_ms: int
    until_ms: int
    """Same as `from_ms` for a payment; the end of an intruder's session. Honest fixes in between contradict the intruder's too, so an alert
    may name any of them."""
    transaction: str | None
    device: str | None
    """The intruder's device."""
    distance_low_m: float
    elapsed_s: float
    speed_low_kmh: float | None
    """None where both happened at the same time."""
    expected_alert: bool
    """Whether the distance is at least the minimum and the speed above the limit."""
