from pathlib import Path

import pytest

from privacy.policy import Policy
from privacy.runner import _newest
from privacy.service import _only_one
from privacy.session import kafka_source_options
from veilocity import settings as kernel_settings
from veilocity.errors import FencedError


def test_a_second_stage_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with _only_one(tmp_path), pytest.raises(FencedError, match="another privacy stage"), _only_one(tmp_path):
        pass
    with _only_one(tmp_path):
        pass


def test_the_newest_micro_batch_of_a_checkpoint_ignores_sparks_other_files(tmp_path: Path) -> None:
    assert _newest(tmp_path / "commits") == -1
    for name in ("0", "9", "10", ".10.crc", "metadata"):
        (tmp_path / name).touch()
    assert _newest(tmp_path) == 10


def test_the_source_reads_committed_records_from_the_beginning_and_loses_none_silently() -> None:
    options = kafka_source_options(kernel_settings.load({}), ["a", "b"])
    assert options["kafka.isolation.level"] == "read_committed"
    assert options["startingOffsets"] == "earliest"
    assert options["failOnDataLoss"] == "true"
    assert options["subscribe"] == "a,b"


def test_the_promise_is_made_of_the_settings() -> None:
    policy = Policy.of(kernel_settings.load({}, privacy_window_minutes=30, privacy_delay_s=5), partitions=3, key_check="abcd")
    assert (policy.windows.width_ms, policy.windows.delay_ms, policy.windows.partitions) == (1_800_000, 5_000, 3)
    assert policy.k == 5
