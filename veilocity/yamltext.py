"""YAML as people mean it: a value is what it looks like, a key stands once, and a mistake is told with its line.

YAML 1.1 reads `NO` (Norway) and `off` as false, `12:30` as 750, `0123` as 83, and keeps the last of two equal keys. Here the scalars of
YAML 1.2's core schema hold (without octal and infinite numbers), and an equal key is refused.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from veilocity.errors import SettingsError

__all__ = ["parse"]

_SCALARS = (
    ("tag:yaml.org,2002:null", r"~|null|", ["~", "n", ""]),
    ("tag:yaml.org,2002:bool", r"true|false", list("tf")),
    ("tag:yaml.org,2002:int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("tag:yaml.org,2002:float", r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)", list("-0123456789")),
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the one in C is ten times as fast, where there is one
    """Reads plain data."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # as the library declares it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice, and a key that is not text."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem="a key must be text: put it in quotes", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]  # the base is chosen at run time


for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)


def parse(text: str, name: str, refusal: type[SettingsError] = SettingsError) -> object:
    r"""Return the data of one YAML document.

    Args:
        text: the document.
        name: of the file, for the message.
        refusal: the error to raise, where the file's kind has one of its own.

    Raises:
        SettingsError: not YAML, or a key stands twice; names file and line.

    >>> parse("country: NO\nat: 12:30\namount: 0123\nshare: 1e-3\naggregates: off", "a.yaml")
    {'country': 'NO', 'at': '12:30', 'amount': '0123', 'share': 0.001, 'aggregates': 'off'}
    >>> parse("a: 1\na: 2", "a.yaml")
    Traceback (most recent call last):
    veilocity.errors.SettingsError: a.yaml, line 2: the key 'a' stands twice
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  # a safe loader: plain data only
    except yaml.MarkedYAMLError as cause:
        line = f", line {cause.problem_mark.line + 1}" if cause.problem_mark is not None else ""
        raise refusal(f"{name}{line}: {cause.problem or 'this is not YAML'}") from cause
    except (yaml.YAMLError, RecursionError) as cause:
        raise refusal(f"{name}: this is not YAML: {type(cause).__name__}") from cause
