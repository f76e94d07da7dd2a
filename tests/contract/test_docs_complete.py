"""The documents cover what the code declares, and the tables rendered from the code are fresh."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from rules.catalogue import RULE_TYPES
from veilocity import settings, topics
from veilocity.cli import app
from veilocity.errors import RejectReason
from veilocity.topics import TOPICS, Topic

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("ingest", "rules", "privacy", "storage", "dashboard")


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def declared_metrics() -> list[tuple[str, str, str, str]]:
    """Return name, kind, labels and text of every metric that a room declares, found in the source."""
    found = []
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                kind = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                values = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                if kind in ("counter", "gauge", "histogram") and len(values) >= 2:
                    name, text, *labels = (str(value) for value in values)
                    shown = f"veilocity_{name}" + ("_total" if kind == "counter" else "")
                    found.append((shown, kind, ", ".join(f"`{label}`" for label in labels), f"{text.removesuffix('.')}."))
    return found


def test_the_table_of_settings_is_fresh() -> None:
    assert text_of("docs/settings.md").endswith(settings.markdown()), "run `veilocity settings --markdown`"


def test_the_table_of_topics_is_fresh() -> None:
    assert topics.markdown() in text_of("docs/topics.md"), "put `veilocity.topics.markdown()` there"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_is_described(topic: Topic) -> None:
    assert f"| `{topic.name}` | {topic.help} |" in text_of("docs/topics.md")
    assert topic.name in text_of("docs/images/architecture.svg")


@pytest.mark.parametrize("reason", list(RejectReason))
def test_every_reject_reason_is_described(reason: RejectReason) -> None:
    assert f"`{reason.value}`" in text_of("docs/http-api.md") + text_of("docs/topics.md")


@pytest.mark.parametrize("rule", RULE_TYPES)
def test_every_rule_is_described_in_its_version(rule: str) -> None:
    assert f"## {rule}, version {RULE_TYPES[rule].version}\n" in text_of("docs/rules.md")


def test_every_command_is_shown_in_use() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    shown = text_of("docs/operations.md") + text_of("README.md")
    assert not [name for name in command.commands if f"veilocity {name}" not in shown]


def test_every_metric_is_described() -> None:
    rows = [f"| `{name}` | {kind} | {labels} | {text} |" for name, kind, labels, text in declared_metrics()]
    assert len(rows) > 20
    shown = text_of("docs/operations.md").splitlines()
    assert not [row for row in rows if row not in shown]
    assert sum(line.startswith("| `veilocity_") for line in shown) == len(rows)
