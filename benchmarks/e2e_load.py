"""Sends a steady load to the gateway and notes when each impossible trip was sent. A process of its own, so that it disturbs no clock."""

from __future__ import annotations

import http.client
import queue
import sys
import threading
import time
from urllib.parse import urlsplit

import msgspec

from ingest.simulator import CityPlan, Load, Request

__all__ = ["PLAN", "Sent"]

PLAN = CityPlan(seed=99, people=2_000)
_TICK_S = 0.1
_CONNECTIONS = 4


class Sent(msgspec.Struct):
    """What the load came to."""

    accepted: int = 0
    payments: int = 0
    """Those of the accepted events that are payments."""
    rejected: int = 0
    failed: int = 0
    behind: int = 0
    """Ticks that began late by more than a tick: the sender itself was too slow."""
    began_ms: int = 0
    ended_ms: int = 0
    frauds: dict[str, int] = msgspec.field(default_factory=dict)
    """Transaction id of each impossible trip, and when its request was sent (milliseconds since 1970)."""


def _work(url: str, requests: queue.Queue[Request | None], sent: Sent, lock: threading.Lock) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    while (request := requests.get()) is not None:
        sent_ms = time.time_ns() // 1_000_000
        connection.request("POST", request.path, request.body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        with lock:
            if answer.status != http.client.OK:
                sent.failed += request.fixes + request.payments
                continue
            counts = msgspec.json.decode(body)
            sent.accepted += counts["accepted"]
            sent.rejected += counts["rejected"]
            sent.payments += counts["accepted"] if request.payments else 0
            sent.frauds.update(dict.fromkeys(request.frauds, sent_ms))
    connection.close()


def main(url: str, rate: float, seconds: float, run: str) -> Sent:
    """Send `rate` events a second for `seconds`."""
    load = Load(PLAN, run)
    requests: queue.Queue[Request | None] = queue.Queue()
    sent, lock = Sent(), threading.Lock()
    workers = [threading.Thread(target=_work, args=(url, requests, sent, lock)) for _ in range(_CONNECTIONS)]
    for worker in workers:
        worker.start()
    began = time.monotonic()
    sent.began_ms = time.time_ns() // 1_000_000
    for tick in range(int(seconds / _TICK_S)):
        due = began + tick * _TICK_S
        late_s = time.monotonic() - due
        sent.behind += late_s > _TICK_S
        time.sleep(max(0.0, -late_s))
        for request in load.take(rate * _TICK_S, time.time_ns() // 1_000_000):
            requests.put(request)
    for _ in workers:
        requests.put(None)
    for worker in workers:
        worker.join()
    sent.ended_ms = time.time_ns() // 1_000_000
    return sent


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4])))
