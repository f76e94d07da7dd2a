"""Known identifiers that must not be anywhere: a list of raw ids against every text and number of the stores.

An id of six characters or more is looked for inside every text, a shorter one as a whole word. Inside tokens, which are random, nothing is
looked for, as digits of an id stand there by chance; but a token must not be a plain hash (MD5, SHA-1, SHA-2, SHA-3, BLAKE2) of an id,
because whoever holds a list of ids can compute those without any key. A number is compared as a whole, from eight digits on, because
counts and batch numbers take every smaller value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from privacy.audit.patterns import TOKEN
from veilocity.errors import SettingsError

__all__ = ["KnownIdentifiers"]

_WORD = re.compile(r"[^\W_]+")
_SHORTEST_PART = 6
_SHORTEST_NUMBER = 8
_HASHES = ("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s")
_TOKEN_DIGITS = 32


class KnownIdentifiers:
    """A set of raw ids, ready to be looked for. Time per text grows with its length, not with the number of ids.

    >>> known = KnownIdentifiers(["4111111111111111", "anna"])
    >>> known.in_text("4111111111111111 paid"), known.in_text("Anna paid"), known.in_text("annabel paid")
    (True, True, False)
    >>> known.is_plain_hash(hashlib.sha256(b"anna").hexdigest()[:32])
    True
    """

    def __init__(self, identifiers: Iterable[str]) -> None:
        """Take the ids; case does not matter, and empty ones are left out."""
        given = {identifier.strip() for identifier in identifiers} - {""}
        folded = {identifier.casefold() for identifier in given}
        self._whole = folded
        long = [identifier for identifier in folded if len(identifier) >= _SHORTEST_PART]
        self._length = min(map(len, long), default=_SHORTEST_PART)
        self._beginnings: dict[str, list[str]] = {}
        for identifier in long:
            self._beginnings.setdefault(identifier[: self._length], []).append(identifier)
        self._words = {identifier for identifier in folded if len(identifier) < _SHORTEST_PART}
        self._numbers = {int(one) for one in folded if one.isdecimal() and len(one) >= _SHORTEST_NUMBER}
        self._hashes = {int(digest[:_TOKEN_DIGITS], 16) for one in given | folded for digest in _plain_hashes(one)}

    @classmethod
    def from_file(cls, path: Path) -> KnownIdentifiers:
        """Read one id per line.

        Raises:
            SettingsError: the file cannot be read, or holds none.
        """
        try:
            known = cls(path.read_text(encoding="utf-8").splitlines())
        except (OSError, ValueError) as cause:
            raise SettingsError(f"the file of known identifiers cannot be read ({type(cause).__name__}): write one id per line") from cause
        if not known:
            raise SettingsError("the file of known identifiers is empty: write one id per line")
        return known

    def __len__(self) -> int:
        return len(self._whole)

    def in_text(self, text: str) -> bool:
        """Say whether a text is, or holds, a known id."""
        folded = text.casefold()
        if folded in self._whole:
            return True
        rest = TOKEN.sub(" ", folded)
        length = self._length
        for start in range(len(rest) - length + 1 if self._beginnings else 0):
            for identifier in self._beginnings.get(rest[start : start + length], ()):
                if rest.startswith(identifier, start):
                    return True
        return bool(self._words) and any(word in self._words for word in _WORD.findall(rest))

    def is_number(self, number: int) -> bool:
        """Say whether a number is a known id."""
        return number in self._numbers

    def is_plain_hash(self, token: str) -> bool:
        """Say whether the first 128 bits of a hexadecimal text are those of a known id's plain hash."""
        return int(token[:_TOKEN_DIGITS], 16) in self._hashes


def _plain_hashes(identifier: str) -> list[str]:
    data = identifier.encode()
    return [hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in _HASHES]
