"""Check `conservation`: every payment is accounted for by the progress that the stage itself published.

    transactions = released + suppressed + late + pending + erased
    released     = sum of payments over the released classes, and those that were deleted for their age
    transactions = documents of payments, those that were deleted with their people or for their age, and `unstored`: what the policy drops

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
"""The store of record: only erasures and retention delete from it, and both are counted."""
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
        self._erased_payments: Counter[str] = Counter()
        self._erased_unfinished: Counter[str] = Counter()

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
            self._see_erased(document.fields)
        elif document.collection == RELEASES:
            release = read_release(document)
            if release is not None:
                self._payments.setdefault(document.store, Counter())[seq] += release.payments

    def _see_erased(self, fields: dict[str, Any]) -> None:
        store, kind = str(fields.get("store")), str(fields.get("kind"))
        pending = fields.get("pending")
        steps = [fields, pending] if isinstance(pending, dict) else [fields]
        self._erased[store, kind] += sum(_count(step, "count") for step in steps)
        if kind == RELEASES:
            self._erased_payments[store] += _count(fields, "payments")
            self._erased_unfinished[store] += sum(_count(step, "payments") for step in steps[1:])

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
        finished = counted + self._erased_payments[store]
        everything = finished + self._erased_unfinished[store]
        if counted > figures["released"] or (exact and not finished <= figures["released"] <= everything):
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


def _count(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name, 0)
    return value if isinstance(value, int) else 0
