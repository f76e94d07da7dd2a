"""Documents that a store will never take, however often they are offered.

One such document must not stop the stream, and must not vanish: it is logged, counted, and its id and the store's reason are kept in
MongoDB's `dead_letters`, so that `veilocity doctor` can add it up. The document itself stays in the other store and in Kafka.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.kinds import Document
from veilocity import metrics
from veilocity.logs import get_logger

__all__ = ["Refusal", "announce", "to_dead_letter"]

_log = get_logger(__name__)
_REFUSED = metrics.counter("store_refused", "Documents that a store refused for good", "store", "kind")
_REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """One document that one store refused."""

    store: str
    kind: str
    id: str
    seq: int
    reason: str
    """The class of the fault as the store names it, never its message: that quotes values."""


def announce(refusals: Iterable[Refusal]) -> None:
    """Log and count; the id stays out of both."""
    for refusal in refusals:
        _REFUSED.labels(store=refusal.store, kind=refusal.kind).inc()
        _log.error("a store refused a document for good; see its dead_letters", store=refusal.store, reason=refusal.reason)


def to_dead_letter(refusal: Refusal) -> Document:
    """Return the document of `dead_letters`; refused twice is refused once.

    >>> to_dead_letter(Refusal("mongodb", "alerts", "ab12", 7, "121"))["_id"]
    'mongodb:alerts:ab12'
    """
    return {
        "_id": f"{refusal.store}:{refusal.kind}:{refusal.id}",
        "store": refusal.store,
        "kind": refusal.kind,
        "id": refusal.id,
        "seq": refusal.seq,
        "reason": refusal.reason[:_REASON_LENGTH],
    }
