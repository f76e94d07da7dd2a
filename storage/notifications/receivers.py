"""Who gets messages: webhooks and mailboxes as the file writes them, and the same with their secrets, ready for use.

A secret is in no YAML file: the file names another file or a variable of the environment. A webhook's address may be a secret itself, as
with services that put a token into it, so it may be named the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.headerregistry import Address
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from storage.notifications.addresses import Network, networks_of
from storage.notifications.rules import duration_ms
from storage.notifications.signature import key_of
from veilocity.errors import SettingsError
from veilocity.settings import PREFIX

__all__ = ["EmailReceiver", "EmailText", "Receiver", "ReceiverText", "Sources", "WebhookReceiver", "WebhookText", "receiver_of"]

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_SHORTEST_TIMEOUT_MS, _LONGEST_TIMEOUT_MS = 1_000, 60_000


class WebhookText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook as written."""

    url: str | None = None
    url_file: str | None = None
    url_env: str | None = None
    secret_file: str | None = None
    secret_env: str | None = None
    previous_secret_file: str | None = None
    """While the secret is changed: both sign."""
    previous_secret_env: str | None = None
    allow_networks: tuple[str, ...] = ()
    """Networks that are not public and may be sent to."""
    allow_http: bool = False
    """Plain HTTP: whoever listens on the way reads the message."""
    ca_file: str | None = None
    """Authority that signed the receiver's certificate, where it is not a public one."""
    timeout: str = "15s"


class EmailText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mailbox as written."""

    host: str
    to: tuple[str, ...]
    sender: str = msgspec.field(name="from")
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    ca_file: str | None = None
    timeout: str = "15s"


class ReceiverText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `receivers`: exactly one of both."""

    webhook: WebhookText | None = None
    email: EmailText | None = None


class WebhookReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook ready for use. It holds secrets: never print it."""

    name: str
    url: SplitResult
    keys: tuple[bytes, ...]
    allowed: tuple[Network, ...]
    ca_file: Path | None
    timeout_s: float
    """For the whole attempt."""

    def __repr__(self) -> str:
        return f"WebhookReceiver({self.name!r})"


class EmailReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox ready for use. It holds a password: never print it."""

    name: str
    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str
    password: str
    sender: str
    to: tuple[str, ...]
    ca_file: Path | None
    timeout_s: float
    """For each step of the exchange."""

    def __repr__(self) -> str:
        return f"EmailReceiver({self.name!r})"


Receiver = WebhookReceiver | EmailReceiver


class Sources:
    """Where secrets are: files beside the YAML file or anywhere, and the environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Take the folder that relative paths begin at, and the variables."""
        self._folder = folder
        self._environment = environment

    def path(self, where: str, text: str | None) -> Path | None:
        """Return the path of a file that must be there.

        Raises:
            SettingsError: it is not.
        """
        if text is None:
            return None
        path = self._folder / text
        if not path.is_file():
            raise SettingsError(f"{where}: there is no such file")
        return path

    def secret(self, where: str, name: str, file: str | None, variable: str | None) -> str | None:
        """Return a secret, None where neither is named.

        Raises:
            SettingsError: both are named, or it cannot be read, or is empty; never shows it.
        """
        if file is not None and variable is not None:
            raise SettingsError(f"{where}: {name}_file and {name}_env are both set: keep one")
        if file is not None:
            try:
                found = (self._folder / file).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as cause:
                raise SettingsError(f"{where}: {name}_file cannot be read ({type(cause).__name__})") from cause
        elif variable is not None:
            if variable.startswith(PREFIX):
                raise SettingsError(f"{where}: {name}_env: names with {PREFIX} are settings: take another")
            found = self._environment.get(variable, "").strip()
        else:
            return None
        if not found:
            raise SettingsError(f"{where}: {name} is empty or not set")
        return found


