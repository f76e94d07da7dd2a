from pathlib import Path

import msgspec
import pytest

from privacy.executor import decode_part
from privacy.heartbeat import Heartbeat
from privacy.masking import Masker
from privacy.parts import PartBuilder
from privacy.policy import Policy
from privacy.runner import _newest
from privacy.service import _only_one
from privacy.session import kafka_source_options
from privacy.tokens import Tokeniser
from privacy.windows import Window
from veilocity import settings as kernel_settings
from veilocity.contracts import encode
from veilocity.errors import FencedError, SettingsError

HOUR_MS = 3_600_000


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
    assert policy.windows.widths_ms == (1_800_000, 21_600_000, 86_400_000)
    assert (policy.k, policy.l, policy.t, policy.hold_loss, policy.windows.drain_ms) == (5, 1, 0.3, 0.5, 900_000)


def test_one_tier_and_tiers_that_do_not_nest() -> None:
    one = Policy.of(kernel_settings.load({}, privacy_hold_minutes=""), partitions=3, key_check="abcd")
    assert one.windows.widths_ms == (3_600_000,)
    with pytest.raises(SettingsError, match="multiple of the tier before"):
        Policy.of(kernel_settings.load({}, privacy_hold_minutes="90"), partitions=3, key_check="abcd")
    with pytest.raises(SettingsError, match="HOLD_MINUTES"):
        kernel_settings.load({}, privacy_hold_minutes="six hours")


@pytest.mark.parametrize(
    ("tier", "loss", "time_level"),
    [
        (0, 0.5, 0),
        (1, 0.5, 1),
        (2, 1.0, 2),
    ],
)
def test_only_the_last_tier_hides_whatever_it_must_and_later_ones_print_wide_times(tier: int, loss: float, time_level: int) -> None:
    policy = Policy.of(kernel_settings.load({}), partitions=3, key_check="abcd")
    # Cut by a drain: still printed as wide as a whole window of its tier.
    terms = policy.terms(Window(tier, 14 * HOUR_MS, 15 * HOUR_MS))
    assert (terms.limits.loss, terms.time_level, terms.limits.k) == (loss, time_level, 5)


def test_heartbeats_are_read_and_others_are_counted_and_left_out() -> None:
    builder = PartBuilder(Masker(Tokeniser(bytes(32)), 7, 1))
    heartbeat = Heartbeat(5_000, {0: 7, 1: 9})
    builder.add("heartbeats", 0, [0, 1, 2], [encode(heartbeat), b"{}", None])
    part = decode_part(msgspec.msgpack.encode(builder.finish()))
    assert (part.heartbeats, part.rejected, part.decisions) == ([heartbeat], {"undecodable": 2}, 0)
