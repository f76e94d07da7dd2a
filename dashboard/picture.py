"""What the page shows, held in memory and bounded: the newest place of every person, the newest alerts and payments.

Theory: every kind of document has a rule that says which of two versions holds, and the rule is a maximum (positions by minute and batch,
alerts and payments by revision). A maximum does not care about order or repetition, so applying the changes of batches one by
one, several at once, or twice gives the same picture as reading everything at the end. That is what makes resuming a stream safe.

A picture is not locked: its owner sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

import h3
import msgspec

from storage.documents import MaskedAlert, MaskedTransaction, Place, Position, Progress
from storage.queries import ChangeLimits

__all__ = ["Changes", "Content", "Limits", "Picture", "Source", "cell_outline"]


class Limits(msgspec.Struct, frozen=True):
    """How much a picture holds of each kind; the newest win."""

    people: int = 5_000
    alerts: int = 300
    payments: int = 60


class Changes(Protocol):
    """What some batches wrote."""

    @property
    def positions(self) -> Sequence[Position]:
        """Places that were replaced."""
        ...

    @property
    def alerts(self) -> Sequence[MaskedAlert]:
        """Alerts that were opened, amended or retracted."""
        ...

    @property
    def transactions(self) -> Sequence[MaskedTransaction]:
        """Payments that were decided, or decided anew."""
        ...

    @property
    def complete(self) -> bool:
        """Whether no limit cut something off."""
        ...


class Source(Protocol):
    """Where the picture comes from: `storage.queries.Reader`, or a test's own."""

    def progress(self) -> Progress | None:
        """Return how far the privacy stage came, or None before its first batch."""
        ...

    def positions(self, limit: int) -> Sequence[Position]:
        """Return the newest places, at most `limit`."""
        ...

    def alerts(self, limit: int) -> Sequence[MaskedAlert]:
        """Return the newest alerts, at most `limit`."""
        ...

    def recent_transactions(self, limit: int) -> Sequence[MaskedTransaction]:
        """Return the newest payments, at most `limit`."""
        ...

    def changes(self, after_seq: int, up_to_seq: int, limits: ChangeLimits) -> Changes:
        """Return what the batches `after_seq < seq <= up_to_seq` wrote, at most `limits`."""
        ...


class Content(msgspec.Struct, frozen=True):
    """A snapshot, or the part of it that changed: the body of a frame."""

    progress: Progress | None
    positions: tuple[Position, ...] = ()
    alerts: tuple[MaskedAlert, ...] = ()
    transactions: tuple[MaskedTransaction, ...] = ()
    cells: dict[str, tuple[float, ...]] = {}
    """Outline of every cell that is named: lat, lon, lat, lon, ... in degrees."""
    gone_positions: tuple[str, ...] = ()
    """What was held before and is no more, because newer ones took its room."""
    gone_alerts: tuple[str, ...] = ()
    gone_transactions: tuple[str, ...] = ()


@lru_cache(maxsize=20_000)
def cell_outline(cell: str) -> tuple[float, ...]:
    """Return the corners of an H3 cell as lat, lon, lat, lon, ... in degrees, rounded to about a metre.

    >>> len(cell_outline("87283472bffffff"))
    12
    """
    return tuple(round(value, 5) for corner in h3.cell_to_boundary(cell) for value in corner)


def _position_age(position: Position) -> tuple[int, int]:
    return position.minute_ms, position.seq


def _alert_age(alert: MaskedAlert) -> tuple[int, str]:
    return alert.second.minute_ms, alert.id


def _payment_age(payment: MaskedTransaction) -> tuple[int, int, str]:
    return payment.seq, payment.minute_ms, payment.id


_Document = TypeVar("_Document", Position, MaskedAlert, MaskedTransaction)


def _merge(
    held: dict[str, _Document],
    arrived: Iterable[_Document],
    version: Callable[[_Document], tuple[int, ...]],
) -> list[str]:
    """Put into `held` what is newer than what it has; return the ids that changed."""
    changed = []
    for document in arrived:
        known = held.get(document.id)
        if known is None or version(document) > version(known):
            held[document.id] = document
            changed.append(document.id)
    return changed


class Picture:
    """The newest of everything. Size: at most `limits`, whatever arrives."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Start empty.

        Args:
            limits: how much to hold.
        """
        self._limits = limits or Limits()
        self._positions: dict[str, Position] = {}
        self._alerts: dict[str, MaskedAlert] = {}
        self._payments: dict[str, MaskedTransaction] = {}
        self.progress: Progress | None = None

    @property
    def seq(self) -> int:
        """Number of the last batch in the picture; -1 before the first."""
        return self.progress.seq if self.progress else -1

    def apply(
        self,
        progress: Progress | None,
        positions: Iterable[Position] = (),
        alerts: Iterable[MaskedAlert] = (),
        payments: Iterable[MaskedTransaction] = (),
    ) -> Content:
        """Take in documents and return those that changed the picture."""
        self.progress = progress
        since_ms = progress.positions_since_ms if progress else 0
        held = (set(self._positions), set(self._alerts), set(self._payments))
        moved = _merge(self._positions, positions, _position_age)
        # People have new ids since then, and would be shown twice.
        self._positions = {key: position for key, position in self._positions.items() if position.minute_ms >= since_ms}
        revised = _merge(self._alerts, alerts, lambda alert: (alert.revision,))
        paid = _merge(self._payments, payments, lambda payment: (payment.revision,))
        self._trim()
        delta = _content(
            progress,
            [self._positions[key] for key in moved if key in self._positions],
            [self._alerts[key] for key in revised if key in self._alerts],
            [self._payments[key] for key in paid if key in self._payments],
        )
        return msgspec.structs.replace(
            delta,
            gone_positions=tuple(sorted(held[0].difference(self._positions))),
            gone_alerts=tuple(sorted(held[1].difference(self._alerts))),
            gone_transactions=tuple(sorted(held[2].difference(self._payments))),
        )

    def content(self) -> Content:
        """Return everything: alerts and payments newest first."""
        return _content(
            self.progress,
            sorted(self._positions.values(), key=lambda position: position.id),
            sorted(self._alerts.values(), key=_alert_age, reverse=True),
            sorted(self._payments.values(), key=_payment_age, reverse=True),
        )

    def _trim(self) -> None:
        _keep_newest(self._positions, self._limits.people, lambda position: (*_position_age(position), position.id))
        _keep_newest(self._alerts, self._limits.alerts, _alert_age)
        _keep_newest(self._payments, self._limits.payments, _payment_age)


def _keep_newest(held: dict[str, _Document], limit: int, age: Callable[[_Document], tuple[int | str, ...]]) -> None:
    excess = len(held) - limit
    if excess > 0:
        for document in sorted(held.values(), key=age)[:excess]:
            del held[document.id]


def _content(
    progress: Progress | None,
    positions: list[Position],
    alerts: list[MaskedAlert],
    payments: list[MaskedTransaction],
) -> Content:
    places: list[Place] = [position.place for position in positions]
    places += [payment.place for payment in payments if payment.place]
    places += [end.place for alert in alerts for end in (alert.first, alert.second) if end.place]
    cells = {place.cell: cell_outline(place.cell) for place in places}
    return Content(progress, tuple(positions), tuple(alerts), tuple(payments), cells)
