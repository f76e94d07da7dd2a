"""What a reading of the sensor history is: one place of one device at one time, whole."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["COLUMNS", "Reading", "Written", "reading_of"]


class Reading(NamedTuple):
    """One row. Its identity is (device, event_ns, lat, lon), as that of a fix."""

    subject: str
    """Pseudonym, 32 hexadecimal digits."""
    device: str
    """Pseudonym, 32 hexadecimal digits."""
    event_ns: int
    """When the device was there, nanoseconds since 1970 UTC."""
    lat: float
    lon: float
    altitude_m: float | None
    speed_mps: float | None
    bearing_deg: float | None
    accuracy_m: float | None
    source: str


COLUMNS = Reading._fields


class Written(NamedTuple):
    """What became of a batch: readings = written + repeated + expired + erased."""

    written: int = 0
    repeated: int = 0
    """Were there already."""
    expired: int = 0
    """Older than the history is kept."""
    erased: int = 0
    """Of somebody who was erased, from before that."""


def reading_of(row: tuple[Any, ...]) -> Reading:
    """Return a row of `COLUMNS`, in their order, as a reading.

    >>> from uuid import UUID
    >>> reading_of((UUID(int=1), UUID(int=2), 3, 1.5, 2.5, None, None, None, 4.0, "owntracks")).device[-2:]
    '02'
    """
    subject, device, *rest = row
    return Reading(subject.hex, device.hex, *rest)
