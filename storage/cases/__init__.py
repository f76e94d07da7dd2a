"""Cases: what people decide about alerts, with an audit trail that cannot be changed unnoticed, and what it says of the rules.

- A case per alert; its states and which of them need a reason are `storage.cases.model`.
- Of two people who decide on the same state, one is told what the other did; nothing is overwritten.
- The trail is append-only and hash-chained; a crash between an event and its case is made good by whoever comes next.
- Forgetting a person takes the person's cases along.
"""

from storage.cases.collections import ensure_case_collections
from storage.cases.erasure import forget_cases, left_cases
from storage.cases.labelling import LabelReport, read_labels
from storage.cases.model import Case, CaseEvent, Change, Label, Status
from storage.cases.store import CaseFilter, CaseReader, CaseWriter
from storage.cases.trail import TrailReport, verify_trails

__all__ = [
    "Case",
    "CaseEvent",
    "CaseFilter",
    "CaseReader",
    "CaseWriter",
    "Change",
    "Label",
    "LabelReport",
    "Status",
    "TrailReport",
    "ensure_case_collections",
    "forget_cases",
    "left_cases",
    "read_labels",
    "verify_trails",
]
