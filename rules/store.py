"""Where the states of one partition's subjects are kept: all of them written, the busy ones also as objects.

The written parts are what the changelog holds, so a state that was not used for a while costs its bytes and nothing more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from rules.parameters import EngineParameters
from rules.parts import Parts, changed_parts, join
from rules.state import SubjectState

__all__ = ["PagedStore", "StateStore"]

BUSY_SUBJECTS = 4_000
"""States kept as objects, at about 50 kB each when their history is full."""
_NAME_BYTES = 9


class StateStore(Protocol):
    """What a partition needs of its states."""

    def load(self, subject: str) -> SubjectState:
        """Return the state of a subject, new when it was never seen; changes to it last until `changes` is called."""

    def touch(self, subject: str, page: bytes | None, ids: bool) -> None:
        """Say that the state of a loaded subject has changed: in one page of history, in its ids, or in its head alone."""

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield key and value of every part that changed since the last call, in a fixed order; None deletes."""

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take back what `changes` once gave out; later calls win."""


class PagedStore:
    """The states of one partition in memory."""

    def __init__(self, parameters: EngineParameters, busy_subjects: int = BUSY_SUBJECTS) -> None:
        """Start empty.

        Args:
            parameters: of the engine.
            busy_subjects: how many states are kept as objects between two commits.
        """
        self._parameters = parameters
        self._busy_subjects = busy_subjects
        self._written: dict[str, Parts] = {}
        self._busy: OrderedDict[str, SubjectState] = OrderedDict()
        self._touched: dict[str, tuple[set[bytes], bool]] = {}
        self._bytes = 0

    @property
    def subjects(self) -> int:
        """How many subjects are remembered."""
        return len(self._written)

    @property
    def size_bytes(self) -> int:
        """How many bytes their written states take."""
        return self._bytes

    def load(self, subject: str) -> SubjectState:
        """Return the state of a subject, new when it was never seen.

        Raises:
            StateError: what was restored cannot be read.
        """
        state = self._busy.get(subject)
        if state is None:
            state = self._busy[subject] = join(self._written.get(subject, {}), self._parameters)
        else:
            self._busy.move_to_end(subject)
        return state

    def touch(self, subject: str, page: bytes | None, ids: bool) -> None:
        """Remember what of the subject's state must be written."""
        pages, ids_before = self._touched.get(subject, (set(), False))
        if page is not None:
            pages.add(page)
        self._touched[subject] = (pages, ids or ids_before)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what changed, and let go of the objects used least."""
        for subject, (pages, ids) in self._touched.items():
            name = subject.encode("utf-8", "surrogatepass")
            written = self._written.setdefault(subject, {})
            for part, data in list(changed_parts(self._busy[subject], pages, ids, written, self._parameters)):
                self._replace(written, part, data)
                yield name + part, data
        self._touched.clear()
        while len(self._busy) > self._busy_subjects:
            self._busy.popitem(last=False)

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take one record of the changelog."""
        subject, part = key[:-_NAME_BYTES].decode("utf-8", "surrogatepass"), key[-_NAME_BYTES:]
        self._replace(self._written.setdefault(subject, {}), part, value)

    def _replace(self, written: Parts, part: bytes, data: bytes | None) -> None:
        before = written.pop(part, b"")
        if data is not None:
            written[part] = data
        self._bytes += len(data or b"") - len(before)
