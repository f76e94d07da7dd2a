"""HMAC-SHA-256 of many messages that begin alike: the hash after key and beginning is copied for each, half the time of hashing them anew.

Reference: RFC 2104, section 4, which proposes exactly this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["TOKEN_DIGITS", "KeyedHash", "keyed_hash"]

TOKEN_DIGITS = 32
"""Hexadecimal digits of 128 bits."""
_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(value ^ pad for value in range(256)) for pad in (0x36, 0x5C))


class KeyedHash(NamedTuple):
    """HMAC-SHA-256 after its key and the beginning of the message."""

    inner: _Hash
    outer: _Hash

    def tokens(self, texts: Iterable[str]) -> list[str]:
        """Return the first 128 bits of the HMAC of the beginning and each text, as 32 hexadecimal digits."""
        copy_inner, copy_outer = self.inner.copy, self.outer.copy
        found = []
        for message in _encoded(list(texts)):
            inner = copy_inner()
            inner.update(message)
            outer = copy_outer()
            outer.update(inner.digest())
            found.append(outer.hexdigest()[:TOKEN_DIGITS])
        return found


def keyed_hash(key: bytes, beginning: bytes) -> KeyedHash:
    """Return HMAC-SHA-256 after a key of at most 64 bytes and the beginning of the message.

    >>> import hmac
    >>> keyed_hash(b"key", b"begin ").tokens(["end"]) == [hmac.digest(b"key", b"begin end", "sha256").hex()[:32]]
    True
    """
    block = key.ljust(_BLOCK_BYTES, b"\x00")
    return KeyedHash(hashlib.sha256(block.translate(_INNER) + beginning), hashlib.sha256(block.translate(_OUTER)))


def _encoded(texts: Sequence[str]) -> list[bytes]:
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:
        # Half a surrogate pair is not text, but an identifier may hold one and must still have its token.
        return [text.encode("utf-8", "surrogatepass") for text in texts]
