"""The ten panels as the page draws them: figures over time as one value for each ten minutes, so that a week is small. Pure."""

from __future__ import annotations

import msgspec

from storage.read_panels import STEP_MS, Money, Panels, Share

__all__ = ["AveragesPicture", "PanelsPicture", "picture_panels"]


class AveragesPicture(msgspec.Struct, frozen=True):
    """The average amount in one currency over time."""

    currency: str
    values: tuple[float | None, ...]
    """One for each ten minutes, in major units; None where nothing was paid."""


class PanelsPicture(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of payments draws."""

    since_ms: int
    until_ms: int
    """Exclusive."""
    first_ms: int
    """Start of the first ten minutes: at or before `since_ms`."""
    payments: int
    people: int
    cards: int
    merchants: int
    categories: tuple[Share, ...]
    money: tuple[Money, ...]
    channels: tuple[Share, ...]
    device_types: tuple[Share, ...]
    volume: tuple[int, ...]
    """Payments of each ten minutes; 0 where there was none."""
    averages: tuple[AveragesPicture, ...]


def picture_panels(panels: Panels) -> PanelsPicture:
    """Return what is drawn of the panels.

    >>> from storage.read_panels import Averages, Volume
    >>> volume, averages = (Volume(600_000, 4),), (Averages("EUR", ((600_000, 9.999),)),)
    >>> picture = picture_panels(Panels(since_ms=60_000, until_ms=1_200_001, volume=volume, averages=averages))
    >>> picture.first_ms, picture.volume, picture.averages[0].values
    (0, (0, 4, 0), (None, 10.0, None))
    """
    first_ms = panels.since_ms // STEP_MS * STEP_MS
    starts_ms = range(first_ms, panels.until_ms, STEP_MS)
    counted = {one.start_ms: one.payments for one in panels.volume}
    averages = ((one.currency, dict(one.points)) for one in panels.averages)
    return PanelsPicture(
        since_ms=panels.since_ms,
        until_ms=panels.until_ms,
        first_ms=first_ms,
        payments=panels.payments,
        people=panels.people,
        cards=panels.cards,
        merchants=panels.merchants,
        categories=panels.categories,
        money=panels.money,
        channels=panels.channels,
        device_types=panels.device_types,
        volume=tuple(counted.get(start_ms, 0) for start_ms in starts_ms),
        averages=tuple(AveragesPicture(currency, tuple(_cents(points.get(ms)) for ms in starts_ms)) for currency, points in averages),
    )


def _cents(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
