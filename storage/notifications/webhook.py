"""Sending a webhook: one signed POST to an address that was checked, without redirects or proxies, ended after a fixed time.

The name is resolved once, every address that it has is judged (`addresses.refusal`), and the connection goes to one of these addresses, so
a name that points elsewhere a moment later (DNS rebinding) changes nothing. TLS is verified against the name. This module opens the socket
itself, on the standard library's HTTP client, because then both hold by construction: the address that was judged is the one in use, and a
receiver that answers one byte a minute is cut off with its socket.

At most 4 kB of an answer's body are read, and none of it is kept.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from threading import Timer

import certifi

from storage.notifications.addresses import Network, refusal
from storage.notifications.backoff import retry_after_ms
from storage.notifications.outcome import SENT, Outcome, failed
from storage.notifications.receivers import WebhookReceiver
from storage.notifications.signature import headers_of

__all__ = ["Resolver", "post", "tls_context"]

Resolver = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a name."""
_PORTS = {"https": 443, "http": 80}
_MOST_ANSWER_BYTES = 4_096
_OK = range(200, 300)
_REDIRECT = range(300, 400)
_GONE = 410


class _Refused(Exception):
    """An address must not be connected to."""


def post(receiver: WebhookReceiver, message_id: str, body: bytes, now_ms: int, resolve: Resolver | None = None) -> Outcome:
    """Send one webhook and say what became of it; raises nothing that a receiver or a network can cause.

    Args:
        receiver: where to, and the keys that sign.
        message_id: `webhook-id`: the receiver's idempotency key.
        body: JSON.
        now_ms: wall clock: the timestamp that is signed.
        resolve: of names; by default the system's.
    """
    deadline_s = time.monotonic() + receiver.timeout_s
    try:
        with _connected(receiver, deadline_s, resolve or _resolve) as sock:
            headers = headers_of(receiver.keys, message_id, now_ms // 1_000, body)
            return _exchange(receiver, sock, headers, body, now_ms, deadline_s)
    except (_Refused, http.client.HTTPException, OSError, ValueError) as cause:
        return failed("timeout" if time.monotonic() >= deadline_s else _reason(cause))


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return how servers are verified: by the given authority alone, else by the system's and Mozilla's."""
    if ca_file is not None:
        return ssl.create_default_context(cafile=str(ca_file))
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _exchange(
    receiver: WebhookReceiver, sock: socket.socket, headers: dict[str, str], body: bytes, now_ms: int, deadline_s: float
) -> Outcome:
    url = receiver.url
    with closing(http.client.HTTPConnection(url.netloc)) as connection:
        connection.sock = sock
        connection.putrequest("POST", f"{url.path or '/'}{'?' if url.query else ''}{url.query}", skip_host=True, skip_accept_encoding=True)
        # The name as it was written, with its port where that is not the usual one.
        fixed = {"Host": url.netloc, "Content-Type": "application/json", "Content-Length": str(len(body)), "User-Agent": "Veilocity"}
        for name, value in {**fixed, **headers, "Connection": "close"}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        if time.monotonic() >= deadline_s:
            # Headers that are cut off look complete to the client.
            raise TimeoutError
        outcome = _outcome(answer.status, answer.getheader("Retry-After"), now_ms)
        try:
            answer.read(_MOST_ANSWER_BYTES)
        except (http.client.HTTPException, OSError):
            # It has answered: how the answer goes on changes nothing.
            pass
        return outcome


def _outcome(status: int, retry_after: str | None, now_ms: int) -> Outcome:
    if status in _OK:
        return SENT
    if status == _GONE:
        return Outcome("gone", "HTTP 410: the receiver wants no more messages")
    if status in _REDIRECT:
        return failed(f"HTTP {status}: redirects are not followed, write the new address into the file")
    return failed(f"HTTP {status}", retry_after_ms(retry_after, now_ms))


def _reason(cause: Exception) -> str:
    match cause:
        case _Refused():
            return f"the address is refused: {cause}"
        case socket.gaierror():
            return "the name of the receiver is not known"
        case ssl.SSLError():
            return f"TLS failed ({type(cause).__name__})"
        case TimeoutError():
            return "timeout"
    return f"no answer ({type(cause).__name__})"


@contextmanager
def _connected(receiver: WebhookReceiver, deadline_s: float, resolve: Resolver) -> Iterator[socket.socket]:
    """Give a connection, encrypted where the address says so, that is cut off at the deadline."""
    url = receiver.url
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    in_use = [_connect(_checked(resolve(host, port), receiver.allowed), port, deadline_s)]
    watch = Timer(max(0.0, deadline_s - time.monotonic()), lambda: _cut(in_use[-1]))
    watch.daemon = True
    watch.start()
    try:
        if url.scheme == "https":
            encrypted = tls_context(receiver.ca_file).wrap_socket(in_use[-1], server_hostname=host, do_handshake_on_connect=False)
            # Known to the watch before the handshake, which a receiver can draw out as well.
            in_use.append(encrypted)
            encrypted.do_handshake()
        yield in_use[-1]
    finally:
        watch.cancel()
        in_use[-1].close()


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for _, _, _, _, where in found))


def _checked(addresses: Sequence[str], allowed: Sequence[Network]) -> Sequence[str]:
    """Return the addresses if all of them may be connected to: one that may not means that the name is not to be trusted."""
    for address in addresses:
        reason = refusal(ip_address(address.partition("%")[0]), allowed)
        if reason:
            raise _Refused(reason)
    return addresses


def _connect(addresses: Sequence[str], port: int, deadline_s: float) -> socket.socket:
    failure: OSError = ConnectionError()
    for address in addresses:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        try:
            sock = socket.create_connection((address, port), timeout=left_s)
        except OSError as cause:
            failure = cause
            continue
        return sock
    raise failure


def _cut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It has ended by itself.
        pass
