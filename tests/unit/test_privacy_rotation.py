"""Which key versions a micro-batch masks with: added ones from the next that begins, the same when it is repeated, none too early."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from privacy.executor import PartMasker, _masker, decode_part
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.parts import MaskedPart
from privacy.policies.compiling import compile_policy
from privacy.policies.model import DEFAULT_FILE, read_policy
from privacy.policy import key_checks
from privacy.rotation import RECORD, RingInForce, seen_until_ms, versions_in_force
from privacy.tokens import TokenKind
from veilocity.contracts import DeviceId, Fix, SubjectId, encode
from veilocity.errors import KeyMissingError, SettingsError, StateError

WEEK_MS = 7 * 86_400_000
MINUTE_MS = 60_000
BEGINS_MS = 2_900 * WEEK_MS
"""Where a period of a week begins."""
COMPILED = compile_policy(read_policy(DEFAULT_FILE))


def nobody_asks() -> int:
    raise AssertionError("nothing is new")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "token.key"
    KeyRing.generate(path)
    return path


def test_a_version_is_taken_up_by_the_next_micro_batch_that_begins(tmp_path: Path, key_file: Path) -> None:
    keys = RingInForce(tmp_path, key_file, begun=-1)
    first = keys.taken_up(0, nobody_asks)
    assert first == versions_in_force(tmp_path) == key_checks(KeyRing.from_file(key_file))
    KeyRing.rotated(key_file, BEGINS_MS)
    assert keys.taken_up(1, lambda: BEGINS_MS - MINUTE_MS) == key_checks(KeyRing.from_file(key_file)) != first
    assert versions_in_force(tmp_path) == keys.checks
    assert keys.taken_up(2, nobody_asks) == keys.checks


def test_a_repeated_micro_batch_has_the_versions_of_the_first_attempt(tmp_path: Path, key_file: Path) -> None:
    first = RingInForce(tmp_path, key_file, begun=-1).taken_up(0, nobody_asks)
    KeyRing.rotated(key_file, BEGINS_MS)
    # Killed in micro-batch 1, before or after it read the file: then the version was not, or was, written down.
    again = RingInForce(tmp_path, key_file, begun=1)
    assert again.taken_up(1, nobody_asks) == first
    later = again.taken_up(2, lambda: 0)
    assert len(later) == 2
    assert RingInForce(tmp_path, key_file, begun=2).taken_up(2, nobody_asks) == later


def test_a_version_of_a_time_that_was_seen_is_refused_until_it_is_taken_out(tmp_path: Path, key_file: Path) -> None:
    keys = RingInForce(tmp_path, key_file, begun=-1)
    first, text = keys.taken_up(0, nobody_asks), key_file.read_text()
    KeyRing.rotated(key_file, BEGINS_MS)
    # The newest event is told by the minute: it may lie anywhere in it.
    for running in (keys, RingInForce(tmp_path, key_file, begun=0)):
        with pytest.raises(SettingsError, match="version 2 of the key ring is in force from"):
            running.taken_up(1, lambda: BEGINS_MS - MINUTE_MS + 1)
        with pytest.raises(SettingsError, match="nothing was masked with it"):
            running.check(lambda: BEGINS_MS)
    assert versions_in_force(tmp_path) == first
    key_file.write_text(text)
    assert RingInForce(tmp_path, key_file, begun=0).taken_up(1, lambda: BEGINS_MS) == first


def test_a_version_that_was_taken_up_cannot_be_taken_out(tmp_path: Path, key_file: Path) -> None:
    text = key_file.read_text()
    keys = RingInForce(tmp_path, key_file, begun=-1)
    KeyRing.rotated(key_file, BEGINS_MS)
    keys.taken_up(0, lambda: 0)
    key_file.write_text(text)
    with pytest.raises(SettingsError, match="began with another key ring: put that file back"):
        keys.taken_up(1, nobody_asks)
    with pytest.raises(SettingsError, match="began with another key ring"):
        RingInForce(tmp_path, key_file, begun=0)
    key_file.unlink()
    with pytest.raises(KeyMissingError):
        keys.taken_up(1, nobody_asks)


def test_a_damaged_record_is_refused(tmp_path: Path, key_file: Path) -> None:
    assert versions_in_force(tmp_path) == ()
    (tmp_path / RECORD).write_bytes(b"?")
    with pytest.raises(StateError, match="restore its whole folder"):
        RingInForce(tmp_path, key_file, begun=0)


def test_nothing_was_seen_before_the_first_event() -> None:
    assert (seen_until_ms(0), seen_until_ms(MINUTE_MS)) == (0, 2 * MINUTE_MS)


def masked(key_file: Path, checks: tuple[str, ...], *times_ms: int) -> MaskedPart:
    values = [
        encode(Fix(SubjectId(f"p{at_ms}"), DeviceId("d"), "s", at_ms * 1_000_000, at_ms, 51.5, -0.12, accuracy_m=1.0)) for at_ms in times_ms
    ]
    count = len(values)
    columns: dict[str, list[Any]] = {"topic": ["fixes"] * count, "partition": [0] * count, "offset": list(range(count)), "value": values}
    (row,) = PartMasker(str(key_file), checks, COMPILED, 1, {"fixes": "fixes"})([pa.RecordBatch.from_pydict(columns)])
    return decode_part(row.column("part")[0].as_py())


def test_a_worker_masks_with_the_versions_that_it_is_told_and_no_newer_ones(tmp_path: Path, key_file: Path) -> None:
    first = key_checks(KeyRing.from_file(key_file))
    times = (BEGINS_MS - 1, BEGINS_MS)
    before = masked(key_file, first, *times)
    copy = tmp_path / "copy.key"
    copy.write_bytes(key_file.read_bytes())
    copy.chmod(0o600)
    ring = KeyRing.rotated(key_file, BEGINS_MS)
    # A worker that was started meanwhile.
    _masker.cache_clear()
    assert masked(key_file, first, *times) == before
    after = masked(key_file, key_checks(ring), *times)
    wanted = {Pseudonymiser(ring, "mongodb", WEEK_MS).token(TokenKind.SUBJECT, f"p{at_ms}", at_ms) for at_ms in times}
    assert {one.id for one in after.positions} == wanted
    assert len({one.id for one in before.positions} & wanted) == 1
    with pytest.raises(SettingsError, match="give every executor the same file"):
        masked(copy, key_checks(ring), *times)
