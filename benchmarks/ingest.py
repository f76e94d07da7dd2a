"""How much the gateway and the MQTT bridge take on one core, acknowledged by all replicas, beside a bare producer on the same core.

Each of the three is held to one core; Kafka, Mosquitto and the senders have the other. HTTP: batches of 60 readings as Sensor Logger
sends them and of 200 as Overland does, over eight connections that wait for each answer. MQTT: messages of OwnTracks that the broker kept
while the bridge was away, so that the bridge alone sets the rate. The peer writes the very records that the gateway wrote, and does
nothing else. Run it with `python -m benchmarks.ingest`.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.figures import Figure, write
from devstack import Stack, mosquitto
from devstack.environment import variables
from devstack.ports import free_port
from veilocity import settings as kernel_settings
from veilocity.kafka import consumer_config, end_offsets, ensure_topics, producer_config, topic_name, wait_for_topics
from veilocity.settings import Settings
from veilocity.topics import FIXES

FIXES_OVER_HTTP = 360_000
MESSAGES_OVER_MQTT = 150_000
ROUNDS = 3
CONNECTIONS = 8
PHONES = 1_000
_PUSH, _BATCH = 60, 200
_ROOT = Path(__file__).resolve().parents[1]
_TOPIC_LENGTH_BYTES = 2


class Rate(NamedTuple):
    """Items a second of the clock, and of the processor time that the measured process took, which hardly sees what else goes on."""

    by_clock: float
    by_processor: float


def _median(what: str, rates: Sequence[Rate]) -> Rate:
    shown = ", ".join(f"{rate.by_clock:,.0f} ({rate.by_processor:,.0f} by processor time)" for rate in rates)
    print(f"{what}, rounds: {shown}", flush=True)
    return Rate(statistics.median(rate.by_clock for rate in rates), statistics.median(rate.by_processor for rate in rates))


class _Watch:
    """The clock and the processor time of a process and its children."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = psutil.Process(process.pid)
        self._clock_s, self._processor_s = time.monotonic(), self._spent_s()

    def _spent_s(self) -> float:
        times = [one.cpu_times() for one in (self._process, *self._process.children(recursive=True))]
        return sum(one.user + one.system for one in times)

    def rate(self, items: int) -> Rate:
        return Rate(items / (time.monotonic() - self._clock_s), items / (self._spent_s() - self._processor_s))


def _cores() -> tuple[set[int], set[int]]:
    """Return the core of what is measured and the cores of everything else."""
    cores = sorted(os.sched_getaffinity(0))
    return ({cores[-1]}, set(cores[:-1])) if len(cores) > 1 else (set(cores), set(cores))


