from pathlib import Path

import msgspec
import pytest

from privacy.executor import decode_part
from privacy.heartbeat import Heartbeat, newest_batch
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.sealing import MemorySubjectKeyStore
from privacy.masking import Masker
from privacy.parts import PartBuilder
from privacy.policies import DEFAULT_FILE
from privacy.policy import Policy, compiled_policy, key_checks
from privacy.process import only_one
from privacy.service import run
from privacy.session import kafka_source_options
from privacy.windows import Window
from veilocity import settings as kernel_settings
from veilocity.contracts import encode
from veilocity.errors import FencedError, SettingsError, UnsafePolicyError

HOUR_MS = 3_600_000
RING = KeyRing([(1, ALWAYS_MS, bytes(32))])


def promise(**values: object) -> Policy:
    settings = kernel_settings.load({}, **values)
    return Policy.of(compiled_policy(settings), settings, checks=key_checks(RING))


def test_a_second_stage_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(FencedError, match="another privacy stage"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_the_newest_micro_batch_of_a_checkpoint_ignores_sparks_other_files(tmp_path: Path) -> None:
    assert newest_batch(tmp_path / "commits") == -1
    for name in ("0", "9", "10", ".10.crc", "metadata"):
        (tmp_path / name).touch()
    assert newest_batch(tmp_path) == 10


def test_the_source_reads_committed_records_from_the_beginning_and_loses_none_silently() -> None:
    options = kafka_source_options(kernel_settings.load({}), ["a", "b"])
    assert options["kafka.isolation.level"] == "read_committed"
    assert options["startingOffsets"] == "earliest"
    assert options["failOnDataLoss"] == "true"
    assert options["subscribe"] == "a,b"


def test_the_promise_is_made_of_the_settings() -> None:
    policy = promise(privacy_window_minutes=30, privacy_delay_s=5)
    assert (policy.windows.width_ms, policy.windows.delay_ms) == (1_800_000, 5_000)
    assert policy.windows.widths_ms == (1_800_000, 21_600_000, 86_400_000)
    assert (policy.k, policy.l, policy.t, policy.hold_loss, policy.windows.drain_ms) == (5, 1, 0.3, 0.5, 900_000)
    assert (policy.period_ms, policy.cell_resolution, policy.name) == (7 * 24 * HOUR_MS, 7, "default-1")
    changed = promise(privacy_l=2, privacy_t=0.5, privacy_hold_loss=0.25, privacy_drain_s=2.5, privacy_hold_minutes="120", privacy_k=9)
    assert (changed.k, changed.l, changed.t, changed.hold_loss, changed.windows.drain_ms) == (9, 2, 0.5, 0.25, 2_500)
    assert changed.windows.widths_ms == (HOUR_MS, 2 * HOUR_MS)
    assert changed.digest != policy.digest == promise(privacy_window_minutes=30, privacy_delay_s=5).digest


def test_the_policy_is_the_file_that_is_named_and_settings_win_over_it(tmp_path: Path) -> None:
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("k: 5", "k: 8").replace("policy: default-1", "policy: mine"), encoding="utf-8")
    assert (promise(privacy_policy_file=file).k, promise(privacy_policy_file=file).name) == (8, "mine")
    assert promise(privacy_policy_file=file, privacy_k=9).k == 9
    for before, after, sentence in (
        ("k: 5", "k: 1", "k-below-two"),
        ("    rule: keep", "    rule: seal", "stored document cannot be without rule"),
        ("fine_with_s: {generalise: {minutes: 1}}", "fine_with_s: seal", "alert.fine_with_s has no place for a sealed value"),
        ("sensitive: [verdict]", "sensitive: [severity]", "the verdict of a class and nothing else"),
        ("tiers_minutes: [60, 360, 1440]", "tiers_minutes: [90, 360, 1440]", "multiple"),
        ("  horizon_days: 7", "  horizon_days: 7\n  person_epsilon: 0.5", "must last for one window at least"),
    ):
        file.write_text(text.replace(before, after), encoding="utf-8")
        with pytest.raises(UnsafePolicyError, match=sentence):
            promise(privacy_policy_file=file)


def test_an_unsafe_policy_ends_the_stage_before_it_starts_anything(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(DEFAULT_FILE.read_text(encoding="utf-8").replace("card: token", "card: keep"), encoding="utf-8")
    with pytest.raises(UnsafePolicyError, match="card"):
        run(kernel_settings.load({}, state_dir=tmp_path, privacy_policy_file=file))


def test_one_tier_and_tiers_that_do_not_nest() -> None:
    one = promise(privacy_hold_minutes="")
    assert one.windows.widths_ms == (3_600_000,)
    with pytest.raises(SettingsError, match="multiple of the one before"):
        promise(privacy_hold_minutes="90")
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
    policy = promise()
    # Cut by a drain: still printed as wide as a whole window of its tier.
    terms = policy.terms(Window(tier, 14 * HOUR_MS, 15 * HOUR_MS))
    assert (terms.limits.loss, terms.time_level, terms.limits.k) == (loss, time_level, 5)


def test_heartbeats_are_read_and_others_are_counted_and_left_out() -> None:
    builder = PartBuilder(Masker(compiled_policy(kernel_settings.load({})), RING, MemorySubjectKeyStore), seq=1)
    heartbeat = Heartbeat(5_000, {0: 7, 1: 9})
    builder.add("heartbeats", 0, [0, 1, 2], [encode(heartbeat), b"{}", None])
    part = decode_part(msgspec.msgpack.encode(builder.finish()))
    assert (part.heartbeats, part.rejected, part.decisions) == ([heartbeat], {"undecodable": 2}, 0)
