"""Who may push: one token, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress

from veilocity.errors import SettingsError
from veilocity.settings import Settings

__all__ = ["authorised", "check_exposure", "is_loopback"]


def authorised(expected: str, header: str | None, query: str | None, path: str | None = None) -> bool:
    """Say whether a request carries the token.

    Args:
        expected: the token; empty lets everyone in.
        header: the Authorization header, as ``Bearer T``, just ``T`` (the app sends what its user typed), or ``Basic`` with T for password.
        query: the value of ``?token=``, for senders that cannot set a header.
        path: the last part of the address, for senders that fill in the query themselves.

    Guarantee: the time taken tells nothing about the token but its length.

    >>> authorised("s3cret", "Bearer s3cret", None), authorised("s3cret", "s3cret", None), authorised("s3cret", None, "guess")
    (True, True, False)
    >>> authorised("s3cret", "Basic amFuZTpzM2NyZXQ=", None), authorised("s3cret", None, None, "s3cret")
    (True, True)
    """
    if not expected:
        return True
    stated = header or ""
    scheme, _, rest = stated.partition(" ")
    bearer = rest.strip() if scheme.lower() == "bearer" else ""
    offered = (stated, bearer, _password(scheme, rest), query or "", path or "")
    # A list, not a generator: every comparison is made, whichever holds.
    return any([hmac.compare_digest(offer.encode("utf-8", "surrogatepass"), expected.encode()) for offer in offered])


def _password(scheme: str, credentials: str) -> str:
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings) -> None:
    """Return if the gateway may listen where it is told to.

    Raises:
        SettingsError: others could reach it and no token is set.
    """
    if not settings.ingest_token.get_secret_value() and not is_loopback(settings.ingest_host):
        raise SettingsError("VEILOCITY_INGEST_HOST lets other machines in: set VEILOCITY_INGEST_TOKEN, or listen on 127.0.0.1")
