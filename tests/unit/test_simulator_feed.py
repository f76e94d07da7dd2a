"""Playing a city into a gateway: a small HTTP server of our own stands in for it, and misbehaves on purpose."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from ingest.push import Pusher
from ingest.simulator import CityPlan, Event, Payment, Push, directory, simulate, truth
from ingest.simulator import feed as simulator_feed
from ingest.simulator.clock import Clock, start_ms
from ingest.simulator.player import Player, load_directory, read_position
from veilocity.errors import SettingsError
from veilocity.eventtime import format_ms
from veilocity.settings import Settings, load

TOKEN = uuid.uuid4().hex
START_MS = 1_750_000_000_000
PLAN = CityPlan(people=6)
HOURS = 0.5


class Gateway(ThreadingHTTPServer):
    """Takes what it is sent; answers as `answers` says, and 200 when that is used up."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[str, str, bytes, float]] = []
        self.refused: list[bytes] = []
        self.answers: Iterator[int] = iter(())
        self.tokens: set[str | None] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def bodies(self, path: str) -> list[bytes]:
        return [body for _, taken, body, _ in self.taken if taken == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_GET(self) -> None:
        self._answer(200)

    def do_PUT(self) -> None:
        self._take("PUT")

    def do_POST(self) -> None:
        self._take("POST")

    def _take(self, method: str) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            status = next(self.server.answers, 200)
            self.server.tokens.add(self.headers["Authorization"])
            if status == 200:
                self.server.taken.append((method, self.path, body, time.time()))
            else:
                self.server.refused.append(body)
        if status == 0:
            # Hang up without an answer, as a killed process does.
            self.close_connection = True
            return
        self._answer(status)

    def _answer(self, status: int) -> None:
        content = b'{"accepted":1,"rejected":0,"ignored":0}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({}, state_dir=tmp_path / "state", ingest_token=TOKEN)


def _pushes() -> list[bytes]:
    return sorted(event.body for event in simulate(PLAN, START_MS, HOURS) if isinstance(event, Push))


def _payments() -> list[str]:
    return sorted(msgspec.json.decode(event.body)["id"] for event in simulate(PLAN, START_MS, HOURS) if isinstance(event, Payment))


def _run(settings: Settings, gateway: Gateway, **changes: object) -> int:
    arguments: dict[str, object] = {
        "url": gateway.url,
        "people": PLAN.people,
        "speed": 1e6,
        "seed": PLAN.seed,
        "start": format_ms(START_MS),
        "hours": HOURS,
        "output": None,
    }
    return simulator_feed.run(settings, **{**arguments, **changes})  # type: ignore[arg-type]  # the command line's arguments by name


def _taken_payments(gateway: Gateway) -> list[str]:
    return sorted(payment["id"] for body in gateway.bodies("/v1/transactions") for payment in msgspec.json.decode(body))


def test_the_gateway_gets_the_directory_first_and_then_every_event(settings: Settings, gateway: Gateway) -> None:
    assert _run(settings, gateway) == 0
    assert gateway.taken[0][:2] == ("PUT", "/v1/directory")
    known = {(entry["kind"], entry["id"], entry["subject"]) for entry in msgspec.json.decode(gateway.taken[0][2])}
    assert known == {(entry.kind.value, entry.id, entry.subject) for entry in directory(PLAN)}
    assert sorted(gateway.bodies("/v1/sensor-logger")) == _pushes()
    assert _taken_payments(gateway) == _payments()
    assert gateway.tokens == {f"Bearer {TOKEN}"}


def test_nothing_is_lost_when_the_gateway_refuses_or_hangs_up(settings: Settings, gateway: Gateway) -> None:
    gateway.answers = itertools.chain([503, 200, 0, 503, 500, 200, 0], itertools.islice(itertools.cycle([503, 200, 200, 0]), 40))
    assert _run(settings, gateway) == 0
    assert sorted(gateway.bodies("/v1/sensor-logger")) == _pushes()
    assert _taken_payments(gateway) == _payments()
    taken = {body for _, _, body, _ in gateway.taken}
    assert gateway.refused
    assert set(gateway.refused) <= taken, "a repeat must have the same bytes"


def test_a_wrong_token_is_one_sentence(settings: Settings, gateway: Gateway) -> None:
    gateway.answers = itertools.repeat(401)
    with pytest.raises(SettingsError, match="VEILOCITY_INGEST_TOKEN"):
        _run(settings, gateway)


def test_a_wrong_token_in_the_middle_of_the_play_ends_it(settings: Settings, gateway: Gateway) -> None:
    gateway.answers = itertools.chain([200] * 5, itertools.repeat(401))
    with pytest.raises(SettingsError, match="VEILOCITY_INGEST_TOKEN"):
        _run(settings, gateway)


def test_events_are_never_sent_before_they_happened(settings: Settings, gateway: Gateway) -> None:
    """Starts 20 s before now at 100 times the speed: it catches up within a second and goes on at the pace of life."""
    started_ms = int(time.time() * 1000) - 20_000
    assert _run(settings, gateway, people=40, speed=100.0, start=format_ms(started_ms), hours=22.0 / 3600.0) == 0
    pushes = [(msgspec.json.decode(body), at_s) for _, path, body, at_s in gateway.taken if path == "/v1/sensor-logger"]
    assert len(pushes) > 30
    assert all(reading["time"] <= at_s * 1e9 for push, at_s in pushes for reading in push["payload"])


def test_sigterm_ends_it_and_the_next_feed_goes_on_from_there(settings: Settings, gateway: Gateway) -> None:
    def stop_when_something_came() -> None:
        _until(lambda: len(gateway.bodies("/v1/sensor-logger")) >= 20)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_when_something_came)
    thread.start()
    before = signal.getsignal(signal.SIGTERM)
    assert _run(settings, gateway, start="-24h", speed=60.0, hours=None, people=60) == 0
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    position = read_position(settings.data_dir / "simulator.json")
    assert position is not None
    assert abs(position - (time.time() * 1000 - 24 * 3_600_000)) < 3_600_000
    earlier = len(gateway.taken)
    assert _run(settings, gateway, start="-30h", hours=0.05, people=60) == 0
    times = [reading["time"] for _, path, body, _ in gateway.taken[earlier:] if path == "/v1/sensor-logger" for reading in _readings(body)]
    assert min(times) >= (position - 400) * 1_000_000


