"""One micro-batch, pure: from the masked parts and the state before to the documents and the state after.

    transactions = released + suppressed + late + pending         holds after every micro-batch, and is checked

A payment is in exactly one of the four: late when it is read, else pending until its window closes, then released, or held for the window
of the next tier and so still pending, or, when there is none, suppressed. A later answer to it (an amendment) changes its stored verdict
and none of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from privacy.anonymity import Row
from privacy.hierarchies import MISSING, QuasiIdentifiers, hour_of
from privacy.members import MemberOf, window_member
from privacy.parts import MaskedPart, MaskedPayment
from privacy.policy import Policy
from privacy.regions import Regional, here
from privacy.releases import release
from privacy.state import StagedRow, StageState
from privacy.windows import Window
from sketches import alike
from storage.documents import (
    MaskedAlert,
    MaskedAmendment,
    MaskedBatch,
    MaskedTransaction,
    Position,
    Progress,
    ReleaseDocument,
    Sample,
    SimilarGroup,
)
from veilocity.errors import StateError

__all__ = [
    "MOST_GROUPS",
    "MOST_MEMBERS",
    "Absorbed",
    "ClosedWindow",
    "absorb",
    "close_window",
    "concluded",
    "features_of",
    "hold",
    "staged_row",
]

MOST_GROUPS = 200
"""Groups kept of one window, largest first: an analyst reads no more."""
MOST_MEMBERS = 100
_SAMPLE_ID = "sample"
_Revised = TypeVar("_Revised", MaskedAlert, MaskedAmendment)


class Absorbed(msgspec.Struct):
    """What a micro-batch's records became, before windows are closed."""

    transactions: tuple[MaskedTransaction, ...]
    staged: dict[int, list[StagedRow]]
    """Window start to the payments that wait for it."""
    new_places: list[bytes]
    """Keys that the filter took in."""
    late: int


class ClosedWindow(msgspec.Struct, frozen=True):
    """What one window gave when it closed."""

    window: Window
    releases: tuple[ReleaseDocument, ...]
    groups: tuple[SimilarGroup, ...]
    released: int
    suppressed: int
    held: tuple[StagedRow, ...]
    """For the window of the next tier."""


def absorb(state: StageState, parts: Sequence[MaskedPart], policy: Policy, positions: Mapping[int, int]) -> Absorbed:
    """Take the parts into the state (its clock, windows and sketches) and return what became of the payments.

    Args:
        state: is changed.
        parts: of one micro-batch.
        policy: the promise.
        positions: where the micro-batch ends on each partition of `decisions`.
    """
    payments = sorted((payment for part in parts for payment in part.payments), key=_place_in_kafka)
    events = ((payment.partition, payment.transaction.minute_ms) for payment in payments)
    state.clock, windows = state.clock.assigned(policy.windows, events)
    transactions = []
    staged: dict[int, list[StagedRow]] = {}
    new_places: list[bytes] = []
    for payment, window in zip(payments, windows, strict=True):
        transaction = _with_place_memory(state, payment.transaction, new_places)
        transactions.append(transaction)
        if window is not None:
            staged.setdefault(window, []).append(staged_row(transaction))
    for window, rows in staged.items():
        state.open_windows[0][window] = state.open_windows[0].get(window, 0) + len(rows)
    state.sample.update_batch(bytes.fromhex(transaction.id) for transaction in transactions)
    state.clock = state.clock.closed(policy.windows)
    heartbeats = [heartbeat for part in parts for heartbeat in part.heartbeats]
    state.silence, drain = state.silence.after(heartbeats, policy.windows.drain_ms, positions)
    if drain:
        state.clock = state.clock.drained(policy.windows, state.open_windows[0])
    return Absorbed(tuple(transactions), staged, new_places, late=windows.count(None))


def _place_in_kafka(payment: MaskedPayment) -> tuple[int, int]:
    return payment.partition, payment.offset


def _with_place_memory(state: StageState, transaction: MaskedTransaction, new_places: list[bytes]) -> MaskedTransaction:
    if transaction.place is None:
        return transaction
    key = bytes.fromhex(transaction.subject) + transaction.place.cell.encode()
    known = state.places.add(key)
    if not known:
        new_places.append(key)
    return msgspec.structs.replace(transaction, place_seen_before=known)


def staged_row(transaction: MaskedTransaction) -> StagedRow:
    """Return what a payment's window needs of it."""
    quasi = QuasiIdentifiers(
        cell=transaction.place.cell if transaction.place else MISSING,
        hour=hour_of(transaction.minute_ms),
        amount_band=transaction.amount_band,
        category=transaction.category,
    )
    row = Row(transaction.id, transaction.subject, quasi, transaction.verdict.value)
    return StagedRow(row, features_of(transaction, quasi))


def features_of(transaction: MaskedTransaction, quasi: QuasiIdentifiers) -> tuple[str, ...]:
    """Return what makes two payments alike: seven features, so that two of them may differ in one at a similarity of 0.7."""
    quarter = transaction.minute_ms // 900_000 % 4
    return (
        f"amount={quasi.amount_band}",
        f"category={quasi.category}",
        f"cell={quasi.cell}",
        f"channel={transaction.channel}",
        f"device={transaction.device_type or MISSING}",
        f"merchant={transaction.merchant}",
        f"quarter={quasi.hour}:{quarter * 15:02d}",
    )


