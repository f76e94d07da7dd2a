"""The example models are those of their cards and fit this program, and get into a system once, without undoing what people decided."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from devstack import launcher
from rules.models.card import markdown
from rules.models.features import FEATURES, FEATURES_VERSION
from rules.models.making import SIMULATED
from rules.models.registry import Entry, Registry
from rules.models.shipping import SHIPPED, Installed, install
from rules.models.swap import check
from veilocity.cli.models import app
from veilocity.errors import SettingsError, StateError
from veilocity.settings import load

NOW_MS = 1_764_000_000_000
GIVEN = Registry(SHIPPED)
ENTRIES = GIVEN.entries()
NEWEST = {entry.name: entry.version for entry in ENTRIES}


def in_force(registry: Registry) -> dict[str, str]:
    return {model.name: model.version for model in registry.active()}


def test_both_kinds_are_there_and_small() -> None:
    assert {entry.card.kind for entry in ENTRIES} == {"boosting", "autoencoder"}
    assert sum(file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file()) < 300_000
    assert not (SHIPPED / "active.json").exists(), "nothing is in force in a folder that only gives"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.name}-{entry.version}")
def test_a_file_is_the_one_of_its_card_and_scores_the_features_of_this_program(entry: Entry) -> None:
    model = GIVEN.load(entry.name, entry.version)
    check((model,))
    assert (model.features_version, entry.card.features_version, entry.card.features) == (FEATURES_VERSION, FEATURES_VERSION, FEATURES), (
        "train the examples anew: docs/models.md says how"
    )
    assert entry.version.endswith(entry.card.sha256[:8])
    assert np.isfinite(model.score(np.zeros((3, len(FEATURES))))).all()
    assert entry.card.limits[0] == SIMULATED
    assert (SHIPPED / entry.name / entry.version / "card.md").read_text(encoding="utf-8") == markdown(entry.card)


def test_the_newest_of_each_are_in_force_after_the_first_time_and_a_second_changes_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    installed = install(SHIPPED, registry.folder, NOW_MS)
    assert {one.name: one.version for one in installed if one.promoted} == in_force(registry) == NEWEST
    stamp = registry.stamp()
    assert not any(one.promoted for one in install(SHIPPED, registry.folder, NOW_MS + 1))
    assert (registry.stamp(), len(registry.entries())) == (stamp, len(ENTRIES))


def test_what_people_decided_stays(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    install(SHIPPED, tmp_path, NOW_MS)
    registry.rollback("boosting", NOW_MS)
    install(SHIPPED, tmp_path, NOW_MS)
    assert in_force(registry) == {"autoencoder": NEWEST["autoencoder"]}


def test_a_changed_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SHIPPED / "autoencoder", source / "autoencoder")
    (file,) = source.glob("*/*/model.npz")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(StateError, match="SHA-256"):
        install(source, tmp_path / "models", NOW_MS)
    with pytest.raises(SettingsError, match="no models"):
        install(tmp_path / "nothing", tmp_path / "models", NOW_MS)
    assert Registry(tmp_path / "models").entries() == []


def test_the_command_installs_the_examples_or_another_folder(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "models"
    shutil.copytree(SHIPPED / "autoencoder", source / "autoencoder")
    first = CliRunner().invoke(app, ["install", str(source), "--folder", str(folder)])
    assert first.output == f"autoencoder {NEWEST['autoencoder']} is in force.\n"
    second = CliRunner().invoke(app, ["install", "--folder", str(folder)])
    assert f"autoencoder {NEWEST['autoencoder']} is stored." in second.output
    assert f"boosting {NEWEST['boosting']} is in force." in second.output
    assert Installed("autoencoder", NEWEST["autoencoder"], promoted=False) in install(SHIPPED, folder, NOW_MS)


def test_the_demo_has_them_in_the_shadow_unless_somebody_chose(tmp_path: Path) -> None:
    demo = launcher._with_models(load({}, state_dir=tmp_path))
    assert (demo.rules_models_dir, demo.rules_models_policy) == (str(tmp_path / "models"), "shadow")
    assert in_force(Registry(tmp_path / "models")) == NEWEST
    for chosen in ("", "/elsewhere"):
        assert launcher._with_models(load({"VEILOCITY_RULES_MODELS_DIR": chosen})).rules_models_dir == chosen
