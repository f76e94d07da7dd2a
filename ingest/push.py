"""Sending requests to the gateway so that nothing is lost: the same bytes again until they are answered.

A repeat after a lost answer may write twice; the rules service drops repeats by identity, so the result is the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx
import msgspec

from veilocity.errors import InvalidInputError, RejectReason, ServiceUnavailableError, SettingsError

__all__ = ["Answer", "Pusher"]

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_ANSWERED = {200, 400, 413}
_WRONG_ADDRESS = {404, 405}
_decoder = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said about the items of one request, or of several added up."""

    accepted: int = 0
    rejected: int = 0
    ignored: int = 0

    def __add__(self, other: Answer) -> Answer:
        return Answer(self.accepted + other.accepted, self.rejected + other.rejected, self.ignored + other.ignored)

    @property
    def items(self) -> int:
        """Return how many items were answered for."""
        return self.accepted + self.rejected + self.ignored


class Pusher:
    """Connections to one gateway. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        patience_s: float = 120.0,
        sleep: Callable[[float], object] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare; the first request connects.

        Args:
            url: address of the gateway, such as http://127.0.0.1:8088.
            token: sent as a bearer token, where there is one.
            patience_s: how long one request is repeated before it is given up.
            sleep: how to pause between repeats; by default until the time is over or `give_up` is called.
            transport: a test passes its own.
        """
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(base_url=url, headers=headers, timeout=10.0, transport=transport)
        self._patience_s = patience_s
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait

    def send(self, path: str, body: bytes, method: str = "POST") -> Answer:
        """Send one request until it is answered; return what became of its items.

        Raises:
            ServiceUnavailableError: no answer within the patience.
            SettingsError: the gateway asks for another token.
            InvalidInputError: there is no gateway at this address.
        """
        deadline = time.monotonic() + self._patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            response = self._try(path, body, method)
            if response is not None:
                return _answer(response)
            if self._stopped.is_set() or time.monotonic() + pause_s > deadline:
                raise ServiceUnavailableError("the gateway does not answer: is it running, and is Kafka?")
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _try(self, path: str, body: bytes, method: str) -> httpx.Response | None:
        """Return the answer, or None when the request must be repeated."""
        try:
            response = self._client.request(method, path, content=body)
        except httpx.TransportError:
            return None
        return None if response.status_code >= 500 else response

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return once the gateway takes requests.

        Raises:
            ServiceUnavailableError: not within `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while self._try("/readyz", b"", "GET") is None:
            if time.monotonic() > deadline:
                raise ServiceUnavailableError("the gateway is not ready: is it running, and is Kafka?")
            self._sleep(_FIRST_PAUSE_S)

    def give_up(self) -> None:
        """Repeat nothing any more: whoever waits in `send` gets ServiceUnavailableError at once."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _answer(response: httpx.Response) -> Answer:
    if response.status_code == 401:
        raise SettingsError("the gateway asks for its token: set VEILOCITY_INGEST_TOKEN to the one it runs with")
    if response.status_code in _WRONG_ADDRESS or response.status_code not in _ANSWERED:
        raise InvalidInputError(RejectReason.MALFORMED, f"no gateway at this address (status {response.status_code}): check --url")
    try:
        counts = msgspec.convert(_decoder.decode(response.content), type=dict[str, object])
        return msgspec.convert({name: counts.get(name, 0) for name in ("accepted", "rejected", "ignored")}, Answer)
    except msgspec.MsgspecError as cause:
        raise InvalidInputError(RejectReason.MALFORMED, "the answer is not a gateway's: check --url") from cause
