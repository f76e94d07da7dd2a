"""Check `intersection`: no member is in the classes of two windows, so nobody is found by intersecting them.

A person may be in several classes of one window and is the same member there, which is what lets an outsider count people. In another
window the person must be another member. Both stores are taken together.

Source: Ganta, Kasiviswanathan & Smith, "Composition attacks and auxiliary information in data privacy", KDD 2008; Xiao & Tao,
"m-invariance", SIGMOD 2007.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from privacy.audit.columns import token_number
from privacy.audit.documents import StoredDocument
from privacy.audit.examiner import Examiner
from privacy.audit.model import MOST_FAULTS
from privacy.audit.releases import Window, read_release

__all__ = ["IntersectionCheck"]


class IntersectionCheck(Examiner):
    """Compares members of windows."""

    name = "intersection"

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[Window, int] = {}
        self._members = array("Q")
        self._of = array("i")
        self._blamed: dict[int, int] = {}
        """Member to the newest of its windows."""

    def see(self, document: StoredDocument) -> None:
        """Keep the members of a class."""
        release = read_release(document)
        if release is None:
            return
        window = self._windows.setdefault(release.window, len(self._windows))
        for member in release.members or ():
            self._members.append(token_number(member))
            self._of.append(window)

    def close(self) -> bool:
        """Look for members of two windows."""
        self.figures = {"windows": len(self._windows), "members": len(set(self._members))}
        if not self._members:
            return False
        starts = np.array([window.start_ms for window in self._windows], dtype=np.int64)
        members: NDArray[np.uint64] = np.frombuffer(self._members, dtype=np.uint64)
        windows: NDArray[np.int32] = np.frombuffer(self._of, dtype=np.int32)
        order = np.lexsort((windows, starts[windows], members))
        members, windows = members[order], windows[order]
        twice = np.flatnonzero((members[1:] == members[:-1]) & (windows[1:] != windows[:-1])) + 1
        self._blamed = {int(members[place]): int(windows[place]) for place in twice[:MOST_FAULTS]}
        return bool(self._blamed)

    def look(self, document: StoredDocument) -> None:
        """Name the later class."""
        release = read_release(document)
        if release is None:
            return
        window = self._windows.get(release.window)
        if any(self._blamed.get(token_number(member)) == window for member in release.members or ()):
            self.faults.add(document.fault("release.members", "name somebody who is the same member in another window"))

    def finish(self) -> None:
        """Say so where a class at fault was not met again."""
        if self._blamed and not self.faults.count:
            self.note = "members of two windows were found and could not be named, as the stores changed meanwhile: audit again"
            self.faults.count += 1