@contextmanager
def _service(name: str, settings: Settings, url: str, cores: set[int]) -> Iterator[subprocess.Popen[bytes]]:
    """Run one service on its core until it answers `url`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(kernel_settings.PREFIX)} | variables(settings)
    argv = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), sys.executable, "-m", "veilocity.cli", name]
    process = subprocess.Popen(argv, cwd=_ROOT, env=environment, stderr=subprocess.DEVNULL)  # util-linux by PATH
    try:
        _until(lambda: _answers(url), f"{name} is ready")
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _until(holds: Callable[[], bool], what: str, timeout_s: float = 120.0, pause_s: float = 0.02) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"not in time: {what}")
        time.sleep(pause_s)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _topics(base: Settings, name: str) -> Settings:
    settings = base.model_copy(update={"kafka_topic_prefix": f"{name}."})
    ensure_topics(settings)
    wait_for_topics(settings)
    return settings


def _pushes(count: int) -> list[tuple[str, bytes, int]]:
    """Return path, body and number of readings of requests that hold `count` readings, alternately of both apps."""
    made: list[tuple[str, bytes, int]] = []
    start_s, held, turn = int(time.time()) - 90_000, 0, 0
    while held < count:
        phone, begin_s = turn % PHONES, start_s + turn // PHONES * 300
        if turn % 2:
            made.append(("/v1/sensor-logger", _sensor_logger(phone, turn, begin_s), _PUSH))
        else:
            made.append(("/v1/overland", _overland(phone, begin_s), _BATCH))
        held, turn = held + made[-1][2], turn + 1
    return made


def _place(phone: int, step: int) -> tuple[float, float]:
    return 52.516312 + phone * 1.7e-3 % 1.0 + step * 1.3e-5, 13.377712 + phone * 1.1e-3 % 1.0


def _sensor_logger(phone: int, number: int, begin_s: int) -> bytes:
    readings = []
    for step in range(_PUSH):
        lat, lon = _place(phone, step)
        values = {"latitude": lat, "longitude": lon, "altitude": 34.2, "horizontalAccuracy": 4.7, "speed": 1.3, "bearing": 12.5}
        readings.append({"name": "location", "time": (begin_s + step) * 10**9, "values": values})
    return msgspec.json.encode({"messageId": number, "sessionId": "bench", "deviceId": f"phone-{phone}", "payload": readings})


def _overland(phone: int, begin_s: int) -> bytes:
    features = []
    for step in range(_BATCH):
        lat, lon = _place(phone, step)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin_s + step))
        properties = {
            "timestamp": stamp,
            "altitude": 34,
            "speed": 1,
            "horizontal_accuracy": 5,
            "motion": ["walking"],
            "device_id": f"phone-{phone}",
        }
        features.append({"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, "properties": properties})
    return msgspec.json.encode({"locations": features})


def _over_http(settings: Settings, cores: set[int]) -> Rate:
    """Return fixes a second that one gateway answers with 200."""
    requests = _pushes(FIXES_OVER_HTTP)
    url = f"http://127.0.0.1:{settings.ingest_port}"
    with _service("ingest", settings, f"{url}/readyz", cores) as gateway:
        rates = []
        share = len(requests) // ROUNDS
        for turn in range(ROUNDS):
            batch = requests[turn * share : (turn + 1) * share]
            watch = _Watch(gateway)
            with _senders(settings.ingest_port, batch) as failures:
                pass
            rates.append(watch.rate(sum(held for _, _, held in batch)))
            if failures:
                raise SystemExit(f"the gateway answered {failures[0]!r}")
    return _median("HTTP, fixes/s", rates)


@contextmanager
def _senders(port: int, requests: Sequence[tuple[str, bytes, int]]) -> Iterator[list[bytes]]:
    """Send requests over several connections, each waiting for its answer; yield when all are answered, with answers other than 200."""
    failures: list[bytes] = []

    def send(mine: Sequence[tuple[str, bytes, int]]) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            for path, body, _ in mine:
                head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
                answer = _answer(connection)
                if not answer.startswith(b"HTTP/1.1 200"):
                    failures.append(answer)

    threads = [threading.Thread(target=send, args=(requests[number::CONNECTIONS],)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield failures


def _answer(connection: socket.socket) -> bytes:
    """Return one answer whole: head and body come in pieces."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65_536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def _string(text: str) -> bytes:
    return len(text).to_bytes(_TOPIC_LENGTH_BYTES, "big") + text.encode()


