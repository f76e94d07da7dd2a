"""The auditor reads the reports as it reads all of the stores, and finds nothing there that identifies anybody."""

from __future__ import annotations

from typing import Any

import h3

from storage.reports import ReportBand, ReportCell, ReportDocument, ReportRow, stored
from tests.unit.audit_world import CELLS, START_MS, audited, clean_world

STEP_MS = 10_000
LAT, LON = (round(degrees, 5) for degrees in h3.cell_to_latlng(CELLS[0]))


def documents() -> list[dict[str, Any]]:
    found = [
        ReportDocument(f"frauds:{start}", "frauds", start, start + 120_000, 7, cells=(ReportCell(CELLS[0], LAT, LON, 7),))
        for start in range(START_MS, START_MS + 400 * STEP_MS, STEP_MS)
    ]
    row = ReportRow(1, "Bakery", "The bakery", "food", 9, {"EUR": 12_450})
    found.append(ReportDocument(f"merchants:{START_MS}", "merchants", START_MS, START_MS + 30_000, 9, 1, 4, (row,)))
    band = ReportBand("65-plus", 5)
    found.append(ReportDocument(f"day_counts:{START_MS}", "day_counts", START_MS, START_MS + 86_400_000, 900, bands=(band,)))
    return [stored(one) for one in found]


def test_the_auditor_finds_no_fault_in_reports() -> None:
    world = clean_world()
    world["mongodb"]["reports"] = documents()
    world["mongodb"]["reports_newest"] = [{"_id": "frauds", "end_ms": START_MS + STEP_MS, "oldest_ms": START_MS + STEP_MS}]
    report = audited(world)
    assert [fault for check in report.checks for fault in check.faults] == []


def test_the_auditor_still_finds_a_card_an_exact_place_and_an_exact_time_in_reports() -> None:
    world = clean_world()
    world["mongodb"]["reports"] = [{**documents()[0], "_id": "frauds:4111111111111111"}, {**documents()[1], "band": "4111 1111 1111 1111"}]
    world["mongodb"]["reports"].append({**documents()[2], "end_ms": START_MS + 1})
    world["mongodb"]["reports"].append({**documents()[3], "cells": [{"cell": CELLS[0], "lat": 37.12345, "lon": -122.12345, "count": 5}]})
    faults = [fault for check in audited(world).checks for fault in check.faults]
    assert {fault.path for fault in faults} == {"_id", "band", "end_ms", "cells[]"}
