"""The city's registers as CSV files: who its customers are, and what its merchants are called. Names and birthdates are made up."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

from ingest.simulator.chance import digest
from ingest.simulator.merchants import CATEGORIES, Market
from ingest.simulator.people import identity
from ingest.simulator.places import CITIES
from ingest.simulator.plan import CityPlan

__all__ = ["customers", "merchants", "write_registers"]

_OLDEST = date(1945, 1, 1)
_DAYS_OF_BIRTH = 62 * 365
"""From 1945 on: adults of every age band."""


def customers(plan: CityPlan) -> Iterator[tuple[str, str]]:
    """Yield subject and birthdate of everybody.

    >>> [birthdate for _, birthdate in customers(CityPlan(people=2))]
    ['1980-01-02', '2005-04-17']
    """
    for number in range(plan.people):
        drawn = int.from_bytes(digest(plan.seed, "birthdate", number, size=4), "big")
        yield identity(plan, number).subject, (_OLDEST + timedelta(days=drawn % _DAYS_OF_BIRTH)).isoformat()


def merchants(plan: CityPlan) -> Iterator[tuple[str, str, str]]:
    """Yield id, name and category of every merchant."""
    market = Market(plan.seed)
    for city in CITIES:
        for category in CATEGORIES:
            for number, shop in enumerate(market.shops(city, category), start=1):
                yield shop.id, f"{category.capitalize()} {number}, {city.name}", category


def write_registers(plan: CityPlan, folder: Path) -> tuple[Path, Path]:
    """Write `customers.csv` and `merchants.csv` into a folder that is made if it is missing; return both.

    Guarantee: the same plan gives the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return (
        _write(folder / "customers.csv", ("customer_id", "birthdate"), customers(plan)),
        _write(folder / "merchants.csv", ("merchant", "name", "category"), merchants(plan)),
    )


def _write(file: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return file
