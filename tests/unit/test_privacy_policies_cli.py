from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from privacy.policies.catalogue import RECORDS
from privacy.policies.model import DEFAULT_FILE
from veilocity.cli.privacy_policy import check

app = typer.Typer()
app.command()(check)
DEFAULT_TEXT = DEFAULT_FILE.read_text(encoding="utf-8")


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160", **environment})
    return result.exit_code, result.output


@pytest.fixture
def dangerous(tmp_path: Path) -> str:
    text = DEFAULT_TEXT.replace("    card: token", "    card: {mongodb: token, elasticsearch: mask}").replace("k: 5", "k: 1")
    (tmp_path / "dangerous.yaml").write_text(text, encoding="utf-8")
    return str(tmp_path / "dangerous.yaml")


def test_a_safe_policy_is_shown_field_by_field() -> None:
    code, shown = run()
    assert code == 0
    fields = [f"{record.name}.{field.name}" for record in RECORDS.values() for field in record.fields]
    assert not [field for field in fields if f"{field} " not in shown]
    assert shown.count("safe") == len(fields) + 1
    assert "k=5 l=1 t=0.3, tiers of 60, 360, 1440 minutes" in shown


def test_an_operation_that_differs_is_shown_for_each_store(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(DEFAULT_TEXT.replace("user: token", "user: {default: token, mongodb: drop}"), encoding="utf-8")
    code, shown = run(str(tmp_path / "mine.yaml"), "--json")
    assert code == 0
    assert msgspec.json.decode(shown)["fields"]["transaction.user"] == {"mongodb": "drop", "elasticsearch": "token scope=sink"}
    rows = [line for line in run(str(tmp_path / "mine.yaml"))[1].splitlines() if "transaction.user" in line]
    assert len(rows) == 2


def test_a_dangerous_policy_is_refused_with_every_fault(dangerous: str) -> None:
    code, shown = run(dangerous)
    assert code == 1
    assert "transaction.card in elasticsearch: " in shown
    assert "[card-pseudonym-and-truncation]" in shown
    assert "[k-below-two]" in shown
    assert shown.endswith("default-1: refused, 2 faults.\n")


def test_json_says_the_same(dangerous: str) -> None:
    code, shown = run(dangerous, "--json")
    told = msgspec.json.decode(shown)
    assert (code, told["safe"], "digest" in told) == (1, False, False)
    assert [(fault["danger"], fault["where"], fault["sink"]) for fault in told["faults"]] == [
        ("card-pseudonym-and-truncation", "transaction.card", "elasticsearch"),
        ("k-below-two", "releases.k", ""),
    ]
    code, shown = run("--json")
    assert (code, msgspec.json.decode(shown)["safe"]) == (0, True)


def test_a_file_that_cannot_be_understood_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("policy: [", encoding="utf-8")
    code, shown = run(str(tmp_path / "broken.yaml"))
    assert code == 1
    assert "broken.yaml, line 2" in shown


def test_the_policy_in_force_is_the_default_with_the_settings() -> None:
    code, shown = run(VEILOCITY_PRIVACY_K="12")
    assert code == 0
    assert "k=12" in shown
