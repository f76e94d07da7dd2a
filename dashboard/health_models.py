"""The learned rules on the page of health: what scores, how often it flags, how often that was right, and what has drifted. Pure."""

from __future__ import annotations

import msgspec

from dashboard.scraping import Scrape
from storage.cases.labels import wilson
from storage.cases.learned import CONFIRMED, WRONG

__all__ = ["LearnedRule", "learned_rules"]


class LearnedRule(msgspec.Struct, frozen=True):
    """One learned rule in force."""

    rule: str
    version: str
    scored: int
    """Answers to payments since the rules service started."""
    flagged: int
    """Of these, the scores at or above the threshold."""
    confirmed: int
    """Payments at or above the threshold that people called fraud, in 90 days and over all versions."""
    wrong: int
    """And those that people called fine."""
    precision: float | None
    """None while nobody has labelled any."""
    low: float
    high: float
    """Wilson's interval of 95 %."""
    drift_feature: str
    """The figure whose distribution moved farthest from that of training; empty while too few payments were scored."""
    drift: float | None
    """Its population stability index."""


def learned_rules(rules: Scrape, dashboard: Scrape) -> tuple[LearnedRule, ...]:
    r"""Return the learned rules in force, by name.

    Args:
        rules: what the rules service tells.
        dashboard: what the dashboard tells: it counts the labels.

    >>> from dashboard.scraping import parse
    >>> info = 'veilocity_rules_model_info{rule="learned-a",version="2"} 1'
    >>> drift = 'veilocity_rules_model_drift{rule="learned-a",feature="x"} 0.3'
    >>> told = parse(f"{info}\n{drift}\n")
    >>> labels = parse('veilocity_rule_labelled_payments{rule="learned-a",outcome="confirmed"} 3\n')
    >>> [(one.rule, one.version, one.precision, one.drift_feature) for one in learned_rules(told, labels)]
    [('learned-a', '2', 1.0, 'x')]
    """
    in_force = {labels["rule"]: labels["version"] for labels, _ in rules.samples.get("veilocity_rules_model_info", ())}
    return tuple(_learned_rule(rule, in_force[rule], rules, dashboard) for rule in sorted(in_force))


def _learned_rule(rule: str, version: str, rules: Scrape, dashboard: Scrape) -> LearnedRule:
    labelled = dashboard.by("veilocity_rule_labelled_payments", "outcome", rule=rule)
    confirmed, wrong = int(labelled.get(CONFIRMED, 0.0)), int(labelled.get(WRONG, 0.0))
    share = wilson(confirmed, confirmed + wrong)
    drift = rules.by("veilocity_rules_model_drift", "feature", rule=rule)
    worst = max(drift, key=lambda feature: drift[feature], default="")
    return LearnedRule(
        rule,
        version,
        int(rules.total("veilocity_rules_model_scored_total", rule=rule)),
        int(rules.total("veilocity_rules_model_flagged_total", rule=rule)),
        confirmed,
        wrong,
        share.value,
        share.low,
        share.high,
        worst,
        drift.get(worst),
    )
