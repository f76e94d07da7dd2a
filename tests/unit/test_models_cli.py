"""`veilocity models`: from files and labels to a version in force and back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from veilocity.cli import app
from veilocity.cli.models_data import simulated
from veilocity.contracts import Channel, SubjectId, Transaction, encode
from veilocity.errors import SettingsError

START_MS = 1_764_000_000_000
HOUR_MS = 3_600_000


def called(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["models", *arguments])
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Three weeks of payments of ten people, some of them large and at night: those are the frauds."""
    rng = random.Random(5)  # noqa: S311  # test data
    payments: list[Transaction] = []
    labels: list[dict[str, str | None]] = []
    for number in range(1_000):
        fraud = rng.random() < 0.12
        at_ms = START_MS + int(number * 21 * 24 * HOUR_MS / 1_000)
        amount = int(rng.lognormvariate(9.0 if fraud else 7.5, 0.8))
        shop = f"shop {rng.randrange(60 if fraud else 6)}"
        payments.append(
            Transaction(f"t{number}", SubjectId(f"p{number % 10}"), at_ms, at_ms + 500, amount, "EUR", shop, "grocery", Channel.ECOMMERCE)
        )
        if fraud:
            labels.append({"transaction": f"t{number}", "kind": "stolen card", "subject": "p"})
    labels.append({"transaction": None, "kind": "phone takeover"})
    (tmp_path / "payments.jsonl").write_bytes(b"\n".join(encode(payment) for payment in payments))
    (tmp_path / "labels.jsonl").write_bytes(b"\n".join(msgspec.json.encode(label) for label in labels))
    return str(tmp_path / "payments.jsonl"), str(tmp_path / "labels.jsonl")


def test_a_model_is_trained_stored_judged_promoted_and_rolled_back(tmp_path: Path, files: tuple[str, str]) -> None:
    events, labels = files
    folder = ("--folder", str(tmp_path / "models"))
    told = json.loads(called("train", events, "--labels", labels, *folder, "--alerts-per-day", "4", "--json"))
    boosting, autoencoder = told["models"]
    assert (boosting["name"], autoencoder["name"]) == ("boosting", "autoencoder")
    assert boosting["quality"]["pr_auc"] > boosting["baselines"]["chance"]
    assert (tmp_path / "models" / "boosting" / boosting["version"] / "card.md").exists()

    again = called("train", events, "--labels", labels, *folder, "--alerts-per-day", "4")
    assert f"boosting {boosting['version']}" in again
    assert f"autoencoder {autoencoder['version']}" in again
    assert "| budget |" in again

    assert "is in force" in called("promote", "boosting", boosting["version"], *folder)
    listed = json.loads(called("list", *folder, "--json"))
    assert [(one["name"], one["active"]) for one in listed["models"]] == [("autoencoder", False), ("boosting", True)]
    assert "2 versions" in called("list", *folder)

    judged = json.loads(called("evaluate", "boosting", events, "--labels", labels, *folder, "--json"))
    assert judged["version"] == boosting["version"]
    assert judged["quality"]["payments"] == 904
    assert "PR-AUC" in called("evaluate", f"autoencoder@{autoencoder['version']}", events, "--labels", labels, *folder)

    assert "No version of boosting is in force." in called("rollback", "boosting", *folder)
    with pytest.raises(SettingsError, match="no promotion"):
        called("rollback", "boosting", *folder)


def test_what_is_missing_is_said(tmp_path: Path, files: tuple[str, str]) -> None:
    events, labels = files
    folder = ("--folder", str(tmp_path / "models"))
    with pytest.raises(SettingsError, match="belong together"):
        called("train", events, *folder)
    with pytest.raises(SettingsError, match="cannot be read"):
        called("train", events, "--labels", str(tmp_path / "none.jsonl"), *folder)
    with pytest.raises(SettingsError, match="as JSON"):
        called("train", events, "--labels", __file__, *folder)
    Path(labels).write_bytes(b'{"transaction": "nobody", "kind": "x"}')
    with pytest.raises(SettingsError, match="no label belongs"):
        called("train", events, "--labels", labels, *folder)
    with pytest.raises(SettingsError, match="no such model"):
        called("evaluate", "boosting", *folder)
    assert called("list", *folder).endswith(f"0 versions in {tmp_path / 'models'}.\n")


def test_simulated_weeks_bring_their_labels() -> None:
    data, words = simulated(1, 2, 3)
    assert data.frauds.sum() > 0
    assert set(data.subjects) <= {name for name in data.subjects if name}
    assert "2 people for 1 weeks, seed 3" in words
