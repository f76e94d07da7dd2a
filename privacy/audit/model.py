"""What an audit is asked, and what it answers: limits, faults, checks and the report.

A fault says where it is (store, collection, document, field) and why it is one; it never holds the value, and not the document's id where
that could be an identifier itself. So a report may be printed, logged and stored.
"""

from __future__ import annotations

import msgspec

from veilocity.errors import AuditFailedError

__all__ = ["CHECKS", "MOST_FAULTS", "AuditReport", "Check", "Fault", "Faults", "Limits"]

CHECKS = (
    "classes",
    "conservation",
    "identifiers",
    "exactness",
    "tokens",
    "cards",
    "linkage",
    "unicity",
    "intersection",
)
"""Names of the checks, in the order of the report."""
MOST_FAULTS = 100
"""Faults of one check that are named; all are counted."""
_DAY_MS = 86_400_000


class Limits(msgspec.Struct, frozen=True):
    """What must hold beyond what is wrong anywhere."""

    k: int = 2
    """Fewest people that any class may promise, whatever its policy."""
    l: int = 1  # noqa: E741  # the name of the parameter everywhere
    t: float = 1.0
    cell_resolution: int = 7
    """H3 resolution of masked places: no cell in any store may be finer."""
    period_ms: int = 7 * _DAY_MS
    """How long a person keeps a pseudonym, counted from 1970; 0 where pseudonyms never change."""
    points: int = 4
    """Places with their hours that the unicity attack knows of a person."""
    unicity: float | None = None
    """Largest share of pseudonyms that so many points may single out; None to report it only."""
    allowed: frozenset[tuple[str, str]] = frozenset()
    """Pairs of `collection.field` and kind of identifier that may stand there, as ("transactions.merchant", "phone")."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that must not be in a store."""

    store: str
    collection: str
    id: str
    """Of the document; `#n` for the n-th document read (from 0) where the id itself could identify somebody."""
    path: str
    """Field, with dots; `?` for a name that is none."""
    reason: str

    def sentence(self) -> str:
        """Return where and why in one line.

        >>> Fault("mongodb", "transactions", "#3", "merchant", "holds an e-mail address").sentence()
        'mongodb transactions #3 merchant: holds an e-mail address'
        """
        return " ".join(part for part in (self.store, self.collection, self.id, self.path) if part) + f": {self.reason}"


class Check(msgspec.Struct, frozen=True):
    """What one check found."""

    name: str
    passed: bool
    figures: dict[str, int | float] = {}
    faults: tuple[Fault, ...] = ()
    """At most `MOST_FAULTS`."""
    fault_count: int = 0
    note: str = ""
    """What the check could not see this time."""


class AuditReport(msgspec.Struct, frozen=True):
    """What an outsider found in the stores."""

    written_ms: int
    """Wall clock of the beginning."""
    seconds: float
    read: dict[str, int]
    """Documents read, by `store/collection`."""
    checks: tuple[Check, ...]
    passed: bool

    @property
    def fault_count(self) -> int:
        """Faults of all checks."""
        return sum(check.fault_count for check in self.checks)

    def require(self) -> None:
        """Do nothing if the audit passed.

        Raises:
            AuditFailedError: it did not; the message names the first record at fault.
        """
        if self.passed:
            return
        check = next(check for check in self.checks if not check.passed)
        where = check.faults[0].sentence() if check.faults else check.note
        raise AuditFailedError(
            f"the audit found {self.fault_count} faults, the first in its check of {check.name}: {where}. "
            "Stop the privacy stage and see docs/privacy-audit.md"
        )


class Faults:
    """Faults while they are found: all are counted, the first are kept.

    >>> faults = Faults(most=1)
    >>> for place in range(3):
    ...     faults.add(Fault("mongodb", "releases", f"#{place}", "k", "is below 2"))
    >>> faults.count, len(faults.kept)
    (3, 1)
    """

    def __init__(self, most: int = MOST_FAULTS) -> None:
        self.kept: list[Fault] = []
        self.count = 0
        self._most = most

    def add(self, fault: Fault) -> None:
        """Count one."""
        self.count += 1
        if len(self.kept) < self._most:
            self.kept.append(fault)

    def check(self, name: str, figures: dict[str, int | float], note: str = "") -> Check:
        """Return the result of the check that found them."""
        return Check(name, not self.count, figures, tuple(self.kept), self.count, note)
