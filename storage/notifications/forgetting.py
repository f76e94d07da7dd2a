"""A person forgotten: alerts that are deleted are told to nobody any more. What was sent is with who got it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pymongo.database import Database

from storage.kinds import Document
from storage.notifications.cases import Cases
from storage.notifications.outbox import Outbox

__all__ = ["leave_notifications"]


def leave_notifications(database: Database[Document], alerts: Sequence[str]) -> int:
    """Take alerts out of cases and of messages that are not sent; return how many named one. Harmless when repeated.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    # Cases first: a message that is made afterwards cannot name them.
    return Cases(database).forget(alerts) + Outbox(database).forget(alerts, time.time_ns() // 1_000_000)
