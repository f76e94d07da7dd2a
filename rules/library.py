"""Rule books from folders of rule files, each proven by its own tests before it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rules.book import RuleBook
from rules.catalogue import RULE_TYPES
from rules.files.inline import Report, run
from rules.files.schema import EngineFile, RuleFile, read_engine_file, read_rule_file
from veilocity.errors import RuleFileError, SettingsError
from veilocity.settings import Settings

__all__ = [
    "DEFAULT_FOLDER",
    "ENGINE_FILE",
    "Library",
    "default_rule_book",
    "load_rule_book",
    "read_library",
    "rule_book_of",
    "run_tests",
]

DEFAULT_FOLDER = Path(__file__).parent / "files" / "default"
"""The rules that are in force where nobody says otherwise."""
ENGINE_FILE = "engine.yaml"


class Library(NamedTuple):
    """A folder of rule files, read but not yet proven."""

    engine: EngineFile
    rules: tuple[RuleFile, ...]
    """In the order in which the catalogue asks them, those that are not in force too."""

    def book(self) -> RuleBook:
        """Return the rules in force."""
        return self.engine.book(tuple(file.entry for file in self.rules if file.enabled))


def read_library(folder: Path) -> Library:
    """Read all files of a folder; their tests are not run.

    Raises:
        SettingsError: the folder holds no rule, two files set the same rule, or a file is not understood; the sentence names file and
            field.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as cause:
        raise SettingsError(f"the folder of rule files cannot be read ({type(cause).__name__}): see VEILOCITY_RULES_FOLDER") from cause
    engine = EngineFile()
    files: dict[str, RuleFile] = {}
    for path in paths:
        if path.name == ENGINE_FILE:
            engine = read_engine_file(path)
            continue
        file = read_rule_file(path)
        known = files.setdefault(file.entry.rule.id, file)
        if known is not file:
            raise SettingsError(f"{file.name}: rule: {known.name} sets {file.entry.rule.id} already")
    if not files:
        raise SettingsError("the folder of rule files holds none: see VEILOCITY_RULES_FOLDER")
    return Library(engine, tuple(files[name] for name in RULE_TYPES if name in files))


def run_tests(library: Library) -> Iterator[tuple[str, Report]]:
    """Run every inline test and yield the name of its file and what it found."""
    for test in library.engine.tests:
        yield ENGINE_FILE, run(test, library.engine.book())
    for file in library.rules:
        for test, entry in zip(file.tests, file.tested, strict=True):
            yield file.name, run(test, library.engine.book((entry,)))


def load_rule_book(folder: Path) -> RuleBook:
    """Return the rules of a folder.

    Raises:
        RuleFileError: a test of a file is red; names file, test, what was expected and what was found.
        SettingsError: see `read_library`.

    Guarantee: every test of every file, of rules that are not in force too, was run on the engine and is green.
    """
    library = read_library(folder)
    for file, report in run_tests(library):
        if report.faults:
            raise RuleFileError(f"{file}, test '{report.name}': {'; '.join(report.faults)}")
    return library.book()


@cache
def default_rule_book() -> RuleBook:
    """Return the rules that are in force where nobody says otherwise."""
    return load_rule_book(DEFAULT_FOLDER)


def rule_book_of(settings: Settings) -> RuleBook:
    """Return the rules that the settings ask for.

    Raises:
        RuleFileError: a test of a file is red.
        SettingsError: a file is not understood.
    """
    return load_rule_book(Path(settings.rules_folder)) if settings.rules_folder else default_rule_book()