def close_window(
    rows: Sequence[StagedRow], policy: Policy, window: Window, seq: int, regional: Regional = here, member_of: MemberOf = window_member
) -> ClosedWindow:
    """Return what a closed window gives; its rows decide, not their order.

    Args:
        rows: all that were staged for it.
        policy: the promise.
        window: which.
        seq: number of the micro-batch.
        regional: where regions of a large window are anonymised.
        member_of: who a person is in one window's releases.

    Raises:
        UnsafeReleaseError: a class failed its proof.
    """
    subjects = {staged.row.subject for staged in rows}
    members = {subject: member_of(window.start_ms, window.end_ms, subject) for subject in subjects}
    people = [msgspec.structs.replace(staged.row, member=members[staged.row.subject]) for staged in rows]
    outcome = release(people, policy.name, policy.terms(window), window, regional)
    last = window.tier == policy.windows.last_tier
    return ClosedWindow(
        window=window,
        releases=tuple(ReleaseDocument(one.class_id, seq, one) for one in outcome.releases),
        # Payments are compared once, with all of their first window.
        groups=() if window.tier else _groups(rows, policy.similarity, window.start_ms, seq),
        released=outcome.released,
        suppressed=len(outcome.left) if last else 0,
        held=() if last else tuple(StagedRow(msgspec.structs.replace(row, member=""), ()) for row in outcome.left),
    )


def hold(state: StageState, policy: Policy, closed: Sequence[ClosedWindow]) -> dict[int, list[StagedRow]]:
    """Count what closed windows of one tier hold back into the windows of the next, and return it by their starts."""
    held: dict[int, list[StagedRow]] = {}
    for one in closed:
        if one.held:
            later = state.clock.window(policy.windows, one.window.tier + 1, one.window.start_ms)
            held.setdefault(later.start_ms, []).extend(one.held)
    for start_ms, rows in held.items():
        windows = state.open_windows[closed[0].window.tier + 1]
        windows[start_ms] = windows.get(start_ms, 0) + len(rows)
    return held


def _groups(rows: Sequence[StagedRow], similarity: float, start_ms: int, seq: int) -> tuple[SimilarGroup, ...]:
    subjects = {staged.row.id: staged.row.subject for staged in rows}
    found = alike({staged.row.id: frozenset(staged.features) for staged in rows}, similarity)
    documents: list[SimilarGroup] = []
    for group in found:
        people = len({subjects[member] for member in group.members})
        # One person buying alike twice is a habit, not a group.
        if people > 1 and len(documents) < MOST_GROUPS:
            documents.append(
                SimilarGroup(
                    # Groups of one window share no member, so the first names the group.
                    id=f"{start_ms:x}-{group.members[0]}",
                    seq=seq,
                    window_start_ms=start_ms,
                    payments=len(group.members),
                    people=people,
                    similarity=round(group.similarity, 4),
                    features=group.features,
                    members=group.members[:MOST_MEMBERS],
                )
            )
    return tuple(documents)


def concluded(
    state: StageState,
    parts: Sequence[MaskedPart],
    absorbed: Absorbed,
    closed: Sequence[ClosedWindow],
    seq: int,
    now_ms: int,
) -> MaskedBatch:
    """Bring the state's counters up to date and return everything that this micro-batch writes.

    Raises:
        StateError: the counters do not add up.
    """
    for window in closed:
        del state.open_windows[window.window.tier][window.window.start_ms]
    state.progress = _counted(state, parts, absorbed, closed, seq, now_ms)
    members = tuple(member.hex() for member in state.sample.members())
    return MaskedBatch(
        progress=state.progress,
        transactions=absorbed.transactions,
        amendments=_newest(amendment for part in parts for amendment in part.amendments),
        alerts=_newest(alert for part in parts for alert in part.alerts),
        positions=_newest_positions(parts),
        releases=tuple(document for window in closed for document in window.releases),
        groups=tuple(group for window in closed for group in window.groups),
        sample=Sample(_SAMPLE_ID, seq, state.progress.transactions, members) if absorbed.transactions else None,
    )


def _counted(
    state: StageState,
    parts: Sequence[MaskedPart],
    absorbed: Absorbed,
    closed: Sequence[ClosedWindow],
    seq: int,
    now_ms: int,
) -> Progress:
    before = state.progress
    minutes = [transaction.minute_ms for transaction in absorbed.transactions]
    minutes += [position.minute_ms for part in parts for position in part.positions]
    after = Progress(
        id=before.id,
        seq=seq,
        decisions=before.decisions + sum(part.decisions for part in parts),
        transactions=before.transactions + len(absorbed.transactions),
        amendments=before.amendments + sum(part.amended for part in parts),
        released=before.released + sum(window.released for window in closed),
        suppressed=before.suppressed + sum(window.suppressed for window in closed),
        late=before.late + absorbed.late,
        pending=state.pending,
        classes=before.classes + sum(len(window.releases) for window in closed),
        alert_revisions=before.alert_revisions + sum(part.alert_revisions for part in parts),
        alerts=before.alerts + sum(part.alerts_opened for part in parts),
        fixes=before.fixes + sum(part.fixes for part in parts),
        rejected=before.rejected + sum(sum(part.rejected.values()) for part in parts),
        event_ms=max([before.event_ms, *minutes]),
        written_ms=now_ms,
    )
    if after.transactions != after.released + after.suppressed + after.late + after.pending:
        raise StateError("payments and what became of them do not add up: nothing was written, please report this")
    return after


def _newest(found: Iterable[_Revised]) -> tuple[_Revised, ...]:
    newest: dict[str, _Revised] = {}
    for document in found:
        known = newest.get(document.id)
        if known is None or document.revision > known.revision:
            newest[document.id] = document
    return tuple(newest[identity] for identity in sorted(newest))


def _newest_positions(parts: Sequence[MaskedPart]) -> tuple[Position, ...]:
    newest: dict[str, Position] = {}
    for part in parts:
        for position in part.positions:
            known = newest.get(position.id)
            if known is None or position.minute_ms > known.minute_ms:
                newest[position.id] = position
    return tuple(newest[identity] for identity in sorted(newest))
