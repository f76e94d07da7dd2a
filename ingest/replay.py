"""Plays a recording into the gateway as real HTTP pushes, at the recording's pace, faster, or as fast as the gateway takes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.progress import Progress

from ingest.cards import is_card_file, read_cards
from ingest.noise import Label, labels_csv, mix
from ingest.push import Answer, Pusher
from ingest.recordings import pushes, read_rows
from veilocity.eventtime import NS_PER_MS, NS_PER_S
from veilocity.settings import Settings

__all__ = ["Due", "Noise", "play", "push", "rebase_ns", "run", "schedule", "shifted"]

_CONNECTIONS = 8
_PAYMENTS_PER_POST = 100
_SENSOR_LOGGER_PATH = "/v1/sensor-logger"
_TRANSACTIONS_PATH = "/v1/transactions"


class Due(NamedTuple):
    """One request and the moment of recorded time at which its sender would have sent it."""

    at_ns: int
    path: str
    body: dict[str, Any] | list[dict[str, Any]]


class Noise(NamedTuple):
    """Fakes to put among the readings of a recording, and where to write which they are."""

    rate: float
    seed: int
    labels: Path | None = None


def run(settings: Settings, file: Path, url: str, speed: float, device: str, rebase: bool, noise: Noise | None = None) -> int:
    """Play one file; return the exit code: 0, or 1 when the gateway refused everything.

    Args:
        settings: for the gateway's token.
        file: Sensor Logger export (CSV, JSON, zip, SQLite), track (GPX, PLT, CSV of GPSLogger) or card CSV.
        url: address of the gateway.
        speed: recorded seconds per second; 0 for as fast as the gateway takes it.
        device: device id to push as; empty for the file's own. Card files have no device.
        rebase: shift times so that the recording happens now; nothing is ever sent before its time.
        noise: fakes to mix in; card files get none.

    Raises:
        InvalidInputError: the file is neither.
        ServiceUnavailableError: the gateway did not answer for two minutes.
        SettingsError: the gateway asks for another token.
    """
    labels: list[Label] = []
    if is_card_file(file):
        requests = schedule(read_cards(file))
    else:
        rows, stated = read_rows(file)
        if noise is not None:
            rows, labels = mix(rows, noise.rate, noise.seed)
        requests = schedule(pushes(rows, device or stated or file.stem))
    shift_ns = rebase_ns(requests, time.time_ns(), speed) if rebase else 0
    requests = shifted(requests, shift_ns) if shift_ns else requests
    if noise is not None and noise.labels is not None:
        noise.labels.write_text(labels_csv(labels, shift_ns), encoding="utf-8")
    console = Console(stderr=True)
    with (
        Pusher(url, settings.ingest_token.get_secret_value()) as pusher,
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("requests", total=len(requests))
        answer = play(requests, pusher, speed, done=lambda: progress.advance(task))
    console.print(f"{answer.accepted} accepted, {answer.rejected} rejected, {answer.ignored} ignored")
    return 1 if answer.rejected and not answer.accepted else 0


def push(url: str, items: Sequence[dict[str, Any]], *, token: str = "", speed: float = 0.0) -> Answer:
    """Send pushes of `read_sensor_logger`, or payments of `read_cards`, to a gateway; return what became of all items.

    Raises:
        ServiceUnavailableError: the gateway did not answer for two minutes.
        SettingsError: the gateway asks for another token.
    """
    with Pusher(url, token) as pusher:
        return play(schedule(items), pusher, speed)


def schedule(items: Sequence[dict[str, Any]]) -> list[Due]:
    """Return requests in the order of their due times: a push each, or payments together as a card feed sends them.

    >>> [len(due.body) for due in schedule([{"id": str(n), "authorised_ms": n * 10} for n in range(250)])]
    [100, 100, 50]
    """
    if any("payload" in item for item in items):
        return _ordered(Due(_latest_ns(item), _SENSOR_LOGGER_PATH, item) for item in items)
    ordered = sorted(items, key=_paid_ms)
    return _ordered(Due(_paid_ms(group[-1]) * NS_PER_MS, _TRANSACTIONS_PATH, group) for group in _groups(ordered))


def _ordered(requests: Iterable[Due]) -> list[Due]:
    """Return requests by due time; one without a readable time is due with the first."""
    known = sorted(requests, key=lambda due: due.at_ns)
    first_ns = next((due.at_ns for due in known if due.at_ns), 0)
    return [due if due.at_ns else due._replace(at_ns=first_ns) for due in known]


def _latest_ns(item: dict[str, Any]) -> int:
    return max((reading["time"] for reading in item["payload"] if isinstance(reading["time"], int)), default=0)


def _paid_ms(item: dict[str, Any]) -> int:
    return int(item.get("authorised_ms", 0))


def _groups(ordered: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield payments of the same minute together, a hundred at most."""
    group: list[dict[str, Any]] = []
    for item in ordered:
        if group and (len(group) == _PAYMENTS_PER_POST or _paid_ms(group[0]) // 60_000 != _paid_ms(item) // 60_000):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def rebase_ns(requests: Sequence[Due], now_ns: int, speed: float) -> int:
    """Return by how much to shift a recording so that it happens now and no request is sent before its events.

    At normal speed or slower it begins now. Played faster it must begin earlier, and ends at the moment at which its last request is sent:

        shift = now - first - max(0, length (1 - 1 / speed))

    >>> recording = [Due(100 * NS_PER_S, "", []), Due(160 * NS_PER_S, "", [])]
    >>> [rebase_ns(recording, 1000 * NS_PER_S, speed) // NS_PER_S for speed in (0.5, 1.0, 60.0, 0.0)]
    [900, 900, 841, 840]
    """
    if not requests:
        return 0
    first_ns, last_ns = requests[0].at_ns, requests[-1].at_ns
    length_ns = last_ns - first_ns
    played_ns = int(length_ns / speed) if speed > 0 else 0
    return now_ns - first_ns - max(0, length_ns - played_ns)


def shifted(requests: Iterable[Due], by_ns: int) -> list[Due]:
    """Return the requests with every readable time moved by `by_ns`, whole milliseconds for payments."""
    by_ms = by_ns // NS_PER_MS
    return [Due(due.at_ns + by_ns, due.path, _shifted_body(due.body, by_ns, by_ms)) for due in requests]


def _shifted_body(body: dict[str, Any] | list[dict[str, Any]], by_ns: int, by_ms: int) -> dict[str, Any] | list[dict[str, Any]]:
    if isinstance(body, list):
        return [{**item, "authorised_ms": item["authorised_ms"] + by_ms} if "authorised_ms" in item else item for item in body]
    payload = [{**item, "time": item["time"] + by_ns} if isinstance(item["time"], int) else item for item in body["payload"]]
    return {**body, "payload": payload}


def play(requests: Sequence[Due], pusher: Pusher, speed: float, done: Callable[[], object] = lambda: None) -> Answer:
    """Send requests at their due times over several connections; return what became of all items.

    Args:
        requests: in the order of their due times.
        pusher: the connections.
        speed: recorded seconds per second; 0 for as fast as possible.
        done: called after each answer.

    Raises:
        ServiceUnavailableError, SettingsError, InvalidInputError: as `Pusher.send`; what is under way is finished, the rest is not sent.
    """
    total = _Total()
    # Bounds what waits in memory: a slow gateway slows the player, not its queue.
    room = threading.Semaphore(2 * _CONNECTIONS)
    began = time.monotonic()

    def answered(future: Future[Answer]) -> None:
        total.add(future)
        room.release()
        done()

    with ThreadPoolExecutor(max_workers=_CONNECTIONS, thread_name_prefix="replay") as pool:
        try:
            for due in requests:
                if total.failure is not None:
                    break
                if speed > 0:
                    _sleep_until(began + (due.at_ns - requests[0].at_ns) / NS_PER_S / speed)
                room.acquire()
                pool.submit(pusher.send, due.path, msgspec.json.encode(due.body)).add_done_callback(answered)
        except KeyboardInterrupt:
            # Leaving the pool waits for its threads: they must not repeat for two minutes first.
            pusher.give_up()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if total.failure is not None:
        raise total.failure
    return total.answer


def _sleep_until(moment: float) -> None:
    wait_s = moment - time.monotonic()
    if wait_s > 0:
        time.sleep(wait_s)


class _Total:
    """Adds up answers of several threads."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.failure: BaseException | None = None
        self._lock = threading.Lock()

    def add(self, future: Future[Answer]) -> None:
        if future.cancelled():
            return
        failure = future.exception()
        with self._lock:
            if failure is None:
                self.answer += future.result()
            else:
                self.failure = self.failure or failure
