"""FF1 for many strings of one length: each of the ten rounds is done for all rows at once.

What no row changes is done once: the blocks of the pseudorandom function (CBC of AES) that hold parameters and tweak. Since half a string
fits in 47 bits here, the rest is one block of AES per row and round, and all rows' blocks are one call.

Guarantee: bit for bit what privacy/identifiers/ff1.py defines for one string, for every radix and length that `fits`.

Reference: NIST SP 800-38G Rev. 1, algorithms 6 to 8, whose letters are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fits", "numerals_of", "texts_of", "transform"]

_ROUNDS = 10
_ROWS_AT_ONCE = 8_192
"""What one round touches then stays in the cache of a core."""
_HIGHEST_HALF = 2**47
_LARGEST_TABLE = 2**16
_BIG = np.dtype(">u8")

Words = NDArray[np.uint64]


def fits(radix: int, length: int) -> bool:
    """Return whether strings of a length can be done as columns: half a string stays below 2^47, as up to 29 decimal digits.

    >>> fits(10, 16), fits(10, 30)
    (True, False)
    """
    return bool(radix ** (length - length // 2) < _HIGHEST_HALF)


def transform(
    encrypt: Callable[[bytes], bytes], radix: int, numerals: NDArray[Any], tweak: bytes | NDArray[np.uint8], *, forward: bool
) -> NDArray[np.uint16]:
    """Return ciphertexts (forward) or plaintexts.

    Args:
        encrypt: AES of every 16-byte block by itself.
        radix: of the numerals.
        numerals: shape (strings, length), integers from 0 to radix - 1, which `fits`.
        tweak: one for all, or one for each with shape (strings, bytes).
        forward: encrypt.

    Returns:
        shape (strings, length).
    """
    found = np.empty(numerals.shape, dtype=np.uint16)
    for start in range(0, len(numerals), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        own = tweak if isinstance(tweak, bytes) else tweak[rows]
        found[rows] = _chunk(encrypt, radix, numerals[rows], own, forward=forward)
    return found


def numerals_of(texts: list[str], length: int, alphabet: str) -> NDArray[np.uint8] | None:
    """Return texts of one length as a matrix of numerals, or None where a character is not in the alphabet.

    >>> numerals_of(["01a", "zz9"], 3, "0123456789abcdefghijklmnopqrstuvwxyz").tolist()
    [[0, 1, 10], [35, 35, 9]]
    """
    try:
        joined = "".join(texts).encode("ascii")
    except UnicodeEncodeError:
        return None
    table = np.full(256, 255, dtype=np.uint8)
    table[np.frombuffer(alphabet.encode(), dtype=np.uint8)] = np.arange(len(alphabet))
    found = table[np.frombuffer(joined, dtype=np.uint8)].reshape(len(texts), length)
    return None if found.size and found.max() == 255 else found


def texts_of(numerals: NDArray[Any], alphabet: str) -> list[str]:
    """Return the rows of a matrix as texts; the inverse of `numerals_of`.

    >>> texts_of(np.array([[0, 1, 10]]), "0123456789abcdefghijklmnopqrstuvwxyz")
    ['01a']
    """
    length = numerals.shape[1]
    joined = np.frombuffer(alphabet.encode(), dtype=np.uint8)[numerals].tobytes().decode("ascii")
    return [joined[start : start + length] for start in range(0, len(joined), length)]


def _chunk(
    encrypt: Callable[[bytes], bytes], radix: int, numerals: NDArray[Any], tweak: bytes | NDArray[np.uint8], *, forward: bool
) -> NDArray[np.uint16]:
    length = numerals.shape[1]
    u = length // 2
    columns = np.ascontiguousarray(numerals.T)
    a, b_half = _numbers(columns[:u], radix), _numbers(columns[u:], radix)
    high, low, b = _fixed_part(encrypt, radix, length, tweak)
    blocks = np.empty((len(numerals), 2), dtype=_BIG)
    blocks[:, 0] = high
    for i in range(_ROUNDS) if forward else reversed(range(_ROUNDS)):
        modulus = radix ** (u if i % 2 == 0 else length - u)
        blocks[:, 1] = (b_half if forward else a) ^ (low ^ np.uint64(i << 8 * b))
        y = _remainder(np.frombuffer(encrypt(blocks.tobytes()), dtype=_BIG).reshape(-1, 2), b, modulus)
        if forward:
            a, b_half = b_half, _less_once(a + y, modulus)
        else:
            a, b_half = _less_once(b_half + (np.uint64(modulus) - y), modulus), a
    return np.concatenate([_digits(a, radix, u), _digits(b_half, radix, length - u)], axis=1)


def _fixed_part(encrypt: Callable[[bytes], bytes], radix: int, length: int, tweak: bytes | NDArray[np.uint8]) -> tuple[Words, Words, int]:
    """Return the last block before round and half are put in, as two words (per row, or one for all), and b.

    The last block is xored with the state after all blocks before it, as CBC does with it anyway.
    """
    u = length // 2
    b = ((radix ** (length - u) - 1).bit_length() + 7) // 8
    tweaks = np.frombuffer(tweak, dtype=np.uint8).reshape(1, -1) if isinstance(tweak, bytes) else tweak
    t = tweaks.shape[1]
    p = bytes((1, 2, 1)) + radix.to_bytes(3, "big") + bytes((10, u % 256)) + length.to_bytes(4, "big") + t.to_bytes(4, "big")
    q = np.zeros((len(tweaks), t + (-t - b - 1) % 16 + 1 + b), dtype=np.uint8)
    q[:, :t] = tweaks
    state = np.frombuffer(encrypt(p), dtype=np.uint8).reshape(1, 16)
    for start in range(0, q.shape[1] - 16, 16):
        state = np.frombuffer(encrypt((state ^ q[:, start : start + 16]).tobytes()), dtype=np.uint8).reshape(-1, 16)
    last = np.ascontiguousarray(state ^ q[:, -16:]).view(_BIG).astype(np.uint64)
    return last[:, 0], last[:, 1], b


def _remainder(r: NDArray[Any], b: int, modulus: int) -> Words:
    """Return NUM of the first d bytes of each block, modulo a power of the radix; d is 8 or 12.

    With b up to 4 the modulus has 32 bits and d is 8; above, the number comes in pieces of 16 bits (Horner), which no product overflows.
    """
    whole = r[:, 0].astype(np.uint64)
    rest = _mod(whole, modulus)
    if b > 4:
        tail = r[:, 1].astype(np.uint64) >> np.uint64(32)
        for shift in (16, 0):
            rest = _mod((rest << np.uint64(16)) | ((tail >> np.uint64(shift)) & np.uint64(0xFFFF)), modulus)
    return rest


def _mod(values: Words, modulus: int) -> Words:
    # Not `%`: NumPy divides by one number with a multiplication, and has no such way to the remainder.
    return values - values // np.uint64(modulus) * np.uint64(modulus)


def _less_once(values: Words, modulus: int) -> Words:
    """Return values below twice the modulus, modulo it."""
    # Below zero a word without sign is huge, so the smaller of the two is the remainder.
    found: Words = np.minimum(values, values - np.uint64(modulus))
    return found


def _numbers(columns: NDArray[Any], radix: int) -> Words:
    found = np.zeros(columns.shape[1], dtype=np.uint64)
    for column in columns:
        found *= np.uint64(radix)
        found += column.astype(np.uint64)
    return found


def _pieces(radix: int, length: int) -> Iterator[int]:
    """Yield how many numerals are looked up at once, from the right; what a table can hold."""
    widest = 1
    while radix ** (widest + 1) <= _LARGEST_TABLE:
        widest += 1
    while length:
        yield min(widest, length)
        length -= min(widest, length)


def _digits(values: Words, radix: int, length: int) -> NDArray[np.uint16]:
    found = np.empty((len(values), length), dtype=np.uint16)
    end = length
    for width in _pieces(radix, length):
        table = _TABLES.get((radix, width))
        if table is None:
            table = _table(radix, width)
            _TABLES[radix, width] = table
        higher = values // np.uint64(radix**width)
        found[:, end - width : end] = table[values - higher * np.uint64(radix**width)]
        values = higher
        end -= width
    return found


_TABLES: dict[tuple[int, int], NDArray[np.uint16]] = {}


def _table(radix: int, width: int) -> NDArray[np.uint16]:
    """Return the numerals of every number below radix^width; shape (radix^width, width)."""
    powers = radix ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (np.arange(radix**width, dtype=np.int64)[:, None] // powers % radix).astype(np.uint16)
