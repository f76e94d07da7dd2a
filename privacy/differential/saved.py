"""Bytes of what must be remembered: kind, layout, checksum, MessagePack; equal content gives equal bytes.

Lost or damaged memory must never be replaced by a fresh start: noise would be drawn again for what was published already, and the average
of the draws is the exact figure. So every failure here stops the service.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from sketches.frame import pack, unpack
from veilocity.errors import SettingsError, StateError

__all__ = ["from_saved", "to_saved"]

_LAYOUT = 1
Saved = TypeVar("Saved", bound=msgspec.Struct)


def to_saved(kind: bytes, content: msgspec.Struct) -> bytes:
    """Return the content behind a header with a checksum.

    Args:
        kind: four ASCII letters.
        content: any struct.
    """
    return pack(kind, _LAYOUT, msgspec.msgpack.encode(content))


def from_saved(kind: bytes, data: bytes, form: type[Saved]) -> Saved:
    """Return what `to_saved` wrote.

    Raises:
        StateError: damaged, cut, of another kind or of a newer layout.
    """
    try:
        return msgspec.msgpack.decode(unpack(data, kind, _LAYOUT), type=form)
    except (StateError, SettingsError, msgspec.MsgspecError) as cause:
        message = (
            "saved privacy state does not decode: restore the file that was written last, never start it anew (noise would be redrawn)"
        )
        raise StateError(message) from cause
