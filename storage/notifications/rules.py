"""Routes: which alerts are told to whom, how they are put together, and how often.

Promise: `channels_of` depends on the routes and the alert alone. Routes are asked in their order and the first that fits takes the alert,
unless it says `continue`. One route to one receiver is a channel, and channels know nothing of each other: a receiver that is down delays
and loses nothing of another's.

The words are those of Prometheus Alertmanager (`group_by`, `group_wait`, `group_interval`, `repeat_interval`), with the same meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from veilocity.contracts import Severity
from veilocity.errors import SettingsError

__all__ = ["Channel", "Route", "Timing", "channels_of", "duration_ms", "is_at_least", "rank"]

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_NEVER = "never"
_LONGEST_INTERVAL_MS = 86_400_000
_RANKS = {severity: number for number, severity in enumerate(Severity)}


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When a channel speaks; wall clock, milliseconds."""

    wait_ms: int
    """From a case's first news to its message, so that what belongs together comes together."""
    interval_ms: int
    """Between two messages of one case, and between two of a storm."""
    repeat_ms: int | None
    """After which a case that stands is told again; None for never."""
    forget_ms: int
    """A case of which no alert changed for so long is over."""
    storm_cases: int
    """Most cases told one by one within `interval_ms`; beyond it they are one message."""
    retractions: bool
    """Whether the retraction of what was told is told."""


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `routes`."""

    name: str
    receivers: tuple[str, ...]
    severity: Severity = Severity.LOW
    """This and graver."""
    rules: tuple[str, ...] = ()
    """Ids of rules; none means all."""
    group_by: tuple[Literal["person", "rule"], ...] = ("person", "rule")
    """What one case is: a person's alerts of one rule, or all of a person."""
    group_wait: str = "30s"
    group_interval: str = "5m"
    repeat_interval: str = _NEVER
    forget_after: str = "7d"
    storm_cases: int = 10
    retractions: bool = True
    goes_on: bool = msgspec.field(default=False, name="continue")

    def is_about(self, rule: str) -> bool:
        """Say whether the route takes alerts of a rule, of whatever severity."""
        return not self.rules or rule in self.rules

    def timing(self) -> Timing:
        """Return when the route speaks.

        Raises:
            SettingsError: a duration is malformed or out of range; names the route and the field.
        """
        timing = Timing(
            wait_ms=self._ms("group_wait"),
            interval_ms=self._ms("group_interval"),
            repeat_ms=None if self.repeat_interval == _NEVER else self._ms("repeat_interval"),
            forget_ms=self._ms("forget_after"),
            storm_cases=self.storm_cases,
            retractions=self.retractions,
        )
        checks = (
            (1_000 <= timing.interval_ms <= _LONGEST_INTERVAL_MS, "group_interval: from 1s to 1d"),
            (timing.wait_ms <= timing.interval_ms, "group_wait: at most group_interval"),
            (timing.repeat_ms is None or timing.repeat_ms >= timing.interval_ms, "repeat_interval: at least group_interval, or `never`"),
            (timing.forget_ms >= timing.interval_ms, "forget_after: at least group_interval"),
            (1 <= timing.storm_cases <= 1_000, "storm_cases: from 1 to 1000"),
            ("person" in self.group_by, "group_by: a case is about one person, so write [person] or [person, rule]"),
        )
        for holds, fault in checks:
            if not holds:
                raise SettingsError(f"routes, {self.name}: {fault}")
        return timing

    def _ms(self, field: str) -> int:
        try:
            return duration_ms(getattr(self, field))
        except SettingsError as cause:
            raise SettingsError(f"routes, {self.name}: {field}: {cause}") from cause


class Channel(msgspec.Struct, frozen=True):
    """One route to one receiver."""

    route: str
    receiver: str
    group_by: tuple[str, ...]
    timing: Timing

    @property
    def id(self) -> str:
        """The name under which its cases and messages are kept."""
        return f"{self.route}>{self.receiver}"


def duration_ms(text: str) -> int:
    """Return the milliseconds of a duration: a whole number and `s`, `m`, `h` or `d`.

    Raises:
        SettingsError: another text.

    >>> duration_ms("90s"), duration_ms("4h")
    (90000, 14400000)
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise SettingsError("a duration is a whole number and a unit, such as 30s, 5m, 4h or 7d")
    return int(match[1]) * _UNITS_MS[match[2]]


def rank(severity: Severity) -> int:
    """Return a number that is higher for a graver severity.

    >>> rank(Severity.LOW) < rank(Severity.MEDIUM) < rank(Severity.HIGH)
    True
    """
    return _RANKS[severity]


def is_at_least(severity: Severity, least: Severity) -> bool:
    """Say whether a severity is as grave as another or graver."""
    return _RANKS[severity] >= _RANKS[least]


def channels_of(routes: Sequence[Route], rule: str, severity: Severity) -> tuple[str, ...]:
    """Return the ids of the channels that tell a new alert, each once, in the order of the routes.

    >>> both = Route(name="grave", receivers=("phone", "mail"), severity=Severity.HIGH)
    >>> rest = Route(name="rest", receivers=("mail",))
    >>> channels_of([both, rest], "impossible-travel", Severity.HIGH), channels_of([both, rest], "cash-out", Severity.LOW)
    (('grave>phone', 'grave>mail'), ('rest>mail',))
    """
    found: list[str] = []
    for route in routes:
        if route.is_about(rule) and is_at_least(severity, route.severity):
            found += [f"{route.name}>{receiver}" for receiver in route.receivers]
            if not route.goes_on:
                break
    return tuple(dict.fromkeys(found))
