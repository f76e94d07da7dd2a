import copy
import hmac
import pickle
from pathlib import Path

import pytest

from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from veilocity.errors import KeyMissingError, SettingsError

ONE, TWO = bytes(range(32)), bytes(range(32, 64))
NOON_MS = 1_795_348_800_000
NOON = "2026-11-22T12:00:00Z"


def ring_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "ring"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_generated_ring_is_for_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ring"
    made = KeyRing.generate(path)
    assert path.stat().st_mode & 0o777 == 0o600
    read = KeyRing.from_file(path)
    assert read.key("tokens") == made.key("tokens")
    assert (read.versions, read.from_ms(1)) == ((1,), ALWAYS_MS)
    with pytest.raises(FileExistsError):
        KeyRing.generate(path)


def test_a_rotation_adds_a_version_and_loses_none(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    old = KeyRing.generate(path)
    new = KeyRing.rotated(path, NOON_MS)
    again = KeyRing.from_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [path]
    for ring in (new, again):
        assert ring.versions == (1, 2)
        assert ring.key("tokens", event_ms=NOON_MS - 1) == old.key("tokens") == ring.key("tokens", version=1)
        assert ring.key("tokens", event_ms=NOON_MS) == new.key("tokens") != old.key("tokens")
    with pytest.raises(SettingsError, match="later time"):
        KeyRing.rotated(path, NOON_MS)
    assert KeyRing.from_file(path).versions == (1, 2)
    path.with_name("ring.new").touch()
    with pytest.raises(FileExistsError):
        KeyRing.rotated(path, NOON_MS + 1)


def test_a_file_of_one_key_alone_is_version_1_since_ever_and_can_be_rotated(tmp_path: Path) -> None:
    path = ring_file(tmp_path, ONE.hex() + "\n")
    assert KeyRing.from_file(path).key("tokens") == KeyRing([(1, ALWAYS_MS, ONE)]).key("tokens", event_ms=-1)
    rotated = KeyRing.rotated(path, NOON_MS)
    assert path.read_text().splitlines()[0] == f"1 always {ONE.hex()}"
    assert path.read_text().splitlines()[1].startswith("2 2026-11-22T12:00:00.000Z ")
    assert rotated.key("tokens", version=1) == KeyRing([(1, ALWAYS_MS, ONE)]).key("tokens")


def test_a_ring_comes_from_an_environment_too() -> None:
    text = f"# made by hand\n1 always {ONE.hex()}\n\n2 {NOON} {TWO.hex()}"
    lines = KeyRing.from_environment("RING", {"RING": text})
    commas = KeyRing.from_environment("RING", {"RING": f"1 always {ONE.hex()},2 {NOON} {TWO.hex()}"})
    assert lines.check_value() == commas.check_value() == KeyRing([(1, ALWAYS_MS, ONE), (2, NOON_MS, TWO)]).check_value()
    for environment in ({}, {"RING": " "}):
        with pytest.raises(KeyMissingError, match="RING"):
            KeyRing.from_environment("RING", environment)


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        (ONE.hex(), 0o644, "chmod 600"),
        (ONE.hex(), 0o620, "chmod 600"),
        ("ab" * 16, 0o600, "16 bytes instead of 32"),
        ("zz" * 32, 0o600, "hexadecimal"),
        ("", 0o600, "empty"),
        (f"0 always {ONE.hex()}", 0o600, "below 1"),
        (f"one always {ONE.hex()}", 0o600, "line 1"),
        (f"1 {ONE.hex()} {TWO.hex()}", 0o600, "no time"),
        (f"1 2026-11-22T12:00:00.0001Z {ONE.hex()}", 0o600, "whole ms"),
        (f"1 2026-11-22T12:00:00 {ONE.hex()}", 0o600, "no time"),
        (f"1 always {ONE.hex()}\n1 {NOON} {TWO.hex()}", 0o600, "higher number"),
        (f"1 {NOON} {ONE.hex()}\n2 always {TWO.hex()}", 0o600, "later time"),
        (f"1 always {ONE.hex()}\n2 {NOON} {ONE.hex()}", 0o600, "same key"),
        (f"1 always\n{ONE.hex()}", 0o600, "line 1"),
        (f"1 always {ONE.hex()} é", 0o600, "cannot be read"),
    ],
)
def test_a_ring_that_is_not_safe_is_refused_without_showing_it(tmp_path: Path, text: str, mode: int, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refused:
        KeyRing.from_file(ring_file(tmp_path, text, mode))
    seen = f"{refused.value!r} {refused.value.__cause__!r}"
    assert not any(secret in seen for secret in (ONE.hex()[:8], TWO.hex()[:8], "zz"))


def test_a_missing_ring_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError, match="openssl rand -hex 32"):
        KeyRing.from_file(tmp_path / "nowhere")


