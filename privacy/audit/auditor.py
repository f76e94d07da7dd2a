"""The audit itself, pure: documents in, report out.

It knows nothing but what is in the stores: no key, no topic, no ledger. Documents are read one after the other and once, and once more only
where a fault must be named. Memory: some 60 bytes a payment, 8 a distinct token and 1,000 a released class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from time import perf_counter

import numpy as np

from privacy.audit.cards import CardsCheck
from privacy.audit.classes import ClassesCheck
from privacy.audit.columns import PaymentColumns
from privacy.audit.conservation import ConservationCheck
from privacy.audit.documents import StoredDocument
from privacy.audit.exactness import ExactnessCheck
from privacy.audit.examiner import Examiner
from privacy.audit.identifiers import IdentifiersCheck
from privacy.audit.intersection import IntersectionCheck
from privacy.audit.known import KnownIdentifiers
from privacy.audit.linkage import LinkageCheck
from privacy.audit.model import CHECKS, AuditReport, Limits
from privacy.audit.tokens import TokensCheck
from privacy.audit.trails import UnicityCheck

__all__ = ["Documents", "audit", "examiners"]

Documents = Callable[[], Iterable[StoredDocument]]
"""Gives all documents of both stores; each call begins anew."""


def audit(
    documents: Documents,
    limits: Limits,
    *,
    rng: np.random.Generator,
    now_ms: int,
    known: KnownIdentifiers | None = None,
) -> AuditReport:
    """Return what an outsider finds in the stores.

    Args:
        documents: gives all documents of both stores, and again when it is called again. The progress must come before the releases and
            payments where the stage is writing meanwhile.
        limits: what must hold beyond what is wrong anywhere.
        rng: for the draws of the unicity attack.
        now_ms: wall clock, for the report.
        known: raw identifiers that must not be anywhere.

    >>> report = audit(lambda: [StoredDocument("mongodb", "notes", {"_id": "a", "by": "jo@example.org"})], Limits(),
    ...                rng=np.random.default_rng(1), now_ms=0)
    >>> report.passed, [fault.sentence() for check in report.checks for fault in check.faults]
    (False, ['mongodb notes a by: holds an e-mail address'])
    """
    started_s = perf_counter()
    payments = PaymentColumns()
    checks = examiners(limits, payments, rng, known)
    read: Counter[str] = Counter()
    for document in documents():
        read[f"{document.store}/{document.collection}"] += 1
        payments.see(document)
        for check in checks:
            check.see(document)
    _look_again([check for check in checks if check.close()], documents)
    results = tuple(check.result() for check in checks)
    return AuditReport(
        written_ms=now_ms,
        seconds=round(perf_counter() - started_s, 3),
        read=dict(sorted(read.items())),
        checks=results,
        passed=all(result.passed for result in results),
    )


def examiners(
    limits: Limits, payments: PaymentColumns, rng: np.random.Generator, known: KnownIdentifiers | None = None
) -> tuple[Examiner, ...]:
    """Return every check, in the order of `CHECKS`."""
    found: tuple[Examiner, ...] = (
        ClassesCheck(limits),
        ConservationCheck(),
        IdentifiersCheck(limits, known),
        ExactnessCheck(limits),
        TokensCheck(limits, payments),
        CardsCheck(),
        LinkageCheck(payments),
        UnicityCheck(limits, payments, rng),
        IntersectionCheck(),
    )
    assert tuple(check.name for check in found) == CHECKS  # noqa: S101  # a slip of ours
    return found


def _look_again(checks: list[Examiner], documents: Documents) -> None:
    """Have the checks that asked for it name the documents at fault."""
    if not checks:
        return
    for document in documents():
        for check in checks:
            check.look(document)
    for check in checks:
        check.finish()
