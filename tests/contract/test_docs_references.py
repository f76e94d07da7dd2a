"""What the documents name exists: files, headings, make targets, commands, options, variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from veilocity.cli import app
from veilocity.settings import PREFIX, SECRETS, Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMAND = typer.main.get_command(app)
_ENDINGS = "py|pyi|md|toml|lock|yml|json|svg|png|sh|properties"
_MADE_BY_A_RUN = (".venv/", ".veilocity", "secrets/", "keys/", "data/", "tests/artifacts/")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)


def code_of(document: Path) -> list[str]:
    """Return everything that stands in code: between backticks, fenced, or indented by four after a blank line."""
    text = document.read_text(encoding="utf-8")
    fenced = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    indented = [line.strip() for line in rest.splitlines() if line.startswith("    ")]
    return [*(line for block in fenced for line in block.splitlines()), *indented, *re.findall(r"`([^`\n]+)`", rest)]


def anchors_of(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        assert not anchor or anchor in anchors_of(file), target


@each_document
def test_files_that_are_named_exist(document: Path) -> None:
    text = re.sub(r"\S+://\S+|\]\([^)]*\)", "", document.read_text(encoding="utf-8"))
    for path in re.findall(rf"(?<![\w./<>{{}}-])(?:[\w.-]+/)+[\w.-]*(?:\.(?:{_ENDINGS}))?(?![\w<>*{{}}/-])", text):
        is_ours = (ROOT / path.split("/")[0]).exists() and not path.startswith(_MADE_BY_A_RUN)
        # A decision is named by its number alone.
        assert not is_ours or any(ROOT.glob(f"{path.rstrip('./')}*" if path.startswith("docs/adr/") else path.rstrip("./"))), path


@each_document
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for code in code_of(document):
        for target in re.findall(r"\bmake ([a-z][\w-]*)", code):
            assert target in targets, code


@each_document
def test_commands_and_their_options_exist(document: Path) -> None:
    assert isinstance(COMMAND, TyperGroup)
    for code in code_of(document):
        match = re.match(r"(?:\.venv/bin/)?veilocity (.*)", code)
        if match is None:
            continue
        words = match[1].split("#")[0].split()
        command: Any = COMMAND
        while isinstance(command, TyperGroup) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
            assert words[0] in command.commands, code
            command = command.commands[words.pop(0)]
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        for option in re.findall(r"(?<!\S)--[a-z-]+", " ".join(words)):
            assert option in options, code


@each_document
def test_variables_are_settings(document: Path) -> None:
    for variable in re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", document.read_text(encoding="utf-8")):
        name = variable.removeprefix(PREFIX).lower()
        assert name in Settings.model_fields or name.removesuffix("_file") in SECRETS or name == "settings_file", variable


@each_document
def test_every_document_is_reached_from_the_readme(document: Path) -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        current = waiting.pop()
        reached.add(current)
        for target in re.findall(r"\]\(([^)\s#]+)", current.read_text(encoding="utf-8")):
            file = (current.parent / target).resolve()
            if file.suffix == ".md" and file.exists() and file not in reached:
                waiting.append(file)
    assert document in reached or document.parent == ROOT / "docs/adr"


def test_the_readme_keeps_its_order() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    introduction = text.split("\n\n")[1]
    assert len(re.findall(r"\.(?:\s|$)", introduction)) == 3
    parts = ["docs/images/live.png", "make demo", "make test", "docs/images/architecture.svg", "## Limits"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
