"""`veilocity keys`: what it makes, refuses and tells, and that it never tells a key."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from privacy.identifiers.keyring import KeyRing
from privacy.rotation import RingInForce
from veilocity.cli import app, compose_secrets
from veilocity.errors import SettingsError, StateError

FAR = "2126-01-01T00:00:00Z"
Keys = Callable[..., Result]


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Runs the command in a state folder of its own, without a MongoDB."""
    monkeypatch.setenv("VEILOCITY_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("VEILOCITY_MONGODB_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50")
    return lambda *arguments: CliRunner().invoke(app, ["keys", *arguments])


def ring_of(folder: Path) -> Path:
    return folder / "keys" / "token.key"


def no_key_in(result: Result, path: Path) -> bool:
    return not any(word in result.output for word in path.read_text().split() if len(word) == 64)


def test_a_ring_is_made_once(tmp_path: Path, keys: Keys) -> None:
    made = keys("new")
    path = ring_of(tmp_path)
    assert made.exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert no_key_in(made, path)
    text = path.read_text()
    again = keys("new")
    assert isinstance(again.exception, SettingsError)
    assert "it stays as it is" in str(again.exception)
    assert path.read_text() == text


def test_no_ring_is_made_for_a_stage_that_has_one(tmp_path: Path, keys: Keys) -> None:
    entry = tmp_path / "data" / "privacy" / "ledger" / "00000000.entry"
    entry.parent.mkdir(parents=True)
    entry.touch()
    assert "put that back from its backup" in str(keys("new").exception)
    assert not ring_of(tmp_path).exists()


def test_the_status_tells_versions_and_which_the_stage_has_taken_up(tmp_path: Path, keys: Keys) -> None:
    keys("new")
    RingInForce(tmp_path / "data" / "privacy", ring_of(tmp_path), begun=-1)
    ring = KeyRing.rotated(ring_of(tmp_path), 4_922_899_200_000)
    told = keys("status", "--json")
    first, second = json.loads(told.stdout)["versions"]
    assert (first["version"], first["in_force_from"], first["taken_up"]) == (1, "always", True)
    assert (second["version"], second["in_force_from"], second["taken_up"]) == (2, "2126-01-01T00:00:00.000Z", False)
    table = keys("status")
    assert all(one["check"] in table.stdout for one in (first, second))
    assert no_key_in(told, ring_of(tmp_path))
    assert no_key_in(table, ring_of(tmp_path))
    assert ring.check_value() not in told.stdout


def test_a_rotation_adds_a_version_of_a_time_to_come(tmp_path: Path, keys: Keys) -> None:
    keys("new")
    path = ring_of(tmp_path)
    before = path.read_text()
    early = keys("rotate", "--from", "2020-01-01T00:00:00Z")
    assert "too early" in str(early.exception)
    assert "the clock on the wall counts" in early.output
    assert path.read_text() == before
    done = keys("rotate", "--from", FAR)
    assert done.exit_code == 0, done.exception
    assert "Version 2" in done.output
    # Periods of a week are counted from 1970, a Thursday; that day is a Tuesday.
    assert "2126-01-03T00:00:00.000Z" in done.output
    assert KeyRing.from_file(path).versions == (1, 2)
    assert no_key_in(done, path)
    path.with_name("token.key.new").touch()
    cut = keys("rotate", "--from", "2127-01-01T00:00:00Z")
    assert isinstance(cut.exception, StateError)
    assert "delete that file" in str(cut.exception)


@pytest.mark.parametrize("time", ["noon", "2126-01-01T00:00:00", "2126-01-01T00:00:00.0001Z"])
def test_a_time_that_cannot_be_read_changes_nothing(keys: Keys, time: str) -> None:
    keys("new")
    assert "--from needs a time" in str(keys("rotate", "--from", time).exception)


def test_the_ring_of_docker_compose_keeps_its_mode(tmp_path: Path, keys: Keys) -> None:
    """Containers read it as another user: through a mount, from a folder that is closed to everybody else."""
    folder = tmp_path / "secrets"
    compose_secrets.write(folder)
    path = folder / "token_key"
    assert keys("rotate", "--from", FAR, "--file", str(path)).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert KeyRing.from_file(path).versions == (1, 2)
    folder.chmod(0o711)
    assert "chmod 600" in str(keys("status", "--file", str(path)).exception)
    folder.chmod(0o700)
    path.chmod(0o644)
    assert "chmod 600" in str(keys("status", "--file", str(path)).exception)
