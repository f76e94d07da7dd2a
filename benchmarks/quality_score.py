"""What alerts are worth, held against the truth about labelled weeks. Pure.

A fraud is found by an alert of the same subject that names one of its payments, or an observation of the intruder's device, as anchor, as
an end of the evidence or among the events of the episode, or whose whole span lies within the fraud's span widened by two minutes. An
alert that finds no fraud is false, and is attributed to the shortest honest episode that put one of its observations out of place, else to
the shortest one that changed or added one, else to the shortest one that it overlaps within 15 minutes, else to ordinary life.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, lgamma, log, sqrt
from typing import NamedTuple

from ingest.simulator.weeks import Fraud, Labels, fix_id
from veilocity.contracts import Alert, AlertState, Fix, Severity, SubjectId, Transaction
from veilocity.geo import great_circle_m

__all__ = ["FLIGHT", "ORDINARY", "TRAVEL_RULES", "Finding", "Naive", "Score", "Share", "allowed_misses", "naive", "score"]

TRAVEL_RULES = frozenset({"impossible-travel", "phone-far-from-card", "simultaneous-use", "atm-hop"})
ORDINARY = "ordinary life"
FLIGHT = "flight"
"""Every confuser whose name holds it is an honest flight."""
_RANK = {Severity.LOW: 1, Severity.MEDIUM: 2, Severity.HIGH: 3}
_FRAUD_MARGIN_MS = 120_000
_EPISODE_MARGIN_MS = 900_000
_NAIVE_KMH = 900.0


class Share(NamedTuple):
    """So many of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share; 1 of nothing, as nothing was missed."""
        return self.hits / self.of if self.of else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of E. B. Wilson, "Probable inference", J. Am. Stat. Assoc. 22 (1927).

        >>> tuple(round(bound, 3) for bound in Share(99, 100).interval)
        (0.946, 0.998)
        """
        if not self.of:
            return 0.0, 1.0
        z, n, p = 1.959964, self.of, self.value
        centre, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, (centre - half) / (1 + z * z / n)), min(1.0, (centre + half) / (1 + z * z / n))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.1f} % ({self.hits} of {self.of}; 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"


class Finding(NamedTuple):
    """One fraud and what was found of it."""

    fraud: Fraud
    travel: int
    """Severity of the gravest travel alert that finds it: 0 none, 1 low, 2 medium, 3 high."""
    any_rule: int
    gravest: Alert | None = None
    """The first of the gravest travel alerts that find it."""


@dataclass(slots=True)
class Score:
    """The truth about the alerts of one or more weeks; scores add up."""

    events: int = 0
    findings: list[Finding] = field(default_factory=list)
    episodes: Counter[str] = field(default_factory=Counter)
    false_alerts: list[tuple[str, Alert]] = field(default_factory=list)
    """With the confuser that each is attributed to."""
    true_alerts: list[Alert] = field(default_factory=list)
    cold_alerts: int = 0
    """Travel alerts of the cold start, which are not judged."""

    def add(self, other: Score) -> None:
        """Take in the score of another week."""
        self.events += other.events
        self.findings += other.findings
        self.episodes += other.episodes
        self.false_alerts += other.false_alerts
        self.true_alerts += other.true_alerts
        self.cold_alerts += other.cold_alerts

    def recall(self, severity: Severity = Severity.LOW) -> Share:
        """Return how many provable frauds a travel alert of at least this severity finds."""
        provable = [finding for finding in self.findings if finding.fraud.provable]
        return Share(sum(finding.travel >= _RANK[severity] for finding in provable), len(provable))

    def precision(self, severity: Severity = Severity.MEDIUM) -> Share:
        """Return how many of the travel alerts of at least this severity are true."""
        true = sum(alert.rule in TRAVEL_RULES and _RANK[alert.severity] >= _RANK[severity] for alert in self.true_alerts)
        false = sum(alert.rule in TRAVEL_RULES and _RANK[alert.severity] >= _RANK[severity] for _, alert in self.false_alerts)
        return Share(true, true + false)

    def high_on_flights(self) -> Share:
        """Return the high travel alerts on honest flights, of so many flights."""
        hits = sum(
            FLIGHT in confuser and alert.rule in TRAVEL_RULES and alert.severity is Severity.HIGH for confuser, alert in self.false_alerts
        )
        return Share(hits, sum(count for name, count in self.episodes.items() if FLIGHT in name))


def score(events: Iterable[Fix | Transaction], labels: Labels, alerts: Iterable[Alert]) -> Score:
    """Return what the standing alerts of one week are worth.

    Args:
        events: of the week; only counted.
        labels: the truth.
        alerts: newest revision of each; retracted ones are left out.
    """
    result = Score(events=sum(1 for _ in events), episodes=Counter(episode.confuser for episode in labels.episodes))
    frauds: dict[SubjectId, list[Fraud]] = defaultdict(list)
    for fraud in labels.frauds:
        frauds[fraud.subject].append(fraud)
    attribution = _Attribution(labels)
    travel: Counter[int] = Counter()
    any_rule: Counter[int] = Counter()
    gravest: dict[int, Alert] = {}
    for alert in sorted(alerts, key=lambda one: (one.subject, one.episode.first_ms, one.rule, one.id)):
        if alert.state is AlertState.RETRACTED:
            continue
        if alert.episode.last_ms < labels.judged_from_ms[alert.subject]:
            result.cold_alerts += alert.rule in TRAVEL_RULES
            continue
        found = [fraud for fraud in frauds[alert.subject] if _finds(alert, fraud)]
        for fraud in found:
            any_rule[id(fraud)] = max(any_rule[id(fraud)], _RANK[alert.severity])
            if alert.rule in TRAVEL_RULES and _RANK[alert.severity] > travel[id(fraud)]:
                travel[id(fraud)] = _RANK[alert.severity]
                gravest[id(fraud)] = alert
        if found:
            result.true_alerts.append(alert)
        else:
            result.false_alerts.append((attribution.of(alert), alert))
    result.findings = [Finding(fraud, travel[id(fraud)], any_rule[id(fraud)], gravest.get(id(fraud))) for fraud in labels.frauds]
    return result


def _names(alert: Alert) -> set[str]:
    return {alert.anchor, alert.first.id, alert.second.id, *alert.episode.events}


def _finds(alert: Alert, fraud: Fraud) -> bool:
    names = _names(alert)
    if not names.isdisjoint(fraud.transactions):
        return True
    if fraud.device is not None and any(name.startswith(f"{fraud.device}@") for name in names):
        return True
    return fraud.from_ms - _FRAUD_MARGIN_MS <= alert.episode.first_ms and alert.episode.last_ms <= fraud.until_ms + _FRAUD_MARGIN_MS


class _Attribution:
    """Which honest episode an alert is about."""

    def __init__(self, labels: Labels) -> None:
        self._named: dict[tuple[SubjectId, str], list[tuple[bool, int, str]]] = defaultdict(list)
        self._spans: dict[SubjectId, list[tuple[int, int, str]]] = defaultdict(list)
        for episode in labels.episodes:
            self._spans[episode.subject].append((episode.from_ms, episode.until_ms, episode.confuser))
            for name in episode.observations:
                honest = name not in labels.misplaced
                self._named[episode.subject, name].append((honest, episode.until_ms - episode.from_ms, episode.confuser))

    def of(self, alert: Alert) -> str:
        """Return the confuser's name, or `ORDINARY`."""
        named = [found for name in sorted(_names(alert)) for found in self._named.get((alert.subject, name), ())]
        if named:
            return min(named)[2]
        from_ms = min(alert.episode.first_ms, alert.first.event_ns // 1_000_000) - _EPISODE_MARGIN_MS
        until_ms = max(alert.episode.last_ms, alert.second.event_ns // 1_000_000) + _EPISODE_MARGIN_MS
        overlapped = [(end - start, name) for start, end, name in self._spans[alert.subject] if start <= until_ms and end >= from_ms]
        return min(overlapped)[1] if overlapped else ORDINARY


class Naive(NamedTuple):
    """What the rule that everybody ships makes of the same events."""

    recall: Share
    true: int
    false: int


def naive(events: Iterable[Fix | Transaction], labels: Labels) -> Naive:
    """Compare the last two events of each subject as they arrive, and alert above 900 km/h; a second is the shortest time.

    Alerts of the cold start are not counted.
    """
    stolen = {name: fraud for fraud in labels.frauds for name in fraud.transactions}
    devices = {fraud.device: fraud for fraud in labels.frauds if fraud.device}
    last: dict[SubjectId, tuple[int, float, float, str]] = {}
    found: set[int] = set()
    true = false = 0
    for event in events:
        seen = _seen(event)
        if seen is None:
            continue
        before = last.get(event.subject)
        last[event.subject] = seen
        if before is None or max(before[0], seen[0]) < labels.judged_from_ms[event.subject]:
            continue
        elapsed_s = max(1.0, abs(seen[0] - before[0]) / 1000.0)
        if great_circle_m(before[1], before[2], seen[1], seen[2]) / elapsed_s * 3.6 <= _NAIVE_KMH:
            continue
        hits = [stolen.get(name) or devices.get(name.split("@")[0]) for name in (before[3], seen[3])]
        found.update(id(fraud) for fraud in hits if fraud is not None)
        true, false = true + any(hits), false + (not any(hits))
    provable = [fraud for fraud in labels.frauds if fraud.provable]
    return Naive(Share(sum(id(fraud) in found for fraud in provable), len(provable)), true, false)


def _seen(event: Fix | Transaction) -> tuple[int, float, float, str] | None:
    if isinstance(event, Fix):
        return event.fix_ns // 1_000_000, event.lat, event.lon, fix_id(event)
    if not event.channel.has_place or event.lat is None or event.lon is None:
        return None
    return event.authorised_ms, event.lat, event.lon, event.id


def allowed_misses(of: int, chance: float, doubt: float = 0.01) -> int:
    """Return the least k such that more than k misses have less than `doubt` probability when each of `of` is missed with `chance`.

    >>> allowed_misses(100, 0.01), allowed_misses(100, 0.1)
    (4, 18)
    """
    if not 0.0 < chance < 1.0:
        return round(of * chance)
    left, misses = 1.0, -1
    while left >= doubt and misses < of:
        misses += 1
        ways = lgamma(of + 1) - lgamma(misses + 1) - lgamma(of - misses + 1)
        left -= exp(ways + misses * log(chance) + (of - misses) * log(1.0 - chance))
    return misses
