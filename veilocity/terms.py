"""The words of the contracts: the kinds of ids, and the closed lists of values that records use.

A value that is in no list is refused when a record is decoded, so a new one is a change of the contract.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

__all__ = [
    "AlertState",
    "CardId",
    "Channel",
    "DeviceId",
    "FixFilter",
    "FixFlag",
    "IdentifierKind",
    "ObservationKind",
    "SessionEventType",
    "Severity",
    "SubjectId",
    "UserId",
    "Verdict",
]

SubjectId = NewType("SubjectId", str)
DeviceId = NewType("DeviceId", str)
CardId = NewType("CardId", str)
UserId = NewType("UserId", str)


class Channel(StrEnum):
    """How a payment was made: it decides whether the payment has a place at all."""

    CARD_PRESENT = "card-present"
    ATM = "atm"
    ECOMMERCE = "e-commerce"
    RECURRING = "recurring"

    @property
    def has_place(self) -> bool:
        """Whether the cardholder must have been where the payment was made."""
        return self in (Channel.CARD_PRESENT, Channel.ATM)


class FixFlag(StrEnum):
    """What is doubtful about a fix; a flag never drops it."""

    MOCK = "mock"
    """The phone says that the place was set by a program."""
    CLOAKED = "cloaked"
    """The coordinates were rounded on purpose (few digits), so `accuracy_m` was widened."""
    CACHED = "cached"
    """The phone repeated an old fix, or stamped it before the recording began."""


class FixFilter(StrEnum):
    """The filter of a tracking server that would have dropped a fix. Here its name travels with the fix, and no rule reads it.

    Names and meaning follow Traccar's `FilterHandler`; docs/phones.md says each condition. A filter that compares knows only what passed
    the same gateway, so it is a hint to people, never evidence.
    """

    INVALID = "invalid"
    """The sender says that its receiver had no valid fix."""
    ZERO = "zero"
    """One coordinate is exactly 0, as receivers write what they do not know; both at 0 are refused."""
    DUPLICATE = "duplicate"
    """The same fix time as the fix before."""
    OUTDATED = "outdated"
    """The fix was old when the sender sent it."""
    RETAINED = "retained"
    """An MQTT broker had kept the message for new subscribers."""
    FUTURE = "future"
    """Ahead of the gateway's clock, though not so far as to be refused."""
    ACCURACY = "accuracy"
    """The stated radius is too large."""
    APPROXIMATE = "approximate"
    """From cell towers or Wi-Fi, or rounded on purpose."""
    STATIC = "static"
    """The phone says that it does not move."""
    DISTANCE = "distance"
    """Too near the fix before."""
    MAX_SPEED = "max_speed"
    """Reported, or implied by the fix before, faster than anybody travels."""
    MIN_PERIOD = "min_period"
    """Too soon after the fix before."""


class IdentifierKind(StrEnum):
    """What kind of identifier a directory entry maps to a subject."""

    DEVICE = "device"
    CARD = "card"
    USER = "user"


class Severity(StrEnum):
    """How much an analyst should care, ascending."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class AlertState(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    AMENDED = "amended"
    RETRACTED = "retracted"


class Verdict(StrEnum):
    """The answer to every transaction."""

    FLAGGED = "flagged"
    CLEAR = "clear"
    NOT_SCORABLE = "not-scorable"


class ObservationKind(StrEnum):
    """What kind of event placed a person somewhere."""

    FIX = "fix"
    CARD_PRESENT = "card-present"
    ATM = "atm"
    ECOMMERCE = "e-commerce"
    RECURRING = "recurring"


class SessionEventType(StrEnum):
    """What somebody did in a shop's pages, by how near it is to a purchase: level 1, 2 or 3."""

    ADD_PROMOTION = "AP"
    ADD_TO_CART = "ATC"
    CHECKOUT = "CO"
    VIEW_CART = "VC"
    VIEW_PROMOTION = "VP"
    VIEW_ITEM = "VI"
    SEARCH = "SER"
    SCROLL = "SCR"
    HOME_PAGE = "HP"
    CLICK = "CL"

    @property
    def level(self) -> int:
        """1 for what leads to a purchase at once, 2 for interest, 3 for looking around."""
        if self in (SessionEventType.ADD_PROMOTION, SessionEventType.ADD_TO_CART, SessionEventType.CHECKOUT):
            return 1
        return 3 if self in (SessionEventType.SCROLL, SessionEventType.HOME_PAGE, SessionEventType.CLICK) else 2
