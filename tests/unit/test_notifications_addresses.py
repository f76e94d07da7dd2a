"""Where a webhook may be sent: every way to write an address that must not be reached."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storage.notifications.addresses import networks_of, refusal
from storage.notifications.outcome import Outcome
from storage.notifications.receivers import WebhookReceiver
from storage.notifications.webhook import post
from veilocity.errors import SettingsError

PRIVATE = [
    "0.0.0.0",  # noqa: S104  # refused, not bound
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.1.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",
    "::ffff:10.1.2.3",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:a00:1::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
METADATA = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
]
PUBLIC = [
    "1.1.1.1",
    "93.184.215.14",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "198.20.0.1",
    "192.0.1.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450::1",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
    "2002:101:101::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert refusal(ip_address(address)) == "a private or reserved address"


@pytest.mark.parametrize("address", METADATA)
def test_metadata_services_are_refused_whatever_is_allowed(address: str) -> None:
    everything = networks_of(["0.0.0.0/0", "::/0"])
    assert refusal(ip_address(address), everything) == refusal(ip_address(address)) == "the address of a cloud's metadata service"


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_reached(address: str) -> None:
    assert refusal(ip_address(address)) == ""


def test_an_allowed_network_opens_itself_alone() -> None:
    allowed = networks_of(["10.20.0.0/16", "fd12::/16"])
    assert refusal(ip_address("10.20.255.255"), allowed) == refusal(ip_address("::ffff:10.20.1.1"), allowed) == ""
    assert refusal(ip_address("fd12::9"), allowed) == ""
    for other in ("10.21.0.1", "127.0.0.1", "::1", "fd13::1", "2002:a15:1::1"):
        assert refusal(ip_address(other), allowed), other


@pytest.mark.parametrize("text", ["10.0.0.1/8", "ten", "10.0.0.0/33", ""])
def test_a_network_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="allow_networks"):
        networks_of([text])


def receiver(url: str, *allowed: str, timeout_s: float = 5.0, ca_file: Path | None = None) -> WebhookReceiver:
    return WebhookReceiver(
        name="hook", url=urlsplit(url), keys=(bytes(32),), allowed=networks_of(allowed), ca_file=ca_file, timeout_s=timeout_s
    )


# Each of these is loopback for the system's resolver, and none of them says 127.0.0.1.
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "0", "localhost", "[::1]"])
def test_no_way_to_write_loopback_reaches_it(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.0)
        outcome = post(receiver(f"http://{host}:{server.getsockname()[1]}/"), "msg_1", b"{}", 0)
        assert (outcome.result, outcome.reason) == ("failed", "the address is refused: a private or reserved address")
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_name_that_points_inside_is_refused_even_if_it_points_outside_too() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.7"]

    outcome = post(receiver("https://hooks.example.com/"), "msg_1", b"{}", 0, resolve)
    assert outcome.reason == "the address is refused: a private or reserved address"


def test_a_name_is_asked_once_and_the_address_that_was_judged_is_the_one_in_use() -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(5.0)
        outcome = post(receiver(f"http://hooks.example.com:{port}/", "127.0.0.0/8", timeout_s=0.2), "msg_1", b"{}", 0, rebinding)
        connection, _ = server.accept()
        assert connection.recv(4096).startswith(f"POST / HTTP/1.1\r\nHost: hooks.example.com:{port}\r\n".encode())
        connection.close()
    assert (outcome, asked) == (Outcome("failed", "timeout"), ["hooks.example.com"])


def test_an_unknown_name_is_told() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror

    assert post(receiver("https://nowhere.invalid/"), "msg_1", b"{}", 0, unknown).reason == "the name of the receiver is not known"
