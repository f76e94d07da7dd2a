"""Tokens of card numbers that look like card numbers and never are one.

A token has the length of its number, digits only, and fails the Luhn check, so no system takes it for a number that could be charged. The
digits that are kept (none unless asked) go into the tweak; the last hidden digit is set aside; FF1 encrypts the other hidden ones:

    tweak  = name of the field || 0x00 || kept digits
    hidden = FF1(key of the version, tweak, hidden digits without the last)
    mark   = 1 + (version - 1) mod 9, and the last hidden digit is the one with which the Luhn sum is mark modulo 10

A valid number is known without one of its digits, since each digit changes the Luhn sum by a permutation of 0 to 9: so what was set aside
is found again as the one digit with which the sum is 0. Because mark is never 0, every token fails; and because it tells the version modulo
9, a token is decrypted with the key that made it, and with a ring of one version nine in ten strings that are no token are refused.

Guarantees: for a version and a field a bijection between valid numbers and tokens, by each kept part; the brand, the bank and the last four
are not seen unless asked; equal numbers have equal tokens within a field and version only. Numbers that fail Luhn themselves are refused:
there are ten times as many strings as strings that fail in a way that could be undone. Keeping first 6 and last 4 of 16 digits is refused
too: 10^5 numbers are left, and FF1 needs 10^6 (NIST SP 800-38G Rev. 1, 5.2).

References: as privacy/identifiers/ff1.py and privacy/identifiers/cards.py; PCI SSC, Tokenization Product Security Guidelines (2015), on
tokens that can be told from card numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.identifiers.cards import DIGITS, LUHN_TERMS, Format, brand_of, check_kept, luhn_sums
from privacy.identifiers.columns import TextColumn, as_texts
from privacy.identifiers.ff1 import FF1, MINIMUM_DOMAIN
from privacy.identifiers.ff1_columns import numerals_of, texts_of
from privacy.identifiers.keyring import KeyRing
from veilocity.errors import InvalidInputError, KeyMissingError, RejectReason, SettingsError, UnsafePolicyError

__all__ = ["PURPOSE", "CardCipher"]

PURPOSE = "card numbers/ff1"
"""The ring's purpose under which card numbers are encrypted."""

_MARKS = 9
_SHORTEST, _LONGEST = 12, 19
_INVERSE_TERMS = np.argsort(LUHN_TERMS, axis=1).astype(np.uint8)


class _Plan(NamedTuple):
    """What becomes of the digits of one length: columns that are kept, encrypted, and the one that decides the Luhn sum."""

    kept: list[int]
    hidden: list[int]
    pivot: int