def receiver_of(name: str, text: ReceiverText, sources: Sources) -> Receiver:
    """Return a receiver ready for use.

    Raises:
        SettingsError: names the receiver and the field.
    """
    if (text.webhook is None) == (text.email is None):
        raise SettingsError(f"receivers, {name}: write either webhook or email")
    if text.webhook is not None:
        return _webhook(name, text.webhook, sources)
    assert text.email is not None  # noqa: S101  # said above, for the type checker
    return _email(name, text.email, sources)


def _webhook(name: str, text: WebhookText, sources: Sources) -> WebhookReceiver:
    where = f"receivers, {name}, webhook"
    addresses = [address for address in (text.url, sources.secret(where, "url", text.url_file, text.url_env)) if address is not None]
    if len(addresses) != 1:
        raise SettingsError(f"{where}: write one of url, url_file and url_env")
    secrets = (
        sources.secret(where, "secret", text.secret_file, text.secret_env),
        sources.secret(where, "previous_secret", text.previous_secret_file, text.previous_secret_env),
    )
    if secrets[0] is None:
        raise SettingsError(f"{where}: write secret_file or secret_env, as every message is signed")
    try:
        keys = tuple(key_of(secret) for secret in secrets if secret is not None)
        allowed = networks_of(text.allow_networks)
    except SettingsError as cause:
        raise SettingsError(f"{where}: {cause}") from None
    return WebhookReceiver(
        name=name,
        url=_address(where, addresses[0], allow_http=text.allow_http),
        keys=keys,
        allowed=allowed,
        ca_file=sources.path(f"{where}, ca_file", text.ca_file),
        timeout_s=_timeout_s(where, text.timeout),
    )


def _address(where: str, text: str, *, allow_http: bool) -> SplitResult:
    fault = ""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise SettingsError(f"{where}: url: this is no address") from None
    if not _VISIBLE.fullmatch(text):
        fault = "write characters that are not ASCII, and blanks, as %XX (and a name in its xn-- form)"
    elif url.scheme not in ("https", "http") or not url.hostname or port == 0:
        fault = "write https://HOST/PATH"
    elif url.scheme == "http" and not allow_http:
        fault = "plain HTTP can be read on the way: use https, or set allow_http: true"
    elif "@" in url.netloc:
        fault = "no user name or password: the signature says who sends"
    elif url.fragment:
        fault = "a fragment is never sent"
    if fault:
        raise SettingsError(f"{where}: url: {fault}")
    return url


def _email(name: str, text: EmailText, sources: Sources) -> EmailReceiver:
    where = f"receivers, {name}, email"
    password = sources.secret(where, "password", text.password_file, text.password_env)
    if not text.host or not 1 <= text.port <= 65_535:
        raise SettingsError(f"{where}: write the mail server's host, and a port from 1 to 65535")
    if (password is None) != (text.username is None):
        raise SettingsError(f"{where}: username and password_file (or password_env) go together")
    if password is not None and text.security == "none":
        raise SettingsError(f"{where}: a password is never sent over a line that can be read: use starttls or tls")
    if not text.to:
        raise SettingsError(f"{where}: to: nobody")
    for address in (text.sender, *text.to):
        _mailbox(where, address)
    return EmailReceiver(
        name=name,
        host=text.host,
        port=text.port,
        security=text.security,
        username=text.username or "",
        password=password or "",
        sender=text.sender,
        to=text.to,
        ca_file=sources.path(f"{where}, ca_file", text.ca_file),
        timeout_s=_timeout_s(where, text.timeout),
    )


def _mailbox(where: str, text: str) -> None:
    try:
        domain = Address(addr_spec=text).domain
    except (HeaderParseError, ValueError, IndexError):
        domain = ""
    if not domain or not text.isascii():
        raise SettingsError(f"{where}: write mailboxes as name@example.com")


def _timeout_s(where: str, text: str) -> float:
    try:
        found_ms = duration_ms(text)
    except SettingsError as cause:
        raise SettingsError(f"{where}: timeout: {cause}") from None
    if not _SHORTEST_TIMEOUT_MS <= found_ms <= _LONGEST_TIMEOUT_MS:
        raise SettingsError(f"{where}: timeout: from 1s to 60s")
    return found_ms / 1_000
