"""What has arrived with a micro-batch, as columns: the row of each payment, and how it is found alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from privacy.hierarchies import MISSING, QuasiIdentifiers, hour_of
from privacy.masking import MONGODB
from privacy.parts import MaskedPayment
from privacy.staged import Likeness, Staged
from privacy.table import Row, RowTable
from privacy.unstored import MaskedColumns
from storage.documents import MaskedTransaction

__all__ = ["Arrived", "arrived_of", "features_of", "likeness_of", "row_of"]


class Arrived(NamedTuple):
    """First answers of a micro-batch, in offset order within each partition."""

    partitions: NDArray[np.int64]
    minutes_ms: NDArray[np.int64]
    staged: Staged


def arrived_of(payments: Sequence[MaskedPayment], columns: Sequence[MaskedColumns]) -> Arrived:
    """Return the first answers of a micro-batch: those that stores keep, and those that they do not.

    Args:
        payments: of all parts, in offset order within each partition.
        columns: of the parts that have them; a partition is in one part, so they are in offset order, too.
    """
    runs = [run for one in columns for run in one.runs]
    listed = [payment.partition for payment in payments], [payment.minute_ms for payment in payments]
    tables = [RowTable.of([row_of(payment) for payment in payments])] if payments else []
    return Arrived(
        np.concatenate([np.array(listed[0], dtype=np.int64), *(np.full(rows, partition, dtype=np.int64) for partition, rows in runs)]),
        np.concatenate([np.array(listed[1], dtype=np.int64), *(np.frombuffer(one.minutes_ms, dtype="<i8") for one in columns)]),
        Staged(RowTable.joined([*tables, *(RowTable.unpacked(one.table) for one in columns)]), tuple(map(likeness_of, payments))),
    )


def row_of(payment: MaskedPayment) -> Row:
    """Return what may be released of a payment: nothing more exact than MongoDB holds, but for the time."""
    document = payment.documents[MONGODB]
    return Row(payment.id, payment.person, _quasi_of(payment), document.verdict.value)


def likeness_of(payment: MaskedPayment) -> Likeness:
    """Return what a payment is compared by, and its ids."""
    tokens = {store: transaction.id for store, transaction in payment.documents.items()}
    return Likeness(features_of(payment.documents[MONGODB], _quasi_of(payment), payment.minute_ms), tokens)


def _quasi_of(payment: MaskedPayment) -> QuasiIdentifiers:
    document = payment.documents[MONGODB]
    return QuasiIdentifiers(
        cell=document.place.cell if document.place else MISSING,
        hour=hour_of(payment.minute_ms),
        amount_band=document.amount_band,
        category=document.category,
    )


def features_of(transaction: MaskedTransaction, quasi: QuasiIdentifiers, minute_ms: int) -> tuple[str, ...]:
    """Return what makes two payments alike: seven features, so that two of them may differ in one at a similarity of 0.7."""
    quarter = minute_ms // 900_000 % 4
    return (
        f"amount={quasi.amount_band}",
        f"category={quasi.category}",
        f"cell={quasi.cell}",
        f"channel={transaction.channel}",
        f"device={transaction.device_type or MISSING}",
        f"merchant={transaction.merchant}",
        f"quarter={quasi.hour}:{quarter * 15:02d}",
    )
