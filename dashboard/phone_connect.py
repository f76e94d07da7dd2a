"""How a phone finds the gateway: the addresses of this machine, what to type, and the same as a code that Sensor Logger reads.

The app takes over its whole configuration from a link

    sensorlogger://config/ + base64(zstd(JSON))

which a phone's camera opens from a QR code. The JSON turns the location sensor and HTTP Push on and holds address and token. The frame is
written here with one raw block (RFC 8878, 3.1.1): valid for every reader of zstd, and no compressor is needed for 200 bytes.

The format was read from public tools for the app (github.com/mhaberler/sensorlogger-utils); it is not documented by the app's author and
was not tried on a phone here. What it holds can be typed, too.
"""

from __future__ import annotations

import base64
import io
import ipaddress
import socket

import msgspec
import psutil
import segno

from veilocity.settings import Settings

__all__ = ["Address", "Connection", "addresses", "configuration_link", "connection", "qr_svg", "zstd_frame"]

_PATH = "/v1/sensor-logger"
_MAGIC = b"\x28\xb5\x2f\xfd"
_SINGLE_SEGMENT = 0x20
_TWO_BYTE_SIZE = 0x40
_SMALLEST_TWO_BYTES = 256
_BATCH_MS = 1_000
_VIRTUAL = ("docker", "br-", "veth", "virbr", "cni", "flannel", "tun", "utun", "vmnet")


class Address(msgspec.Struct, frozen=True):
    """One way to the gateway."""

    url: str
    """What the app calls Push URL."""
    about: str
    """Which network it lies in."""


class Connection(msgspec.Struct, frozen=True):
    """What the panel shows."""

    addresses: tuple[Address, ...]
    """The likeliest first; none where this machine is in no network."""
    reachable: bool
    """Whether the gateway listens for others than this machine."""
    needs_token: bool
    host_setting: str
    """Where it listens now."""


def connection(settings: Settings) -> Connection:
    """Return how a phone reaches the gateway."""
    public = bool(settings.ingest_public_url)
    return Connection(
        addresses=addresses(settings),
        reachable=public or not _is_loopback(settings.ingest_host),
        needs_token=bool(settings.ingest_token.get_secret_value()),
        host_setting=settings.ingest_host,
    )


def addresses(settings: Settings) -> tuple[Address, ...]:
    """Return the push addresses: the public one where it is set, else one for each network of this machine.

    >>> addresses(Settings(ingest_public_url="https://phones.example/"))
    (Address(url='https://phones.example/v1/sensor-logger', about='the public address'),)
    """
    if settings.ingest_public_url:
        return (Address(settings.ingest_public_url.rstrip("/") + _PATH, "the public address"),)
    if settings.ingest_host not in ("0.0.0.0", "::") and not _is_loopback(settings.ingest_host):  # noqa: S104  # compared, not bound
        return (Address(_url(settings.ingest_host, settings.ingest_port), "the address that the gateway listens on"),)
    found = [
        (name.startswith(_VIRTUAL), not ipaddress.ip_address(entry.address).is_private, name, entry.address)
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family is socket.AF_INET and not _is_left_out(entry.address)
    ]
    return tuple(Address(_url(address, settings.ingest_port), f"network {name}") for _, _, name, address in sorted(found))


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{_PATH}"


def _is_left_out(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_link_local


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def configuration_link(url: str, token: str = "") -> str:
    """Return the link from which Sensor Logger takes its settings: location on, push every second to `url`.

    Args:
        url: as `addresses` tells it.
        token: of the gateway; it stands in the link in the clear.

    >>> configuration_link("http://10.0.0.2:8088/v1/sensor-logger").startswith("sensorlogger://config/KLUv/")
    True
    """
    push: dict[str, object] = {"enabled": True, "url": url, "batchPeriod": _BATCH_MS}
    if token:
        push["authToken"] = token
    wanted = {"sensorState": {"Location": {"enabled": True, "speed": _BATCH_MS}}, "http": push}
    return f"sensorlogger://config/{base64.b64encode(zstd_frame(msgspec.json.encode(wanted))).decode()}"


def zstd_frame(content: bytes) -> bytes:
    """Return content as a zstd frame of one raw block.

    Args:
        content: at most 65,791 bytes, so that its size fits the header written here.

    Raises:
        ValueError: longer.
    """
    size = len(content)
    if size > 0xFFFF + _SMALLEST_TWO_BYTES:
        raise ValueError("a raw block of this size needs a longer header")
    if size < _SMALLEST_TWO_BYTES:
        header = bytes([_SINGLE_SEGMENT, size])
    else:
        header = bytes([_SINGLE_SEGMENT | _TWO_BYTE_SIZE]) + (size - _SMALLEST_TWO_BYTES).to_bytes(2, "little")
    last_raw_block = (size << 3 | 1).to_bytes(3, "little")
    return _MAGIC + header + last_raw_block + content


def qr_svg(text: str) -> str:
    """Return a QR code as SVG, dark on light as readers want it in any theme, without a style of its own.

    >>> qr_svg("http://10.0.0.2")[:5], "style" in qr_svg("http://10.0.0.2")
    ('<svg ', False)
    """
    out = io.BytesIO()
    code = segno.make(text, error="l", micro=False)
    code.save(out, kind="svg", xmldecl=False, border=3, dark="#000000", light="#ffffff", omitsize=True)
    return out.getvalue().decode()
