"""From Spark's table of one micro-batch to events by partition, in the order of Kafka."""

from __future__ import annotations

from typing import Any

import h3
import msgspec
import pyarrow as pa

from privacy.reports.events import DECISIONS, Payment, Visit, source_of

__all__ = ["Taken", "taken"]


class Taken(msgspec.Struct):
    """What one micro-batch read."""

    records: dict[str, list[tuple[int, Payment | Visit]]] = {}
    """By partition, as `source_of` names it: offset and event, in offset order."""
    rejected: int = 0
    """Records that did not decode."""
    amended: int = 0
    """Later answers: the first one has been counted."""
    nameless: int = 0
    """Payments of people whom the file of customers does not name."""


def taken(table: pa.Table, cell_resolution: int) -> Taken:
    """Return the events of a table of `privacy.reports.columns.events`.

    Args:
        table: of one micro-batch.
        cell_resolution: H3 resolution of flagged payments' places.
    """
    found = Taken()
    for row in sorted(table.to_pylist(), key=lambda one: (one["source"], one["partition"], one["offset"])):
        if row["event_ms"] is None:
            found.rejected += 1
        elif row["source"] == DECISIONS and not row["first"]:
            found.amended += 1
        else:
            payment = row["source"] == DECISIONS
            event: Payment | Visit = _payment(row, cell_resolution) if payment else _visit(row)
            found.records.setdefault(source_of(row["source"], row["partition"]), []).append((row["offset"], event))
            found.nameless += payment and row["band"] == "unknown"
    return found


def _payment(row: dict[str, Any], cell_resolution: int) -> Payment:
    lat, lon = row["lat"], row["lon"]
    placed = lat is not None and lon is not None and abs(lat) <= 90.0 and abs(lon) <= 180.0
    return Payment(
        event_ms=row["event_ms"],
        person=row["person"],
        verdict=row["verdict"],
        merchant=row["merchant"],
        category=row["category"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        band=row["band"],
        cell=h3.latlng_to_cell(lat, lon, cell_resolution) if placed else "",
    )


def _visit(row: dict[str, Any]) -> Visit:
    return Visit(row["event_ms"], row["person"], row["session"], row["type"])
