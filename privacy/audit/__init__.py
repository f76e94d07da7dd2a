"""The outsider: reads nothing but the stores, and tells whether what was promised holds.

`audit` is pure: it takes documents as they lie in MongoDB and Elasticsearch and returns an `AuditReport` of nine checks, which
docs/privacy-audit.md explains. It has no key, and shares no code with what masks and releases. `audit_stores` audits the real stores.

Guarantee: a fault names store, collection, document and field, and never a value; an id is shown only if it is a token.
"""

from privacy.audit.auditor import audit
from privacy.audit.documents import StoredDocument
from privacy.audit.known import KnownIdentifiers
from privacy.audit.model import CHECKS, AuditReport, Check, Fault, Limits
from privacy.audit.run import audit_stores
from privacy.audit.schedule import AuditSchedule, observe

__all__ = [
    "CHECKS",
    "AuditReport",
    "AuditSchedule",
    "Check",
    "Fault",
    "KnownIdentifiers",
    "Limits",
    "StoredDocument",
    "audit",
    "audit_stores",
    "observe",
]
