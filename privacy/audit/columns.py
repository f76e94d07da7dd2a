"""What the attacks keep of documents: columns of numbers, some 60 bytes a payment and 8 a token, so that millions fit into memory.

A token is kept as its last 64 bits. Two of n different tokens then look alike with probability below n^2 / 2^65 (n = 10^7: 3e-6), which
would be a false fault and never a missed one.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.audit.documents import StoredDocument
from privacy.audit.printed import NOWHERE

__all__ = ["Codebook", "Numbers", "PaymentColumns", "PaymentRows", "TokenColumn", "token_number"]

Numbers = NDArray[np.int64]
_TOKEN_DIGITS = 32
_KEPT_DIGITS = 16
_COMPACT_AT = 1 << 20


def token_number(token: str) -> int:
    """Return the last 64 bits of a token's 128, or of a hash of a text that is no token.

    >>> token_number("0" * 31 + "f")
    15
    """
    try:
        return int(token[_KEPT_DIGITS:_TOKEN_DIGITS], 16)
    except ValueError:
        return int.from_bytes(blake2b(token.encode(), digest_size=8).digest(), "big")


class TokenColumn:
    """A set of tokens that grows: duplicates are taken out whenever it has doubled."""

    def __init__(self) -> None:
        self._tokens = array("Q")
        self._compact_at = _COMPACT_AT

    def add(self, number: int) -> None:
        """Take one token in."""
        self._tokens.append(number)
        if len(self._tokens) >= self._compact_at:
            self._tokens = array("Q", self.distinct().tobytes())
            self._compact_at = max(_COMPACT_AT, 2 * len(self._tokens))

    def distinct(self) -> NDArray[np.uint64]:
        """Return the tokens, sorted, each once."""
        return np.unique(np.frombuffer(self._tokens, dtype=np.uint64)) if self._tokens else np.empty(0, dtype=np.uint64)


class Codebook:
    """Numbers for texts.

    >>> book = Codebook()
    >>> book.code("a"), book.code("b"), book.code("a"), book.texts
    (0, 1, 0, ['a', 'b'])
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._codes: dict[str, int] = {}

    def code(self, text: str) -> int:
        """Return the number of a text."""
        found = self._codes.get(text)
        if found is None:
            found = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return found


class PaymentRows(NamedTuple):
    """Payments of one store, sorted by minute; all arrays have shape (payments,)."""

    minute_ms: Numbers
    subject: NDArray[np.uint64]
    cell: Numbers
    band: Numbers
    category: Numbers
    merchant: Numbers
    amount: NDArray[np.float64]

    def taken(self, places: Any) -> PaymentRows:
        """Return the payments at these places."""
        return PaymentRows(*(column[places] for column in self))


class PaymentColumns:
    """The payments of all stores, with codebooks that the stores share."""

    def __init__(self) -> None:
        self.cells, self.bands, self.categories, self.merchants = Codebook(), Codebook(), Codebook(), Codebook()
        self._columns: dict[str, tuple[array[Any], ...]] = {}

    def see(self, document: StoredDocument) -> None:
        """Keep a payment; one whose fields have other types is left to the checks of fields."""
        if document.collection != "transactions":
            return
        fields = document.fields
        subject, minute_ms, amount = fields.get("subject"), fields.get("minute_ms"), fields.get("amount")
        if not isinstance(subject, str) or not isinstance(minute_ms, int):
            return
        place = fields.get("place")
        cell = place.get("cell") if isinstance(place, dict) else None
        columns = self._columns.get(document.store)
        if columns is None:
            columns = self._columns[document.store] = tuple(map(array, "qQiiiid"))
        row = (
            minute_ms,
            token_number(subject),
            self.cells.code(cell if isinstance(cell, str) else NOWHERE),
            self.bands.code(str(fields.get("amount_band"))),
            self.categories.code(str(fields.get("category"))),
            self.merchants.code(str(fields.get("merchant"))),
            float(amount) if isinstance(amount, int | float) else float("nan"),
        )
        for column, value in zip(columns, row, strict=True):
            column.append(value)

    def rows(self) -> dict[str, PaymentRows]:
        """Return the payments of each store."""
        found = {}
        for store, columns in sorted(self._columns.items()):
            minute_ms, subject, cell, band, category, merchant, amount = (np.array(column) for column in columns)
            cell, band, category, merchant = (code.astype(np.int64) for code in (cell, band, category, merchant))
            rows = PaymentRows(minute_ms, subject, cell, band, category, merchant, amount)
            found[store] = rows.taken(np.argsort(minute_ms, kind="stable"))
        return found
