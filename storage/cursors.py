"""Where a list goes on: an opaque text that names the last thing that was looked at, never how many there were. Pure.

A page after a cursor begins below (or behind) that thing in the order of the list, so what is inserted meanwhile moves nothing: no
document comes twice or is left out. A cursor is of one version and of one question, and is refused by any other. It is not signed: whoever
forges one sees what the same question would have shown on another page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["Key", "read_cursor", "write_cursor"]

Key = tuple[int, str]
"""What orders a list: a number (a minute, a batch), then an id. The empty id is before every other."""
_VERSION = "1"
_CHECK_BYTES = 6
_LONGEST = 500
_GREATEST = 2**62
"""The stores keep no larger number."""


def write_cursor(key: Key, question: str) -> str:
    """Return the cursor that goes on after a key.

    Args:
        key: of the last thing that was looked at.
        question: the list with everything it is limited to.

    >>> read_cursor(write_cursor((60_000, "5f2b"), "alerts?severity=high"), "alerts?severity=high")
    (60000, '5f2b')
    """
    payload = f"{_VERSION}.{key[0]}.{key[1]}"
    return base64.urlsafe_b64encode(f"{_check(payload, question)}.{payload}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, question: str) -> Key:
    """Return the key that a cursor goes on after.

    Raises:
        InvalidInputError: it is damaged, of another version, or of another question.
    """
    try:
        if len(cursor) > _LONGEST:
            raise _refused()
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        check, _, payload = text.partition(".")
        version, number, identity = payload.split(".", 2)
        key = int(number), identity
        if version != _VERSION or check != _check(payload, question) or abs(key[0]) > _GREATEST:
            raise _refused()
        return key
    except (binascii.Error, ValueError):
        raise _refused() from None


def _check(payload: str, question: str) -> str:
    return hashlib.blake2b(f"{payload}\n{question}".encode(), digest_size=_CHECK_BYTES).hexdigest()


def _refused() -> InvalidInputError:
    sentence = "this page does not follow from that question: it is of another filter, another version or damaged; ask for the first page"
    return InvalidInputError(RejectReason.INVALID_FIELD, sentence)
