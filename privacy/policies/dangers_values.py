"""Why a policy's places, times, amounts and evidence are not safe: each function is one danger, with its reason and source."""

from __future__ import annotations

from collections.abc import Iterator

from privacy.policies.catalogue import Kind
from privacy.policies.draft import ABOUT_ONE_PERSON, Draft, Fault, Rule
from privacy.policies.model import Aggregates
from privacy.policies.operators import (
    Drop,
    GeneraliseAmount,
    GeneraliseFigure,
    GeneraliseFraction,
    GeneralisePlace,
    GeneraliseTime,
    Keep,
    NoiseAmount,
    NoisePlace,
    Seal,
)

__all__ = ["VALUE_DANGERS"]

_INSTEAD = {
    Kind.PLACE: "{generalise: {h3_resolution: 7}}",
    Kind.TIME: "{generalise: {to: minute}}",
    Kind.AMOUNT: "{generalise: {significant_digits: 2}}",
    Kind.FIGURE: "{generalise: {significant_digits: 2}}",
    Kind.DURATION: "{generalise: {minutes: 1}}",
    Kind.FRACTION: "{generalise: {digits: 2}}",
    Kind.SENTENCE: "{generalise: {retell: rounded}}",
}
_MOST_DIGITS = 2


def exact_value_kept(draft: Draft) -> Iterator[Fault]:
    """An exact place, time, amount or figure is as good as a name to who knows one of them from elsewhere (a receipt, a photograph).

    Prices raise the risk of re-identification by 22 %. Source: de Montjoye et al., "Unique in the shopping mall", Science 347 (2015).
    """
    for rule in draft.of_kind(*_INSTEAD):
        if isinstance(rule.operator, Keep):
            instead = _INSTEAD[rule.field.kind] if rule.field.stored else "drop"
            yield rule.fault("exact-value-kept", f"an exact {rule.field.kind.value} must not leave: write {instead}")


def finer_than_release(draft: Draft) -> Iterator[Fault]:
    """A stored value finer than what a released class may print undoes the class: the record is found by it, and the class told apart.

    Places may be as fine as the finest cell of the releases, times as a minute, numbers as two digits (today's masks, docs/privacy.md).
    """
    finest = draft.finest_cell()
    for rule in draft.rules:
        operator = rule.operator
        if isinstance(operator, GeneralisePlace | NoisePlace) and finest is not None and operator.h3_resolution > finest:
            yield rule.fault(
                "finer-than-release", f"the finest cell of a release has resolution {finest}: write h3_resolution: {finest} or less"
            )
        elif isinstance(operator, GeneraliseTime) and operator.to == "second":
            yield rule.fault("finer-than-release", "no time leaves finer than a minute: write to: minute, quarter, hour or day")
        elif _digits(rule) > _MOST_DIGITS:
            yield rule.fault("finer-than-release", "no number leaves with more than two digits: write 2 or less")
    aggregates = draft.policy.aggregates
    if isinstance(aggregates, Aggregates) and finest is not None and aggregates.cell_resolution > finest:
        sentence = f"the finest cell of a release has resolution {finest}: write {finest} or less"
        yield Fault("finer-than-release", "aggregates.cell_resolution", "", sentence)


def _digits(rule: Rule) -> int:
    operator = rule.operator
    if isinstance(operator, GeneraliseAmount | GeneraliseFigure):
        return operator.significant_digits or 0
    return operator.digits if isinstance(operator, GeneraliseFraction) else 0


def noise_redrawn(draft: Draft) -> Iterator[Fault]:
    """Noise that is drawn anew for each asking averages out: n answers leave 1/sqrt(n) of it.

    Source: Dwork and Roth, "The Algorithmic Foundations of Differential Privacy" (2014), section 3.5 (composition).
    """
    for rule in draft.rules:
        if isinstance(rule.operator, NoiseAmount | NoisePlace) and rule.operator.per != "record":
            yield rule.fault("noise-redrawn", "noise must be drawn once and stay: write `per: record`")


def noise_undone(draft: Draft) -> Iterator[Fault]:
    """A value that leaves with noise into one store and without, or with other noise, into the other is protected by neither.

    Source: Andres et al., "Geo-indistinguishability", CCS 2013 (every further release of a value adds its epsilon).
    """
    first: dict[str, Rule] = {}
    for rule in draft.rules:
        before = first.setdefault(rule.where, rule)
        noisy = [isinstance(one.operator, NoiseAmount | NoisePlace) for one in (before, rule)]
        dropped = any(isinstance(one.operator, Drop | Seal) for one in (before, rule))
        if any(noisy) and not dropped and _noise(before) != _noise(rule):
            sentence = f"{before.sink} gets the same value by other means, which undoes the noise: write the same noise here, or drop"
            yield rule.fault("noise-undone", sentence)


def _noise(rule: Rule) -> float | None:
    operator = rule.operator
    if isinstance(operator, NoisePlace):
        return operator.epsilon_per_m
    return float(operator.scale_minor) if isinstance(operator, NoiseAmount) else None


def evidence_unsealed(draft: Draft) -> Iterator[Fault]:
    """Evidence names the events and exact figures that a rule counted, so it names the person.

    Sealed under the person's own key it can be read by who may, and is erased with that key. Source: GDPR articles 17 and 25.
    """
    for rule in draft.of_kind(Kind.EVIDENCE):
        if isinstance(rule.operator, Keep):
            yield rule.fault("evidence-unsealed", "evidence points at single events of a person: write seal, or drop")


def alert_not_declared(draft: Draft) -> Iterator[Fault]:
    """An alert accuses one person, so no alert is k-anonymous; a policy that lets alerts out must say that it knows.

    Source: Sweeney, "k-anonymity", IJUFKS 10 (2002): a record of one person is a class of size one.
    """
    is_kept = draft.policy.records.get("alert", "drop") != "drop"
    if is_kept and draft.policy.written("alert").get(ABOUT_ONE_PERSON) is not True:
        sentence = f"an alert is about one person and cannot be k-anonymous: say so with `{ABOUT_ONE_PERSON}: true`"
        yield Fault("alert-not-declared", f"alert.{ABOUT_ONE_PERSON}", "", sentence)


VALUE_DANGERS = {
    "exact-value-kept": exact_value_kept,
    "finer-than-release": finer_than_release,
    "noise-redrawn": noise_redrawn,
    "noise-undone": noise_undone,
    "evidence-unsealed": evidence_unsealed,
    "alert-not-declared": alert_not_declared,
}
"""Short name to function."""
