"""One micro-batch, pure: from the masked parts and the state before to the documents of each store and the state after.

    transactions = released + suppressed + late + pending + erased        holds after every micro-batch, and is checked

A payment is in exactly one of the five: late when it is read, else pending until its window closes, then released, or held for the window
of the next tier and so still pending, or, when there is none, suppressed; erased, when its person is forgotten while it is pending. A later
answer to it (an amendment) changes its stored verdict and none of these.

Releases are the same in both stores, since they name nobody. Everything else has the tokens of its store, and is sorted by them, because
the order of arrival would join the stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

import msgspec

from privacy.anonymity import Row
from privacy.hierarchies import MISSING, QuasiIdentifiers, hour_of
from privacy.masking import MONGODB
from privacy.parts import MaskedPart, MaskedPayment
from privacy.policies.catalogue import SINKS
from privacy.policy import Policy
from privacy.regions import Regional, here
from privacy.releases import release
from privacy.state import StagedRow, StageState
from privacy.windows import Window
from sketches import alike
from sketches.similarity import Group
from storage.documents import (
    AggregateDocument,
    MaskedAlert,
    MaskedAmendment,
    MaskedBatch,
    MaskedTransaction,
    Position,
    Progress,
    ReleaseDocument,
    Sample,
    SimilarGroup,
    StreamSketches,
)
from veilocity.errors import StateError
from veilocity.eventtime import window_start_ms

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
_SKETCHES_ID = "stream"
_BY_ID = attrgetter("id")
_Revised = TypeVar("_Revised", MaskedAlert, MaskedAmendment)


class Absorbed(msgspec.Struct):
    """What a micro-batch's records became, before windows are closed."""

    transactions: dict[str, tuple[MaskedTransaction, ...]]
    """By store."""
    newest_ms: int
    """Latest event time of a payment, 0 where there is none."""
    staged: dict[int, list[StagedRow]]
    """Window start to the payments that wait for it."""
    new_places: list[bytes]
    """Keys that the filter took in."""
    late: int
    erased: int
    """Payments that were pending, and whose people are forgotten."""


class ClosedWindow(msgspec.Struct, frozen=True):
    """What one window gave when it closed."""

    window: Window
    releases: tuple[ReleaseDocument, ...]
    groups: dict[str, tuple[SimilarGroup, ...]]
    """By store."""
    released: int
    suppressed: int
    held: tuple[StagedRow, ...]
    """For the window of the next tier."""


def absorb(state: StageState, parts: Sequence[MaskedPart], policy: Policy, positions: Mapping[int, int], erased: int = 0) -> Absorbed:
    """Take the parts into the state (its clock, windows and sketches) and return what became of the payments.

    Args:
        state: is changed.
        parts: of one micro-batch.
        policy: the promise.
        positions: where the micro-batch ends on each partition of `decisions`.
        erased: payments that were pending, and whose people are forgotten.
    """
    payments = sorted((payment for part in parts for payment in part.payments), key=_place_in_kafka)
    events = ((payment.partition, payment.minute_ms) for payment in payments)
    state.clock, windows = state.clock.assigned(policy.windows, events)
    transactions: dict[str, list[MaskedTransaction]] = {store: [] for store in SINKS}
    staged: dict[int, list[StagedRow]] = {}
    new_places: list[bytes] = []
    for payment, window in zip(payments, windows, strict=True):
        known = _place_known(state, payment, new_places)
        for store, transaction in payment.documents.items():
            known_here = known if transaction.place is not None else None
            transactions[store].append(msgspec.structs.replace(transaction, place_seen_before=known_here))
        if window is not None:
            staged.setdefault(window, []).append(staged_row(payment))
    for window, rows in staged.items():
        state.open_windows[0][window] = state.open_windows[0].get(window, 0) + len(rows)
    state.sample.update_batch(payment.documents[MONGODB].id.encode() for payment in payments)
    state.distinct.add(payments)
    state.clock = state.clock.closed(policy.windows, positions)
    heartbeats = [heartbeat for part in parts for heartbeat in part.heartbeats]
    state.silence, drain = state.silence.after(heartbeats, policy.windows.drain_ms, positions)
    if drain:
        state.clock = state.clock.drained(policy.windows, state.open_windows[0])
    return Absorbed(
        transactions={store: tuple(sorted(some, key=_BY_ID)) for store, some in transactions.items()},
        newest_ms=max((payment.minute_ms for payment in payments), default=0),
        staged=staged,
        new_places=new_places,
        late=windows.count(None),
        erased=erased,
    )


