"""A released class as an outsider reads it, whoever wrote it."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from privacy.audit.documents import StoredDocument
from privacy.audit.model import Fault
from veilocity.contracts import Release

__all__ = ["RELEASES", "Printed", "ReadRelease", "Window", "read_release", "release_faults"]

RELEASES = "releases"
_PLACE = re.compile(r"`\$\.?([a-z_.]*)")


class Printed(NamedTuple):
    """What a class prints of its payments."""

    cell: str
    hour: str
    amount_band: str
    category: str


class Window(NamedTuple):
    """The window that a class was released from."""

    start_ms: int
    end_ms: int


class ReadRelease(msgspec.Struct, frozen=True):
    """The fields that an outsider needs; of earlier versions some are missing."""

    class_id: str
    policy: str
    window_start_ms: int
    window_end_ms: int
    k: int
    people: int
    payments: int
    loss: float
    cell: str
    cell_resolution: int
    hour: str
    amount_band: str
    category: str
    flagged: int
    l: int | None = None  # noqa: E741  # the name of the parameter everywhere
    t: float | None = None
    sensitive: dict[str, int] | None = None
    members: list[str] | None = None

    @property
    def printed(self) -> Printed:
        """What the class prints."""
        return Printed(self.cell, self.hour, self.amount_band, self.category)

    @property
    def window(self) -> Window:
        """Where it comes from."""
        return Window(self.window_start_ms, self.window_end_ms)


_FIELDS = frozenset(Release.__struct_fields__) | frozenset(ReadRelease.__struct_fields__)


def read_release(document: StoredDocument) -> ReadRelease | None:
    """Return the released class of a document, None where it is none or cannot be read (`release_faults` says why)."""
    if document.collection != RELEASES:
        return None
    try:
        return msgspec.convert(document.fields.get("release"), ReadRelease)
    except msgspec.ValidationError:
        return None


def release_faults(document: StoredDocument) -> list[Fault]:
    """Return what is wrong with the shape of a release: what is missing, mistyped or more than the contract has."""
    release = document.fields.get("release")
    try:
        msgspec.convert(release, ReadRelease)
    except msgspec.ValidationError as cause:
        match = _PLACE.search(str(cause))
        inner = f"release.{match.group(1)}".removesuffix(".") if match else "release"
        return [document.fault(inner, "misses a field, or has one of another type")]
    unknown = sorted(set(release or ()) - _FIELDS)
    return [document.fault("release.?", "has a field that no release has: does it quote a payment?") for _ in unknown]
