"""What MongoDB's answer to a bulk of writes means, document by document: there already, refused for good, later, or stop.

Codes are those of MongoDB's `error_codes.yml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from storage.refusals import Refusal
from veilocity.errors import StateError, StoreUnavailableError

__all__ = ["ACCESS", "INTERNAL", "PASSING", "Named", "Verdict", "judge"]

_DUPLICATE = 11000
_OWN_FAULT = frozenset({2, 121, 10334, 16572, 16755, 17280, 17419, 17420})
"""Codes that blame the document alone: a bad value, the validator, too large, no place on earth, a key too long for an index."""
ACCESS = frozenset({13, 18, 8000})
"""Codes that say that we may not."""
_NEVER_SAFE = frozenset({79, 100})
"""Codes that say that the safety asked for cannot be had: no such write concern, or not enough members."""
PASSING = (
    # No primary, or it is being changed; shutting down; the network.
    frozenset({6, 7, 63, 74, 89, 91, 133, 134, 189, 9001, 10058, 10107, 11600, 11602, 13388, 13435, 13436})
    # Out of time, interrupted, write concern not met in time.
    | frozenset({50, 64, 202, 262, 11601})
    # Locks and conflicts with another writer.
    | frozenset({24, 46, 112, 246, 251, 267, 290})
    # Too busy, or no room: passes when somebody makes some.
    | frozenset({317, 358, 384, 402, 406, 407, 412, 433, 449, 450, 453, 462, 14031, 50915})
)
"""Codes that say "not now"."""


INTERNAL = frozenset({1, 8})
"""Codes that say "something went wrong here": what some servers answer to a write when their disk is full. Writers alone wait for that."""


class Named(Protocol):
    """What is written, so that it can be named when it is refused."""

    @property
    def id(self) -> str:
        """Its `_id`."""
        ...

    @property
    def seq(self) -> int:
        """The batch that wrote it."""
        ...


_N = TypeVar("_N", bound=Named)


@dataclass(frozen=True, slots=True)
class Verdict(Generic[_N]):
    """What became of the documents that are not written; all others are."""

    known: Sequence[_N] = ()
    """Their id is taken: in the store already, or an older or newer one is."""
    later: Sequence[_N] = ()
    refused: Sequence[Refusal] = ()
    why: str = ""


def judge(store: str, kind: str, items: Sequence[_N], details: Mapping[str, Any]) -> Verdict[_N]:
    """Sort out what a bulk write left undone.

    Args:
        store: its name.
        kind: of documents.
        items: what was written, in the order in which it was sent.
        details: of the `BulkWriteError`.

    Raises:
        StoreUnavailableError: nothing of it is sure to stay.
        StateError: what is wrong is no document.
    """
    for fault in details.get("writeConcernErrors", ()):
        if fault.get("code") in _NEVER_SAFE:
            raise StateError(
                f"MongoDB cannot keep what `w` in VEILOCITY_MONGODB_URI asks for (code {fault.get('code')}): lower it, or add members"
            )
        raise StoreUnavailableError("MongoDB wrote without the safety that was asked for")
    known: list[_N] = []
    later: list[_N] = []
    refused: list[Refusal] = []
    why = ""
    for fault in details.get("writeErrors", ()):
        code, item = fault["code"], items[fault["index"]]
        if code == _DUPLICATE and _is_id(fault):
            known.append(item)
        elif code == _DUPLICATE:
            # An index that is not ours forbids it; taking it for "there already" would lose it.
            refused.append(Refusal(store, kind, item.id, item.seq, f"code {code} of another index"))
        elif code in _OWN_FAULT:
            refused.append(Refusal(store, kind, item.id, item.seq, f"code {code}"))
        elif code in PASSING or code in INTERNAL:
            later.append(item)
            why = why or f"MongoDB cannot write now (code {code})"
        else:
            raise StateError(f"MongoDB refuses to write {kind} (code {code}): see docs/stores.md")
    return Verdict(known, later, refused, why)


def _is_id(fault: Mapping[str, Any]) -> bool:
    pattern = fault.get("keyPattern")
    return list(pattern) == ["_id"] if pattern else "index: _id_" in str(fault.get("errmsg", ""))
