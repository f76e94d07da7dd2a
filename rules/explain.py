"""Rules and alerts in words: what a rule computes and with which values, and how an alert follows from what it holds."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from rules.catalogue import RULE_TYPES
from rules.episodes import recompute
from rules.files.schema import RuleFile
from rules.models.alerts import rebuilt
from veilocity.contracts import Alert, Observation
from veilocity.geo import SPHERE_ERROR, great_circle_m

__all__ = ["Explanation", "explain_alert", "explain_rule"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IN_THE_MODULE = "See the module."


class Explanation(NamedTuple):
    """An alert in words."""

    lines: tuple[str, ...]
    recomputes: bool
    """Whether every figure follows from what the alert holds."""


def explain_rule(file: RuleFile) -> str:
    """Return what a rule computes, with which values, and when it is wrong; plain text."""
    rule, entry = file.entry.rule, file.entry
    state = "in force" if file.enabled else "not in force"
    cap = f", severity at most {entry.severity_cap}" if entry.severity_cap is not None else ""
    values = msgspec.to_builtins(rule.parameters)
    listed = {name: value for name, value in msgspec.to_builtins(entry.allowed).items() if value}
    parts = (
        f"{rule.id}, version {rule.version}: {rule.title}",
        f"{state}{cap}; {len(file.tests)} tests in {file.name}",
        _formula(type(rule)),
        _block("Parameters", (f"{name} = {_number(value)}" for name, value in values.items())),
        _block("Never accused", (f"{name}: {', '.join(value)}" for name, value in listed.items())),
        _block("Reasons", rule.reasons),
        _block("When it is wrong", [rule.false_positives]),
    )
    return "\n\n".join(part for part in parts if part)


def _formula(rule_type: type) -> str:
    text = inspect.getdoc(rule_type) or ""
    if text == _IN_THE_MODULE:
        return inspect.cleandoc(sys.modules[rule_type.__module__].__doc__ or "")
    return text


def _block(title: str, lines: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    text = "\n".join(f"  {line}" for line in lines)
    return f"{title}\n{text}" if text else ""


def explain_alert(alert: Alert) -> Explanation:
    """Return how an alert follows from what it holds, and whether it does.

    Args:
        alert: as the rules service wrote it. Its identifiers are shown, so the lines are as secret as the alert.
    """
    lines = [
        f"{alert.rule}, version {alert.rule_version}: {alert.state}, revision {alert.revision}",
        f"first   {_observation(alert.first)}",
        f"second  {_observation(alert.second)}",
        *_journey(alert),
        *(f"fact    {name} = {_number(value)}" for name, value in alert.facts.items()),
        *(f"counted {_moment(item.event_ms / 1000)}  {item.amount_minor:,} at merchant {item.merchant:08x}" for item in alert.items),
        *(f"with    {name} = {_number(value)}" for name, value in alert.parameters.items()),
        *(f"check   {check.name}: {'applies' if check.applied else 'does not apply'}" for check in alert.checks),
        f"finding {alert.severity} {alert.cause}, score {alert.score:g}",
        f"episode {alert.episode.count} times from {_moment(alert.episode.first_ms / 1000)} to {_moment(alert.episode.last_ms / 1000)}",
        alert.sentence,
    ]
    faults = tuple(_faults(alert))
    capped = faults == ("severity",)
    verdict = "It recomputes: every figure follows from what the alert holds."
    if capped:
        verdict = "It recomputes, except that its severity differs, as it does where a rule book caps it."
    elif faults:
        verdict = f"It does not recompute: {', '.join(faults)}."
    return Explanation((*lines, verdict), not faults or capped)


def _journey(alert: Alert) -> Iterator[str]:
    first, second = alert.first, alert.second
    if alert.distance_m is not None and None not in (first.lat, first.lon, second.lat, second.lon):
        distance_km = great_circle_m(first.lat or 0.0, first.lon or 0.0, second.lat or 0.0, second.lon or 0.0) / 1000.0
        radii_km = (first.accuracy_m + second.accuracy_m) / 1000.0
        low, _, high = (one / 1000.0 for one in msgspec.structs.astuple(alert.distance_m))
        yield f"apart   at least {distance_km:,.3f} km * (1 - {SPHERE_ERROR}) - {radii_km:,.3f} km = {low:,.3f} km"
        yield f"        at most  {distance_km:,.3f} km * (1 + {SPHERE_ERROR}) + {radii_km:,.3f} km = {high:,.3f} km"
    yield f"elapsed {alert.elapsed_s:,.3f} s"
    if alert.speed_kmh is not None and alert.distance_m is not None:
        low, likely, high = msgspec.structs.astuple(alert.speed_kmh)
        slack_s = alert.distance_m.low * 3.6 / low - alert.elapsed_s if low > 0.0 else 0.0
        yield f"speed   at least {alert.distance_m.low / 1000:,.3f} km / ({alert.elapsed_s:,.3f} s + {slack_s:,.1f} s) = {low:,.1f} km/h"
        yield f"        likely   {likely:,.1f} km/h, at most {high:,.1f} km/h"
    if alert.probability is not None:
        yield f"chance  {alert.probability:.6f} that a person could have made the trip"
    if alert.fine_with_s is not None:
        yield f"fine    with {alert.fine_with_s:,.1f} s between the two"


def _faults(alert: Alert) -> Iterator[str]:
    """Yield what does not follow: names of fields, or a sentence."""
    if alert.rule.startswith("learned-"):
        yield from _learned_faults(alert)
        return
    rule_type = RULE_TYPES.get(alert.rule)
    if rule_type is None:
        yield f"this program has no rule {alert.rule}"
        return
    if rule_type.version != alert.rule_version:
        yield f"it was judged by version {alert.rule_version} of the rule, this program has version {rule_type.version}"
        return
    try:
        again = recompute(alert, RULE_TYPES)
    except (KeyError, IndexError, msgspec.ValidationError) as fault:
        yield f"a fact or a parameter is missing or of another type ({fault})"
        return
    for name in Alert.__struct_fields__:
        if getattr(again, name) != getattr(alert, name):
            yield name


def _learned_faults(alert: Alert) -> Iterator[str]:
    """Yield what does not follow from score and threshold; that the score is the model's, only the model of that version can say."""
    try:
        again = rebuilt(alert)
    except (KeyError, TypeError) as fault:
        yield f"a fact or a parameter is missing or of another type ({fault})"
        return
    yield from (name for name, value in again.items() if getattr(alert, name) != value)


def _observation(seen: Observation) -> str:
    place = "without a place" if seen.lat is None else f"{seen.lat:.7f}, {seen.lon:.7f} within {seen.accuracy_m:,.1f} m"
    return f"{seen.kind} {seen.id or 'payment'} at {_moment(seen.event_ns / 1e9)}, {place}"


def _moment(seconds: float) -> str:
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def _number(value: object) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value)) or "none"
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)
