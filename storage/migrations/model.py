"""What a step of the schema's history is: a description that can be hashed, and nothing that runs.

A step says what it does to documents of before in words that stay as they are for ever. Validators, indexes and templates are no steps:
they are what the newest records say, are compared and made again as a whole (`storage.schema`, `storage.elastic_schema`), and would have to
be repeated in every step otherwise.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

__all__ = ["AddFields", "ExtendMapping", "Step", "letters"]

_LETTERS = "abcdefghijklmnop"
_CHECKSUM_BYTES = 16


class AddFields(msgspec.Struct, frozen=True, tag="add_fields"):
    """Give the documents of one MongoDB collection the fields that they lack, all in one update of each document."""

    collection: str
    fields: dict[str, Any]
    """By name, what the field is in documents of before. The first one tells whether a document has them."""


class ExtendMapping(msgspec.Struct, frozen=True, tag="extend_mapping"):
    """Give the Elasticsearch indices of one kind fields in their mappings; documents of before stay without them."""

    kind: str
    fields: tuple[str, ...]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step. Never edit one that was released: its checksum is in the stores. Add another step."""

    number: int
    """From 1, without a gap: the version that the stores have after the step."""
    name: str
    why: str
    """For people; not part of the checksum."""
    mongodb: tuple[AddFields, ...] = ()
    elasticsearch: tuple[ExtendMapping, ...] = ()

    @property
    def id(self) -> str:
        """Number and name, as the stores keep it."""
        return f"{self.number:04d}-{self.name}"

    @property
    def stores(self) -> tuple[str, ...]:
        """Names of the stores that the step touches."""
        return tuple(name for name, actions in (("mongodb", self.mongodb), ("elasticsearch", self.elasticsearch)) if actions)

    def checksum(self) -> str:
        """Return 128 bits of BLAKE2b (RFC 7693) over everything that the step does.

        >>> step = Step(number=1, name="first", why="")
        >>> step.checksum() == msgspec.structs.replace(step, why="said better").checksum()
        True
        >>> step.checksum() == msgspec.structs.replace(step, mongodb=(AddFields("alerts", {"score": 1.0}),)).checksum()
        False
        """
        return letters([self.number, self.name, self.mongodb, self.elasticsearch])


def letters(content: object) -> str:
    """Return the checksum of what JSON can hold, as 32 letters from a to p.

    Letters, because an audit reads the stores' own records too, and a row of digits may look like a card's or a token.

    >>> letters({"a": 1, "b": [2]}) == letters({"b": [2], "a": 1}), len(letters(None))
    (True, 32)
    """
    encoded = msgspec.json.encode(content, order="deterministic")
    digest = hashlib.blake2b(encoded, digest_size=_CHECKSUM_BYTES).hexdigest()
    return "".join(_LETTERS[int(digit, 16)] for digit in digest)