def _readings(body: bytes) -> list[dict[str, int]]:
    readings: list[dict[str, int]] = msgspec.json.decode(body)["payload"]
    return readings


def test_sigterm_ends_it_while_the_gateway_answers_nothing_but_503(settings: Settings, gateway: Gateway) -> None:
    gateway.answers = itertools.chain([200], itertools.repeat(503))

    def stop_when_refused() -> None:
        _until(lambda: len(gateway.refused) >= 8)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_when_refused)
    thread.start()
    assert _run(settings, gateway) == 0
    thread.join()


def test_the_play_waits_for_what_is_not_due(gateway: Gateway) -> None:
    """At life's own pace nothing of the next hour is sent, and a stop is heard at once."""
    stopped = threading.Event()
    clock = Clock(START_MS, START_MS, 1.0)
    with Pusher(gateway.url) as pusher:
        events = (Push(due_ms, 0, b"{}") for due_ms in (START_MS, START_MS + 1, START_MS + 3_600_000))

        def stop_after_two() -> None:
            _until(lambda: len(gateway.taken) == 2)
            stopped.set()

        watcher = threading.Thread(target=stop_after_two)
        watcher.start()
        answers = Player(pusher, stopped, wall_ms=lambda: START_MS + 5).play(events, clock)
        watcher.join()
    assert answers.accepted == len(gateway.taken) == 2


def test_a_play_that_is_behind_keeps_its_position_and_holds_no_payment_back(gateway: Gateway, tmp_path: Path) -> None:
    """Every event is long due, and they never end: the payment must arrive and the position be kept in the middle of it."""
    stopped = threading.Event()
    position = tmp_path / "simulator.json"

    def late_events() -> Iterator[Event]:
        yield Payment(START_MS, b'{"id":"late"}')
        for number in itertools.count():
            yield Push(START_MS + number, 0, b"{}")

    def stop_when_both_are_there() -> None:
        _until(lambda: bool(gateway.bodies("/v1/transactions")) and position.exists())
        stopped.set()

    watcher = threading.Thread(target=stop_when_both_are_there)
    watcher.start()
    with Pusher(gateway.url) as pusher:
        Player(pusher, stopped, position).play(late_events(), Clock(START_MS, START_MS, 1.0))
    watcher.join()
    assert gateway.bodies("/v1/transactions") == [b'[{"id":"late"}]']


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)  # waits for a condition; the suite's own limit bounds it


def test_a_large_directory_is_loaded_in_parts(gateway: Gateway) -> None:
    plan = CityPlan(people=500)
    with Pusher(gateway.url) as pusher:
        count = load_directory(plan, pusher)
    parts = [msgspec.json.decode(body) for body in gateway.bodies("/v1/directory")]
    assert len(parts) > 1
    assert sum(len(part) for part in parts) == count


def test_files_hold_what_would_be_sent(settings: Settings, gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "city"
    assert _run(settings, gateway, output=folder) == 0
    assert not gateway.taken
    assert sorted((folder / "pushes.jsonl").read_bytes().splitlines()) == _pushes()
    assert sorted(msgspec.json.decode(line)["id"] for line in (folder / "transactions.jsonl").read_bytes().splitlines()) == _payments()
    assert len((folder / "truth.jsonl").read_bytes().splitlines()) == len(list(truth(PLAN, START_MS, HOURS)))
    assert len((folder / "directory.jsonl").read_bytes().splitlines()) == len(list(directory(PLAN)))
    assert "pushes.jsonl" in capsys.readouterr().out


def test_a_damaged_position_is_no_position(tmp_path: Path) -> None:
    (tmp_path / "simulator.json").write_bytes(b"{half")
    assert read_position(tmp_path / "simulator.json") is None
    assert read_position(tmp_path / "absent.json") is None


@pytest.mark.parametrize("text", ["yesterday", "-24", "24h", "2026-01-31T08:00:00", "-1w"])
def test_a_start_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--start"):
        start_ms(text, START_MS)


def test_a_start_in_the_future_is_refused() -> None:
    with pytest.raises(SettingsError, match="future"):
        start_ms(format_ms(START_MS + 1), START_MS)
