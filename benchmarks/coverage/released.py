"""Rows 21 to 34: privacy, stores, algorithms, alerts."""

from __future__ import annotations

from benchmarks.coverage.model import Row

__all__ = ["ROWS"]

ROWS = (
    Row(
        21,
        ("privacy/masking.py", "privacy/policies"),
        ("tests/e2e/test_main_job.py::test_no_identifier_is_in_a_store_a_log_a_metric_or_the_state_of_the_privacy_stage",),
        "By a policy file that is refused if it lets something exact out. The original indexed card numbers.",
    ),
    Row(
        22,
        ("privacy/identifiers/pseudonyms.py", "privacy/identifiers/ff1.py", "storage/vault.py"),
        (
            "tests/unit/test_privacy_identifiers_pseudonyms.py::test_a_token_is_the_documented_hash",
            "tests/property/test_privacy_identifiers.py::test_card_tokens_are_undone_and_never_a_number",
        ),
        "Keyed, joinable, rotated, another token in each store. The original drew a new one for every cell.",
    ),
    Row(
        23,
        ("privacy/releases.py", "privacy/anonymise"),
        ("tests/property/test_privacy_release.py::test_every_release_is_safe_whatever_the_rows",),
        "Every class is proved before it is released. The original plotted a score and applied no k.",
    ),
    Row(
        24,
        ("privacy/curves", "veilocity privacy"),
        (
            "tests/property/test_privacy_curves.py::test_k_is_kept_and_every_figure_is_a_share",
            "tests/unit/test_privacy_course.py::test_the_usual_figure_claims_more_than_is_measured",
        ),
        "Measured risk and loss, beside the silhouette that the original called privacy.",
    ),
    Row(
        25,
        ("sketches/minhash.py", "sketches/lsh.py", "privacy/batch.py"),
        ("tests/statistical/test_sketches_promises.py::test_bands_find_planted_pairs_at_their_stated_recall",),
        "Behaviour and never ids; recall is measured.",
    ),
    Row(
        26,
        ("dashboard/streams_page.py", "dashboard/assets/streams_graph.js"),
        ("tests/e2e/test_streams_page.py::test_a_group_is_reached_chosen_and_left_by_keyboard_and_told_in_words",),
        "Stable layout, by keyboard, told in words.",
    ),
    Row(
        27,
        ("storage/mongo.py", "storage/retention.py", "storage/schema.py"),
        ("tests/integration/test_storage_writers.py::test_a_batch_written_again_changes_no_byte",),
        "The original named MongoDB in its slides only.",
    ),
    Row(
        28,
        ("storage/elastic.py", "storage/kibana", "veilocity kibana"),
        (
            "tests/integration/test_storage_kibana.py::test_the_ten_panels_have_the_answers_that_were_counted_by_hand",
            "tests/contract/test_kibana_files.py::test_payments_have_the_ten_panels_of_the_bank_project",
        ),
        "Explicit mappings and ids; panels as code whose answers are tested.",
    ),
    Row(
        29,
        ("sketches/flajolet_martin.py", "sketches/dgim.py", "sketches/moments.py", "sketches/triangles.py", "veilocity rubric"),
        (
            "tests/statistical/test_sketches_distinct.py::test_flajolet_martin_is_unbiased_and_errs_by_its_standard_error",
            "tests/statistical/test_sketches_windows.py::test_dgim_keeps_its_error_in_every_suffix_at_all_times",
            "tests/statistical/test_sketches_moments.py::test_bounds_hold_f2_as_often_as_they_say",
            "tests/statistical/test_sketches_graph.py::test_triangles_are_unbiased",
        ),
        "Each with bounds, merge and a test against the exact answer.",
    ),
    Row(
        30,
        ("privacy/measure", "privacy/differential"),
        (
            "tests/property/test_privacy_anonymise.py::test_k_and_l_hold_by_plain_counting",
            "tests/property/test_privacy_differential.py::test_no_order_of_charges_exceeds_the_budget_in_any_stretch",
        ),
        "A budget that no replay spends twice.",
    ),
    Row(
        31,
        ("storage/notifications", "veilocity notify"),
        (
            "tests/integration/test_notify_service.py::test_an_alert_is_told_with_its_link_and_only_what_is_masked",
            "tests/integration/test_notify_service.py::test_notifiers_killed_at_any_moment_lose_and_double_nothing",
        ),
        "Signed webhooks and mail; a storm is one message.",
    ),
    Row(
        32,
        ("privacy/segments", "veilocity segments"),
        (
            "tests/property/test_privacy_segments.py::test_no_segment_is_below_k",
            "tests/integration/test_privacy_segments.py::test_windows_are_released_once_and_alike_on_replay",
        ),
        "Released with k people only, letters that stay, exact on replay.",
    ),
    Row(
        33,
        ("privacy/audit", "storage/audits.py", "veilocity privacy"),
        (
            "tests/integration/test_privacy_audit.py::test_a_clean_world_passes_and_damage_is_named",
            "tests/e2e/test_main_job.py::test_the_stage_audits_itself_and_tells_the_result",
        ),
        "The auditor reads the stores as a thief would, on a schedule.",
    ),
    Row(
        34,
        ("ingest/cdc", "veilocity feeds"),
        ("tests/integration/test_ingest_cdc.py::test_killed_in_the_middle_every_payment_is_decided_on_once",),
        "The original dropped it. Ours reads the change log itself and confirms after Kafka has it.",
    ),
)
