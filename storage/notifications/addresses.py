"""Which addresses a webhook may be sent to: public ones, and those that the operator allows by network.

A webhook's address is text from outside. Without this, `http://169.254.169.254/` would make the notifier ask the cloud's metadata service
for credentials, and a name whose owner lets it point at 127.0.0.1 would make it speak to our own servers (server-side request forgery).

Promise: `refusal` looks at the address that is connected to, never at a name or at how an address was written, and at the IPv4 address
inside an IPv6 one (mapped, compatible, 6to4, Teredo, NAT64). Metadata services of clouds are refused whatever is allowed.

Source: the IANA special-purpose address registries (RFC 6890, RFC 8190), spelt out because Python's `is_global` differs between versions;
OWASP Server-Side Request Forgery Prevention Cheat Sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from veilocity.errors import SettingsError

__all__ = ["Address", "Network", "networks_of", "refusal"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        # IPv4: this network, private, shared (carriers and clouds), loopback, link-local, private, protocol assignments, documentation,
        # 6to4 relays, private, benchmarking, documentation, multicast, reserved with broadcast.
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 "
        "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
        # IPv6: all but 2000::/3, from which public addresses are given; of those protocol assignments with Teredo, documentation.
        "::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 3fff::/20"
    ).split()
)
_METADATA: frozenset[Address] = frozenset(
    # Most clouds; Oracle; Alibaba; Azure's, which is a public address; AWS over IPv6.
    ip_address(text)
    for text in ("169.254.169.254", "192.0.0.192", "100.100.100.200", "168.63.129.16", "fd00:ec2::254")
)
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_FIRST_COMPATIBLE = 2
"""`::` and `::1` are addresses of their own."""


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks that `allow_networks` writes, such as `10.20.0.0/16` or `127.0.0.1/32`.

    Raises:
        SettingsError: one of them is no network.
    """
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as cause:
        raise SettingsError("allow_networks: write networks such as 10.20.0.0/16, with the bits after the prefix zero") from cause


def refusal(address: Address, allowed: Sequence[Network] = ()) -> str:
    """Return why an address is not connected to, or nothing where it may be.

    Args:
        address: what would be connected to.
        allowed: networks that may be connected to although they are not public.

    >>> refusal(ip_address("93.184.215.14")), refusal(ip_address("::ffff:10.0.0.1"))
    ('', 'a private or reserved address')
    >>> refusal(ip_address("10.0.0.1"), networks_of(["10.0.0.0/24"])), refusal(ip_address("169.254.169.254"), networks_of(["0.0.0.0/0"]))
    ('', "the address of a cloud's metadata service")
    """
    wrapped, tunnelled = _inside(address)
    if any(one in _METADATA for one in (address, *wrapped, *tunnelled)):
        return "the address of a cloud's metadata service"
    # Where IPv6 only writes an IPv4 address in another way, that one is meant; a tunnel has two ends.
    judged = wrapped or (address, *tunnelled)
    if any(_is_in(one, _SPECIAL) and not _is_in(one, allowed) for one in judged):
        return "a private or reserved address"
    return ""


def _inside(address: Address) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """Return the IPv4 address that an IPv6 address stands for, and those that it tunnels to."""
    if isinstance(address, IPv4Address):
        return (), ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,), ()
    if address in _NAT64 or (address in _COMPATIBLE and int(address) >= _FIRST_COMPATIBLE):
        return (IPv4Address(int(address) & 0xFFFFFFFF),), ()
    if address.sixtofour is not None:
        return (), (address.sixtofour,)
    return (), address.teredo or ()


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
