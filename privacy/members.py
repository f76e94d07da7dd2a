"""Who is in a released class, told so that an outsider can count people and do nothing else with it.

A member is a pseudonym of one person in one release window. Two windows give the same person different members, so classes cannot be
joined by them; two people of one window never share one (128 bits).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

__all__ = ["MemberOf", "window_member"]

MemberOf = Callable[[int, int, str], str]
"""Start and end of a window in ms of event time, and the subject's token, to the member: 32 hexadecimal digits."""


def window_member(window_start_ms: int, window_end_ms: int, subject: str) -> str:
    """Return the member that a subject is in one window: 32 hexadecimal digits.

    The subject is a token already, so nobody without the token key can compute its members; who reads the stored payments could, which a
    key of the window's own prevents.

    >>> window_member(0, 3_600_000, "a") == window_member(0, 21_600_000, "a")
    False
    """
    window = f"{window_start_ms}/{window_end_ms}".encode()
    return blake2b(subject.encode(), digest_size=16, key=blake2b(window, digest_size=32).digest(), person=b"veilocity-member").hexdigest()
