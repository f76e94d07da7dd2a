"""The command line's own parts: what it prints when something fails, and the secret files it makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from veilocity.cli import app, compose_secrets


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VEILOCITY_")} | variables
    return subprocess.run(
        [sys.executable, "-m", "veilocity.cli", *arguments], capture_output=True, text=True, check=False, env=environment, timeout=60
    )


def test_an_expected_error_is_one_sentence_and_a_code() -> None:
    result = run("settings", VEILOCITY_PRIVACY_K="one")
    assert result.returncode == 2
    assert result.stderr.startswith("veilocity: VEILOCITY_PRIVACY_K: ")
    assert result.stderr.count("\n") == 1


def test_an_unexpected_error_is_told_with_its_place_and_nothing_that_identifies(tmp_path: Path) -> None:
    # A folder where the file should be: nobody handles that on purpose.
    (tmp_path / "mongodb_uri").mkdir()
    (tmp_path / "mongodb_password").mkdir()
    named_by_data = tmp_path / "4539148803436467"
    named_by_data.write_text("")
    result = run("secrets", "--directory", str(named_by_data))
    assert result.returncode == 3
    assert "FileExistsError" in result.stderr
    assert "compose_secrets.py" in result.stderr
    assert "4539148803436467" not in result.stderr
    assert "Traceback" not in result.stderr


def test_secret_files_are_made_once_closed_and_random(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "secrets"
    assert compose_secrets.write(folder) == list(compose_secrets.FILES)
    before = {name: (folder / name).read_bytes() for name in compose_secrets.FILES}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {(folder / name).stat().st_mode & 0o777 for name in compose_secrets.FILES} == {0o444}
    assert len(set(before.values())) == len(before)
    assert len(bytes.fromhex(before["token_key"].decode())) == 32
    assert before["mongodb_password"] in before["mongodb_uri"]
    (folder / "ingest_token").unlink()
    assert compose_secrets.write(folder) == ["ingest_token"]
    assert (folder / "ingest_token").read_bytes() != before["ingest_token"]
    assert all((folder / name).read_bytes() == before[name] for name in compose_secrets.FILES if name != "ingest_token")


def test_the_command_never_prints_a_secret(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["secrets", "--directory", str(tmp_path)])
    assert result.exit_code == 0
    assert not [name for name in compose_secrets.FILES if (tmp_path / name).read_text(encoding="ascii") in result.output]


def test_printed_settings_hide_secrets() -> None:
    result = run("settings", VEILOCITY_INGEST_TOKEN="c4nary")  # noqa: S106  # a canary, no secret
    assert result.returncode == 0
    assert "VEILOCITY_INGEST_TOKEN=**********" in result.stdout
    assert "c4nary" not in result.stdout


@pytest.mark.parametrize("command", [command.name or command.callback.__name__ for command in app.registered_commands if command.callback])
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "--help" in result.output
