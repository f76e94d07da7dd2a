"""What the notifier keeps in MongoDB: cases with what is to be told of them, messages, and how far it has read.

Nothing here is more than the masked alerts hold: their ids, what is told of each, and times of our own clock. All times but `minute_ms` are
wall clock.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from storage.kinds import Kind
from veilocity.contracts import Severity

__all__ = ["CASES", "MESSAGES", "PROGRESS", "Case", "Line", "Message", "MessageKind", "MessageState", "News", "Part", "Reading", "Standing"]


class News(StrEnum):
    """What is to be told of an alert."""

    NEW = "new"
    RAISED = "raised"
    """Graver than when it was told."""
    RETRACTED = "retracted"
    """It was told, and does not stand any more."""


class MessageKind(StrEnum):
    """What a message is about."""

    OPENED = "opened"
    """A case's first message."""
    UPDATED = "updated"
    REPEATED = "repeated"
    """Nothing new: the case stands."""
    STORM = "storm"
    """Many cases in one message."""
    TEST = "test"


class MessageState(StrEnum):
    """Where a message is in its life."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"
    """Given up, with a reason."""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """One alert of a case, at the newest revision that was read."""

    id: str
    rule: str
    revision: int
    severity: Severity
    retracted: bool
    told: Severity | None
    """Its severity when it was told; None while it was not."""
    news: News | None


class Case(msgspec.Struct, frozen=True, gc=False):
    """One case of one channel: alerts that are told together. Replaced only where `version` still is what was read."""

    id: str
    version: int
    channel: str
    generation: int
    """How many messages were made of it."""
    alerts: tuple[Standing, ...]
    news: bool
    """Whether any alert has news."""
    due_ms: int
    """When to speak; 0 where there is nothing ahead."""
    told_ms: int
    """When its last message was made; 0 before the first."""
    changed_ms: int
    """When an alert of it last changed."""
    message: str
    """Token of the message that is being made of it; empty for none. Meanwhile nothing is folded into it."""
    in_storm: bool
    """Whether that message is one of a storm."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One alert as a message tells it; everything is as masked as in `alerts`."""

    id: str
    revision: int
    news: News | None
    """None in what is repeated."""
    severity: Severity
    rule: str
    cause: str
    minute_ms: int
    count: int
    """How often the cause was seen."""
    sentence: str


class Part(msgspec.Struct, frozen=True, gc=False):
    """A case in a message."""

    case: str
    generation: int
    """That of the case before the message: whoever takes the case later, for the same message, is too late."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message to one receiver: made once, never changed but for its delivery and for people who are forgotten."""

    id: str
    """Token of its first case and that case's generation, so that making it again is known."""
    channel: str
    route: str
    receiver: str
    kind: MessageKind
    case: str
    """Token of the case; empty for a storm."""
    generation: int
    """1 for the first message of a case; 0 for a storm."""
    parts: tuple[Part, ...]
    """The cases in it; emptied once they know."""
    made_ms: int
    severity: Severity
    """Of the gravest alert in it."""
    cases: int
    alerts: int
    """Alerts with news, or that stand in what is repeated."""
    standing: int
    """Alerts of these cases that stand, with those told before."""
    by_news: dict[str, int]
    by_rule: dict[str, int]
    by_severity: dict[str, int]
    lines: tuple[Line, ...]
    """The gravest; emptied once it is sent."""
    state: MessageState
    attempts: int
    due_ms: int
    """Of a pending message: when it may be taken. Of one that ended: when it may be deleted."""
    ended_ms: int
    """When it was sent or given up; 0 while pending."""
    reason: str
    """Of the last failure: a class, never a receiver's words."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """How far alerts were read, and who reads: one document."""

    id: str
    """Always `reading`."""
    seq: int
    """Of the last batch whose alerts are in their cases; -1 for none."""
    owner: str
    """Process that leads, in letters; empty for none."""
    until_ms: int
    """When its lease ends."""
    term: int
    """Grows with every change of the owner."""


CASES = Kind("notification_cases", Case)
MESSAGES = Kind("notification_messages", Message)
PROGRESS = Kind("notification_progress", Reading)
