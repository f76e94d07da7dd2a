"""Passwords: which are taken, how they are kept, how they are compared. Only Argon2id hashes are ever stored (RFC 9106).

Parameters are the second recommendation of RFC 9106, section 4: 3 passes over 64 MiB in 4 lanes, salt of 128 and tag of 256 bits. A hash
names its parameters, so one that was made with others is still compared, and is made anew at the next login (`outdated`). At most two are
computed at once, so guessing costs this machine 128 MiB and no more.
"""

from __future__ import annotations

import base64
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from veilocity.errors import InvalidInputError, RejectReason, ServiceUnavailableError

__all__ = ["LONGEST", "SHORTEST", "checked_password", "hash_of", "matches", "outdated", "random_password"]

SHORTEST = 15
"""Characters: NIST SP 800-63B-4, section 3.1.1.2, where the password is the only factor."""
LONGEST = 256
_LEAST_VARIED = 6
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what is mistaken for something else when it is typed off a terminal."""
_GROUPS, _GROUP = 5, 4

_HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_AT_ONCE = BoundedSemaphore(2)
_IN_LINE = BoundedSemaphore(10)
"""Those two and who waits for them: a crowd of guesses must not take every thread that serves pages."""


def checked_password(password: str, name: str) -> str:
    """Return a password that somebody chose, if it may be used.

    No mixture of characters is asked for and no regular change, as NIST SP 800-63B-4 advises.

    Args:
        password: as it was typed.
        name: of the account.

    Raises:
        InvalidInputError: it is too short or long, too uniform, or little more than a name that everybody knows.

    >>> checked_password("a rather long phrase", "ada")
    'a rather long phrase'
    >>> checked_password("hunter2", "ada")
    Traceback (most recent call last):
    veilocity.errors.InvalidInputError: invalid_field: the password has fewer than 15 characters: take a longer one, such as four words
    """
    plain = unicodedata.normalize("NFKC", password)
    rest = plain.lower().replace(name.lower(), "").replace("veilocity", "")
    for wrong, sentence in (
        (len(plain) < SHORTEST, f"has fewer than {SHORTEST} characters: take a longer one, such as four words"),
        (len(plain) > LONGEST, f"has more than {LONGEST} characters: take a shorter one"),
        (len(set(plain)) < _LEAST_VARIED, "repeats a few characters: take another one"),
        (len(rest) < SHORTEST // 2, "is little more than a name: take another one"),
    ):
        if wrong:
            raise InvalidInputError(RejectReason.INVALID_FIELD, f"the password {sentence}")
    return password


def random_password() -> str:
    """Return a password of 99 random bits that can be typed off a terminal.

    >>> len(random_password())
    24
    """
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def hash_of(password: str) -> str:
    """Return the Argon2id hash of a password, with its salt and parameters in the text.

    Raises:
        ServiceUnavailableError: too many are computed at this moment.
    """
    with _turn():
        return _HASHER.hash(_plain(password))


def matches(kept: str | None, password: str) -> bool:
    """Say whether a hash is of this password; it takes as long where there is none, so that nobody can tell which names exist.

    Args:
        kept: the hash; None where there is no such account.
        password: as it was typed.

    Raises:
        ServiceUnavailableError: too many are computed at this moment.
    """
    with _turn():
        try:
            _HASHER.verify(kept or _nobody(), _plain(password[: 2 * LONGEST]))
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def outdated(kept: str) -> bool:
    """Say whether a hash was made with other parameters than today's.

    >>> outdated("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng")
    True
    """
    return _HASHER.check_needs_rehash(kept)


@contextmanager
def _turn() -> Iterator[None]:
    if not _IN_LINE.acquire(blocking=False):
        raise ServiceUnavailableError("too many people log in at this moment: try again in a few seconds")
    try:
        with _AT_ONCE:
            yield
    finally:
        _IN_LINE.release()


def _plain(password: str) -> bytes:
    """Return what is hashed: the same letters, however a keyboard composed them."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _nobody() -> str:
    """Return a hash with today's parameters that no known password has."""
    salt, tag = (base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (_HASHER.salt_len, _HASHER.hash_len))
    return f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}${salt}${tag}"
