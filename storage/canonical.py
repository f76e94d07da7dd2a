"""One document as both stores hold it, without what must differ between them: what "the two stores are equal" is about.

Each store has tokens of its own, so tokens are left out and only whether there is one stays; the ids of payments, alerts and groups are
tokens too. Released classes and published counts are the same documents in both stores and keep their ids. What is left is a canonical
JSON text (RFC 8785 in spirit: sorted names, one way to write a number), and its BLAKE2b of 128 bits.

A set of documents is the sum of their digests modulo 2^128 (Bellare and Micciancio, "A new paradigm for collision-free hashing",
EUROCRYPT 1997): the order does not matter, a document that is there twice counts twice, and two parts are added without reading them again.
By accident two different sets agree with probability 2^-128; nobody who can write into both stores is held off by it.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from storage.kinds import AGGREGATES, ALERTS, GROUPS, RELEASES, TRANSACTIONS, Document

__all__ = ["Digest", "canonical", "digest", "same_document"]

_TOKENS: dict[str, tuple[str, ...]] = {
    TRANSACTIONS.name: ("subject", "card", "device", "user", "alert"),
    ALERTS.name: ("subject",),
    GROUPS.name: ("members",),
}
_ONE_STORE = ("sealed",)
"""What MongoDB alone has."""
_SHARED_IDS = frozenset({RELEASES.name, AGGREGATES.name})
_ANSWER = frozenset({"seq", "revision", "verdict", "score", "reasons", "alert", "severity", "state", "probability", "checks", "episode"})
"""What a later answer may change."""
_BYTES = 16
_SPAN = 1 << (8 * _BYTES)


class Digest(NamedTuple):
    """A set of documents: how many, and the sum of their digests."""

    documents: int = 0
    total: int = 0

    def plus(self, one: int) -> Digest:
        """Return the set with one more document.

        >>> Digest().plus(1).plus(2) == Digest().plus(2).plus(1) == Digest(2, 3)
        True
        """
        return Digest(self.documents + 1, (self.total + one) % _SPAN)


def canonical(kind: str, document: Document) -> bytes:
    """Return the text of a document that is the same in both stores.

    >>> one = {"_id": "a", "subject": "s", "card": None, "amount": 12, "sealed": None}
    >>> canonical("transactions", one) == canonical("transactions", {**one, "_id": "b", "subject": "t", "amount": 12.0})
    True
    >>> canonical("transactions", one) == canonical("transactions", {**one, "card": "c"})
    False
    """
    bare = {name: value for name, value in document.items() if name not in _ONE_STORE}
    if kind not in _SHARED_IDS:
        bare.pop("_id", None)
    for name in _TOKENS.get(kind, ()):
        value = bare.get(name)
        bare[name] = len(value) if isinstance(value, list | tuple) else value is not None
    return msgspec.json.encode(_plain(bare), order="deterministic")


def digest(kind: str, document: Document) -> int:
    """Return 128 bits of the canonical text."""
    return int.from_bytes(hashlib.blake2b(canonical(kind, document), digest_size=_BYTES).digest(), "big")


def same_document(kind: str, document: Document) -> bytes:
    """Return what a document keeps when its answer is amended: two that agree in it are taken for the same one."""
    if kind in _SHARED_IDS:
        return str(document.get("_id")).encode()
    return canonical(kind, {name: value for name, value in document.items() if name not in _ANSWER})


def _plain(value: Any) -> Any:
    """Return the value with one way to write each number: a store may give back 12.0 as 12; all are finite, or JSON had not taken them."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # Also of MongoDB's own class of integers, which is no plain one.
    return int(value) if value == int(value) else float(value)
