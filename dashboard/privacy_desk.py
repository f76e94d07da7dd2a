"""What the page of privacy shows, read when somebody looks and not more often than every few seconds, however many look.

A question to a store that hangs holds one thread: whoever asks meanwhile gets the picture of before. When the store does not answer, the
last picture stays and says so. Classes are read again only after new ones were released.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

import msgspec

from dashboard.privacy_audit import AuditPicture, picture_audit
from dashboard.privacy_budget import BudgetPicture, picture_budget
from dashboard.privacy_releases import ReleasesPicture, picture_releases
from storage.documents import AggregateDocument, Progress, ReleaseDocument
from storage.privacy_queries import Audits
from veilocity.errors import RetryableError
from veilocity.logs import get_logger

__all__ = ["Account", "PrivacyDesk", "PrivacySource", "PrivacyState", "account_of"]

_AUDITS = 48
_CLASSES = 4_000
_WINDOWS = 24
_PUBLISHED = 48
_READ_EVERY_S = 2.0

_log = get_logger(__name__)


class PrivacySource(Protocol):
    """Where the picture comes from: `storage.privacy_queries.PrivacyReader`, or a test's own."""

    def progress(self) -> Progress | None:
        """Return how far the privacy stage came, or None before its first batch."""
        ...

    def audits(self, limit: int) -> Audits:
        """Return the newest audit and how the last `limit` ended."""
        ...

    def releases(self, limit: int) -> Sequence[ReleaseDocument]:
        """Return the newest classes, newest batch first."""
        ...

    def published_windows(self, limit: int) -> Sequence[AggregateDocument]:
        """Return the counts with noise of the last windows as wholes, newest first."""
        ...


class Account(msgspec.Struct, frozen=True):
    """Where every payment is: `payments = released + suppressed + late + pending + erased`."""

    payments: int
    released: int
    suppressed: int
    late: int
    pending: int
    erased: int
    difference: int
    """Payments that are in none, or in two (negative): 0, or something is wrong."""
    classes: int
    """Released since the beginning."""


class PrivacyState(msgspec.Struct, frozen=True):
    """One answer: everything that the page shows."""

    store: str
    """`up`, `down`, or `unknown` before the first answer."""
    now_ms: int
    """This server's clock."""
    stale_s: float
    """Silence after which the picture is called old."""
    loaded: bool
    """Whether anything was ever read."""
    written_ms: int = 0
    """When the newest batch was written; 0 when there is none."""
    event_ms: int = 0
    account: Account | None = None
    audit: AuditPicture | None = None
    releases: ReleasesPicture | None = None
    budget: BudgetPicture | None = None


class _Read(msgspec.Struct, frozen=True):
    """What was read last."""

    progress: Progress | None
    audits: Audits
    releases: ReleasesPicture
    budget: BudgetPicture | None


def account_of(progress: Progress) -> Account:
    """Return where every payment is.

    >>> account_of(Progress("privacy", 1, transactions=9, released=5, pending=3)).difference
    1
    """
    told = progress.released + progress.suppressed + progress.late + progress.pending + progress.erased
    return Account(
        payments=progress.transactions,
        released=progress.released,
        suppressed=progress.suppressed,
        late=progress.late,
        pending=progress.pending,
        erased=progress.erased,
        difference=progress.transactions - told,
        classes=progress.classes,
    )


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class PrivacyDesk:
    """Answers at once from what was read last, and reads again when that is older than `read_every_s`. Safe with threads."""

    def __init__(
        self,
        connect: Callable[[], PrivacySource],
        *,
        audit_every_s: float,
        stale_s: float = 15.0,
        read_every_s: float = _READ_EVERY_S,
        clock_ms: Callable[[], int] = _wall_clock_ms,
    ) -> None:
        """Read nothing yet.

        Args:
            connect: opens the store; called again until it succeeds.
            audit_every_s: time between two audits by the setting; 0 for none.
            stale_s: silence after which the picture is called old.
            read_every_s: shortest time between two readings.
            clock_ms: milliseconds since 1970; a test passes its own.
        """
        self._connect = connect
        self._source: PrivacySource | None = None
        self._audit_every_s = audit_every_s
        self._stale_s = stale_s
        self._read_every_ms = read_every_s * 1_000
        self._clock_ms = clock_ms
        self._reading = Lock()
        self._read: _Read | None = None
        self._store = "unknown"
        self._asked_ms: int | None = None

    def state(self) -> PrivacyState:
        """Return the newest picture; it is older than `read_every_s` only where the store does not answer or is being asked."""
        if self._reading.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._reading.release()
        now_ms, read = self._clock_ms(), self._read
        if read is None:
            return PrivacyState(self._store, now_ms, self._stale_s, loaded=False)
        progress = read.progress
        return PrivacyState(
            store=self._store,
            now_ms=now_ms,
            stale_s=self._stale_s,
            loaded=True,
            written_ms=progress.written_ms if progress else 0,
            event_ms=progress.event_ms if progress else 0,
            account=account_of(progress) if progress else None,
            audit=picture_audit(read.audits, now_ms, self._audit_every_s),
            releases=read.releases,
            budget=read.budget,
        )

    def _refresh(self) -> None:
        now_ms = self._clock_ms()
        if self._asked_ms is not None and 0 <= now_ms - self._asked_ms < self._read_every_ms:
            return
        try:
            self._read = self._ask()
        except Exception as cause:  # whatever a store returns must not end the page: it is logged and shown as store down
            self._failed(cause)
        else:
            if self._store == "down":
                _log.info("the store answers the page of privacy again")
            self._store = "up"
        # After the answer: a store that takes long is not asked again at once.
        self._asked_ms = self._clock_ms()

    def _ask(self) -> _Read:
        if self._source is None:
            self._source = self._connect()
        source, known = self._source, self._read
        progress = source.progress()
        audits = source.audits(_AUDITS)
        if known is not None and _moved(known.progress, progress) is False:
            return msgspec.structs.replace(known, progress=progress, audits=audits)
        releases = known.releases if known is not None and _has_same_classes(known.progress, progress) else None
        return _Read(
            progress=progress,
            audits=audits,
            releases=releases or picture_releases(source.releases(_CLASSES), _CLASSES, _WINDOWS),
            budget=picture_budget(source.published_windows(_PUBLISHED)),
        )

    def _failed(self, cause: Exception) -> None:
        if self._store == "down":
            return
        self._store = "down"
        if isinstance(cause, RetryableError):
            _log.warning("the store does not answer the page of privacy; asking again until it does", cause=str(cause))
        else:
            _log.error("what the store answered cannot be shown; asking again", exc_info=cause)


def _moved(before: Progress | None, after: Progress | None) -> bool:
    return (before.seq if before else -1) != (after.seq if after else -1)


def _has_same_classes(before: Progress | None, after: Progress | None) -> bool:
    """Say whether nothing was released in between; fewer batches are a store that began anew."""
    if before is None or after is None:
        return False
    return after.seq >= before.seq and after.classes == before.classes
