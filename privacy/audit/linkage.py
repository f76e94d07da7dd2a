"""Check `linkage`: the attack that k-anonymity is against, run on what a thief has.

For each released class, look up in the masked payments of its window which ones fit everything that the class prints: these are the
candidates for whoever is in it. A class at which fewer than k people can be meant gives them away, whatever it says of itself; and a class
cannot hold more people or payments than there are candidates. Nor can classes of one window that are printed alike, taken together: two
tiers may have such classes, where a drain has cut their windows to one span, but no payment is in both. This is done in each store, with
the releases of both.

Theory: candidates contain the members, because every value lies in its printed value; so this can fail only where a promise is broken.
Payments that a store refused are missing among the candidates: their number is allowed for, and so is that of payments which were erased
with their people, or deleted for their age, on the days that a class's window touches.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.audit.columns import Codebook, Numbers, PaymentColumns, PaymentRows
from privacy.audit.documents import StoredDocument, Where
from privacy.audit.examiner import Examiner
from privacy.audit.printed import EVERYTHING, band_covers, category_covers, cell_covers, malformed, time_span_ms
from privacy.audit.releases import Printed, Window, read_release
from veilocity.eventtime import window_start_ms

__all__ = ["LinkageCheck"]

Mask = NDArray[np.bool_]
_DAY_MS = 86_400_000


class _Claim(NamedTuple):
    """What a class says of itself."""

    where: Where
    seq: int
    k: int
    people: int
    payments: int
    printed: Printed


class LinkageCheck(Examiner):
    """Counts candidates."""

    name = "linkage"

    def __init__(self, payments: PaymentColumns) -> None:
        super().__init__()
        self._payments = payments
        self._claims: dict[Window, list[_Claim]] = defaultdict(list)
        self._refused: Counter[str] = Counter()
        self._erased: dict[str, Counter[int]] = defaultdict(Counter)
        self._complete: int | None = None
        self._fewest = 0

    def see(self, document: StoredDocument) -> None:
        """Keep what a class says."""
        if document.collection == "progress":
            seq = document.fields.get("seq")
            self._complete = seq if isinstance(seq, int) else None
        elif document.collection == "dead_letters" and document.fields.get("kind") == "transactions":
            self._refused[str(document.fields.get("store"))] += 1
        elif document.collection == "erasures" and document.fields.get("kind") == "transactions":
            day_ms, count = document.fields.get("day_ms"), document.fields.get("count")
            if isinstance(day_ms, int) and isinstance(count, int):
                pending = document.fields.get("pending")
                being_deleted = pending.get("count", 0) if isinstance(pending, dict) else 0
                self._erased[str(document.fields.get("store"))][day_ms] += count + being_deleted
        release = read_release(document)
        if release is None or malformed(release.cell, release.cell_resolution, release.hour, release.amount_band):
            return
        people = len(set(release.members)) if release.members else release.people
        seq = document.fields.get("seq", 0)
        self._claims[release.window].append(_Claim(document.where, seq, release.k, people, release.payments, release.printed))

    def close(self) -> bool:
        """Run the attack in each store."""
        attacked = 0
        for store, rows in self._payments.rows().items():
            for window, claims in self._claims.items():
                # A batch that is being written may have its classes before its payments.
                done = [claim for claim in claims if self._complete is None or claim.seq <= self._complete]
                attacked += len(done)
                self._attack(store, rows, window, done)
        self.figures = {"classes_attacked": attacked, "fewest_candidates": self._fewest}
        return False

    def _attack(self, store: str, rows: PaymentRows, window: Window, claims: list[_Claim]) -> None:
        first, last = np.searchsorted(rows.minute_ms, [window.start_ms, window.end_ms])
        inside = rows.taken(slice(int(first), int(last)))
        people = np.unique(inside.subject, return_inverse=True)[1]
        candidates = _Candidates(inside, self._payments)
        days = range(window_start_ms(window.start_ms, _DAY_MS), window.end_ms, _DAY_MS)
        missing = self._refused[store] + sum(self._erased[store][day_ms] for day_ms in days)
        together: Counter[tuple[str, Printed]] = Counter()
        for claim in claims:
            alike = claim.where.store, claim.printed
            together[alike] += claim.payments
            fits = candidates.of(claim.printed)
            meant = int(np.count_nonzero(np.bincount(people[fits]))) if len(people) else 0
            self._fewest = min(self._fewest or meant, meant)
            if meant + missing < claim.k:
                reason = f"fits fewer than k people among the payments in {store}: whoever is in the class is found"
                self.faults.add(claim.where.fault("release", reason))
            elif meant + missing < claim.people:
                self.faults.add(claim.where.fault("release.people", f"are more than could be meant among the payments in {store}"))
            elif int(np.count_nonzero(fits)) + missing < claim.payments:
                self.faults.add(claim.where.fault("release.payments", f"are more than fit the class among the payments in {store}"))
            elif int(np.count_nonzero(fits)) + missing < together[alike]:
                reason = f"are, with those of classes printed alike, more than fit among the payments in {store}: some are told twice"
                self.faults.add(claim.where.fault("release.payments", reason))


class _Candidates:
    """Which payments of one window fit printed values; each printed value is looked up once."""

    def __init__(self, rows: PaymentRows, books: PaymentColumns) -> None:
        self._rows = rows
        self._columns = (
            _Column(rows.cell, books.cells, cell_covers),
            _Column(rows.band, books.bands, band_covers),
            _Column(rows.category, books.categories, category_covers),
        )

    def of(self, printed: Printed) -> Mask:
        """Return for each payment whether it fits."""
        fits = np.ones(len(self._rows.minute_ms), dtype=np.bool_)
        if printed.hour != EVERYTHING:
            start_ms, end_ms = time_span_ms(printed.hour)
            fits &= (self._rows.minute_ms >= start_ms) & (self._rows.minute_ms < end_ms)
        for column, value in zip(self._columns, (printed.cell, printed.amount_band, printed.category), strict=True):
            if value != EVERYTHING:
                fits &= column.covered(value)
        return fits


class _Column:
    """One column of a window's payments and what covers its values."""

    def __init__(self, codes: Numbers, book: Codebook, covers: Callable[[str, str], bool]) -> None:
        distinct, self._places = np.unique(codes, return_inverse=True)
        self._texts = [book.texts[code] for code in distinct.tolist()]
        self._covers = covers
        self._known: dict[str, Mask] = {}

    def covered(self, printed: str) -> Mask:
        """Return for each payment whether the printed value covers its own."""
        if printed not in self._known:
            self._known[printed] = np.array([self._covers(printed, text) for text in self._texts], dtype=np.bool_)
        mask: Mask = self._known[printed][self._places]
        return mask
