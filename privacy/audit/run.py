"""One audit of the real stores, and its result put where it can be found."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np

from privacy.audit.auditor import audit
from privacy.audit.known import KnownIdentifiers
from privacy.audit.model import AuditReport, Limits
from privacy.audit.stores import opened
from privacy.policy import compiled_policy
from privacy.tokens import TokenKind
from storage.audits import AuditStore
from storage.mongo import MONGODB
from veilocity.settings import Settings

__all__ = ["audit_stores", "kept", "limits_of"]

_WITHHELD = "(not kept)"


def limits_of(settings: Settings) -> Limits:
    """Return what must hold by the policy in force; k, l and t stay at what must hold anywhere, as the stores may be older than the policy.

    Raises:
        UnsafePolicyError: the policy cannot be read, or is dangerous.
    """
    compiled = compiled_policy(settings)
    return Limits(
        cell_resolution=compiled.releases.quasi_identifiers.cell[0],
        period_ms=compiled.period_ms(TokenKind.SUBJECT) or 0,
    )


def audit_stores(
    settings: Settings,
    limits: Limits | None = None,
    *,
    known: KnownIdentifiers | None = None,
    seed: int = 1,
    keep: bool = True,
) -> AuditReport:
    """Audit both stores.

    Args:
        settings: where the stores are.
        limits: what must hold; by default what the policy in force says.
        known: raw identifiers that must not be anywhere.
        seed: of the unicity attack's draws.
        keep: put the report into MongoDB, without ids of Elasticsearch's documents.

    Raises:
        StoreUnavailableError: a store does not answer.
        StateError: a store refuses to be read, or to keep the report.
    """
    now_ms = time.time_ns() // 1_000_000
    with opened(settings) as contents:
        report = audit(contents, limits or limits_of(settings), rng=np.random.default_rng(seed), now_ms=now_ms, known=known)
    if keep:
        with AuditStore(settings) as store:
            store.save(report.written_ms, kept(report))
    return report


def kept(report: AuditReport) -> dict[str, Any]:
    """Return the report as MongoDB keeps it: ids of both stores side by side would join what the audit keeps apart."""
    checks = []
    for check in report.checks:
        faults = tuple(one if one.store == MONGODB else msgspec.structs.replace(one, id=_WITHHELD) for one in check.faults)
        checks.append(msgspec.structs.replace(check, faults=faults))
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(report, checks=tuple(checks)))
    return fields
