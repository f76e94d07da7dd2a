"""TCP between a program and its store on loopback that is slow, narrow, cut or refused on command, while the store itself is real.

What goes wrong is set at any time by giving the proxy another `Weather`; what is drawn comes from a seeded generator. Requests are taken
apart into messages, so that one can be answered here as a server without room or with too much to do would; answers pass as bytes.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import bson

__all__ = ["SlowProxy", "Weather"]

_PIECE = 65_536
_OP_MSG = 2013
_HEADER = struct.Struct("<iiii")
_WRITES = frozenset({"insert", "update", "delete"})
_READS = frozenset({"find"})


@dataclass(frozen=True, slots=True)
class Weather:
    """What goes wrong."""

    delay_s: float = 0.0
    """Most time that a piece of an answer waits."""
    bytes_per_s: float = 0.0
    """How narrow each direction is; 0 for as wide as it is."""
    cut_share: float = 0.0
    """Pieces of answers in the middle of which the connection breaks: the store has done the work, and nobody is told."""
    refuses: int = 0
    """Code of MongoDB, or status of HTTP, with which writing requests are answered here and go no further; 0 for none."""
    refuses_reads: bool = False
    """Whether MongoDB's `find` is refused, too."""


@dataclass(frozen=True, slots=True)
class _Protocol:
    """How requests are taken apart, and refused."""

    read: Callable[[asyncio.StreamReader], Awaitable[bytes]]
    refusal: Callable[[bytes, Weather], bytes | None]
    """Gives the answer to a request that is refused, None to another one."""


async def _read_mongodb(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(_HEADER.size)
    return head + await reader.readexactly(_HEADER.unpack(head)[0] - len(head))


def _refuse_mongodb(message: bytes, weather: Weather) -> bytes | None:
    _, request, _, operation = _HEADER.unpack_from(message)
    refused = _WRITES | _READS if weather.refuses_reads else _WRITES
    # Flags, then the section with the command, which the client sends first.
    if operation != _OP_MSG or next(iter(bson.decode(message[21 : 21 + struct.unpack_from("<i", message, 21)[0]]))) not in refused:
        return None
    answer = b"\0\0\0\0\0" + bson.encode({"ok": 0.0, "code": weather.refuses, "codeName": "Injected", "errmsg": "answered by a proxy"})
    return _HEADER.pack(_HEADER.size + len(answer), request, request, _OP_MSG) + answer


async def _read_http(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


def _refuse_http(message: bytes, weather: Weather) -> bytes | None:
    if b"_bulk" not in message.partition(b"\r\n")[0]:
        return None
    status = weather.refuses
    body = json.dumps({"error": {"type": "injected_exception", "reason": "answered by a proxy"}, "status": status}).encode()
    head = (
        f"HTTP/1.1 {status} Injected\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    )
    return head.encode() + b"\r\n\r\n" + body


_PROTOCOLS = {"mongodb": _Protocol(_read_mongodb, _refuse_mongodb), "http": _Protocol(_read_http, _refuse_http)}


class SlowProxy:
    """Listens from `with` to its end. `weather` may be set from any thread."""

    def __init__(self, address: str, seed: int = 0) -> None:
        """Nothing listens yet.

        Args:
            address: of the store: `mongodb://HOST:PORT/...` or `http://HOST:PORT`.
            seed: of what is drawn.
        """
        self._parts = urlsplit(address)
        self._protocol = _PROTOCOLS[self._parts.scheme]
        self._dice = random.Random(seed)  # noqa: S311  # draws faults, no secret
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="slow-proxy", daemon=True)
        self.weather = Weather()
        self.seen: Counter[str] = Counter()
        """How often something went wrong: `unreachable`, `cut`, `refused`."""
        self.address = ""
        """What the program is to be given in place of the store's."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop).result()
        port = self._server.sockets[0].getsockname()[1]
        self.address = self._parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def faults(self) -> int:
        """How often anything went wrong."""
        return sum(self.seen.values())

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        pumps: list[asyncio.Task[None]] = []
        try:
            answers, store = await asyncio.open_connection(self._parts.hostname, self._parts.port)
            writers.append(store)
            pumps = [asyncio.create_task(one) for one in (self._requests(reader, store, writer), self._answers(answers, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            self.seen["unreachable"] += 1
        except asyncio.CancelledError:
            pass  # the end of the proxy is no fault of the connection's
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for one in writers:
                one.transport.abort()
            self._connections.discard(task)

    async def _requests(self, reader: asyncio.StreamReader, store: asyncio.StreamWriter, client: asyncio.StreamWriter) -> None:
        while True:
            message = await self._protocol.read(reader)
            weather = self.weather
            refusal = self._protocol.refusal(message, weather) if weather.refuses else None
            if refusal is not None:
                self.seen["refused"] += 1
                client.write(refusal)
                await client.drain()
                continue
            await self._narrow(len(message))
            store.write(message)
            await store.drain()

    async def _answers(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            weather = self.weather
            await self._narrow(len(piece))
            await asyncio.sleep(weather.delay_s * self._dice.random())
            if self._dice.random() < weather.cut_share:
                self.seen["cut"] += 1
                client.write(piece[: len(piece) // 2])
                await client.drain()
                return
            client.write(piece)
            await client.drain()

    async def _narrow(self, size: int) -> None:
        if self.weather.bytes_per_s:
            await asyncio.sleep(size / self.weather.bytes_per_s)
