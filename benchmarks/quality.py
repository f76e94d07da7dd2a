"""How good the alerts are: labelled weeks of honest confusers and injected fraud, judged by the default rules.

Run it with `make bench-quality`. The weeks are a pure function of their seeds, so the tables in docs/quality.md come out the same on every
machine.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, write
from benchmarks.quality_score import ORDINARY, TRAVEL_RULES, Naive, Score, Share, naive, score
from ingest.simulator.weeks import FraudKind, WeekPlan, labelled_week
from rules import Engine, default_rule_book
from rules.backtest import judge
from veilocity.contracts import Alert, Severity

__all__ = ["SEEDS", "measure", "report"]

SEEDS = (1, 2, 3, 4, 5)
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "quality.md"
_BEGIN, _END = "<!-- made by `make bench-quality`, do not edit -->", "<!-- end of what `make bench-quality` made -->"


def measure(plans: Iterable[WeekPlan]) -> tuple[Score, Naive]:
    """Return the score of the default rules over some weeks, and that of the naive rule on the same events."""
    total, peer = Score(), Naive(Share(0, 0), 0, 0)
    for plan in plans:
        week = labelled_week(plan)
        total.add(score(week.events, week.labels, judge(week.events, Engine(default_rule_book())).alerts.values()))
        one = naive(week.events, week.labels)
        recall = Share(peer.recall.hits + one.recall.hits, peer.recall.of + one.recall.of)
        peer = Naive(recall, peer.true + one.true, peer.false + one.false)
    return total, peer


def report(plans: Sequence[WeekPlan], total: Score, peer: Naive) -> str:
    """Return the tables as Markdown."""
    plan = plans[0]
    seeds = ", ".join(str(one.seed) for one in plans)
    setting = (
        f"{len(plans)} seeds ({seeds}) of {plan.people} people for {plan.days} days after {plan.cold_days} days of cold start:"
        f" {total.events:,} events, {sum(total.episodes.values()):,} honest confuser episodes, {len(total.findings):,} frauds."
    )
    return "\n\n".join((setting, _bars(total, peer), _confusers(total), _frauds(total), _rules(total)))


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _cells(share: Share) -> tuple[str, str, str]:
    low, high = share.interval
    return f"{100 * share.value:.1f} %", f"{share.hits} of {share.of}", f"{100 * low:.1f} to {100 * high:.1f} %"


def _bars(total: Score, peer: Naive) -> str:
    flights = total.high_on_flights()
    rows = [
        ("provable fraud found, any severity", ">= 99 %", *_cells(total.recall())),
        ("provable fraud found at high", ">= 90 %", *_cells(total.recall(Severity.HIGH))),
        ("travel alerts of medium or high that are true", ">= 95 %", *_cells(total.precision())),
        ("travel alerts of any severity that are true", "", *_cells(total.precision(Severity.LOW))),
        ("high travel alerts on honest flights", "0", flights.hits, f"on {flights.of} flights", ""),
        ("naive rule: provable fraud found", "", *_cells(peer.recall)),
        ("naive rule: alerts that are true", "", *_cells(Share(peer.true, peer.true + peer.false))),
    ]
    return f"### Bars\n\n{_table(('what', 'bar', 'share', 'count', '95 % interval'), rows)}\n\n" + (
        f"The naive rule compares the last two events as they arrive and alerts above 900 km/h: {peer.false:,} false alerts."
        f" {total.cold_alerts:,} travel alerts of the cold start are not judged."
    )


def _confusers(total: Score) -> str:
    travel = Counter((name, alert.severity) for name, alert in total.false_alerts if alert.rule in TRAVEL_RULES)
    other = Counter(name for name, alert in total.false_alerts if alert.rule not in TRAVEL_RULES)
    rows = [
        (name, total.episodes[name] or "", *(travel[name, severity] for severity in Severity), other[name])
        for name in (*sorted(total.episodes), ORDINARY)
    ]
    head = ("confuser", "episodes", "travel alerts, low", "medium", "high", "alerts of other rules")
    return f"### False alerts per confuser\n\n{_table(head, rows)}"


def _frauds(total: Score) -> str:
    rows = []
    for kind in FraudKind:
        found = [finding for finding in total.findings if finding.fraud.kind is kind]
        provable = [finding for finding in found if finding.fraud.provable]
        rows.append(
            (
                kind.value,
                len(found),
                len(provable),
                sum(finding.travel > 0 for finding in provable),
                sum(finding.travel > 2 for finding in provable),
                sum(finding.travel > 0 and not finding.fraud.provable for finding in found),
                sum(finding.any_rule > 0 for finding in found),
            )
        )
    head = ("fraud", "frauds", "provable", "found of these", "at high", "not provable, but found", "found by any rule")
    return f"### Fraud found per kind\n\n{_table(head, rows)}"


def _rules(total: Score) -> str:
    true = Counter(alert.rule for alert in total.true_alerts)
    false = Counter(alert.rule for _, alert in total.false_alerts)
    standing = [*total.true_alerts, *(alert for _, alert in total.false_alerts)]
    grave = Counter(alert.rule for alert in standing if alert.severity is Severity.HIGH)
    rows = [
        (rule, true[rule] + false[rule], grave[rule], true[rule], false[rule], f"{100 * true[rule] / (true[rule] + false[rule]):.1f} %")
        for rule in sorted({*true, *false})
    ]
    return f"### Alerts per rule\n\n{_table(('rule', 'alerts', 'of these high', 'true', 'false', 'precision'), rows)}"


def _figures(total: Score, peer: Naive) -> list[Figure]:
    beside = f"naive rule, last two events over 900 km/h: recall {peer.recall.value:.3f}, {peer.false} false alerts"
    recall, high, precision, flights = total.recall(), total.recall(Severity.HIGH), total.precision(), total.high_on_flights()
    ratio = round(recall.value / peer.recall.value, 3) if peer.recall.hits else None
    return [
        Figure("quality.recall", round(recall.value, 4), f"of {recall.of}", ">= 0.99", beside, ratio),
        Figure("quality.recall_high", round(high.value, 4), f"of {high.of}", ">= 0.90"),
        Figure("quality.precision", round(precision.value, 4), f"of {precision.of}", ">= 0.95"),
        Figure("quality.high_alerts_on_honest_flights", flights.hits, f"on {flights.of}", "0"),
    ]


def _explain(total: Score) -> None:
    """Print every provable fraud that is not found at high, and every false travel alert of medium or high."""
    for finding in total.findings:
        if finding.fraud.provable and finding.travel < 3:
            print(_line("not high" if finding.travel else "missed", finding.fraud.kind.value, finding.fraud.from_ms, finding.gravest))
    for confuser, alert in total.false_alerts:
        if alert.rule in TRAVEL_RULES and alert.severity is not Severity.LOW:
            print(_line("false", confuser, alert.episode.first_ms, alert))


def _line(what: str, why: str, at_ms: int, alert: Alert | None) -> str:
    when = f"{datetime.fromtimestamp(at_ms / 1000.0, tz=UTC):%d %H:%M:%S}"
    if alert is None:
        return f"{what:9} {why:40} {when}"
    ends = " -> ".join(f"{end.kind.value} {end.id[:8]}@{end.event_ns // 1_000_000_000}" for end in (alert.first, alert.second))
    return f"{what:9} {why:40} {when} {alert.subject} {alert.severity.value} {alert.rule} {alert.cause}: {alert.sentence} [{ends}]"


def _keep(tables: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text.split(_BEGIN)[0], text.split(_END)[1]
    DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{after}", encoding="utf-8")


def main() -> None:
    """Measure, print the tables, and keep them and the figures where all the default weeks were judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="weeks to make")
    parser.add_argument("--people", type=int, default=WeekPlan().people, help="people of each")
    parser.add_argument("--explain", action="store_true", help="print every miss and every false travel alert of medium or high")
    asked = parser.parse_args()
    plans = [WeekPlan(seed=seed, people=asked.people) for seed in asked.seeds]
    total, peer = measure(plans)
    tables = report(plans, total, peer)
    print(tables)
    if asked.explain:
        _explain(total)
    if tuple(asked.seeds) == SEEDS and asked.people == WeekPlan().people:
        _keep(tables)
        write("quality", _figures(total, peer), ("msgspec",))


if __name__ == "__main__":
    main()
