"""What every check is: it sees each document once, then says what it found; where it must, it looks again to name documents."""

from __future__ import annotations

from abc import ABC, abstractmethod

from privacy.audit.documents import StoredDocument
from privacy.audit.model import Check, Faults

__all__ = ["Examiner"]


class Examiner(ABC):
    """One check while it runs. What it keeps of a document is small, so that stores may be larger than memory."""

    name: str

    def __init__(self) -> None:
        self.faults = Faults()
        self.figures: dict[str, int | float] = {}
        self.note = ""

    @abstractmethod
    def see(self, document: StoredDocument) -> None:
        """Take in one document; each comes once, in any order."""

    def close(self) -> bool:
        """Judge what only all documents together tell; return whether they must be looked at again to name those at fault."""
        return False

    def look(self, document: StoredDocument) -> None:  # noqa: B027  # most checks need no second look
        """Look at a document for the second time, if `close` asked for it."""

    def finish(self) -> None:  # noqa: B027  # most checks need no second look
        """Judge what the second look told."""

    def result(self) -> Check:
        """Return what was found."""
        return self.faults.check(self.name, self.figures, self.note)
