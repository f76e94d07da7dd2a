"""A document as an outsider finds it: any shape, any field, whoever wrote it.

`parts` takes a document to pieces once for all checks: its texts, numbers, objects and lists of numbers, each with its path. Elements
of a list share the path of the list and `[]`. A key that is no plain name (it could be an identifier: a map from cards to counts) is shown
as `?` and counts as a text of its own, so that the checks of values look at it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from privacy.audit.model import Fault
from privacy.audit.patterns import TOKEN

__all__ = ["Parts", "StoredDocument", "Where", "last_name", "parts_of"]

_NAME = re.compile(r"[A-Za-z_]{1,40}[0-9]{0,2}")
_SAFE_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{1,12}-[0-9a-f]{32}|[0-9a-f]{32}-[0-9]{6}|[a-z]{1,20}")
"""A token, the id of a group or of an event of a case, or the fixed id of a single document."""
_HIDDEN = "?"


class Parts(NamedTuple):
    """The pieces of one document, each with its path."""

    texts: list[tuple[str, str]]
    """Texts that are no tokens, and keys that are no plain names."""
    tokens: list[tuple[str, str]]
    """Texts of 32 or 64 hexadecimal digits."""
    numbers: list[tuple[str, int | float]]
    others: list[tuple[str, Any]]
    """Bytes, dates, ids of the store's own: what is no text, number, truth value or null."""
    objects: list[tuple[str, dict[str, Any]]]
    """The document itself (path empty) and every object in it."""
    lists: list[tuple[str, Sequence[float]]]
    """Lists of two or three numbers."""


class Where(NamedTuple):
    """Which document."""

    store: str
    collection: str
    id: str

    def fault(self, path: str, reason: str) -> Fault:
        """Return a fault at this document."""
        return Fault(self.store, self.collection, self.id, path, reason)


class StoredDocument:
    """One document of one store."""

    __slots__ = ("_parts", "collection", "fields", "order", "place", "store")

    def __init__(self, store: str, collection: str, fields: dict[str, Any], place: int = 0, order: int | None = None) -> None:
        """Hold it.

        Args:
            store: `mongodb` or `elasticsearch`.
            collection: collection of MongoDB, or the part of an index name that says the kind.
            fields: the document, its id as `_id`.
            place: how many documents of the collection were read before.
            order: grows with the time of insertion, where the store tells.
        """
        self.store = store
        self.collection = collection
        self.fields = fields
        self.place = place
        self.order = order
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts:
        """The pieces, taken apart when first asked for."""
        if self._parts is None:
            self._parts = parts_of(self.fields)
        return self._parts

    @property
    def where(self) -> Where:
        """The document's name in a fault: its id only if that is a token or a fixed word."""
        identity = self.fields.get("_id")
        safe = isinstance(identity, str) and _SAFE_ID.fullmatch(identity) is not None
        return Where(self.store, self.collection, str(identity) if safe else f"#{self.place}")

    def fault(self, path: str, reason: str) -> Fault:
        """Return a fault at this document."""
        return self.where.fault(path, reason)


def parts_of(fields: dict[str, Any]) -> Parts:
    """Take a document to pieces.

    >>> parts = parts_of({"_id": "a", "place": {"point": [1.0, 2.0]}, "4111": 1})
    >>> parts.texts, parts.numbers
    ([('_id', 'a'), ('?', '4111')], [('place.point[]', 1.0), ('place.point[]', 2.0), ('?', 1)])
    """
    parts = Parts([], [], [], [], [], [])
    _take_apart("", fields, parts)
    return parts


@lru_cache(maxsize=10_000)
def last_name(path: str) -> str:
    """Return the name of the field at the end of a path.

    >>> last_name("first.place.point[]"), last_name("seq")
    ('point', 'seq')
    """
    return path[path.rfind(".") + 1 :].removesuffix("[]")


def _take_apart(path: str, value: Any, parts: Parts) -> None:
    kind = type(value)
    if kind is str:
        whole = len(value) in (32, 64) and TOKEN.fullmatch(value)
        (parts.tokens if whole else parts.texts).append((path, value))
    elif value is None or kind is bool:
        return
    elif isinstance(value, int | float):
        parts.numbers.append((path, value))
    elif isinstance(value, dict):
        parts.objects.append((path, value))
        for key, below in value.items():
            inner = _joined(path, key if type(key) is str else str(key))
            if inner.endswith(_HIDDEN):
                parts.texts.append((inner, str(key)))
            _take_apart(inner, below, parts)
    elif isinstance(value, list | tuple):
        if 2 <= len(value) <= 3 and all(isinstance(item, int | float) for item in value):
            parts.lists.append((path, value))
        inner = _element(path)
        for item in value:
            _take_apart(inner, item, parts)
    else:
        parts.others.append((path, value))


@lru_cache(maxsize=10_000)
def _element(path: str) -> str:
    return path if path.endswith("[]") else f"{path}[]"


@lru_cache(maxsize=10_000)
def _joined(path: str, key: str) -> str:
    shown = key if _NAME.fullmatch(key) else _HIDDEN
    return f"{path}.{shown}" if path else shown
