"""Rows 37, 39, 43 and 44: learned rules score what the visitor pays, change while the service runs, and are watched."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ingest.produce.profiles import Profile, Profiles
from veilocity.cli.tour.extras import setting
from veilocity.cli.tour.stops import Found, absent, failed, ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboard.health_models import LearnedRule
    from rules.models.registry import Registry
    from veilocity.cli.tour.visit import Visit
    from veilocity.contracts import Decision, LearnedScore

__all__ = ["scored_by", "swapped", "watched"]

_PATIENCE_S = 60.0
_DRIFT_PAYMENTS = 220
"""Drift is told of 200 payments and more."""


def scored_by(visit: Visit, name: str) -> Found:
    """Pay, and say what a model answers to the payment."""
    registry = _registry(visit)
    if registry is None or name not in _versions_in_force(registry):
        return _nothing(name)
    decision = _decided(visit, lambda one: _score(one, name) is not None)
    score = _score(decision, name)
    if score is None:
        return failed(f"{name} is in force and no payment of the visit has its score: the rules service's log says why.")
    unusual = ", ".join(f"{figure} {value:g}" for figure, value in score.figures.items())
    return ok(f"{name} {score.version} gave a payment {score.score:.4f}, and flags from {score.threshold:.4f}; most unusual: {unusual}.")


def swapped(visit: Visit) -> Found:
    """Put another version of a model in force and go back; each is seen in a new decision. What was in force is so in the end."""
    registry = _registry(visit)
    active = _versions_in_force(registry) if registry is not None else {}
    if registry is None or not active:
        return _nothing("model")
    name = "boosting" if "boosting" in active else min(active)
    before, others = active[name], [one for one in registry.versions(name) if one != active[name]]
    if others:
        registry.promote(name, others[-1], _now_ms())
    else:
        registry.rollback(name, _now_ms())
    try:
        other = _versions_in_force(registry).get(name)
        if not _answers_with(visit, name, other):
            return failed(f"another version of {name} was put in force, and decisions do not show it.")
    finally:
        if others:
            registry.rollback(name, _now_ms())
        else:
            registry.promote(name, before, _now_ms())
    if not _answers_with(visit, name, before):
        return failed(f"{name} {before} is in force again, and decisions do not show it.")
    return ok(f"decisions came from {name} {before}, then from {other or 'none of it'}, then from {before} again; nothing was restarted.")


def watched(visit: Visit) -> Found:
    """Say how far payments drifted, and how often the models were right, as the page of health does."""
    if _registry(visit) is None or not _told(visit):
        return _nothing("model")
    if not _has_drift(visit):
        _pay(visit, _DRIFT_PAYMENTS)
        if not visit.until(lambda: _has_drift(visit), _PATIENCE_S):
            return failed("the drift of the models is not told within a minute of 200 payments.")
    return ok("; ".join(_watched(rule) for rule in _told(visit)) + f". All of it: {visit.page('/health')}")


def _watched(rule: LearnedRule) -> str:
    labelled = rule.confirmed + rule.wrong
    right = "no label yet" if rule.precision is None else f"right in {100 * rule.precision:.0f} % of {labelled} labelled"
    return f"{rule.rule} {rule.version}: drift at most {rule.drift or 0.0:.2f} ({rule.drift_feature}), {rule.flagged} flags, {right}"


def _told(visit: Visit) -> tuple[LearnedRule, ...]:
    from dashboard.health_models import learned_rules  # noqa: PLC0415  # a room, imported when needed
    from dashboard.scraping import parse  # noqa: PLC0415  # as above

    return learned_rules(parse(visit.metrics("rules")), parse(visit.metrics("dashboard")))


def _has_drift(visit: Visit) -> bool:
    return all(rule.drift is not None for rule in _told(visit))


def _registry(visit: Visit) -> Registry | None:
    folder = setting(visit.settings, "rules_models_dir")
    if not folder:
        return None
    from rules.models.registry import Registry  # noqa: PLC0415  # brings NumPy along

    return Registry(Path(folder))


def _versions_in_force(registry: Registry) -> dict[str, str]:
    return {model.name: model.version for model in registry.active()}


def _nothing(what: str) -> Found:
    return absent(
        f"not here because no {what} is in force: VEILOCITY_RULES_MODELS_DIR names a folder, `veilocity models install` fills it."
    )


def _answers_with(visit: Visit, name: str, version: str | None) -> bool:
    """Say whether new decisions come from a version of a model; from none of it for None."""

    def fits(decision: Decision) -> bool:
        score = _score(decision, name)
        return (None if score is None else score.version) == version

    decision = _decided(visit, fits)
    return decision is not None and fits(decision)


def _decided(visit: Visit, fits: Callable[[Decision], bool]) -> Decision | None:
    """Pay until a decision fits, as a promotion is taken up a moment later; return the last one, None where none came."""
    deadline = time.monotonic() + _PATIENCE_S
    decision: Decision | None = None
    while (decision is None or not fits(decision)) and time.monotonic() < deadline:
        tail = visit.tail
        (name,) = _pay(visit, 1)
        tail.until(partial(tail.decisions.__contains__, name), deadline - time.monotonic())
        decision = tail.decisions.get(name)
    return decision


def _pay(visit: Visit, count: int) -> list[str]:
    """Send payments of people whom nobody knows; return their ids."""
    source, now_ms = Profiles(Profile.NORMAL, time.time_ns() % 2**31), _now_ms()
    made = [source.make(number, now_ms - 2_000 + number) for number in range(count)]
    visit.send("/v1/transactions", [msgspec.Raw(item.body) for one in made for item in one.items])
    return [one.label.id for one in made]


def _score(decision: Decision | None, name: str) -> LearnedScore | None:
    learned = () if decision is None else decision.learned
    return next((one for one in learned if one.rule == f"learned-{name}"), None)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
