"""Rows 35 to 48: profiles, learned rules, schemas, rates, other stores."""

from __future__ import annotations

from benchmarks.coverage.model import Row

__all__ = ["ROWS"]

ROWS = (
    Row(
        35,
        ("ingest/produce/profiles.py", "veilocity produce"),
        ("tests/unit/test_produce.py::test_a_profile_pays_as_often_and_as_much_as_it_says",),
        "The profile is in a file and not in the message; people differ.",
    ),
    Row(
        36,
        ("rules/profile.py", "rules/catalogue/windows.py", "privacy/reports/day_counts.py"),
        (
            "tests/unit/test_rules_profile.py::test_the_last_day_is_remembered_up_to_a_bound",
            "tests/unit/test_reports_windows.py::test_day_counts_slide_by_an_hour_and_round_their_bands",
        ),
        "Computed from state. The original's producer sent the answer.",
    ),
    Row(
        37,
        ("rules/models/features.py", "rules/models/boosting.py", "rules/models/scoring.py", "docs/models.md"),
        ("tests/integration/test_models_stream.py::test_a_replayed_day_has_the_scores_of_training_to_the_last_bit",),
        "The same features in training and stream, bit for bit; split in time; many rows at once.",
    ),
    Row(
        38,
        ("veilocity/monitoring/dashboards/fraud_pipeline.py", "deploy/grafana/dashboards/fraud-pipeline.json"),
        ("tests/contract/test_monitoring.py::test_the_fraud_pipeline_has_its_seven_panels",),
        "Panels as code, each question parsed by a real Prometheus; the sensor history is row 5.",
    ),
    Row(
        39,
        ("rules/models/registry.py", "rules/models/swap.py", "veilocity models"),
        (
            "tests/integration/test_models_stream.py::test_promotions_under_load_and_a_kill_lose_and_double_nothing",
            "tests/unit/test_models_registry.py::test_promotions_and_rollbacks_walk_back_to_nothing",
        ),
        "Versions with card and hash; a broken one is refused and the old one stays.",
    ),
    Row(
        40,
        ("ingest/produce/csv_feed.py", "ingest/produce/mappings", "veilocity produce"),
        (
            "tests/integration/test_produce_gateway.py::test_a_file_killed_in_the_middle_goes_on_and_every_row_is_there",
            "tests/property/test_produce_batches.py::test_memory_does_not_grow_with_the_file",
        ),
        "Goes on after a kill; columns by a description, not by code.",
    ),
    Row(
        41,
        ("veilocity/contracts.py", "ingest/avro", "veilocity feeds"),
        (
            "tests/contract/test_kernel_golden_bytes.py::test_the_bytes_are_what_they_were",
            "tests/integration/test_ingest_avro.py::test_payments_come_in_and_bad_rows_go_to_rejects_with_a_reason",
        ),
        "Versioned contracts; bad rows go to a topic with their reason.",
    ),
    Row(
        42,
        ("privacy/policies/operators", "ingest/directory.py"),
        (
            "tests/unit/test_privacy_policies_applying.py::test_the_default_policy_masks_as_docs_privacy_says",
            "tests/unit/test_privacy_policies_applying.py::test_what_a_record_does_not_state_stays_missing",
            "tests/integration/test_ingest_gateway.py::test_a_directory_change_is_in_force_for_the_next_push_and_after_a_restart",
        ),
        "Masks and defaults are a policy file; the stream is joined with a table of people that is kept up to date.",
    ),
    Row(
        43,
        ("rules/models/autoencoder.py", "rules/models/training.py"),
        (
            "tests/unit/test_models_training.py::test_the_autoencoder_learns_from_normal_payments_alone",
            "tests/property/test_models_scores.py::test_any_split_into_batches_gives_the_same_scores_bit_for_bit",
        ),
        "It scores the stream. The original ended with a list of links; its output could not be negative.",
    ),
    Row(
        44,
        ("rules/models/drift.py", "storage/cases/learned.py", "dashboard/health_page.py"),
        (
            "tests/integration/test_storage_learned.py::test_labels_of_alerts_and_reports_say_how_often_a_learned_rule_is_right",
            "tests/unit/test_models_scoring.py::test_drift_is_told_of_what_moved_and_not_of_few_rows",
        ),
        "Precision with its interval from analysts' labels, and drift of every feature.",
    ),
    Row(
        45,
        ("ingest/produce/sustained.py", "veilocity produce"),
        (
            "tests/integration/test_produce_gateway.py::test_eighty_a_second_are_reached_and_no_label_is_sent",
            "tests/unit/test_produce.py::test_events_are_due_by_a_schedule_and_not_by_pauses",
        ),
        "Paced by a schedule and measured. The original slept 0.5 s and reached 2 a second.",
    ),
    Row(
        46,
        ("rules/ruling.py", "veilocity/cli/doctor.py", "veilocity doctor"),
        ("tests/e2e/test_main_job.py::test_every_payment_has_one_decision_and_one_document_in_each_store",),
        "One decision for each payment, added up; the card number is no feature.",
    ),
    Row(
        47,
        ("storage/cassandra", "veilocity sinks"),
        ("tests/integration/test_storage_cassandra.py::test_killed_again_and_again_the_sink_ends_exact",),
        "Prepared statements, masked rows, exact after a kill. The original built its statements from text.",
    ),
    Row(
        48,
        ("storage/elastic.py", "deploy/kibana"),
        (
            "tests/integration/test_storage_writers.py::test_both_stores_hold_the_same_documents",
            "tests/integration/test_storage_kibana.py::test_the_linter_finds_nothing_on_indices_of_ours_and_leaves_nothing_behind",
        ),
        "Ids are deterministic: a replay doubles nothing.",
    ),
)
