"""A real Mosquitto, with TLS where asked for; the bridge as a process; a phone that publishes."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from devstack import mosquitto
from devstack.ports import free_port
from tests.integration.ingest_world import environment, eventually
from veilocity import settings as kernel_settings
from veilocity.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PASSWORDS = {mosquitto.BRIDGE: "bridge-secret", mosquitto.PHONES: "phones-secret"}


def certificate(folder: Path) -> dict[str, Path]:
    """Write a key and a certificate for 127.0.0.1 that signs itself; return them by Mosquitto's options."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker of a test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256())
    files = {"certfile": folder / "broker.crt", "keyfile": folder / "broker.key"}
    files["certfile"].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files["keyfile"].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


class Broker:
    """A Mosquitto of one test; may be killed and come back on its port with what it kept."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        done = subprocess.run([str(ROOT / "devstack" / "bootstrap.sh"), "mosquitto"], capture_output=True, text=True, check=False)
        # The cache that the run uses, as the servers of the tests do.
        found = mosquitto.find(kernel_settings.load(cache_dir=kernel_settings.load().cache_dir))
        if found is None:
            pytest.skip(done.stderr.strip() or "no Mosquitto was found")
        self.program, self.port, self.folder = found, free_port(), folder
        self.tls = certificate(folder) if tls else None
        self.process: subprocess.Popen[bytes] | None = None
        passwords, access, data = folder / "passwords", folder / "access", folder / "data"
        passwords.write_text("".join(f"{mosquitto.password_line(*one)}\n" for one in PASSWORDS.items()), encoding="ascii")
        access.write_text(f"user {mosquitto.BRIDGE}\ntopic read #\nuser {mosquitto.PHONES}\ntopic write #\n", encoding="ascii")
        data.mkdir()
        text = mosquitto.configuration(self.port, passwords, access, data, self.tls)
        self.configuration = folder / "mosquitto.conf"
        self.configuration.write_text(text + ("user root\n" if os.geteuid() == 0 else ""), encoding="utf-8")
        for file in (passwords, access):
            file.chmod(0o600)

    def start(self) -> None:
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.program), "-c", str(self.configuration)],
                env={**os.environ, **mosquitto.library_path(self.program)},
                stdout=log,
                stderr=log,
            )
        eventually("Mosquitto listens", self._listens)

    def _listens(self) -> bool:
        from devstack.probes import port_answers

        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "mosquitto.log").read_text(encoding="utf-8")
        return port_answers(self.port)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(10)

    def settings(self, settings: Settings, **changes: Any) -> Settings:
        """Return the settings of a bridge to this broker."""
        known = {name: getattr(settings, name) for name in settings.model_fields_set}
        ours: dict[str, Any] = {
            "mqtt_host": "127.0.0.1",
            "mqtt_port": self.port,
            "mqtt_username": mosquitto.BRIDGE,
            "mqtt_password": PASSWORDS[mosquitto.BRIDGE],
            "mqtt_tls": self.tls is not None,
            "mqtt_ca_file": str(self.tls["certfile"]) if self.tls else "",
            "mqtt_metrics_port": free_port(),
        }
        return Settings(**(known | ours | changes))


@contextmanager
def broker(folder: Path, *, tls: bool = False) -> Iterator[Broker]:
    """Run a broker."""
    folder.mkdir(exist_ok=True)
    running = Broker(folder, tls=tls)
    running.start()
    try:
        yield running
    finally:
        running.stop(signal.SIGKILL)


@contextmanager
def phone(running: Broker, *, password: str = PASSWORDS[mosquitto.PHONES]) -> Iterator[paho.Client]:
    """Connect a phone that publishes."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.username_pw_set(mosquitto.PHONES, password)
    client.max_inflight_messages = 1000
    if running.tls:
        client.tls_set(ca_certs=str(running.tls["certfile"]))
    client.connect("127.0.0.1", running.port)
    client.loop_start()
    try:
        eventually("the phone is connected", client.is_connected)
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(client: paho.Client, topic: str, body: dict[str, Any] | bytes, *, qos: int = 1, retain: bool = False) -> paho.MQTTMessageInfo:
    """Publish one message."""
    return client.publish(topic, body if isinstance(body, bytes) else msgspec.json.encode(body), qos, retain)


class BridgeProcess:
    """`veilocity mqtt` as its user runs it."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings, self.log = settings, log
        shown = environment(settings) | {
            f"{kernel_settings.PREFIX}{name.upper()}": str(value.get_secret_value() if name in kernel_settings.SECRETS else value)
            for name in settings.model_fields_set
            if name.startswith("mqtt_") and (value := getattr(settings, name)) is not None
        }
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "veilocity.cli", "mqtt"], env=shown, stdout=stream, stderr=stream, start_new_session=True
            )

    def healthy(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.settings.mqtt_metrics_port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def metric(self, name: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.settings.mqtt_metrics_port}/metrics").text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"veilocity_{name}"))

    def wait_healthy(self) -> None:
        eventually("the bridge takes messages", lambda: self.process.poll() is not None or self.healthy())
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        return self.process.wait(15)


@contextmanager
def bridge(settings: Settings, log: Path) -> Iterator[BridgeProcess]:
    """Run the bridge until it takes messages."""
    running = BridgeProcess(settings, log)
    try:
        running.wait_healthy()
        yield running
    finally:
        running.end(signal.SIGKILL)
