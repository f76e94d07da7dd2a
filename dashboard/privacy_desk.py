"""What the page of privacy shows, read when somebody looks and at most every two seconds.

Classes are read again only after new ones were released.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from dashboard.desk import Desk, wall_clock_ms
from dashboard.privacy_audit import AuditPicture, picture_audit
from dashboard.privacy_budget import BudgetPicture, picture_budget
from dashboard.privacy_releases import ReleasesPicture, picture_releases
from storage.documents import AggregateDocument, Progress, ReleaseDocument
from storage.privacy_queries import Audits

__all__ = ["Account", "PrivacyDesk", "PrivacySource", "PrivacyState", "account_of"]

_AUDITS = 48
_CLASSES = 4_000
_WINDOWS = 24
_PUBLISHED = 48
_READ_EVERY_S = 2.0


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


class PrivacyDesk:
    """Answers at once from what was read last, and reads again when that is older than `read_every_s`. Safe with threads."""

    def __init__(
        self,
        connect: Callable[[], PrivacySource],
        *,
        audit_every_s: float,
        stale_s: float = 15.0,
        read_every_s: float = _READ_EVERY_S,
        clock_ms: Callable[[], int] = wall_clock_ms,
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
        self._clock_ms = clock_ms
        self._desk: Desk[_Read] = Desk(self._ask, read_every_s=read_every_s, clock_ms=clock_ms, page="privacy")

    def state(self) -> PrivacyState:
        """Return the newest picture; it is older than `read_every_s` only where the store does not answer or is being asked."""
        store, read = self._desk.look()
        # The clock after the question: it may have taken a while.
        now_ms = self._clock_ms()
        if read is None:
            return PrivacyState(store, now_ms, self._stale_s, loaded=False)
        progress = read.progress
        return PrivacyState(
            store=store,
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

    def _ask(self, known: _Read | None) -> _Read:
        if self._source is None:
            self._source = self._connect()
        source = self._source
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


def _moved(before: Progress | None, after: Progress | None) -> bool:
    return (before.seq if before else -1) != (after.seq if after else -1)


def _has_same_classes(before: Progress | None, after: Progress | None) -> bool:
    """Say whether nothing was released in between; fewer batches are a store that began anew."""
    if before is None or after is None:
        return False
    return after.seq >= before.seq and after.classes == before.classes
