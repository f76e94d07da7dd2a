"""Who is in a released class, told so that an outsider can count people and do nothing else with it.

    member = first 128 bits of HMAC-SHA-256(salt of the window, class id || 0x00 || person), as 32 hexadecimal digits

The salt is 32 random bytes. It is on the disk before anything of the window is published, so that a repeated micro-batch tells the same
members, and it goes with the window's staged payments once the window can no longer be repeated. Afterwards nobody can tell who a member
was, not even who holds the key ring. Two classes and two windows give one person different members, so neither can be joined by them;
two people of one class share one by accident with probability below 2^-128 for each pair.

Reference: RFC 2104 (HMAC); a key that is thrown away is a cryptographic erase, NIST SP 800-88 Rev. 1, 2.6.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from privacy.identifiers.keyed import keyed_hash
from veilocity.errors import StateError

__all__ = ["members_of", "window_salt"]

_SALT_BYTES = 32
_SALT = "salt"


def members_of(salt: bytes, class_id: str, people: Iterable[str]) -> tuple[str, ...]:
    """Return the member that each distinct person is in one class: 32 hexadecimal digits each, sorted, so that their order tells nothing.

    Args:
        salt: of the window.
        class_id: of the class.
        people: by whatever they are told apart; repeated as often as they like.

    >>> len(members_of(bytes(32), "one", ["anna", "ben", "anna"]))
    2
    >>> set(members_of(bytes(32), "one", ["anna"])) & set(members_of(bytes(32), "two", ["anna"]))
    set()
    """
    return tuple(sorted(keyed_hash(salt, class_id.encode() + b"\x00").tokens(set(people))))


def window_salt(folder: Path) -> bytes:
    """Return the salt of the window whose files are in a folder; the first call makes it, readable by its owner only.

    It is there whole or not at all, and stays after a loss of power: a caller may publish what it made with it.

    Raises:
        StateError: the file was changed.
    """
    path = folder / _SALT
    if not path.exists():
        _write_new(path, secrets.token_bytes(_SALT_BYTES))
    salt = path.read_bytes()
    if len(salt) != _SALT_BYTES:
        raise StateError("the salt of a window of the privacy stage is damaged: restore its whole folder, or remove it to begin anew")
    return salt


def _write_new(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.draft")
    # Of a process that died while writing: nothing was published with it.
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
