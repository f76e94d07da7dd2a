"""Free ports on loopback, and the ones a run used before."""

from __future__ import annotations

import json
import socket
from collections.abc import Collection
from pathlib import Path

from veilocity.errors import PortTakenError

__all__ = ["free_port", "is_free", "next_free", "recall", "remember"]


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen on this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are just closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # Another server with SO_REUSEADDR lets us bind, but never listen.
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """Return a port that the operating system gives away and that is not in `taken`."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def next_free(wanted: int, host: str, taken: Collection[int] = ()) -> int:
    """Return `wanted`, or the next port above it that is free.

    Raises:
        PortTakenError: a hundred ports in a row are taken, so something else is wrong (an address that is not this machine's).
    """
    for port in range(wanted, min(wanted + 100, 65536)):
        if port not in taken and is_free(port, host):
            return port
    raise PortTakenError(f"no port from {wanted} on can be opened on {host}: is that an address of this machine?")


def recall(file: Path) -> dict[str, int]:
    """Return the ports of the run before, by name; nothing when there is no such file or it is damaged."""
    try:
        ports = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): int(port) for name, port in ports.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        # Only a convenience: without it the operating system chooses.
        return {}


def remember(file: Path, ports: dict[str, int]) -> None:
    """Keep the ports of this run for the next."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(ports, indent=1, sort_keys=True), encoding="utf-8")
