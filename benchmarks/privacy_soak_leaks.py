"""Looks for raw values in all that the privacy stage leaves outside the stores: log, metrics, checkpoint, ledger, staged rows, scratch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.privacy_soak_people import is_exact
from benchmarks.privacy_soak_world import MARKS
from veilocity.settings import Settings

__all__ = ["exact_numbers", "files_of", "found_in", "leaks", "secrets_of"]

_PLACE = re.compile(rb"(?<![\d.])-?\d{1,3}\.\d{4}7137(?!\d)")
_DOUBLE_TAGS = (0xCB,)
"""Before a number in MessagePack."""
_CHUNK = 16 * 1024 * 1024
_OVERLAP = 256


def secrets_of(settings: Settings) -> list[bytes]:
    """Return what must not be anywhere, besides what people are named by: the key, as text and as bytes."""
    key = settings.token_key_file.read_text(encoding="ascii").split()[-1]
    return [key.encode(), bytes.fromhex(key)]


def files_of(settings: Settings, logs: Iterable[Path]) -> Iterator[Path]:
    """Yield every file that the stage wrote."""
    # A Java process that is ending may take its folder away meanwhile, which `os.walk` bears.
    for folder, _, names in os.walk(settings.privacy_dir):
        yield from (Path(folder) / name for name in names)
    yield from logs


def leaks(data: bytes, secrets: Iterable[bytes] = ()) -> list[str]:
    """Return what kinds of raw values some bytes hold; never the values.

    >>> leaks(b'{"subject": "PERSON-00001", "lat": 51.50127137}'), leaks(b"51.501271374 5f2b4b3c9d0e1f2a")
    (['a mark', 'an exact place'], [])
    """
    found = []
    if any(mark.encode() in data for mark in MARKS):
        found.append("a mark")
    if _PLACE.search(data):
        found.append("an exact place")
    if any(secret in data for secret in secrets):
        found.append("a key")
    return found


def exact_numbers(data: bytes) -> int:
    """Return how many exact places stand in MessagePack as numbers.

    >>> import msgspec
    >>> exact_numbers(msgspec.msgpack.encode([51.50127137, 51.5, 3])), exact_numbers(b"")
    (1, 0)
    """
    whole = np.frombuffer(data, dtype=np.uint8)
    tags = np.flatnonzero(np.isin(whole[: max(0, len(whole) - 8)], _DOUBLE_TAGS))
    if not len(tags):
        return 0
    numbers = np.frombuffer(whole[tags[:, None] + np.arange(1, 9)].tobytes(), dtype=">f8")
    return sum(is_exact(number) for number in numbers[(np.abs(numbers) < 180) & (np.abs(numbers) > 1e-3)].tolist())


def found_in(path: Path, secrets: Iterable[bytes] = ()) -> list[str]:
    """Return what a file holds of raw values; a file that is gone meanwhile holds nothing."""
    wanted, found, rest = list(secrets), set(), b""
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                data = rest + chunk
                found.update(leaks(data, wanted))
                if path.suffix in (".rows", ".entry") and exact_numbers(data):
                    found.add("an exact place")
                rest = data[-_OVERLAP:]
    except FileNotFoundError:
        return []
    return sorted(found)
