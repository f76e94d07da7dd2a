"""Payments with their rows and the truth about them: what models are trained on and judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.book import RuleBook
from rules.engine import Engine, Outcome
from rules.models.features import FEATURES
from rules.models.model import Floats
from rules.models.table import feature_table
from veilocity.contracts import Decision, Fix, Transaction, Verdict

__all__ = ["HONEST", "Labelled", "labelled"]

HONEST = ""
"""The kind of a payment that is no fraud."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Payments as columns of the same length."""

    event_ms: NDArray[np.int64]
    rows: Floats
    """float64[n, d]."""
    kinds: NDArray[np.str_]
    """What kind of fraud each payment is; `HONEST` for none."""
    subjects: NDArray[np.str_]
    written: Floats
    """What the written rules said of the payment when it came: their score, plus 1 where they flagged it, to rank those first."""

    @property
    def frauds(self) -> NDArray[np.bool_]:
        """bool[n]: whether each payment is a fraud."""
        found: NDArray[np.bool_] = self.kinds != HONEST
        return found

    @property
    def days(self) -> float:
        """From the first payment to the last, at least one."""
        return max(1.0, float(self.event_ms.max() - self.event_ms.min()) / _DAY_MS)

    def take(self, rows: NDArray[np.intp]) -> Labelled:
        """Return some payments, by their numbers and in that order."""
        return Labelled(self.event_ms[rows], self.rows[rows], self.kinds[rows], self.subjects[rows], self.written[rows])

    def sha256(self) -> str:
        """Return a hash of times, rows and labels, the same for the same payments in the same order."""
        digest = hashlib.sha256(" ".join(FEATURES).encode())
        # Every NaN means unknown, whatever its bits.
        rows = np.where(np.isnan(self.rows), np.nan, self.rows)
        for array in (self.event_ms.astype("<i8"), rows.astype("<f8"), self.frauds.astype(np.uint8)):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def labelled(events: Iterable[Fix | Transaction], kinds: Mapping[str, str], book: RuleBook) -> Labelled:
    """Return the rows of recorded payments with their labels, in order of time.

    Args:
        events: in order of arrival.
        kinds: by id of payment the kind of fraud; all others are honest.
        book: the written rules, which decide what is learned of a person and are what a model is compared with.
    """
    first: dict[str, Decision] = {}

    def remember(outcome: Outcome) -> None:
        for decision in outcome.decisions:
            first.setdefault(decision.transaction.id, decision)

    table = feature_table(events, Engine(book), remember)
    answers = [first[one] for one in table.transaction_ids]
    data = Labelled(
        table.event_ms,
        table.rows,
        np.array([kinds.get(one, HONEST) for one in table.transaction_ids], dtype=np.str_),
        np.array([one.transaction.subject for one in answers], dtype=np.str_),
        np.array([one.score + (one.verdict is Verdict.FLAGGED) for one in answers], dtype=np.float64),
    )
    return data.take(np.argsort(data.event_ms, kind="stable"))
