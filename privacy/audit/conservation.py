"""Check `conservation`: every payment is accounted for by the progress that the stage itself published.

    transactions = released + suppressed + late + pending + erased
    released     = sum of payments over the released classes
    transactions = documents of payments, those that were deleted with their people, and `unstored`: those that the policy drops

Only documents of complete batches (seq up to the progress) are held to it, so it may run while the stage writes. A payment that a batch
under way has amended counts as its own. Documents that a store refused are known by their dead letters. Elasticsearch may hold less, as its
old months may be deleted, but never more.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from privacy.audit.documents import StoredDocument, Where
from privacy.audit.examiner import Examiner
from privacy.audit.releases import RELEASES, read_release

__all__ = ["ConservationCheck"]

_TRANSACTIONS = "transactions"
_PROGRESS = "progress"
_DEAD_LETTERS = "dead_letters"
_RECORD = "mongodb"
"""The store of record: only erasures delete payments from it, and they are counted."""
_STATES = ("released", "suppressed", "late", "pending", "erased")
_UNSTORED = "unstored"
_ERASURES = "erasures"
_NO_SEQ = -1


class ConservationCheck(Examiner):
    """Adds up counters and documents."""

    name = "conservation"

    def __init__(self) -> None:
        super().__init__()
        self._progress: dict[str, Any] = {}
        self._where: Where | None = None
        self._documents: dict[str, Counter[int]] = {}
        self._payments: dict[str, Counter[int]] = {}
        self._refused: Counter[tuple[str, str]] = Counter()
        self._erased: Counter[tuple[str, str]] = Counter()

    def see(self, document: StoredDocument) -> None:
        """Count a document by the batch that wrote it."""
        seq = document.fields.get("seq", _NO_SEQ)
        if document.collection == _PROGRESS:
            self._progress, self._where = document.fields, document.where
        elif document.collection == _TRANSACTIONS:
            self._documents.setdefault(document.store, Counter())[seq] += 1
        elif document.collection == _DEAD_LETTERS:
            self._refused[str(document.fields.get("store")), str(document.fields.get("kind"))] += 1
        elif document.collection == _ERASURES:
            count = document.fields.get("count")
            self._erased[str(document.fields.get("store")), str(document.fields.get("kind"))] += count if isinstance(count, int) else 0
        elif document.collection == RELEASES:
            release = read_release(document)
            if release is not None:
                self._payments.setdefault(document.store, Counter())[seq] += release.payments

    def close(self) -> bool:
        """Add up."""
        if self._where is None:
            self._without_progress()
            return False
        counts = {name: self._progress.get(name) for name in ("seq", "transactions", *_STATES)}
        # A progress of before these were counted has none.
        counts |= {name: self._progress.get(name, 0) for name in ("erased", _UNSTORED)}
        wrong = [name for name, count in counts.items() if not isinstance(count, int)]
        for name in wrong:
            self.faults.add(self._where.fault(name, "is no count"))
        if wrong:
            return False
        figures = {name: int(count or 0) for name, count in counts.items()}
        self.figures |= figures
        if figures["transactions"] != sum(figures[state] for state in _STATES):
            self.faults.add(
                self._where.fault("transactions", "are not released + suppressed + late + pending + erased: payments are lost or doubled")
            )
        for store in sorted({*self._documents, *self._payments, _RECORD}):
            self._see_released(store, figures)
            self._see_documents(store, figures)
        return False

    def _without_progress(self) -> None:
        batches = {seq for counts in (*self._documents.values(), *self._payments.values()) for seq in counts}
        if len(batches) > 1:
            nowhere = Where(_RECORD, _PROGRESS, "")
            self.faults.add(nowhere.fault("", "there is no progress, so nobody can tell whether payments were dropped"))
        self.note = "no batch is complete yet" if len(batches) <= 1 else ""

    def _see_released(self, store: str, figures: dict[str, int]) -> None:
        counted = sum(count for seq, count in self._payments.get(store, Counter()).items() if seq <= figures["seq"])
        self.figures[f"{store}_released"] = counted
        exact = store == _RECORD and not self._refused[store, RELEASES]
        if counted > figures["released"] or (exact and counted != figures["released"]):
            assert self._where is not None  # noqa: S101  # asked before
            self.faults.add(self._where.fault("released", f"is not the sum of payments over the classes in {store}"))

    def _see_documents(self, store: str, figures: dict[str, int]) -> None:
        counts = self._documents.get(store, Counter())
        complete = sum(count for seq, count in counts.items() if seq <= figures["seq"])
        held = counts.total() + self._refused[store, _TRANSACTIONS] + self._erased[store, _TRANSACTIONS]
        self.figures[f"{store}_payments"] = counts.total()
        assert self._where is not None  # noqa: S101  # asked before
        stored = figures["transactions"] - figures[_UNSTORED]
        if complete > stored:
            self.faults.add(self._where.fault("transactions", f"are fewer than the payments in {store}: somebody else wrote some"))
        elif store == _RECORD and held < stored:
            self.faults.add(self._where.fault("transactions", f"are more than the payments in {store}: some were dropped"))