def _place_in_kafka(payment: MaskedPayment) -> tuple[int, int]:
    return payment.partition, payment.offset


def _place_known(state: StageState, payment: MaskedPayment, new_places: list[bytes]) -> bool | None:
    """Return whether the person was seen at the place before, and remember it; None without a place.

    The person is the stage's own pseudonym, which outlives the periods of the stores' tokens.
    """
    place = payment.documents[MONGODB].place
    if place is None:
        return None
    key = bytes.fromhex(payment.person) + place.cell.encode()
    known = state.places.add(key)
    if not known:
        new_places.append(key)
    return known


def staged_row(payment: MaskedPayment) -> StagedRow:
    """Return what a payment's window needs of it: nothing more exact than MongoDB holds, but for the time."""
    document = payment.documents[MONGODB]
    quasi = QuasiIdentifiers(
        cell=document.place.cell if document.place else MISSING,
        hour=hour_of(payment.minute_ms),
        amount_band=document.amount_band,
        category=document.category,
    )
    row = Row(payment.id, payment.person, quasi, document.verdict.value)
    tokens = {store: transaction.id for store, transaction in payment.documents.items()}
    return StagedRow(row, features_of(document, quasi, payment.minute_ms), tokens)


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


def close_window(
    rows: Sequence[StagedRow], policy: Policy, window: Window, seq: int, salt: bytes, regional: Regional = here
) -> ClosedWindow:
    """Return what a closed window gives; its rows decide, not their order.

    Args:
        rows: all that were staged for it.
        policy: the promise.
        window: which.
        seq: number of the micro-batch.
        salt: of the window (`privacy.members`).
        regional: where regions of a large window are anonymised.

    Raises:
        UnsafeReleaseError: a class failed its proof.
    """
    outcome = release([staged.row for staged in rows], policy.name, policy.terms(window), window, salt, regional)
    last = window.tier == policy.windows.last_tier
    return ClosedWindow(
        window=window,
        releases=tuple(ReleaseDocument(one.class_id, seq, one) for one in outcome.releases),
        # Payments are compared once, with all of their first window.
        groups={} if window.tier else _groups(rows, policy.similarity, window.start_ms, seq),
        released=outcome.released,
        suppressed=len(outcome.left) if last else 0,
        held=() if last else tuple(StagedRow(row, (), {}) for row in outcome.left),
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


def _groups(rows: Sequence[StagedRow], similarity: float, start_ms: int, seq: int) -> dict[str, tuple[SimilarGroup, ...]]:
    known = {staged.row.id: staged for staged in rows}
    found: list[tuple[Group, int]] = []
    for group in alike({staged.row.id: frozenset(staged.features) for staged in rows}, similarity):
        people = len({known[member].row.subject for member in group.members})
        # One person buying alike twice is a habit, not a group.
        if people > 1 and len(found) < MOST_GROUPS:
            found.append((group, people))
    documents = {}
    for store in SINKS:
        made = []
        for group, people in found:
            members = sorted(known[member].tokens[store] for member in group.members)
            made.append(
                SimilarGroup(
                    # Groups of one window share no member, so the first names the group.
                    id=f"{start_ms:x}-{members[0]}",
                    seq=seq,
                    window_start_ms=start_ms,
                    payments=len(members),
                    people=people,
                    similarity=round(group.similarity, 4),
                    features=group.features,
                    members=tuple(members[:MOST_MEMBERS]),
                )
            )
        documents[store] = tuple(sorted(made, key=_BY_ID))
    return documents


def concluded(
    state: StageState,
    parts: Sequence[MaskedPart],
    absorbed: Absorbed,
    closed: Sequence[ClosedWindow],
    policy: Policy,
    seq: int,
    now_ms: int,
    aggregates: tuple[AggregateDocument, ...] = (),
) -> dict[str, MaskedBatch]:
    """Bring the state's counters up to date and return everything that this micro-batch writes, by store.

    Args:
        state: is changed.
        parts: of the micro-batch.
        absorbed: what its records became.
        closed: windows that it closed.
        policy: the promise.
        seq: number of the micro-batch.
        now_ms: wall clock.
        aggregates: counts with noise; both stores get the same draw, as the mean of two would have less noise.

    Raises:
        StateError: the counters do not add up.
    """
    for window in closed:
        del state.open_windows[window.window.tier][window.window.start_ms]
    before = state.progress
    state.progress = progress = _counted(state, parts, absorbed, closed, policy, seq, now_ms)
    batches = {
        store: msgspec.structs.replace(_written_to(store, progress, parts, absorbed, closed), aggregates=aggregates) for store in SINKS
    }
    # Only MongoDB keeps these. With a new period people have new positions, and each would otherwise be shown twice.
    came = any(part.payments for part in parts)
    turned = progress.positions_since_ms > before.positions_since_ms
    batches[MONGODB] = msgspec.structs.replace(
        batches[MONGODB],
        positions=_newest_positions(parts, progress.positions_since_ms),
        forget_positions_before_ms=progress.positions_since_ms if turned else None,
        sample=_sample(state, seq) if state.applied or came else None,
        sketches=_sketches(state, seq) if came else None,
    )
    return batches


def _written_to(
    store: str, progress: Progress, parts: Sequence[MaskedPart], absorbed: Absorbed, closed: Sequence[ClosedWindow]
) -> MaskedBatch:
    return MaskedBatch(
        progress=progress,
        transactions=absorbed.transactions[store],
        amendments=_newest(amendment[store] for part in parts for amendment in part.amendments),
        alerts=_newest(alert[store] for part in parts for alert in part.alerts),
        releases=tuple(document for window in closed for document in window.releases),
        groups=tuple(group for window in closed for group in window.groups.get(store, ())),
    )


def _sample(state: StageState, seq: int) -> Sample:
    members = sorted(member.decode() for member in state.sample.members())
    return Sample(_SAMPLE_ID, seq, state.progress.transactions, tuple(members))


def _sketches(state: StageState, seq: int) -> StreamSketches:
    visits, error_rate = len(state.places), state.places.present_error_rate()
    return StreamSketches(_SKETCHES_ID, seq, state.progress.transactions, state.distinct.counts(), visits, round(error_rate, 9))


def _counted(
    state: StageState,
    parts: Sequence[MaskedPart],
    absorbed: Absorbed,
    closed: Sequence[ClosedWindow],
    policy: Policy,
    seq: int,
    now_ms: int,
) -> Progress:
    before = state.progress
    minutes = [position.minute_ms for part in parts for position in part.positions]
    event_ms = max([before.event_ms, absorbed.newest_ms, *minutes])
    after = Progress(
        id=before.id,
        seq=seq,
        decisions=before.decisions + sum(part.decisions for part in parts),
        transactions=before.transactions + sum(len(part.payments) for part in parts),
        amendments=before.amendments + sum(part.amended for part in parts),
        released=before.released + sum(window.released for window in closed),
        suppressed=before.suppressed + sum(window.suppressed for window in closed),
        late=before.late + absorbed.late,
        pending=state.pending,
        erased=before.erased + absorbed.erased,
        classes=before.classes + sum(len(window.releases) for window in closed),
        alert_revisions=before.alert_revisions + sum(part.alert_revisions for part in parts),
        alerts=before.alerts + sum(part.alerts_opened for part in parts),
        fixes=before.fixes + sum(part.fixes for part in parts),
        rejected=before.rejected + sum(sum(part.rejected.values()) for part in parts),
        event_ms=event_ms,
        positions_since_ms=window_start_ms(event_ms, policy.period_ms) if policy.period_ms else 0,
        written_ms=now_ms,
    )
    if after.transactions != after.released + after.suppressed + after.late + after.pending + after.erased:
        raise StateError("payments and what became of them do not add up: nothing was written, please report this")
    return after


def _newest(found: Iterable[_Revised]) -> tuple[_Revised, ...]:
    newest: dict[str, _Revised] = {}
    for document in found:
        known = newest.get(document.id)
        if known is None or document.revision > known.revision:
            newest[document.id] = document
    return tuple(newest[identity] for identity in sorted(newest))


def _newest_positions(parts: Sequence[MaskedPart], since_ms: int) -> tuple[Position, ...]:
    """Return the newest place of each person, none of an earlier period: then the person had another id."""
    newest: dict[str, Position] = {}
    for part in parts:
        for position in part.positions:
            known = newest.get(position.id)
            if position.minute_ms >= since_ms and (known is None or position.minute_ms > known.minute_ms):
                newest[position.id] = position
    return tuple(newest[identity] for identity in sorted(newest))
