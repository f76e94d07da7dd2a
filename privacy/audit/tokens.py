"""Check `tokens`: pseudonyms join nothing that they must not join.

- No token is in both stores. Ids and members of released classes are: both stores hold the same classes, and their members join nothing.
- Within a store no token of one kind (subject, card, device, user, transaction, alert, class, member) is one of another kind too. A field
  that nobody declared is a kind of its own.
- No person is one pseudonym for longer than a period of event time.
- Tokens look random: among 64 or more of a kind every bit is 0 in more than 2 % and 1 in more than 2 %. (By accident not with probability
  below 1e-15.) Counters, UUIDs and times are not.

`dead_letters`, `audits` and, while old documents are being deleted, `erasures` name documents by their ids on purpose and are left out.

It also tells which share of MongoDB's payments meets exactly one payment of Elasticsearch that agrees in minute, cell, amount, merchant,
band and category, and the other way round: whoever steals both stores joins those without any token. That is a figure, not a fault.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.audit.columns import PaymentColumns, PaymentRows, TokenColumn, token_number
from privacy.audit.documents import StoredDocument
from privacy.audit.examiner import Examiner
from privacy.audit.model import MOST_FAULTS, Limits
from privacy.audit.patterns import TOKEN

__all__ = ["SHARED_KINDS", "TokensCheck", "kind_of"]

_KINDS = {
    "transactions": {"_id": "transaction", "subject": "subject", "card": "card", "device": "device", "user": "user", "alert": "alert"},
    "alerts": {"_id": "alert", "subject": "subject"},
    "positions": {"_id": "subject"},
    "groups": {"_id": "transaction", "members[]": "transaction"},
    "samples": {"members[]": "transaction"},
    "notification_cases": {"_id": "case", "message": "message", "alerts[].id": "alert"},
    "notification_messages": {"_id": "message", "case": "case", "parts[].case": "case", "lines[].id": "alert"},
    "cases": {"_id": "alert", "subject": "subject", "head": "event"},
    "case_events": {"_id": "alert", "alert": "alert", "facts.subject": "subject", "previous": "event"},
    "missed_frauds": {"_id": "transaction", "subject": "subject"},
    "unmaskings": {"about.alert": "alert", "about.subject": "subject", "previous": "unmasking", "hash": "unmasking"},
    "releases": {"_id": "class", "release.class_id": "class", "release.members[]": "member"},
}
SHARED_KINDS = frozenset({"class", "member"})
"""Kinds whose tokens are the same in both stores."""
_LEFT_OUT = frozenset({"dead_letters", "erasures", "audits"})
_FEWEST = 64
_ENOUGH = 4096
_RARE = 0.02
_LONG_ENOUGH = 32
_IN_BOTH = "is a token that the other store has too: the stores can be joined"
_TWO_KINDS = "is a token of another kind too: identifiers of two kinds can be joined"
_TOO_LONG = "is a pseudonym that outlives its period"


@lru_cache(maxsize=10_000)
def kind_of(collection: str, path: str) -> str:
    """Return the kind of the tokens at a field.

    >>> kind_of("positions", "_id"), kind_of("alerts", "evidence.key")
    ('subject', 'alerts.evidence.key')
    """
    return _KINDS.get(collection, {}).get(path, f"{collection}.{path}")


class TokensCheck(Examiner):
    """Compares sets of tokens."""

    name = "tokens"

    def __init__(self, limits: Limits, payments: PaymentColumns) -> None:
        super().__init__()
        self._period_ms = limits.period_ms
        self._payments = payments
        self._tokens: dict[tuple[str, str], TokenColumn] = defaultdict(TokenColumn)
        self._reasons: dict[tuple[str, int], str] = {}
        """By kind and token, or by an empty kind for all kinds: what is wrong with it."""
        self._named: set[tuple[str, str, int]] = set()

    def see(self, document: StoredDocument) -> None:
        """Keep the tokens of a document."""
        if document.collection in _LEFT_OUT:
            return
        for path, token in _tokens_of(document):
            self._tokens[document.store, kind_of(document.collection, path)].add(token_number(token))

    def close(self) -> bool:
        """Compare stores, kinds and periods."""
        distinct = {key: column.distinct() for key, column in self._tokens.items()}
        self.figures["tokens"] = sum(map(len, distinct.values()))
        self._see_random(distinct)
        self._see_kinds(distinct)
        self._see_stores(distinct)
        rows = self._payments.rows()
        self._see_periods(rows)
        self._see_joins(rows)
        return bool(self._reasons)

    def look(self, document: StoredDocument) -> None:
        """Name the first document of each token at fault in each store."""
        if document.collection in _LEFT_OUT:
            return
        for path, token in _tokens_of(document):
            kind, number = kind_of(document.collection, path), token_number(token)
            reason = self._reasons.get((kind, number)) or self._reasons.get(("", number))
            if reason and (document.store, kind, number) not in self._named:
                self._named.add((document.store, kind, number))
                self.faults.add(document.fault(path, reason))

    def finish(self) -> None:
        """Say so where a token at fault was not met again."""
        if self._reasons and not self._named:
            self.note = "tokens at fault were found and could not be named, as the stores changed meanwhile: audit again"
            self.faults.count += 1

    def _blame(self, kind: str, tokens: NDArray[np.uint64], reason: str) -> None:
        for token in tokens[:MOST_FAULTS].tolist():
            self._reasons.setdefault((kind, token), reason)

    def _see_random(self, distinct: dict[tuple[str, str], NDArray[np.uint64]]) -> None:
        for (_, kind), tokens in distinct.items():
            if len(tokens) >= _FEWEST and not _look_random(tokens):
                self._blame(kind, tokens[:1], "is of a kind whose tokens are not random: a counter, a UUID or a time, but no keyed hash")

    def _see_kinds(self, distinct: dict[tuple[str, str], NDArray[np.uint64]]) -> None:
        for one, other in combinations(sorted(distinct), 2):
            if one[0] == other[0]:
                self._blame("", np.intersect1d(distinct[one], distinct[other], assume_unique=True), _TWO_KINDS)

    def _see_stores(self, distinct: dict[tuple[str, str], NDArray[np.uint64]]) -> None:
        for one, other in combinations(sorted(distinct), 2):
            if one[0] != other[0] and not (one[1] == other[1] and one[1] in SHARED_KINDS):
                both = np.intersect1d(distinct[one], distinct[other], assume_unique=True)
                self.figures["in_both_stores"] = self.figures.get("in_both_stores", 0) + len(both)
                self._blame("", both, _IN_BOTH)

    def _see_periods(self, rows: dict[str, PaymentRows]) -> None:
        if not self._period_ms:
            return
        for payments in rows.values():
            order = np.lexsort([payments.minute_ms, payments.subject])
            subjects, periods = payments.subject[order], payments.minute_ms[order] // self._period_ms
            longer = (subjects[1:] == subjects[:-1]) & (periods[1:] != periods[:-1])
            self._blame("subject", np.unique(subjects[1:][longer]), _TOO_LONG)

    def _see_joins(self, rows: dict[str, PaymentRows]) -> None:
        for one, other in combinations(sorted(rows), 2):
            sides = [pd.DataFrame(rows[store]._asdict()).drop(columns="subject") for store in (one, other)]
            both = pd.concat(sides, ignore_index=True)
            alike = both.groupby(list(both.columns), sort=False, dropna=False).ngroup().to_numpy()
            split, size = len(sides[0]), int(alike.max()) + 1
            here, there = np.bincount(alike[:split], minlength=size), np.bincount(alike[split:], minlength=size)
            alone = int(np.count_nonzero((here == 1) & (there == 1)))
            self.figures |= {f"{store}_joined_without_tokens": round(alone / len(rows[store].minute_ms), 4) for store in (one, other)}


def _look_random(tokens: NDArray[np.uint64]) -> bool:
    """Say whether every bit is now 0 and now 1."""
    some = np.ascontiguousarray(tokens[:: max(1, len(tokens) // _ENOUGH)])
    shares = np.unpackbits(some.view(np.uint8).reshape(len(some), 8), axis=1).mean(axis=0)
    return bool(np.minimum(shares, 1.0 - shares).min() > _RARE)


def _tokens_of(document: StoredDocument) -> Iterator[tuple[str, str]]:
    """Give the tokens of a document, those inside longer texts too."""
    yield from document.parts.tokens
    for path, text in document.parts.texts:
        if len(text) > _LONG_ENOUGH:
            yield from ((path, token) for token in TOKEN.findall(text))
