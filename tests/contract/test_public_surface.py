"""What other programs may import, and that nothing else on the machine answers to our names."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest

import veilocity
from veilocity import contracts, errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
TOP_LEVEL = sorted({package.split(".")[0] for package in PACKAGES})
KERNEL = [f"veilocity.{module.name}" for module in pkgutil.iter_modules(veilocity.__path__) if module.name != "cli"]


def sorted_as_ruff_does(names: list[str]) -> list[str]:
    """Return constants, then classes, then functions, each in alphabetical order."""
    return sorted(names, key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))


def test_the_surface_is_what_it_says() -> None:
    assert veilocity.__all__ == sorted_as_ruff_does(veilocity.__all__)
    assert len(set(veilocity.__all__)) == len(veilocity.__all__)
    public = {name for name, value in vars(veilocity).items() if not name.startswith("_") and not isinstance(value, ModuleType)}
    assert public == set(veilocity.__all__)


def test_every_contract_and_every_error_is_on_the_surface() -> None:
    assert set(contracts.__all__) | set(errors.__all__) <= set(veilocity.__all__)


@pytest.mark.parametrize("name", sorted([*PACKAGES, *KERNEL]))
def test_a_module_says_what_it_promises_and_what_is_public(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert len(module.__doc__.strip()) > 20
    for public in module.__all__:
        assert hasattr(module, public), public


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_no_other_distribution_provides_our_names(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {"veilocity"}


def test_every_package_on_disk_is_installed_and_no_other() -> None:
    found = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for top in TOP_LEVEL
        for file in (ROOT / top).rglob("__init__.py")
        if "__pycache__" not in file.parts
    }
    assert found == set(PACKAGES)
    assert "tests" not in PACKAGES


def test_importing_the_kernel_loads_no_client_and_no_room() -> None:
    heavy = ["confluent_kafka", "pyspark", "dash", "pymongo", "elasticsearch", "numpy", *(set(TOP_LEVEL) - {"veilocity"})]
    program = f"import sys, veilocity; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"
