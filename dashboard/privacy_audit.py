"""The audit as the page shows it: the newest result in sentences, how old it is, and how the last runs ended. Pure."""

from __future__ import annotations

import msgspec

from dashboard.privacy_words import fault_sentence, outcome, passed_sentence, title_of
from storage.privacy_queries import AuditCheck, Audits

__all__ = ["AuditPicture", "CheckPicture", "ReadPicture", "RunPicture", "picture_audit"]

_FAULTS_SHOWN = 3
"""Of each check; the command prints the rest."""
_OVERDUE = 2.0
"""Periods after which a result is old."""


class CheckPicture(msgspec.Struct, frozen=True):
    """One check."""

    name: str
    title: str
    outcome: str
    """`passed`, `failed` or `measured`."""
    sentence: str
    fault_count: int
    faults: tuple[str, ...]
    """Where and why, of the first; never a value."""
    note: str


class RunPicture(msgspec.Struct, frozen=True):
    """How a run ended."""

    written_ms: int
    seconds: float
    passed: bool
    faults: int
    failed: tuple[str, ...]
    """Titles of the checks."""


class ReadPicture(msgspec.Struct, frozen=True):
    """What was looked at in one store."""

    store: str
    documents: int
    collections: tuple[tuple[str, int], ...]
    """Most documents first."""


class AuditPicture(msgspec.Struct, frozen=True):
    """The newest result and those before it."""

    verdict: str
    """`passed`, `failed` or `never`."""
    stale: bool
    """Whether the newest is older than twice the time between two."""
    every_s: float
    """Time between two; 0 where none is on a schedule."""
    written_ms: int = 0
    seconds: float = 0.0
    fault_count: int = 0
    documents: int = 0
    read: tuple[ReadPicture, ...] = ()
    checks: tuple[CheckPicture, ...] = ()
    runs: tuple[RunPicture, ...] = ()
    """Oldest first, as they are drawn."""


def picture_audit(audits: Audits, now_ms: int, every_s: float) -> AuditPicture:
    """Return what the page shows of the audits.

    Args:
        audits: as the store tells them.
        now_ms: wall clock.
        every_s: time between two audits by the setting; 0 for none.

    >>> picture_audit(Audits(), 0, 3600.0).verdict
    'never'
    """
    newest = audits.newest
    if newest is None:
        return AuditPicture("never", False, every_s)
    return AuditPicture(
        verdict="passed" if newest.passed else "failed",
        stale=0 < every_s * _OVERDUE * 1_000 < now_ms - newest.written_ms,
        every_s=every_s,
        written_ms=newest.written_ms,
        seconds=newest.seconds,
        fault_count=sum(check.fault_count for check in newest.checks),
        documents=sum(newest.read.values()),
        read=_read(newest.read),
        checks=tuple(map(_check, newest.checks)),
        runs=tuple(
            RunPicture(run.written_ms, run.seconds, run.passed, run.faults, tuple(map(title_of, run.failed)))
            for run in reversed(audits.runs)
        ),
    )


def _check(check: AuditCheck) -> CheckPicture:
    return CheckPicture(
        name=check.name,
        title=title_of(check.name),
        outcome=outcome(check),
        sentence=passed_sentence(check) if check.passed else f"{check.fault_count:,} {'fault' if check.fault_count == 1 else 'faults'}.",
        fault_count=check.fault_count,
        faults=tuple(map(fault_sentence, check.faults[:_FAULTS_SHOWN])),
        note=check.note,
    )


def _read(read: dict[str, int]) -> tuple[ReadPicture, ...]:
    stores: dict[str, list[tuple[str, int]]] = {}
    for place, documents in read.items():
        store, _, collection = place.partition("/")
        stores.setdefault(store, []).append((collection, documents))
    return tuple(
        ReadPicture(store, sum(documents for _, documents in held), tuple(sorted(held, key=lambda one: (-one[1], one[0]))))
        for store, held in sorted(stores.items())
    )