def test_what_is_not_in_the_ring_is_missing() -> None:
    ring = KeyRing([(3, NOON_MS, ONE)])
    with pytest.raises(KeyMissingError, match="version 2"):
        ring.key("tokens", version=2)
    with pytest.raises(KeyMissingError, match="so old"):
        ring.key("tokens", event_ms=NOON_MS - 1)
    with pytest.raises(KeyMissingError, match="empty"):
        KeyRing([])


def test_keys_of_purposes_versions_and_lengths_are_apart() -> None:
    ring = KeyRing([(1, ALWAYS_MS, ONE), (2, NOON_MS, TWO)])
    keys = [ring.key(purpose, version=version) for purpose in ("a", "b", "ab") for version in (1, 2)]
    keys += [ring.key("a", version=1, length=64)[:32], ring.key("a", version=1, length=16), ONE, TWO]
    assert len(set(keys)) == len(keys)
    with pytest.raises(SettingsError, match="leave one out"):
        ring.key("a", event_ms=0, version=1)
    with pytest.raises(SettingsError, match="purpose"):
        ring.key("")


def test_keys_are_derived_by_hkdf() -> None:
    """RFC 5869, 2.2 and 2.3, with the standard library alone."""
    ring = KeyRing([(1, ALWAYS_MS, ONE)])
    for length in (32, 64):
        info = b"veilocity key ring 1\x00" + length.to_bytes(2, "big") + b"\x00tokens"
        extracted = hmac.digest(bytes(32), ONE, "sha256")
        first = hmac.digest(extracted, info + b"\x01", "sha256")
        second = hmac.digest(extracted, first + info + b"\x02", "sha256")
        assert ring.key("tokens", length=length) == (first + second)[:length]


def test_derivation_never_changes() -> None:
    ring = KeyRing([(1, ALWAYS_MS, ONE)])
    assert ring.key("tokens").hex() == "837509e954a65c0a6415526fb5881cac5b081b38b0b7c2378185a983781fa6bb"
    assert ring.check_value() == "80c3afbb"


def test_many_purposes_stay_right_when_the_cache_is_emptied() -> None:
    ring = KeyRing([(1, ALWAYS_MS, ONE)])
    first = ring.key("purpose 0")
    assert len({ring.key(f"purpose {number}") for number in range(1_100)}) == 1_100
    assert ring.key("purpose 0") == first


def test_the_check_value_sees_keys_versions_and_times() -> None:
    rings = [
        KeyRing([(1, ALWAYS_MS, ONE)]),
        KeyRing([(1, ALWAYS_MS, TWO)]),
        KeyRing([(2, ALWAYS_MS, ONE)]),
        KeyRing([(1, NOON_MS, ONE)]),
        KeyRing([(1, ALWAYS_MS, TWO), (2, NOON_MS, ONE)]),
        KeyRing([(1, 0, TWO), (2, NOON_MS, ONE)]),
    ]
    assert len({ring.check_value() for ring in rings}) == len(rings)


def test_a_ring_never_travels() -> None:
    ring = KeyRing([(1, ALWAYS_MS, ONE)])
    assert ONE.hex()[:8] not in repr(ring)
    assert repr(ONE)[2:8] not in repr(ring)
    for carry in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            carry(ring)
