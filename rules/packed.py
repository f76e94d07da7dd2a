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
_TIME, _PLACE = Struct("<q"), Struct("<8xiiI")
_pack, _unpack, _time, _place = _RECORD.pack, _RECORD.unpack_from, _TIME.unpack_from, _PLACE.unpack_from
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

    __slots__ = ("data", "newest_ns")

    def __init__(self, data: bytes = b"") -> None:
        """Go on from packed records."""
        self.data = bytearray(data)
        self.newest_ns = _NEVER_NS
        self._refresh()

    def __len__(self) -> int:
        return len(self.data) // RECORD_BYTES

    def append(self, event_ns: int, lat_e7: int, lon_e7: int, accuracy_dm: int, speed_dms: int) -> None:
        """Add a trusted fix that is newer than all and in a slot of its own."""
        self.data += _pack(event_ns, lat_e7, lon_e7, accuracy_dm, speed_dms, 0)
        self.newest_ns = event_ns

    def put(self, sight: Sight, slot_ns: int) -> tuple[str, int | None]:
        """Let a fix compete for its slot; return the counter of `RulesProgress` it belongs to, and its index if it was taken.

        The best is kept: trusted before doubtful, then the more accurate, the earlier, and whatever makes it unique. A fix that takes a
        slot from another counts as thinned, for the one it replaces.
        """
        record = sight[:6]
        start_ns = sight.event_ns - sight.event_ns % slot_ns
        index = self.find(start_ns)
        at = index * RECORD_BYTES
        if at < len(self.data) and _time(self.data, at)[0] < start_ns + slot_ns:
            known = _unpack(self.data, at)
            if known == record:
                return "fixes_duplicate", None
            if _rank(record) < _rank(known):
                _RECORD.pack_into(self.data, at, *record)
                self._refresh()
                return "fixes_thinned", index
            return "fixes_thinned", None
        self.data[at:at] = _pack(*record)
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

    def apart_e7(self, index: int, lat_e7: int, lon_e7: int) -> int:
        """Return the sum of the differences in latitude and longitude between a record (-1: the newest) and a place."""
        own_lat_e7, own_lon_e7, _ = _place(self.data, index * RECORD_BYTES)
        return abs(own_lat_e7 - lat_e7) + abs(own_lon_e7 - lon_e7)  # type: ignore[no-any-return]  # struct does not know its types

    def accuracy_dm_at(self, index: int) -> int:
        """Return the radius of one record."""
        return _place(self.data, index * RECORD_BYTES)[2]  # type: ignore[no-any-return]  # struct does not know its types

    def sight_at(self, index: int, device: str) -> Sight:
        """Return one record as an observation."""
        event_ns, lat_e7, lon_e7, accuracy_dm, speed_dms, flags = _unpack(self.data, index * RECORD_BYTES)
        return Sight(event_ns, lat_e7, lon_e7, accuracy_dm, speed_dms, flags, FIX, device)

    def sights(self, device: str, start: int = 0) -> Iterator[Sight]:
        """Yield the records from an index on."""
        records = _RECORD.iter_unpack(memoryview(self.data)[start * RECORD_BYTES :])
        for event_ns, lat_e7, lon_e7, accuracy_dm, speed_dms, flags in records:
            yield Sight(event_ns, lat_e7, lon_e7, accuracy_dm, speed_dms, flags, FIX, device)

    def records(self) -> Iterator[tuple[int, ...]]:
        """Yield the records as they are: time, latitude, longitude, radius, speed and flags."""
        return _RECORD.iter_unpack(self.data)

    def drop(self, count: int) -> None:
        """Forget the first records."""
        del self.data[: count * RECORD_BYTES]

    def _refresh(self) -> None:
        """Look up the newest time, which everything asks for."""
        if self.data:
            self.newest_ns = self.time_at(len(self) - 1)


def _rank(record: tuple[int, ...]) -> tuple[int, ...]:
    event_ns, lat_e7, lon_e7, accuracy_dm, speed_dms, flags = record
    return flags & DOUBTFUL != 0, accuracy_dm, event_ns, lat_e7, lon_e7, speed_dms, flags
