"""Rows 11 to 20: the bank's transactions."""

from __future__ import annotations

from benchmarks.coverage.model import Row

__all__ = ["ROWS"]

ROWS = (
    Row(
        11,
        ("ingest/produce/persona.py", "ingest/simulator", "veilocity produce"),
        (
            "tests/unit/test_produce.py::test_the_personas_phone_is_at_home_and_only_fraud_is_far",
            "tests/integration/test_produce_gateway.py::test_the_persona_is_one_phone_among_a_crowd",
        ),
        "Labelled fraud from a seed; labels are never sent.",
    ),
    Row(
        12,
        ("ingest/sensor_logger.py", "ingest/app.py", "ingest/bank"),
        (
            "tests/integration/test_ingest_gateway.py::test_every_item_is_on_its_topic_under_its_subject",
            "tests/property/test_ingest_bank.py::test_the_doors_never_answer_500",
        ),
        "A bad reading costs only itself; -1 is unknown. The original lost the whole push.",
    ),
    Row(
        13,
        ("veilocity/kafka.py",),
        ("tests/unit/test_kernel_kafka.py::test_credentials_and_authority_go_where_the_protocol_uses_them",),
        "Plain, SASL and TLS by settings; secrets from files.",
    ),
    Row(
        14,
        ("rules/catalogue/phone_far_from_card.py", "rules/catalogue/impossible_travel.py"),
        (
            "tests/integration/test_rules_service.py::test_a_payment_far_from_the_phone_is_flagged_and_the_service_stops_at_once",
            "tests/regression/test_rules_known_traps.py::test_equal_times_are_neither_a_division_by_zero_nor_a_made_up_second",
        ),
        "Speed as an interval with accuracy, age and slack; the same second far away is flagged, 20 m of noise is not.",
    ),
    Row(
        15,
        ("rules/service.py", "rules/owned.py"),
        ("tests/integration/test_rules_service.py::test_thirty_kills_lose_and_double_nothing",),
        "Alert, state and offset in one transaction.",
    ),
    Row(
        16,
        ("rules/ruling.py", "veilocity/contracts.py"),
        (
            "tests/regression/test_rules_known_traps.py::test_missing_coordinates_are_not_scorable_and_no_place",
            "tests/e2e/test_main_job.py::test_every_payment_has_one_decision_and_one_document_in_each_store",
        ),
        "Every payment has a decision; what cannot be judged says why.",
    ),
    Row(
        17,
        ("privacy/reports/high_value.py", "veilocity reports"),
        ("tests/unit/test_reports_windows.py::test_people_with_high_values_are_distinct_and_by_currency",),
        "Exact and distinct, by currency, in event time. Groups below k people are withheld.",
    ),
    Row(
        18,
        ("dashboard/phone_page.py", "dashboard/phone_desk.py"),
        ("tests/e2e/test_phone_page.py::test_a_phone_is_connected_chosen_and_followed",),
        "One phone of one's own, paired; the original mixed all devices on one line.",
    ),
    Row(
        19,
        ("privacy/runner.py", "privacy/ledger.py", "veilocity/spark.py"),
        ("tests/integration/test_privacy_stage.py::test_killed_and_repeated_it_loses_nothing_doubles_nothing_and_tells_nothing",),
        "Checkpoint and ledger; a repeated batch writes the same bytes.",
    ),
    Row(
        20,
        ("sketches/reservoir.py", "sketches/spark"),
        ("tests/integration/test_sketches_spark.py::test_a_sample_has_its_size_and_with_an_identity_does_not_depend_on_the_partitions",),
        "Mergeable; the original counted labels with gaps and was biased.",
    ),
)
