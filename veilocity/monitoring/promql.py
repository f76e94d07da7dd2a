"""What a PromQL expression asks for: its metrics with their label matchers, and the labels it groups by.

A scanner and not a parser: `promtool` says whether an expression parses, this says of what it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Asked", "Matcher", "Selector", "asked", "concrete"]

_TOKEN = re.compile(
    r"""
      (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<range>\[[^\]]*\])
    | (?P<name>[a-zA-Z_:][\w:]*)
    | (?P<number>\d[\w.]*)
    | (?P<operator>=~|!~|!=|==|<=|>=|[-+*/%^<>=])
    | (?P<mark>[(){},])
    """,
    re.VERBOSE,
)
_WITH_LABELS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan", *_WITH_LABELS})
_GRAFANA = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s"}


class Matcher(NamedTuple):
    """One condition on a label."""

    label: str
    operator: str
    """`=`, `!=`, `=~` or `!~`."""
    value: str


class Selector(NamedTuple):
    """One metric that is read."""

    metric: str
    matchers: tuple[Matcher, ...]


class Asked(NamedTuple):
    """Everything that an expression names."""

    selectors: tuple[Selector, ...]
    labels: frozenset[str]
    """By which it groups or joins."""


class _Token(NamedTuple):
    kind: str
    text: str


def concrete(expression: str) -> str:
    """Return the expression with Grafana's variables replaced, as Prometheus gets it.

    >>> concrete("rate(a_total[$__rate_interval])")
    'rate(a_total[1m])'
    """
    for variable, value in _GRAFANA.items():
        expression = expression.replace(variable, value)
    return expression


def asked(expression: str) -> Asked:
    """Return what an expression names.

    >>> found = asked('sum by (le) (rate(a_bucket{kind="x",outcome!~"b|c"}[5m])) / on (job) up > 0.5')
    >>> [selector.metric for selector in found.selectors], sorted(found.labels)
    (['a_bucket', 'up'], ['job', 'le'])
    >>> found.selectors[0].matchers[1]
    Matcher(label='outcome', operator='!~', value='b|c')
    """
    tokens = [_Token(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(expression)]
    selectors: list[Selector] = []
    labels: set[str] = set()
    place = 0
    while place < len(tokens):
        token, after = tokens[place], tokens[place + 1].text if place + 1 < len(tokens) else ""
        place += 1
        if token.kind != "name":
            continue
        if token.text in _WITH_LABELS and after == "(":
            inside = list(_until(tokens, place + 1, ")"))
            labels.update(one.text for one in inside if one.kind == "name")
            place += len(inside) + 2
        elif after == "{":
            inside = list(_until(tokens, place + 1, "}"))
            selectors.append(Selector(token.text, tuple(_matchers(inside))))
            place += len(inside) + 2
        elif token.text not in _WORDS and after not in ("(", "by", "without"):
            selectors.append(Selector(token.text, ()))
    return Asked(tuple(selectors), frozenset(labels))


def _until(tokens: list[_Token], place: int, end: str) -> Iterator[_Token]:
    while place < len(tokens) and tokens[place].text != end:
        yield tokens[place]
        place += 1


def _matchers(tokens: list[_Token]) -> Iterator[Matcher]:
    parts = [token for token in tokens if token.text != ","]
    for label, operator, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield Matcher(label.text, operator.text, value.text[1:-1])
