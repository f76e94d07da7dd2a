"""FF1: a keyed permutation of the strings of one length over an alphabet, so that a token looks like what it stands for.

Guarantees: exactly FF1 of NIST SP 800-38G Rev. 1 (ten Feistel rounds over AES), so any other FF1 with the same key, radix and tweak opens
what this one encrypted; for each key, tweak and length a bijection; refused where radix^length is below one million (section 5.2), since so
few strings can be tried or counted. Two fields with different tweaks cannot be joined. Deterministic: equal strings under one tweak have
equal ciphertexts, and whoever can choose strings learns the permutation one pair at a time.

There is one definition, step by step as in the standard, for one string at a time, and one for columns (privacy/identifiers/ff1_columns.py)
that does each round for all rows at once; the tests hold them equal. FF3 and FF3-1 are not here: the second draft of Rev. 1 (February 2025)
withdrew them.

Reference: NIST SP 800-38G Rev. 1 (second public draft, 2025), algorithms 7 and 8; its sample numbers for FF1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from numpy.typing import NDArray

from privacy.identifiers import ff1_columns
from privacy.identifiers.columns import TextColumn, as_texts
from veilocity.errors import InvalidInputError, RejectReason, SettingsError

__all__ = ["ALPHABET", "FF1", "MINIMUM_DOMAIN"]

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
"""What text means as numerals: a character is worth its place."""
MINIMUM_DOMAIN = 1_000_000
"""radix^length must be at least this (NIST SP 800-38G Rev. 1, section 5.2)."""

_ROUNDS = 10
_KEY_BYTES = (16, 24, 32)
_HIGHEST_RADIX = 2**16
_LONGEST_TWEAK = 2**16


class FF1:
    """Encrypts strings to strings of the same length and alphabet; the key is never printed or pickled.

    >>> cipher = FF1(bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C"))
    >>> cipher.encrypt("0123456789"), cipher.encrypt("0123456789", b"9876543210")
    ('2433477484', '6124200773')
    >>> cipher.decrypt("6124200773", b"9876543210")
    '0123456789'
    >>> cipher.encrypt_column(["0123456789", None])
    ['2433477484', None]
    """

    __slots__ = ("_key", "minimum_length", "radix")

    def __init__(self, key: bytes, radix: int = 10) -> None:
        """Hold the key.

        Args:
            key: of AES, 16, 24 or 32 bytes.
            radix: size of the alphabet, 2 to 65,536; text is for up to 36 (`ALPHABET`), above that there are numerals only.

        Raises:
            SettingsError: a key or radix outside of that.
        """
        if len(key) not in _KEY_BYTES or not 2 <= radix <= _HIGHEST_RADIX:
            raise SettingsError("FF1 needs a key of 16, 24 or 32 bytes and a radix from 2 to 65,536: take a key of the key ring")
        self._key = key
        self.radix = radix
        self.minimum_length = next(length for length in range(2, 21) if radix**length >= MINIMUM_DOMAIN)

    def encrypt(self, numerals: str, tweak: bytes = b"") -> str:
        """Return the ciphertext of one string, by the standard's steps.

        Args:
            numerals: characters of `ALPHABET` below the radix; letters are small.
            tweak: what else the permutation depends on, such as the name of the field; public.

        Raises:
            InvalidInputError: another character, or a length of which there are fewer than a million strings.
        """
        return _text(self.encrypt_numerals(self._numerals(numerals), tweak))

    def decrypt(self, numerals: str, tweak: bytes = b"") -> str:
        """Return the string of one ciphertext; Raises as `encrypt`."""
        return _text(self.decrypt_numerals(self._numerals(numerals), tweak))

    def encrypt_numerals(self, numerals: Sequence[int], tweak: bytes = b"") -> list[int]:
        """Return the ciphertext of numbers from 0 to radix - 1, in any radix; Raises as `encrypt`."""
        self._check(len(numerals), tweak)
        self._check_numerals(numerals)
        return _feistel(_ecb(self._key), self.radix, numerals, tweak, forward=True)

    def decrypt_numerals(self, numerals: Sequence[int], tweak: bytes = b"") -> list[int]:
        """Return the numerals of one ciphertext; Raises as `encrypt`."""
        self._check(len(numerals), tweak)
        self._check_numerals(numerals)
        return _feistel(_ecb(self._key), self.radix, numerals, tweak, forward=False)

    def encrypt_column(self, column: TextColumn, tweak: bytes = b"") -> list[str | None]:
        """Return the ciphertexts of a column, None for a missing value; element for element what `encrypt` returns.

        Fast where many strings have the same length.

        Raises:
            InvalidInputError: as `encrypt`, for any of them.
        """
        return self._texts(column, tweak, forward=True)

    def decrypt_column(self, column: TextColumn, tweak: bytes = b"") -> list[str | None]:
        """Return the strings of a column of ciphertexts; Raises as `encrypt_column`."""
        return self._texts(column, tweak, forward=False)

    def encrypt_matrix(self, numerals: NDArray[Any], tweak: bytes | NDArray[np.uint8] = b"") -> NDArray[np.uint16]:
        """Return the ciphertexts of many strings of one length.

        Args:
            numerals: shape (strings, length), integers from 0 to radix - 1.
            tweak: one for all, or one for each as an array of shape (strings, bytes).

        Returns:
            shape (strings, length).

        Raises:
            InvalidInputError: as `encrypt`.
        """
        return self._matrix(numerals, tweak, forward=True)

    def decrypt_matrix(self, numerals: NDArray[Any], tweak: bytes | NDArray[np.uint8] = b"") -> NDArray[np.uint16]:
        """Return the strings of many ciphertexts of one length; arguments, shapes and Raises as `encrypt_matrix`."""
        return self._matrix(numerals, tweak, forward=False)

    def _matrix(self, numerals: NDArray[Any], tweak: bytes | NDArray[np.uint8], *, forward: bool) -> NDArray[np.uint16]:
        if numerals.ndim != 2 or numerals.dtype.kind not in "iu":
            raise SettingsError("FF1 takes a matrix of whole numbers, one string a row: hand in shape (strings, length)")
        self._check(numerals.shape[1], tweak)
        if numerals.size and not 0 <= int(numerals.min()) <= int(numerals.max()) < self.radix:
            raise _not_numerals(self.radix)
        if ff1_columns.fits(self.radix, numerals.shape[1]):
            return ff1_columns.transform(_ecb(self._key), self.radix, numerals, tweak, forward=forward)
        encrypt = _ecb(self._key)
        tweaks = [tweak] * len(numerals) if isinstance(tweak, bytes) else [row.tobytes() for row in tweak]
        rows = (_feistel(encrypt, self.radix, row, own, forward=forward) for row, own in zip(numerals.tolist(), tweaks, strict=True))
        return np.array(list(rows), dtype=np.uint16).reshape(numerals.shape)

    def _texts(self, column: TextColumn, tweak: bytes, *, forward: bool) -> list[str | None]:
        texts = as_texts(column)
        present = texts if None not in texts else [text for text in texts if text is not None]
        lengths = {len(text) for text in present if text is not None}
        found: dict[int, list[str]] = {}
        for length in lengths:
            same: Any = present if len(lengths) == 1 else [text for text in present if text is not None and len(text) == length]
            numerals = ff1_columns.numerals_of(same, length, self._alphabet())
            if numerals is None:
                raise _not_numerals(self.radix)
            found[length] = ff1_columns.texts_of(self._matrix(numerals, tweak, forward=forward), ALPHABET)
        if len(lengths) == 1 and present is texts:
            return list(found[len(texts[0] or "")])
        ready = {length: iter(same) for length, same in found.items()}
        return [None if text is None else next(ready[len(text)]) for text in texts]

    def _check(self, length: int, tweak: bytes | NDArray[np.uint8]) -> None:
        if length < self.minimum_length:
            message = (
                f"FF1 does not take {length} characters of an alphabet of {self.radix}: there are fewer than a million such strings, so "
                f"they could be counted; take {self.minimum_length} or more, or a token instead"
            )
            raise InvalidInputError(RejectReason.INVALID_FIELD, message)
        if (len(tweak) if isinstance(tweak, bytes) else tweak.shape[1]) > _LONGEST_TWEAK:
            raise SettingsError(f"a tweak of FF1 has at most {_LONGEST_TWEAK} bytes here: take the name of the field")

    def _check_numerals(self, numerals: Sequence[int]) -> None:
        if not 0 <= min(numerals) <= max(numerals) < self.radix:
            raise _not_numerals(self.radix)

    def _alphabet(self) -> str:
        if self.radix > len(ALPHABET):
            raise SettingsError(f"text stands for numerals up to radix {len(ALPHABET)}: hand in numerals")
        return ALPHABET[: self.radix]

    def _numerals(self, text: str) -> list[int]:
        alphabet = self._alphabet()
        found = [alphabet.find(character) for character in text]
        if -1 in found:
            raise _not_numerals(self.radix)
        return found

    def __repr__(self) -> str:
        return f"FF1(radix={self.radix}, key hidden)"

    def __reduce__(self) -> str:
        # A pickle would carry the key into plans, logs and checkpoints.
        raise TypeError("a cipher is not pickled: let each process make one from its own key ring")


def _ecb(key: bytes) -> Callable[[bytes], bytes]:
    """Return the function that encrypts each 16-byte block by itself: CIPH of the standard, for as many blocks as there are."""
    return Cipher(AES(key), ECB()).encryptor().update  # noqa: S305  # the building block of FF1's rounds, never a mode of its own


def _not_numerals(radix: int) -> InvalidInputError:
    message = f"FF1 with radix {radix} takes digits below it only (0-9, then a-z): take out blanks and dashes, or choose another radix"
    return InvalidInputError(RejectReason.INVALID_FIELD, message)


def _text(numerals: Sequence[int]) -> str:
    return "".join(ALPHABET[numeral] for numeral in numerals)


def _feistel(encrypt: Callable[[bytes], bytes], radix: int, numerals: Sequence[int], tweak: bytes, *, forward: bool) -> list[int]:
    """Do algorithm 7 (forward) or 8 of the standard, whose letters are kept: u, v, A, B, b, d, P, Q, R, S, y, m, c."""
    n, t = len(numerals), len(tweak)
    u = n // 2
    v = n - u
    a, b_half = _number(numerals[:u], radix), _number(numerals[u:], radix)
    b = ((radix**v - 1).bit_length() + 7) // 8
    d = 4 * -(-b // 4) + 4
    p = bytes((1, 2, 1)) + radix.to_bytes(3, "big") + bytes((10, u % 256)) + n.to_bytes(4, "big") + t.to_bytes(4, "big")
    for i in range(_ROUNDS) if forward else reversed(range(_ROUNDS)):
        m = u if i % 2 == 0 else v
        known = b_half if forward else a
        q = tweak + bytes((-t - b - 1) % 16) + bytes((i,)) + known.to_bytes(b, "big")
        y = int.from_bytes(_stretched(encrypt, _prf(encrypt, p + q), d), "big")
        if forward:
            a, b_half = b_half, (a + y) % radix**m
        else:
            a, b_half = (b_half - y) % radix**m, a
    return [*_digits(a, radix, u), *_digits(b_half, radix, v)]


def _prf(encrypt: Callable[[bytes], bytes], message: bytes) -> bytes:
    """Return PRF of the standard (algorithm 6): the last block of CBC with an initialisation vector of zeros."""
    state = bytes(16)
    for start in range(0, len(message), 16):
        state = encrypt(bytes(one ^ other for one, other in zip(state, message[start : start + 16], strict=True)))
    return state


def _stretched(encrypt: Callable[[bytes], bytes], r: bytes, d: int) -> bytes:
    """Return the first d bytes of R || CIPH(R xor [1]) || CIPH(R xor [2]) ... (step 6.iii)."""
    s = r
    for j in range(1, -(-d // 16)):
        s += encrypt((int.from_bytes(r, "big") ^ j).to_bytes(16, "big"))
    return s[:d]


def _number(numerals: Sequence[int], radix: int) -> int:
    value = 0
    for numeral in numerals:
        value = value * radix + numeral
    return value


def _digits(value: int, radix: int, length: int) -> list[int]:
    found = []
    for _ in range(length):
        value, numeral = divmod(value, radix)
        found.append(numeral)
    return found[::-1]
