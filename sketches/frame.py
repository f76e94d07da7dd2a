"""The bytes every sketch is saved as: what it is, which layout, a checksum, then the sketch's own MessagePack.

    offset  0  4 bytes   `VEIL`
            4  4 bytes   kind, ASCII
            8  2 bytes   layout version, big endian
           10  4 bytes   CRC-32 of the body, big endian
           14            body

Equal sketches give equal bytes on every machine and in every process, so saved sketches can be compared, merged and replayed.
"""

from __future__ import annotations

import struct
import zlib

from veilocity.errors import StateError

__all__ = ["pack", "unpack"]

_MAGIC = b"VEIL"
_HEADER = struct.Struct(">4s4sHI")


def pack(kind: bytes, version: int, body: bytes) -> bytes:
    """Return `body` with its header.

    >>> unpack(pack(b"DEMO", 1, b"abc"), b"DEMO", 1)
    b'abc'
    """
    return _HEADER.pack(_MAGIC, kind, version, zlib.crc32(body)) + body


def unpack(data: bytes, kind: bytes, version: int) -> bytes:
    """Return the body of `data`.

    Raises:
        StateError: not a sketch, another kind of sketch, a newer layout, or damaged.
    """
    if len(data) < _HEADER.size:
        raise StateError("a saved sketch is cut short: restore it from its last snapshot")
    magic, found_kind, found_version, checksum = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    if magic != _MAGIC or found_kind != kind:
        raise StateError(f"these bytes are not a sketch of kind {kind.decode()}: check which file was read")
    if found_version > version:
        raise StateError(f"sketch layout {found_version} is newer than {version}: upgrade this program")
    if zlib.crc32(body) != checksum:
        raise StateError("a saved sketch is damaged: restore it from its last snapshot")
    return body
