"""Preparing a checkout: the sentences for what is missing, and silence when all is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_TOOLS = ("sh", "dirname", "cat", "cut", "cksum", "rm", "id")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with only what preparing reads, and a PATH of its own with no Python in it."""
    made = tmp_path / "checkout"
    (made / "devstack").mkdir(parents=True)
    for name in ("devstack/bootstrap.sh", "uv.lock", "pyproject.toml"):
        shutil.copy2(_ROOT / name, made / name)
    (made / "bin").mkdir()
    for tool in _TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (made / "bin" / tool).symlink_to(found)
    return made


def _program(checkout: Path, name: str, script: str) -> Path:
    path = checkout / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _prepare(checkout: Path, what: str = "run") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "devstack" / "bootstrap.sh"), what],
        env={"PATH": str(checkout / "bin")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_python_is_told(checkout: Path) -> None:
    done = _prepare(checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("veilocity: Python 3.11, 3.12 or 3.13 is needed, and no Python 3 was found: install one")


def test_an_old_python_is_told(checkout: Path) -> None:
    _program(checkout, "python3", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    done = _prepare(checkout)
    assert done.returncode == 1
    assert "is needed, and Python 3.9.2 was found" in done.stderr


def test_a_python_without_venv_is_told(checkout: Path) -> None:
    _program(checkout, "python3.11", 'if [ "$1" = -c ]; then exit 0; else exit 1; fi')
    done = _prepare(checkout)
    assert done.returncode == 1
    assert "cannot make virtual environments: install its venv module, for example `apt install python3-venv`" in done.stderr


def test_what_is_installed_already_is_left_alone(checkout: Path) -> None:
    stamp = subprocess.run("cat uv.lock pyproject.toml | cksum", shell=True, cwd=checkout, capture_output=True, text=True, check=True)  # noqa: S602  # constant
    (checkout / ".venv" / "bin").mkdir(parents=True)
    program = checkout / ".venv" / "bin" / "veilocity"
    program.write_text("")
    program.chmod(0o755)
    (checkout / ".venv" / "installed-dev").write_text(stamp.stdout)
    for what in ("run", "dev"):
        done = _prepare(checkout, what)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (checkout / "uv.lock").write_text("changed")
    assert _prepare(checkout).returncode == 1


@pytest.mark.parametrize(("asked", "options"), [("run", "--no-dev"), ("extras", "--no-dev --all-extras"), ("dev", "--dev")])
def test_the_libraries_of_extras_are_installed_for_who_asks_and_stay(checkout: Path, asked: str, options: str) -> None:
    for folder in (".venv/bin", ".veilocity/uv/bin"):
        (checkout / folder).mkdir(parents=True)
    (checkout / "bin" / "mkdir").symlink_to(shutil.which("mkdir") or "")
    for name in (".venv/bin/python", ".veilocity/uv/bin/python"):
        _program(checkout, f"../{name}", "exit 0")
    version = re.search(r"^UV_VERSION=(.+)$", (_ROOT / "devstack" / "bootstrap.sh").read_text(encoding="utf-8"), re.MULTILINE)
    assert version
    _program(checkout, "../.veilocity/uv/bin/uv", f'if [ "$1" = --version ]; then echo uv {version[1]}; else echo "$*" >>asked; fi')
    assert _prepare(checkout, asked).stderr == ""
    told = (checkout / "asked").read_text(encoding="utf-8")
    assert f"--locked {options} --python" in told
    (checkout / "uv.lock").write_text("changed")
    assert _prepare(checkout, "run").stderr == ""
    again = (checkout / "asked").read_text(encoding="utf-8").removeprefix(told)
    assert f"--locked {options} --python" in again


@pytest.mark.skipif(sys.platform == "darwin", reason="a Chrome in /Applications cannot be hidden")
def test_no_browser_and_no_way_to_install_one_is_a_sentence_not_an_end(checkout: Path) -> None:
    done = _prepare(checkout, "browser")
    assert done.returncode == 0
    assert "no Chromium was found and none can be installed here" in done.stderr
    _program(checkout, "chromium", "")
    assert _prepare(checkout, "browser").stderr == ""


def test_no_prometheus_and_no_way_to_fetch_one_is_a_sentence_not_an_end(checkout: Path) -> None:
    done = _prepare(checkout, "prometheus")
    assert done.returncode == 0
    assert "no Prometheus was found and none can be fetched here" in done.stderr
    for name in ("prometheus", "promtool"):
        _program(checkout, name, "")
    assert _prepare(checkout, "prometheus").stderr == ""


def test_prometheus_is_unpacked_once_and_nothing_is_installed(checkout: Path) -> None:
    for tool in ("mkdir", "mktemp", "mv", "chmod", "touch"):
        found = shutil.which(tool)
        assert found, tool
        (checkout / "bin" / tool).symlink_to(found)
    _program(checkout, "apt-get", '[ "$1 $3" = "download prometheus" ] && touch prometheus_1_amd64.deb')
    _program(checkout, "dpkg-deb", 'mkdir -p "$3/usr/bin" && touch "$3/usr/bin/promtool" && chmod +x "$3/usr/bin/promtool"')
    first = _prepare(checkout, "prometheus")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("Fetching Prometheus")
    assert [path.name for path in (checkout / ".veilocity" / "cache").iterdir()] == ["prometheus"]
    again = _prepare(checkout, "prometheus")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_make_lists_every_target_a_person_may_call() -> None:
    make = (_ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", make, re.MULTILINE))
    listed = subprocess.run(["make", "--no-print-directory", "help"], cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    assert targets == set(re.findall(r"^  make ([a-z0-9-]+)", listed, re.MULTILINE))
    assert targets >= {"demo", "test", "check", "bench", "bench-e2e", "soak", "format", "clean", "install"}


def test_what_must_be_green_is_what_the_makefile_calls_so() -> None:
    run = _ROOT / ".ci" / "run"
    assert os.access(run, os.X_OK)
    commands = [line for line in run.read_text(encoding="utf-8").splitlines() if line.startswith("make ")]
    assert commands == ["make check", "make test"]