def _packet(kind: int, content: bytes) -> bytes:
    size, length = len(content), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (128 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + content


def _publish(settings: Settings, password: str, count: int) -> None:
    """Publish messages of OwnTracks at QoS 1 and return when the broker has all of them: bare MQTT 3.1.1, for its speed."""
    with socket.create_connection((settings.mqtt_host, settings.mqtt_port)) as connection:
        login = _string("MQTT") + bytes([4, 0b1100_0010, 0, 60]) + _string("bench") + _string(mosquitto.PHONES) + _string(password)
        connection.sendall(_packet(0x10, login))
        if connection.recv(4)[3:4] != b"\x00":
            raise SystemExit("the broker refuses the phones' user")
        acknowledged = threading.Event()

        def drain() -> None:
            left = 4 * count
            while left > 0:
                left -= len(connection.recv(65_536))
            acknowledged.set()

        threading.Thread(target=drain, daemon=True).start()
        start_s = int(time.time()) - 90_000
        for first in range(0, count, 500):
            packets = []
            for number in range(first, min(first + 500, count)):
                lat, lon = _place(number % PHONES, number // PHONES)
                place = {
                    "_type": "location",
                    "lat": lat,
                    "lon": lon,
                    "tst": start_s + number // PHONES * 10,
                    "acc": 12,
                    "alt": 55,
                    "vel": 4,
                    "t": "u",
                }
                head = _string(f"owntracks/user/phone-{number % PHONES}") + (number % 65_535 + 1).to_bytes(2, "big")
                packets.append(_packet(0x32, head + msgspec.json.encode(place)))
            connection.sendall(b"".join(packets))
        if not acknowledged.wait(120):
            raise SystemExit("the broker did not take the messages")


def _over_mqtt(settings: Settings, cores: set[int]) -> Rate:
    """Return messages a second that one bridge writes and acknowledges."""
    password = (settings.state_dir / "keys" / f"mqtt-{mosquitto.PHONES}.password").read_text(encoding="ascii")
    url = f"http://127.0.0.1:{settings.mqtt_metrics_port}"
    with _service("mqtt", settings, f"{url}/healthz", cores):
        pass  # The session begins: from now on the broker keeps what is published.
    rates = []
    for _ in range(ROUNDS):
        before = sum(end_offsets(settings, FIXES).values())
        count = MESSAGES_OVER_MQTT // ROUNDS
        _publish(settings, password, count)
        with _service("mqtt", settings, f"{url}/healthz", cores) as bridge:
            watch, first = _Watch(bridge), sum(end_offsets(settings, FIXES).values()) - before
            # Asked seldom: each question costs Kafka and Mosquitto some of the one core that they share.
            _until(lambda: sum(end_offsets(settings, FIXES).values()) - before >= count, "all messages are in Kafka", pause_s=0.1)  # noqa: B023  # this round's
            rates.append(watch.rate(count - first))
    return _median("MQTT, messages/s", rates)


def _records(settings: Settings, count: int) -> list[tuple[bytes, bytes]]:
    """Return keys and values of fixes that the gateway wrote."""
    consumer = Consumer(consumer_config(settings, "bench-peer"))
    consumer.assign([TopicPartition(topic_name(settings, FIXES), number, 0) for number in range(settings.kafka_partitions)])
    found: list[tuple[bytes, bytes]] = []
    while len(found) < count:
        for message in consumer.consume(10_000, 5.0):
            if message.error() is None:
                found.append((message.key() or b"", message.value() or b""))
    consumer.close()
    return found[:count]


_PEER = """
import sys, time, msgspec
from confluent_kafka import Producer
config, topic, file = msgspec.json.decode(sys.argv[1]), sys.argv[2], sys.argv[3]
records = msgspec.msgpack.decode(open(file, "rb").read())
producer = Producer(config)
producer.list_topics(topic)
begun, spent = time.monotonic(), time.process_time()
for key, value in records:
    while True:
        try:
            producer.produce(topic, value, key)
            break
        except BufferError:
            producer.poll(0.01)
producer.flush(60)
print(len(records) / (time.monotonic() - begun), len(records) / (time.process_time() - spent))
"""


def _bare_producer(settings: Settings, folder: Path, cores: set[int]) -> Rate:
    """Return records a second that a producer with the same settings gets acknowledged when it does nothing else."""
    file = folder / "records"
    file.write_bytes(msgspec.msgpack.encode(_records(settings, FIXES_OVER_HTTP // ROUNDS)))
    config = msgspec.json.encode(producer_config(settings)).decode()
    argv = [
        "taskset",
        "--cpu-list",
        ",".join(map(str, sorted(cores))),
        sys.executable,
        "-c",
        _PEER,
        config,
        topic_name(settings, FIXES),
        str(file),
    ]
    rates = []
    for _ in range(ROUNDS):
        by_clock, by_processor = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        rates.append(Rate(float(by_clock), float(by_processor)))
    return _median("bare producer, records/s", rates)


def main() -> None:
    """Measure all three in turn and write the figures."""
    measured, others = _cores()
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, others)
    with tempfile.TemporaryDirectory(prefix="veilocity-bench-") as folder:
        base = kernel_settings.load({}, state_dir=Path(folder), ingest_port=free_port(), mqtt_metrics_port=free_port())
        with Stack(base, servers=("kafka", "mosquitto"), services=()) as stack:
            over_http = _topics(stack.settings, "http")
            http = _over_http(over_http, measured)
            bare = _bare_producer(over_http, Path(folder), measured)
            mqtt = _over_mqtt(_topics(stack.settings, "mqtt"), measured)
    os.sched_setaffinity(0, every)
    peer = f"bare confluent-kafka producer, the same records on the same core: {bare.by_clock:,.0f} records/s"
    by_processor = f"the same by processor time: {bare.by_processor:,.0f} records/s"
    ratio = round(http.by_processor / bare.by_processor, 3)
    figures = [
        Figure("ingest.http_fixes_per_s", round(http.by_clock), "fixes/s", ">= 20000", peer, round(http.by_clock / bare.by_clock, 3)),
        Figure("ingest.http_fixes_per_processor_s", round(http.by_processor), "fixes/s", ">= 20000", by_processor, ratio),
        Figure("ingest.mqtt_messages_per_s", round(mqtt.by_clock), "messages/s", ">= 10000", peer, round(mqtt.by_clock / bare.by_clock, 3)),
        Figure(
            "ingest.mqtt_messages_per_processor_s",
            round(mqtt.by_processor),
            "messages/s",
            ">= 10000",
            by_processor,
            round(mqtt.by_processor / bare.by_processor, 3),
        ),
        Figure("ingest.ratio_to_bare_producer", ratio, "times", "none: what HTTP, reading and checking cost", by_processor, ratio),
    ]
    write("ingest", figures, ("confluent-kafka", "msgspec", "flask", "gunicorn", "paho-mqtt"))


if __name__ == "__main__":
    main()
