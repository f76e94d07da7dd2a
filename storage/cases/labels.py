"""How often each rule is right and what it misses, by what people decided. Pure: labels in, figures out.

For rule r, over alerts that stand (one that was taken back counts only if somebody labelled it):

    precision(r) = confirmed(r) / (confirmed(r) + false positives(r))
    recall(r)    = frauds that r flagged / known frauds

A known fraud is an incident of one person: confirmed alerts of any rule, and payments that were reported as fraud and flagged by no rule,
that follow one another by at most `within_ms`. A rule flagged it if an alert of that rule, confirmed or not yet labelled, lies within
`within_ms` of one of them. Known frauds are those that somebody found, mostly by these very rules, so true recall is lower.

Both come with Wilson's interval of 95 %, which stays inside 0 and 1 and is honest for few labels. Alerts that are labelled are not a random
sample of all where people label what looks worst first.

Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from storage.cases.model import Label

__all__ = ["Flag", "RuleLabels", "Share", "measure_rules", "wilson"]

_Z = 1.959963984540054
"""Of a normal interval of 95 %."""


class Flag(msgspec.Struct, frozen=True):
    """One alert, or a reported payment where `rule` is None."""

    rule: str | None
    subject: str
    minute_ms: int
    label: Label | None
    retracted: bool = False


class Share(msgspec.Struct, frozen=True):
    """A share and its interval of 95 %."""

    hits: int
    of: int
    value: float | None
    """None where there is nothing to divide by."""
    low: float
    high: float


class RuleLabels(msgspec.Struct, frozen=True):
    """What the labels say of one rule."""

    rule: str
    confirmed: int
    false_positives: int
    unlabelled: int
    """Alerts that stand and that nobody has decided."""
    precision: Share
    recall: Share


def wilson(hits: int, of: int) -> Share:
    """Return a share with Wilson's interval of 95 %; of nothing it is unknown, and anything from 0 to 1.

    >>> share = wilson(9, 10)
    >>> share.value, round(share.low, 3), round(share.high, 3)
    (0.9, 0.596, 0.982)
    >>> wilson(0, 0)
    Share(hits=0, of=0, value=None, low=0.0, high=1.0)
    """
    if not of:
        return Share(0, 0, None, 0.0, 1.0)
    value, spread = hits / of, _Z * _Z / of
    centre = value + spread / 2
    half = _Z * math.sqrt(value * (1 - value) / of + spread / of / 4)
    low, high = ((centre - half) / (1 + spread), (centre + half) / (1 + spread))
    return Share(hits, of, value, max(0.0, min(value, low)), min(1.0, max(value, high)))


def measure_rules(flags: Iterable[Flag], within_ms: int = 3_600_000) -> tuple[RuleLabels, ...]:
    """Return the figures of every rule that has an alert, by name.

    Args:
        flags: alerts with their labels, and reported payments, of a span of time.
        within_ms: how far apart two flags of one person may be and still be about one fraud.

    >>> fraud, wrong = Label.CONFIRMED_FRAUD, Label.FALSE_POSITIVE
    >>> flags = [Flag("a", "anna", 0, fraud), Flag("b", "anna", 60_000, None), Flag("a", "ben", 0, wrong), Flag(None, "cem", 0, fraud)]
    >>> [(one.rule, one.precision.value, one.recall.hits, one.recall.of, one.unlabelled) for one in measure_rules(flags)]
    [('a', 0.5, 1, 2, 0), ('b', None, 1, 2, 1)]
    """
    by_person: dict[str, list[Flag]] = defaultdict(list)
    counts: dict[str, Counter[Label | None]] = defaultdict(Counter)
    for flag in flags:
        if flag.rule is not None and not (flag.retracted and flag.label is None):
            counts[flag.rule][flag.label] += 1
        by_person[flag.subject].append(flag)
    known, found = 0, Counter[str]()
    for mine in by_person.values():
        for incident in _incidents(mine, within_ms):
            known += 1
            found.update(_rules_that_saw(incident, mine, within_ms))
    return tuple(_figures(rule, counts[rule], found[rule], known) for rule in sorted(counts))


def _incidents(flags: Sequence[Flag], within_ms: int) -> list[list[Flag]]:
    """Return a person's known frauds, each as its flags."""
    incidents: list[list[Flag]] = []
    confirmed = (flag for flag in flags if flag.label == Label.CONFIRMED_FRAUD)
    for flag in sorted(confirmed, key=lambda one: one.minute_ms):
        if incidents and flag.minute_ms - incidents[-1][-1].minute_ms <= within_ms:
            incidents[-1].append(flag)
        else:
            incidents.append([flag])
    return incidents


def _rules_that_saw(incident: Sequence[Flag], flags: Sequence[Flag], within_ms: int) -> set[str]:
    low, high = incident[0].minute_ms - within_ms, incident[-1].minute_ms + within_ms
    stand = (flag for flag in flags if low <= flag.minute_ms <= high and not (flag.retracted and flag.label is None))
    near = [flag for flag in stand if any(abs(flag.minute_ms - one.minute_ms) <= within_ms for one in incident)]
    return {flag.rule for flag in near if flag.rule is not None and flag.label != Label.FALSE_POSITIVE}


def _figures(rule: str, counts: Mapping[Label | None, int], found: int, known: int) -> RuleLabels:
    confirmed, wrong = counts.get(Label.CONFIRMED_FRAUD, 0), counts.get(Label.FALSE_POSITIVE, 0)
    return RuleLabels(
        rule=rule,
        confirmed=confirmed,
        false_positives=wrong,
        unlabelled=counts.get(None, 0),
        precision=wilson(confirmed, confirmed + wrong),
        recall=wilson(found, known),
    )
