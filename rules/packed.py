"""The history of one phone: fixes in event-time order, packed into one bytearray.

An hour of a phone's fixes as objects costs ten times its bytes, and building the objects costs more time than judging them. A record is 24
bytes; a `Sight` is made of it only where a rule looks. Appending and forgetting at the front take constant time.

Promise: after any set of fixes, each within the horizon when it arrives, the history is the same whatever the order of arrival. That is why
the slots are aligned to 1970, and why the winner of a slot is a minimum over the fixes themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from rules.sight import DOUBTFUL, FIX, Sight

__all__ = ["RECORD_BYTES", "History"]

_RECORD = Struct("<qiiIHH")
_TIME = Struct("<q")
_pack, _unpack, _time = _RECORD.pack, _RECORD.unpack_from, _TIME.unpack_from
RECORD_BYTES = _RECORD.size
_NEVER_NS = -(2**62)


class History:
    """Fixes of one phone in event-time order, at most one per slot.

    >>> history = History()
    >>> history.put(Sight(30, 1, 2, 3), 10), history.put(Sight(10, 1, 2, 3), 10), history.put(Sight(31, 1, 2, 9), 10)
    (('fixes_kept', 0), ('fixes_kept', 0), ('fixes_thinned', None))
    >>> [sight.event_ns for sight in history.sights("phone")]
    [10, 30]
    """

    __slots__ = ("data", "newest_lat_e7", "newest_lon_e7", "newest_ns")

    def __init__(self, data: bytes = b"") -> None:
        """Go on from packed records."""
        self.data = bytearray(data)
        self.newest_ns = _NEVER_NS
        self.newest_lat_e7 = self.newest_lon_e7 = 0
        self._refresh()

    def __len__(self) -> int:
        return len(self.data) // RECORD_BYTES

    def append(self, event_ns: int, lat_e7: int, lon_e7: int, accuracy_dm: int, speed_dms: int) -> None:
        """Add a trusted fix that is newer than all and in a slot of its own."""
        self.data += _pack(event_ns, lat_e7, lon_e7, accuracy_dm, speed_dms, 0)
        self.newest_ns = event_ns
        self.newest_lat_e7 = lat_e7
        self.newest_lon_e7 = lon_e7

    def put(self, sight: Sight, slot_ns: int) -> tuple[str, int | None]:
        """Let a fix compete for its slot; return the counter of `RulesProgress` it belongs to, and its index if it was taken.

        The best is kept: trusted before doubtful, then the more accurate, the earlier, and whatever makes it unique. A fix that takes a
        slot from another counts as thinned, for the one it replaces.
        """
        packed = _pack(*sight[:6])
        index = self.find(sight.event_ns // slot_ns * slot_ns)
        at = index * RECORD_BYTES
        if at < len(self.data) and self.time_at(index) // slot_ns == sight.event_ns // slot_ns:
            known = bytes(self.data[at : at + RECORD_BYTES])
            if known == packed:
                return "fixes_duplicate", None
            if _rank(_unpack(packed, 0)) < _rank(_unpack(known, 0)):
                self.data[at : at + RECORD_BYTES] = packed
                self._refresh()
                return "fixes_thinned", index
            return "fixes_thinned", None
        self.data[at:at] = packed
        self._refresh()
        return "fixes_kept", index

    def time_at(self, index: int) -> int:
        """Return the time of one record."""
        return _time(self.data, index * RECORD_BYTES)[0]  # type: ignore[no-any-return]  # struct does not know its types

    def find(self, event_ns: int) -> int:
        """Return the index of the first record at or after a time."""
        data = self.data
        low, high = 0, len(data) // RECORD_BYTES
        if high and self.newest_ns < event_ns:
            return high
        while low < high:
            middle = (low + high) // 2
            if _time(data, middle * RECORD_BYTES)[0] < event_ns:
                low = middle + 1
            else:
                high = middle
        return low

    def sight_at(self, index: int, device: str) -> Sight:
        """Return one record as an observation."""
        return Sight._make((*_unpack(self.data, index * RECORD_BYTES), FIX, device))

    def sights(self, device: str, start: int = 0) -> Iterator[Sight]:
        """Yield the records from an index on."""
        for record in _RECORD.iter_unpack(memoryview(self.data)[start * RECORD_BYTES :]):
            yield Sight._make((*record, FIX, device))

    def records(self) -> Iterator[tuple[int, ...]]:
        """Yield the records as they are: time, latitude, longitude, radius, speed and flags."""
        return _RECORD.iter_unpack(self.data)

    def drop(self, count: int) -> None:
        """Forget the first records."""
        del self.data[: count * RECORD_BYTES]

    def _refresh(self) -> None:
        """Look up what the shortcut compares with: the newest time, and the newest trusted place."""
        index = len(self) - 1
        if index < 0:
            return
        self.newest_ns = self.time_at(index)
        while index > 0 and _unpack(self.data, index * RECORD_BYTES)[5] & DOUBTFUL:
            index -= 1
        _, self.newest_lat_e7, self.newest_lon_e7, *_ = _unpack(self.data, index * RECORD_BYTES)


def _rank(record: tuple[int, ...]) -> tuple[int, ...]:
    event_ns, lat_e7, lon_e7, accuracy_dm, speed_dms, flags = record
    return flags & DOUBTFUL != 0, accuracy_dm, event_ns, lat_e7, lon_e7, speed_dms, flags
