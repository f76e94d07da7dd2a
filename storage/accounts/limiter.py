r"""How long somebody who guesses has to wait: pure, and bounded by construction.

Of a bucket with f failures in a row, the newest t milliseconds ago, the next attempt waits

    wait = max(0, min(longest, first * 2^(f - free)) - t)      for f >= free, else 0

and all is forgotten after a silence. There are two buckets for an attempt: one of the address, and one of the account, or, from an address
where the account has logged in lately, one of both. So a stranger makes only strangers wait for an account, and each of them for a minute
at most; whoever guesses from one address waits up to a quarter of an hour between two guesses.

A bucket is named by 16 bits of a hash: there are at most 65,536 of each kind however many names and addresses are tried, and none tells
which name or address it was. Two that share a bucket wait for each other, which happens to one pair in 65,536.
"""

from __future__ import annotations

import hashlib
import ipaddress

import msgspec

__all__ = ["ACCOUNT", "ADDRESS", "KNOWN", "KNOWN_MS", "Limit", "bucket", "network"]

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
KNOWN_MS = 30 * 24 * _HOUR_MS
"""How long an address counts as known to an account after a login."""


class Limit(msgspec.Struct, frozen=True):
    """How many attempts cost nothing, and how the wait grows after them."""

    free: int
    first_ms: int
    longest_ms: int
    forgotten_ms: int
    """Silence after which a bucket is as new."""

    def failures(self, counted: int, last_ms: int, now_ms: int) -> int:
        """Return the failures that still count."""
        return 0 if now_ms - last_ms >= self.forgotten_ms else counted

    def wait_ms(self, counted: int, last_ms: int, now_ms: int) -> int:
        """Return how long the next attempt has to wait; 0 for not at all.

        Args:
            counted: failures in a row.
            last_ms: when the newest began.
            now_ms: wall clock; one that went back does not lengthen the wait.

        >>> limit = Limit(free=3, first_ms=1_000, longest_ms=5_000, forgotten_ms=60_000)
        >>> [limit.wait_ms(failures, 0, 0) for failures in range(8)]
        [0, 0, 0, 1000, 2000, 4000, 5000, 5000]
        >>> limit.wait_ms(4, 0, 1_500), limit.wait_ms(4, 0, 2_000), limit.wait_ms(7, 0, 60_000)
        (500, 0, 0)
        """
        standing = self.failures(counted, last_ms, now_ms)
        if standing < self.free:
            return 0
        # More doublings than this are above every limit, and a power of a large count would be a large number.
        whole_ms = min(self.longest_ms, self.first_ms << min(standing - self.free, 40))
        return max(0, whole_ms - max(0, now_ms - last_ms))


ACCOUNT = Limit(free=5, first_ms=1_000, longest_ms=_MINUTE_MS, forgotten_ms=_HOUR_MS)
"""Of an account, by addresses that it does not know: at most 1,440 guesses a day, from however many."""
ADDRESS = Limit(free=10, first_ms=1_000, longest_ms=15 * _MINUTE_MS, forgotten_ms=24 * _HOUR_MS)
KNOWN = Limit(free=10, first_ms=1_000, longest_ms=5 * _MINUTE_MS, forgotten_ms=_HOUR_MS)
"""Of an account at an address that it knows."""


def bucket(kind: str, *parts: str) -> str:
    """Return the id of the bucket that something falls into; one of two parts has 24 bits, lest another address pass for a known one.

    >>> bucket("address", "192.0.2.7")
    'address-b9a4'
    """
    digest = hashlib.sha256("\0".join((kind, *parts)).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kind}-{digest[: 4 if len(parts) == 1 else 6]}"


def network(address: str) -> str:
    """Return what counts as one address: of IPv6 the first 64 bits, as every customer has at least those.

    >>> network("192.0.2.7"), network("2001:db8::1:2"), network("::ffff:192.0.2.7"), network("?")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7', 'unknown')
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
