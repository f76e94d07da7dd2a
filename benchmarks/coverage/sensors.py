"""Rows 1 to 10: sensors."""

from __future__ import annotations

from benchmarks.coverage.model import Row

__all__ = ["ROWS"]

ROWS = (
    Row(
        1,
        ("ingest/mqtt", "veilocity mqtt"),
        (
            "tests/integration/test_ingest_mqtt.py::test_what_phones_publish_is_in_kafka",
            "tests/integration/test_ingest_mqtt.py::test_a_certificate_of_nobody_we_know_is_refused",
        ),
        "Acknowledged to the broker after Kafka has it; a kill loses nothing.",
    ),
    Row(
        2,
        ("ingest/noise.py", "veilocity replay"),
        ("tests/unit/test_ingest_noise.py::test_the_share_of_fakes_is_the_rate",),
        "Seven kinds with labels in a file of their own; real readings stay as they are.",
    ),
    Row(
        3,
        ("ingest/sealed.py",),
        (
            "tests/unit/test_ingest_sealed.py::test_the_right_key_opens",
            "tests/unit/test_ingest_sealed.py::test_everything_else_is_one_reject",
        ),
        "A key for each phone; a phone with a key is not heard in clear. The original never made its cipher.",
    ),
    Row(
        4,
        ("ingest/filters.py", "ingest/intake.py"),
        (
            "tests/unit/test_ingest_filters.py::test_a_fix_alone_is_named",
            "tests/property/test_ingest_adapters.py::test_no_neighbour_is_lost_in_any_order",
        ),
        "Names travel with the fix; nothing is dropped in silence.",
    ),
    Row(
        5,
        ("storage/postgres", "privacy/history", "veilocity sinks"),
        ("tests/integration/test_storage_history.py::test_a_day_that_is_over_keeps_the_last_reading_of_a_minute_and_later_nothing",),
        "One row a reading, written once whatever crashes; Timescale where it is there.",
    ),
    Row(
        6,
        ("storage/postgres/queries.py",),
        ("tests/integration/test_storage_history.py::test_pages_go_on_where_they_ended_whatever_is_written_meanwhile",),
        "Latitude, longitude and height of one reading cannot come from three.",
    ),
    Row(
        7,
        ("sketches/reservoir.py", "sketches/bloom.py", "privacy/ledger.py"),
        (
            "tests/statistical/test_sketches_promises.py::test_reservoir_inclusion_is_uniform_by_chi_square",
            "tests/statistical/test_sketches_promises.py::test_bloom_error_rate_is_within_its_binomial_bound_at_capacity",
        ),
        "Uniform by test; places are cells, so near readings are the same place.",
    ),
    Row(
        8,
        ("rules/catalogue/geofence.py", "rules/catalogue/habits.py", "rules/catalogue/spoofed_location.py"),
        ("tests/unit/test_rules_catalogue.py::test_all_inline_tests_are_green",),
        "Absolute distances in metres. The original compared signed degrees and approved half of the world.",
    ),
    Row(
        9,
        ("dashboard/live_desk.py", "dashboard/assets/map.js"),
        ("tests/e2e/test_dashboard_page.py::test_a_live_city_shows_people_payments_alerts_and_counters",),
        "Live, with evidence, by keyboard, without a tile server.",
    ),
    Row(
        10,
        ("veilocity/monitoring/dashboards/sensors.py", "deploy/grafana/dashboards/sensors.json"),
        (
            "tests/contract/test_monitoring.py::test_the_committed_files_are_the_generated_ones",
            "tests/integration/test_monitoring_prometheus.py::test_a_server_that_scrapes_the_rules_service_answers_every_panel",
        ),
        "Six decimals, and means of k people only.",
    ),
)
