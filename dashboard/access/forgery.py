"""Whether a request comes from a page of ours and not from a foreign page that uses our visitor's cookie: pure.

Browsers say so themselves: `Sec-Fetch-Site` on https and loopback (Fetch Metadata), `Origin` elsewhere (RFC 6454). A request that says
neither comes from no browser of today; it is refused as well, and a program sends `Origin`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["from_here", "is_loopback_name", "safe_next"]

_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""One slash, then printable ASCII without backslashes, which browsers read as slashes."""
_LOOPBACK = re.compile(r"(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?")


def from_here(site: str | None, origin: str | None, host: str) -> bool:
    """Say whether a request that changes something comes from our own page.

    Args:
        site: header `Sec-Fetch-Site`.
        origin: header `Origin`.
        host: header `Host`.

    >>> from_here("same-origin", None, "desk:8050"), from_here("same-site", "http://desk:8050", "desk:8050")
    (True, False)
    >>> from_here(None, "http://desk:8050", "desk:8050"), from_here(None, "http://desk:8051", "desk:8050"), from_here(None, None, "desk")
    (True, False, False)
    """
    if site is not None:
        return site == "same-origin"
    if not origin:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()


def is_loopback_name(host: str) -> bool:
    """Say whether a `Host` header names this machine to itself.

    >>> is_loopback_name("localhost:8050"), is_loopback_name("127.0.0.1"), is_loopback_name("localhost.example.org")
    (True, True, False)
    """
    return bool(_LOOPBACK.fullmatch(host.lower()))


def safe_next(wanted: str) -> str:
    """Return where to go after a login: a place of ours, whatever a link says.

    >>> safe_next("/privacy"), safe_next("/#alert=5f2b"), safe_next("//evil.example"), safe_next("https://evil.example"), safe_next("")
    ('/privacy', '/#alert=5f2b', '/', '/', '/')
    """
    return wanted if _PATH.fullmatch(wanted) else "/"
