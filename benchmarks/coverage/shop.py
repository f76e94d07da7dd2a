"""Rows 49 to 55: the shop."""

from __future__ import annotations

from benchmarks.coverage.model import Row

__all__ = ["ROWS"]

ROWS = (
    Row(
        49,
        ("ingest/produce/batching.py", "ingest/produce/pairing.py", "veilocity produce"),
        (
            "tests/property/test_produce_batches.py::test_seconds_are_spread_evenly_and_there_is_never_one_too_many",
            "tests/property/test_produce_batches.py::test_no_row_between_batches_is_lost_or_sent_twice",
        ),
        "Never a sixth second, no row skipped, nothing lost between batches, the file read once.",
    ),
    Row(
        50,
        ("privacy/reports/sessions.py", "veilocity reports"),
        (
            "tests/unit/test_reports_windows.py::test_a_session_has_bought_when_a_payment_of_its_person_follows_within_the_bound",
            "tests/unit/test_reports_windows.py::test_late_records_are_told_by_the_windows_that_were_open_then",
        ),
        "Late rows are counted, not only dropped.",
    ),
    Row(
        51,
        ("privacy/reports/frauds.py",),
        (
            "tests/integration/test_reports_service.py::test_every_window_is_as_brute_force_says_through_a_kill_and_from_an_empty_checkpoint",
        ),
        "Exact on replay, from a checkpoint or from nothing.",
    ),
    Row(
        52,
        ("privacy/reports/merchants.py",),
        (
            "tests/unit/test_reports_windows.py::test_merchants_are_ranked_by_count_then_amount_then_id_whatever_the_order_of_arrival",
            "tests/unit/test_reports_windows.py::test_flagged_payments_do_not_count_for_merchants_and_twenty_are_told",
        ),
        "Twenty, from payments that are not flagged, ties in one order. The original did neither.",
    ),
    Row(
        53,
        ("privacy/reports/parquet.py", "privacy/reports/publishing.py"),
        (
            "tests/integration/test_reports_service.py::test_every_window_is_as_brute_force_says_through_a_kill_and_from_an_empty_checkpoint",
        ),
        "A repeated batch overwrites its own files and publishes once.",
    ),
    Row(
        54,
        ("dashboard/reports_page.py", "dashboard/assets/reports.js"),
        ("tests/e2e/test_reports_page.py::test_what_is_written_to_mongodb_appears_on_an_open_page",),
        "Axes that fit the data; each chart is a table, too.",
    ),
    Row(
        55,
        ("privacy/reports/columns.py",),
        ("tests/integration/test_reports_columns.py::test_without_a_file_of_customers_everybody_is_unknown",),
        "Who is missing is counted as unknown and never lost.",
    ),
)
