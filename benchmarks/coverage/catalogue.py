"""All rows, in the order of the table."""

from __future__ import annotations

from benchmarks.coverage import bank, learning, released, sensors, shop
from benchmarks.coverage.model import Row

__all__ = ["GROUPS", "ROWS"]

GROUPS = {
    "Sensors": sensors.ROWS,
    "The bank's transactions": bank.ROWS,
    "Privacy, stores, algorithms, alerts": released.ROWS,
    "Profiles, learned rules, schemas, rates, other stores": learning.ROWS,
    "The shop": shop.ROWS,
}
ROWS: tuple[Row, ...] = tuple(row for rows in GROUPS.values() for row in rows)
