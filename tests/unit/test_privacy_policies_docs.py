"""docs/privacy-policy.md is held to the code: every word, every danger, every example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privacy.policies import model
from privacy.policies.catalogue import Kind
from privacy.policies.compiling import DANGERS, compile_policy, faults_of, reason_of
from privacy.policies.draft import STRUCTURAL
from privacy.policies.grammar import OPERATIONS, operations_of
from privacy.policies.model import DEFAULT_FILE, Policy
from privacy.policies.text import parse

TEXT = (Path(__file__).resolve().parents[2] / "docs/privacy-policy.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n# ([^\n]+)\n(.*?)```", TEXT, re.DOTALL)


def over_default(fragment: str) -> Policy:
    """Return the default policy with what an example writes in the place of its own."""
    policy: Any = parse(DEFAULT_FILE.read_text(encoding="utf-8"), DEFAULT_FILE.name)
    changes: Any = parse(fragment, "example")
    for section, values in changes.items():
        if section == "records":
            for record, fields in values.items():
                policy[section][record] = fields if fields == "drop" else policy[section][record] | fields
        elif isinstance(policy.get(section), dict):
            policy[section] |= values
        else:
            policy[section] = values
    return msgspec.convert(policy, Policy)


def test_there_are_examples_of_both_sorts() -> None:
    assert TEXT.count("```yaml") == len(EXAMPLES) >= 6
    assert {says.partition(":")[0] for says, _ in EXAMPLES} == {"compiles", "refused"}


@pytest.mark.parametrize(("says", "fragment"), EXAMPLES)
def test_an_example_compiles_or_is_refused_as_it_says(says: str, fragment: str) -> None:
    policy = over_default(fragment)
    if says == "compiles":
        compile_policy(policy)
    else:
        assert {fault.danger for fault in faults_of(policy)} == {says.removeprefix("refused: ")}


@pytest.mark.parametrize("danger", [*STRUCTURAL, *DANGERS])
def test_every_danger_is_explained(danger: str) -> None:
    assert f"| `{danger}` | {reason_of(danger)} |\n" in TEXT
    assert reason_of(danger).endswith(".")


def test_no_danger_is_explained_that_is_none() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", TEXT.partition("## Dangers")[2], re.MULTILINE)
    assert sorted(rows) == sorted([*STRUCTURAL, *DANGERS])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_and_its_parameters_are_explained(operation: str) -> None:
    rows = "".join(line for line in TEXT.splitlines() if line.startswith(f"| `{operation}` |"))
    assert rows
    for kind in Kind:
        operator = operations_of(kind).get(operation)
        if operator is not None and operation != "hash":
            assert not [name for name in operator.__struct_fields__ if f"`{name}`" not in rows and f"`{name}:" not in rows], operator


def test_every_section_and_its_words_are_explained() -> None:
    sections = [model.Sinks, model.Pseudonyms, model.Releases, model.Aggregates, model.Sketches, model.Policy, model.Hierarchies]
    words = [word for section in sections for word in section.__struct_fields__]
    assert not [word for word in words if f"`{word}`" not in TEXT]