class CardCipher:
    """Encrypts the card numbers of one field; made for columns, and never printed or pickled.

    >>> from privacy.identifiers.cards import luhn_valid
    >>> ring = KeyRing([(1, -(2**63), bytes(range(32)))])
    >>> cipher = CardCipher(ring, "mongodb/card")
    >>> token = cipher.encrypt("4111111111111111", event_ms=0)
    >>> token, cipher.decrypt(token), luhn_valid([token]).tolist()
    ('3232882985252481', '4111111111111111', [False])
    >>> CardCipher(ring, "mongodb/card", keep_last=4).encrypt("4111111111111111", event_ms=0)[-4:]
    '1111'
    """

    __slots__ = ("_ciphers", "_field", "_kept", "_ring")

    def __init__(self, ring: KeyRing, field: str, keep_first: int = 0, keep_last: int = 0) -> None:
        """Hold the ring and the field.

        Args:
            ring: where keys come from.
            field: name of the field, with its sink if two sinks must not be joined; part of the tweak.
            keep_first: digits of the bank to leave readable.
            keep_last: digits at the end to leave readable.

        Raises:
            SettingsError: no field.
            UnsafePolicyError: more kept than any brand allows.
        """
        if not field:
            raise SettingsError("a cipher of card numbers needs the name of its field: two fields under one tweak could be joined")
        if not (0 <= keep_first <= 8 and 0 <= keep_last <= 4):
            raise UnsafePolicyError("no card number may keep more than its first 8 and last 4 digits (PCI SSC FAQ 1091): keep fewer")
        self._ring = ring
        self._field = field.encode() + b"\x00"
        self._kept = Format(keep_first, keep_last)
        self._ciphers: dict[int, FF1] = {}

    def encrypt(self, number: str, event_ms: int) -> str:
        """Return the token of one number.

        Args:
            number: 12 to 19 digits that pass the Luhn check.
            event_ms: event time, which decides the version of the key.

        Raises:
            InvalidInputError: not such a number.
            UnsafePolicyError: more digits kept than the number's brand and length allow, or too few left to encrypt.
            KeyMissingError: the ring has no version for that time.
        """
        return str(self.encrypt_column([number], event_ms)[0])

    def decrypt(self, token: str, version: int | None = None) -> str:
        """Return the number of one token.

        Args:
            token: as `encrypt` made it, with the same field and kept digits.
            version: of the key; needed only in a ring with versions nine apart, which have the same mark.

        Raises:
            InvalidInputError: not a token.
            KeyMissingError: its version is not in the ring, or two could be it.
        """
        return str(self.decrypt_column([token], version)[0])

    def encrypt_column(self, numbers: TextColumn, event_ms: int | NDArray[Any]) -> list[str | None]:
        """Return the tokens of a column, None where a number is missing; element for element what `encrypt` returns.

        Args:
            numbers: shape (n,); `luhn_valid` tells which ones can be encrypted.
            event_ms: one event time for all, or one for each, shape (n,), integers.

        Raises:
            InvalidInputError: any of them is not a valid number.
            UnsafePolicyError: as `encrypt`.
            KeyMissingError: as `encrypt`.
        """
        texts = as_texts(numbers)
        if np.ndim(event_ms) and np.shape(event_ms) != (len(texts),):
            raise SettingsError("a column of card numbers needs one event time for each, or one for all")
        times = np.broadcast_to(np.asarray(event_ms, dtype=np.int64), (len(texts),))
        distinct, places = np.unique(times, return_inverse=True)
        versions = np.array([self._ring.version_at(time_ms) for time_ms in distinct.tolist()], dtype=np.int64)[places]
        return self._by_length(texts, versions, self._encrypted)

    def decrypt_column(self, tokens: TextColumn, version: int | None = None) -> list[str | None]:
        """Return the numbers of a column of tokens, None where one is missing; Raises as `decrypt`."""
        texts = as_texts(tokens)
        return self._by_length(texts, np.full(len(texts), version or 0, dtype=np.int64), self._decrypted)

    def _by_length(
        self, texts: list[str | None], versions: NDArray[np.int64], change: Callable[[NDArray[Any], NDArray[np.int64]], NDArray[Any]]
    ) -> list[str | None]:
        found: list[str | None] = [None] * len(texts)
        for length, rows in _rows_by_length(texts):
            same: Any = texts if len(rows) == len(texts) else [texts[row] for row in rows.tolist()]
            digits = numerals_of(same, length, DIGITS) if _SHORTEST <= length <= _LONGEST else None
            if digits is None:
                raise _refused("something that is not 12 to 19 digits")
            changed = texts_of(change(digits, versions[rows]), DIGITS)
            if len(rows) == len(texts):
                return list(changed)
            for row, text in zip(rows.tolist(), changed, strict=True):
                found[row] = text
        return found

    def _encrypted(self, digits: NDArray[Any], versions: NDArray[np.int64]) -> NDArray[Any]:
        if luhn_sums(digits).any():
            raise _refused("a number that fails the Luhn check")
        plan = self._plan(digits)
        return self._changed(digits, versions, plan, forward=True)

    def _decrypted(self, digits: NDArray[Any], versions: NDArray[np.int64]) -> NDArray[Any]:
        marks = luhn_sums(digits)
        if not marks.all():
            raise _refused("a number that passes the Luhn check where a token was expected")
        known = np.array([self._version_of(mark) if mark else 0 for mark in range(_MARKS + 1)]) if not versions.any() else None
        if known is None:
            if (marks != _mark(versions)).any():
                raise _refused("a token of another version of the key ring, or none of this field")
        else:
            versions = known[marks]
            self._check_found(versions)
        return self._changed(digits, versions, self._plan(digits), forward=False)

    def _changed(self, digits: NDArray[Any], versions: NDArray[np.int64], plan: _Plan, *, forward: bool) -> NDArray[Any]:
        found = digits.copy()
        for version in np.unique(versions).tolist():
            rows = np.flatnonzero(versions == version)
            cipher = self._cipher(version)
            change = cipher.encrypt_matrix if forward else cipher.decrypt_matrix
            changed = change(digits[rows][:, plan.hidden], self._tweak(digits[rows], plan))
            found[rows[:, None], plan.hidden] = changed
        found[:, plan.pivot] = 0
        wanted = _mark(versions) if forward else 0
        parity = (digits.shape[1] - 1 - plan.pivot) % 2
        found[:, plan.pivot] = _INVERSE_TERMS[parity, (wanted - luhn_sums(found)) % 10]
        return found

    def _plan(self, digits: NDArray[Any]) -> _Plan:
        length = digits.shape[1]
        end = length - self._kept.last
        if any(self._kept):
            self._check_kept(digits)
        if 10 ** (end - 1 - self._kept.first) < MINIMUM_DOMAIN:
            message = (
                f"{length} digits with the first {self._kept.first} and last {self._kept.last} kept leave fewer than a million numbers, "
                "which could be tried: keep the last four alone, or truncate instead of encrypting"
            )
            raise UnsafePolicyError(message)
        kept = [*range(self._kept.first), *range(end, length)]
        return _Plan(kept, list(range(self._kept.first, end - 1)), end - 1)

    def _check_kept(self, digits: NDArray[Any]) -> None:
        """Hold the kept digits to what the brands in the column allow; only their prefixes are looked at."""
        length = digits.shape[1]
        for prefix in np.unique(digits[:, :6] @ 10 ** np.arange(5, -1, -1)).tolist():
            check_kept(brand_of(f"{prefix:06}".ljust(length, "0")), length, *self._kept)

    def _tweak(self, digits: NDArray[Any], plan: _Plan) -> bytes | NDArray[np.uint8]:
        if not plan.kept:
            return self._field
        own = (digits[:, plan.kept] + ord("0")).astype(np.uint8)
        field = np.broadcast_to(np.frombuffer(self._field, dtype=np.uint8), (len(digits), len(self._field)))
        return np.concatenate([field, own], axis=1)

    def _cipher(self, version: int) -> FF1:
        if version not in self._ciphers:
            self._ciphers[version] = FF1(self._ring.key(PURPOSE, version=version))
        return self._ciphers[version]

    def _version_of(self, mark: int) -> int:
        """Return the version with a mark, 0 for none and -1 for more than one."""
        found = [version for version in self._ring.versions if _mark(version) == mark]
        return found[0] if len(found) == 1 else -bool(found)

    def _check_found(self, versions: NDArray[np.int64]) -> None:
        if (versions < 0).any():
            raise KeyMissingError("two versions of the key ring have the mark of a token: say which one made it")
        if not versions.all():
            raise KeyMissingError("the key ring has no version with the mark of a token: put the older versions back, or it is no token")

    def __repr__(self) -> str:
        return "CardCipher(keys hidden)"

    def __reduce__(self) -> str:
        # A pickle would carry the keys into plans, logs and checkpoints.
        raise TypeError("a cipher is not pickled: let each process make one from its own key ring")


def _mark(version: Any) -> Any:
    """Return the mark of a version, or of each in an array."""
    return 1 + (version - 1) % _MARKS


def _rows_by_length(texts: list[str | None]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    lengths = np.array([-1 if text is None else len(text) for text in texts], dtype=np.int64)
    for length in np.unique(lengths[lengths >= 0]).tolist():
        yield length, np.flatnonzero(lengths == length)


def _refused(what: str) -> InvalidInputError:
    return InvalidInputError(RejectReason.INVALID_FIELD, f"the column holds {what}: separate it before, for example with `luhn_valid`")
