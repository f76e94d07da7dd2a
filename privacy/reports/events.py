"""What the reports keep of a payment and of a browsing event until its windows close: no identifier, no exact place."""

from __future__ import annotations

import msgspec

__all__ = ["DECISIONS", "SESSIONS", "UNKNOWN", "Payment", "Visit", "Widths", "source_of"]

DECISIONS = "decisions"
SESSIONS = "sessions"
UNKNOWN = "unknown"
"""Band of a person whom the file of customers does not name."""
_SECOND_MS = 1_000
_HOUR_MS = 3_600_000


class Payment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first answer to one payment."""

    event_ms: int
    person: str
    """A keyed hash of the reports' own."""
    verdict: str
    merchant: str
    category: str
    currency: str
    amount_minor: int
    band: str
    """Age band, or `unknown`."""
    cell: str = ""
    """H3 cell; of flagged payments with a place alone."""


class Visit(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """One event of a browsing session. Two with the same fields are one that was sent twice."""

    event_ms: int
    person: str
    session: str
    """A keyed hash, as `person`."""
    type: str


class Widths(msgspec.Struct, frozen=True):
    """How wide windows are, and how long they wait; a stretched one is for a city that lives faster than the clock on the wall.

    >>> Widths().step_ms, Widths(stretch=60).frauds_ms
    (10000, 7200000)
    """

    stretch: int = 1
    delay_s: int = 120
    join_s: int = 120

    @property
    def step_ms(self) -> int:
        """From one window of frauds to the next; every other width is a multiple of it."""
        return 10 * _SECOND_MS * self.stretch

    @property
    def frauds_ms(self) -> int:
        """Window of frauds."""
        return 120 * _SECOND_MS * self.stretch

    @property
    def merchants_ms(self) -> int:
        """Window of merchants."""
        return 30 * _SECOND_MS * self.stretch

    @property
    def sessions_ms(self) -> int:
        """Window of sessions."""
        return 120 * _SECOND_MS * self.stretch

    @property
    def high_value_ms(self) -> int:
        """Window of high values: an hour at least, so that it holds k people."""
        return _HOUR_MS * max(1, self.stretch // 60)

    @property
    def delay_ms(self) -> int:
        """How late an event may be."""
        return self.delay_s * _SECOND_MS * self.stretch

    @property
    def join_ms(self) -> int:
        """How long after an event of a session a payment still belongs to it."""
        return self.join_s * _SECOND_MS * self.stretch


def source_of(source: str, partition: int) -> str:
    """Return the name of one partition of one topic.

    >>> source_of(DECISIONS, 1)
    'decisions/1'
    """
    return f"{source}/{partition}"
