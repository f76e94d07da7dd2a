"""What a rule file may say, and how it is read: typed, and refused with file and field where it is not understood."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeVar

import msgspec

from rules import ruling
from rules.book import Allowed, Memory, Places, RuleBook, RuleEntry
from rules.catalogue import RULE_TYPES
from rules.files.inline import InlineTest
from rules.files.text import parse
from rules.motion import MotionLimits
from rules.rule import Parameters, Rule
from veilocity.contracts import Severity
from veilocity.errors import SettingsError

__all__ = ["UNSCORABLE", "EngineFile", "RuleFile", "read_engine_file", "read_rule_file"]

UNSCORABLE = frozenset(
    (
        ruling.CHANNEL_WITHOUT_PLACE,
        ruling.COORDINATES_MISSING,
        ruling.COORDINATES_SWAPPED,
        ruling.NULL_ISLAND,
        ruling.MOVING_TERMINAL,
        ruling.NO_NEIGHBOUR,
        ruling.NEIGHBOUR_TOO_OLD,
        ruling.TOO_LATE,
        ruling.FUTURE_TIME,
    )
)
"""Why a payment may be not scorable: what a fallback severity may be set for."""
_T = TypeVar("_T")


class _RuleText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rule: str
    version: str
    enabled: bool = True
    severity_cap: Severity | None = None
    parameters: dict[str, object] = {}
    allow: Allowed = Allowed()
    tests: tuple[InlineTest, ...] = ()


class RuleFile(msgspec.Struct, frozen=True, kw_only=True):
    """One rule with all that its file sets."""

    name: str
    """Of the file, for messages."""
    entry: RuleEntry
    enabled: bool
    tests: tuple[InlineTest, ...]
    tested: tuple[RuleEntry, ...]
    """What each test runs with: the entry, or one with the test's own parameters and lists."""


class EngineFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all rules."""

    memory: Memory = Memory()
    places: Places = Places()
    motion: dict[str, object] = {}
    """See `MotionLimits`."""
    fallback: dict[str, Severity] = {}
    """Severity of a payment that is not scorable, by its reason."""
    tests: tuple[InlineTest, ...] = ()
    """With no rule in force: what is not scorable, and why."""

    def book(self, entries: tuple[RuleEntry, ...] = ()) -> RuleBook:
        """Return a rule book with these entries."""
        return RuleBook(entries, self.memory, self.places, msgspec.convert(self.motion, MotionLimits), self.fallback)


def read_rule_file(path: Path) -> RuleFile:
    """Read the file of one rule; its tests are not run.

    Raises:
        SettingsError: not YAML, an unknown rule, field or parameter, a value of another type or out of range, another version.
    """
    name = path.name
    text = _convert(_read(path), _RuleText, name, "")
    rule_type = RULE_TYPES.get(text.rule)
    if rule_type is None:
        raise SettingsError(f"{name}: rule: there is no rule '{text.rule}'; there are {', '.join(RULE_TYPES)}")
    if text.version != rule_type.version:
        raise SettingsError(
            f"{name}: version: the file is for version {text.version} of {text.rule}, this program has version {rule_type.version}: "
            "look at what changed and adapt the file"
        )
    _refuse_repeated_names(text.tests, name)
    entry = RuleEntry(_rule(rule_type, text.parameters, name, "parameters"), text.severity_cap, text.allow)
    tested = tuple(_tested(test, number, text, entry, name) for number, test in enumerate(text.tests))
    return RuleFile(name=name, entry=entry, enabled=text.enabled, tests=text.tests, tested=tested)


def _tested(test: InlineTest, number: int, text: _RuleText, entry: RuleEntry, name: str) -> RuleEntry:
    rule = entry.rule
    if test.parameters:
        rule = _rule(type(rule), {**text.parameters, **test.parameters}, name, f"tests[{number}].parameters")
    unknown = [one.cause for one in test.expect if one.cause not in rule.reasons]
    if unknown:
        raise SettingsError(f"{name}: tests[{number}].expect: {text.rule} has no reason '{unknown[0]}'; it has {', '.join(rule.reasons)}")
    return RuleEntry(rule, text.severity_cap, text.allow if test.allow is None else test.allow)


def _rule(rule_type: type[Rule], values: dict[str, object], name: str, field: str) -> Rule:  # type: ignore[type-arg]  # of any parameters
    parameters: Parameters = _convert(values, rule_type.parameter_type, name, field)
    for key, value in msgspec.structs.asdict(parameters).items():
        if isinstance(value, int | float) and (value < 0 or not math.isfinite(value)):
            raise SettingsError(f"{name}: {field}.{key}: a threshold is not negative")
    return rule_type(parameters)


def read_engine_file(path: Path) -> EngineFile:
    """Read what holds for all rules.

    Raises:
        SettingsError: not YAML, an unknown field, a value of another type or out of range.
    """
    name = path.name
    file = _convert(_read(path), EngineFile, name, "")
    _refuse_repeated_names(file.tests, name)
    for field in file.motion:
        if field not in MotionLimits.__struct_fields__:
            raise SettingsError(f"{name}: motion: unknown field '{field}'; there are {', '.join(MotionLimits.__struct_fields__)}")
    motion = _convert(file.motion, MotionLimits, name, "motion")
    for reason in file.fallback:
        if reason not in UNSCORABLE:
            raise SettingsError(f"{name}: fallback: there is no reason '{reason}'; there are {', '.join(sorted(UNSCORABLE))}")
    sizes = {**msgspec.structs.asdict(file.memory), **msgspec.structs.asdict(motion), **file.places.terminals}
    sizes |= {"default_accuracy_m": file.places.default_accuracy_m, "default_place_accuracy_m": file.places.default_place_accuracy_m}
    for field, value in sizes.items():
        if value <= 0:
            raise SettingsError(f"{name}: {field}: must be more than 0")
    return file


def _refuse_repeated_names(tests: tuple[InlineTest, ...], name: str) -> None:
    names = [test.name for test in tests]
    repeated = [one for one in names if names.count(one) > 1]
    if repeated:
        raise SettingsError(f"{name}: tests: two are called '{repeated[0]}'")


def _read(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise SettingsError(f"{path.name}: the file cannot be read ({type(cause).__name__})") from cause
    return parse(text, path.name)


def _convert(data: object, kind: type[_T], name: str, field: str) -> _T:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as cause:
        # The message ends with where it is, as a path from `$`.
        fault, _, place = str(cause).partition(" - at `$")
        where = f"{field}{place.rstrip('`')}".lstrip(".")
        raise SettingsError(f"{name}: {where}: {fault}" if where else f"{name}: {fault}") from cause
