"""Contribution bounding: which records of a person count, so that no person counts for more than stated.

A person keeps the c records with the smallest keyed hashes. Neither the order of arrival nor anybody without the key decides which they
are, and a replay keeps the same. What one person keeps depends on that person's records alone; so adding or removing a person changes the
kept records by at most c, and any histogram of them by at most c in L1. That is the sensitivity the noise is made for.

Reference: Wilson et al., "Differentially private SQL with bounded user contribution", PoPETs 2020.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Sequence

from veilocity.errors import SettingsError, UnsafePolicyError, UnsafeReleaseError

__all__ = ["KEY_BYTES", "check_key", "kept"]

KEY_BYTES = 32
_DOMAIN = b"veilocity contribution bounding\x00"


def check_key(key: bytes) -> None:
    """Refuse a key of another length than 32 bytes.

    Raises:
        SettingsError: another length.
    """
    if len(key) != KEY_BYTES:
        raise SettingsError(f"a key for noise has {len(key)} bytes instead of {KEY_BYTES}: take it from the key ring")


def kept(people: Sequence[str], records: Sequence[str], most: int, key: bytes) -> list[int]:
    """Return the positions of the records that count, ascending: at most `most` of each person.

    Args:
        people: shape (n,), whose record it is.
        records: shape (n,), what names the record; every name once.
        most: records that one person may keep.
        key: 32 bytes.

    Raises:
        UnsafePolicyError: `most` is not positive.
        UnsafeReleaseError: two records have the same name: then one person could push another one's record out.
        SettingsError: the key has another length.

    >>> kept(["ann", "bob", "ann", "ann"], ["r1", "r2", "r3", "r4"], most=2, key=bytes(32))
    [0, 1, 2]
    """
    check_key(key)
    if most < 1:
        raise UnsafePolicyError("a person must be allowed at least one record: correct the policy")
    if len(set(records)) != len(records):
        raise UnsafeReleaseError("two records have the same name: nothing was drawn, count every payment once")
    own: defaultdict[str, list[int]] = defaultdict(list)
    for position, person in enumerate(people):
        own[person].append(position)
    chosen: list[int] = []
    for positions in own.values():
        if len(positions) > most:
            positions.sort(key=lambda position: hmac.digest(key, _DOMAIN + records[position].encode("utf-8", "surrogatepass"), "sha256"))
        chosen.extend(positions[:most])
    return sorted(chosen)
