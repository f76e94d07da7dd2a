"""Check `unicity`: how many pseudonyms a few places with their hours single out, in each store and pseudonym period.

Masked payments are pseudonyms, not anonymous: whoever knows a few points of a person from elsewhere may find the rest of the trail. This
tells how often, with `privacy.measure`; it is a fault only where a limit was given. A released class has no trail: it must never give one
person, whatever k its policy has.

Source: de Montjoye, Hidalgo, Verleysen & Blondel, "Unique in the crowd", Scientific Reports 3:1376, 2013.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from privacy.audit.columns import PaymentColumns, PaymentRows
from privacy.audit.documents import StoredDocument, Where
from privacy.audit.examiner import Examiner
from privacy.audit.model import Limits
from privacy.audit.printed import NOWHERE
from privacy.audit.releases import read_release
from privacy.measure import unicity

__all__ = ["UnicityCheck"]

_HOUR_MS = 3_600_000
_ALONE = 1
_FEWEST = 20
"""People below which a period's share says nothing of a limit."""


class UnicityCheck(Examiner):
    """Attacks trails."""

    name = "unicity"

    def __init__(self, limits: Limits, payments: PaymentColumns, rng: np.random.Generator) -> None:
        super().__init__()
        self._limits = limits
        self._payments = payments
        self._rng = rng

    def see(self, document: StoredDocument) -> None:
        """Look for a class of one person."""
        release = read_release(document)
        if release is not None and min(len(set(release.members or ())) or release.people, release.people) <= _ALONE:
            self.faults.add(document.fault("release.people", "is a class of one person"))

    def close(self) -> bool:
        """Attack each period of each store; the figures are those of its worst."""
        for store, rows in self._payments.rows().items():
            placed = rows.taken(rows.cell != self._payments.cells.code(NOWHERE))
            width_ms = self._limits.period_ms or 2**62
            for period in np.unique(placed.minute_ms // width_ms):
                self._attack(store, placed.taken(placed.minute_ms // width_ms == period))
        return False

    def _attack(self, store: str, rows: PaymentRows) -> None:
        points = self._limits.points
        table = pd.DataFrame({"subject": rows.subject, "cell": rows.cell, "hour": rows.minute_ms // _HOUR_MS})
        if (table.drop_duplicates().groupby("subject").size() >= points).sum() == 0:
            return
        found = unicity(table, ["cell", "hour"], "subject", points, rng=self._rng)
        if found.share >= self.figures.get(f"{store}_share", -1.0):
            self.figures |= {
                f"{store}_pseudonyms": found.people,
                f"{store}_unique": found.unique,
                f"{store}_share": round(found.share, 4),
                f"{store}_low": round(found.low, 4),
                f"{store}_high": round(found.high, 4),
            }
        limit = self._limits.unicity
        if limit is not None and found.people >= _FEWEST and found.low > limit:
            where = Where(store, "transactions", "")
            self.faults.add(where.fault("", f"{points} places with their hours single out more pseudonyms than the limit allows"))
