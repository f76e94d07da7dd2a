"""What is remembered of one subject."""

from __future__ import annotations

import msgspec

from rules.entries import Entry
from veilocity.contracts import Episode

__all__ = [
    "MAX_DEVICES",
    "MAX_IDS",
    "MAX_PAYMENTS",
    "MAX_REPLACED",
    "NEVER_NS",
    "OpenAlert",
    "SubjectState",
]

NEVER_NS = -(2**62)
"""Before all time."""
MAX_PAYMENTS = 256
"""Payments with a place that a history holds; more of them shorten it."""
MAX_IDS = 512
"""Transaction ids, as 64-bit hashes, that are remembered to drop repeats."""
MAX_DEVICES = 8
"""Devices in the list before places of forgotten ones are used again."""
MAX_REPLACED = 64
"""Retracted alerts at fixes that lost their slot, kept in case the same phone reports the same moment better still."""


class OpenAlert(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An alert that may still be amended or retracted: its newest revision."""

    rule: str
    revision: int
    anchor: Entry
    first: Entry
    second: Entry
    episode: Episode
    retracted: bool = False
    """Kept after a retraction, so that opening it again goes on counting revisions."""


class SubjectState(msgspec.Struct):
    """Everything remembered of one subject."""

    newest_ns: int = NEVER_NS
    """Latest event time seen."""
    floor_ns: int = NEVER_NS
    """The history starts here at the earliest, because it was too full before."""
    devices: list[str] = []
    carried: dict[str, int] = {}
    """Per rule, what the forgotten past says about the first entry."""
    alerts: dict[str, OpenAlert] = {}
    history: list[Entry] = []
    """In event-time order: all within the horizon, and the two newest before it."""
    ids: list[int] = []
    """Hashes of the transactions decided last, oldest first."""
