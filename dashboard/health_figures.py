"""The figures of the page of health, from what the services told at several moments. Pure.

Counters and histograms only grow, so what happened lately is the difference between two moments; a process that began anew in between is
counted from its beginning. A percentile is read from the buckets as Prometheus reads it, by a line inside the bucket that holds it:

    q-quantile = lower + (upper - lower) (q n - below) / inside

so it is never more exact than the bucket is wide, and what lies in the last bucket is only known to be above its lower end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from dashboard.health_models import LearnedRule, learned_rules
from dashboard.scraping import EMPTY, Scrape

__all__ = ["Figures", "Flow", "Lag", "Latency", "Look", "Problem", "Size", "figures", "latency", "quantile"]

_QUANTILES = (0.5, 0.9, 0.99)


class Look(msgspec.Struct, frozen=True):
    """What all services told at one moment."""

    at_ms: int
    scrapes: Mapping[str, Scrape]

    def of(self, service: str) -> Scrape:
        """Return what one service told; nothing where it did not answer."""
        return self.scrapes.get(service, EMPTY)


class Lag(msgspec.Struct, frozen=True):
    """Records that wait."""

    service: str
    topic: str
    records: int


class Latency(msgspec.Struct, frozen=True):
    """How long something took, in seconds."""

    name: str
    about: str
    count: int
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None
    above: bool = False
    """Whether the highest lies above the last bucket: it is at least what is told."""
    lately: bool = True
    """Whether it is of the stretch that was looked at; else of the time since the service started."""


class Problem(msgspec.Struct, frozen=True):
    """Something that was refused, lost or tried again, by reason."""

    service: str
    what: str
    reason: str
    lately: int
    ever: int
    """Since the service started."""


class Size(msgspec.Struct, frozen=True):
    """What a service holds."""

    name: str
    about: str
    value: float
    unit: str
    """`count`, `bytes` or `share`."""


class Flow(msgspec.Struct, frozen=True):
    """How much passes, per second, over the moments that were looked at: None where two moments cannot be compared."""

    name: str
    about: str
    at_ms: tuple[int, ...]
    per_s: tuple[float | None, ...]


class Figures(msgspec.Struct, frozen=True):
    """Everything."""

    since_ms: int
    """Begin of the stretch that `lately` means."""
    lags: tuple[Lag, ...]
    waiting: tuple[tuple[int, int], ...]
    """All that wait, at each moment: (milliseconds, records)."""
    latencies: tuple[Latency, ...]
    problems: tuple[Problem, ...]
    sizes: tuple[Size, ...]
    flows: tuple[Flow, ...]
    models: tuple[LearnedRule, ...]
    """Learned rules in force."""


_LATENCIES: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    (
        "rules",
        "rules_latency_seconds",
        "Alert",
        "From Kafka taking the oldest event of a batch to the commit of its decisions and alerts.",
        {},
    ),
    ("rules", "rules_commit_seconds", "Commit", "One transaction of Kafka with everything that a batch of the rules service writes.", {}),
    ("ingest", "ingest_request_seconds", "Gateway", "From a request's body to its answer, when all it holds is in Kafka.", {}),
    ("privacy", "privacy_batch_seconds", "Mask", "Masking of a micro-batch, on the executors.", {"stage": "mask"}),
    ("privacy", "privacy_batch_seconds", "Write", "Ledger, both stores and progress of a micro-batch, on the driver.", {"stage": "write"}),
    ("privacy", "store_write_seconds", "MongoDB", "Until MongoDB had a batch, retries included.", {"store": "mongodb"}),
    ("privacy", "store_write_seconds", "Elasticsearch", "Until Elasticsearch had a batch, retries included.", {"store": "elasticsearch"}),
    (
        "privacy",
        "privacy_release_delay_seconds",
        "Release",
        "From the end of a window, by the clocks of its events, to the release of each class; the policy's delay is part of it.",
        {},
    ),
    ("notify", "notify_delay_seconds", "Notice", "From the making of a message to its receiver having it.", {}),
)
_PROBLEMS = (
    ("ingest", "ingest_rejects_total", "Items rejected", "reason", ()),
    ("ingest", "ingest_requests_total", "Requests refused", "outcome", ("ok",)),
    ("rules", "rules_events_total", "Events left out", "outcome", ("decided", "fixes_kept", "fixes_thinned")),
    ("rules", "rules_model_refused_total", "Learned rules refused", "reason", ()),
    ("rules", "rules_expired_records_total", "Records expired before they were judged", "topic", ()),
    ("privacy", "privacy_rejected_total", "Records that did not decode", "reason", ()),
    ("privacy", "store_retries_total", "Calls to a store repeated", "store", ()),
    ("privacy", "store_refused_total", "Documents refused by a store", "store", ()),
    ("dashboard", "dashboard_polls_total", "Questions of this dashboard that failed", "outcome", ("answered",)),
    ("segments", "segments_failures_total", "Looks for segments that failed", "reason", ()),
    ("notify", "notify_attempts_total", "Messages that failed", "outcome", ("sent",)),
)
_SIZES: tuple[tuple[str, str, str, str, str, dict[str, str]], ...] = (
    ("rules", "rules_subjects", "People remembered", "Of whom the rules service keeps a history.", "count", {}),
    ("rules", "rules_state_bytes", "Their states", "When they were last saved to Kafka.", "bytes", {}),
    ("rules", "rules_largest_state_bytes", "Largest state", "Of one person, when it was last saved.", "bytes", {}),
    ("ingest", "ingest_directory_entries", "Directory", "Entries that say whose a phone or card is.", "count", {}),
    (
        "privacy",
        "privacy_state_items",
        "Payments in open windows",
        "They wait for their window to close.",
        "count",
        {"kind": "open_windows"},
    ),
    ("privacy", "privacy_state_items", "Held for a wider window", "They fitted no class of k people yet.", "count", {"kind": "held"}),
    ("privacy", "privacy_sketch_bytes", "Sketches", "Sample, filter and counters of the stream together.", "bytes", {}),
    ("privacy", "privacy_disk_free_ratio", "Disk free", "Under the folder of the privacy stage.", "share", {}),
    ("notify", "notify_pending", "Messages that wait", "For their receiver.", "count", {}),
)
_FLOWS: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    ("ingest", "ingest_items_total", "Items in", "Fixes and payments that the gateway accepted, per second.", {"outcome": "accepted"}),
    ("rules", "rules_decisions_total", "Decisions", "Answers to payments by the rules service, later ones included, per second.", {}),
    (
        "privacy",
        "privacy_documents_total",
        "Payments masked",
        "Masked payments handed to the stores, per second.",
        {"kind": "transactions"},
    ),
)


def quantile(q: float, buckets: Sequence[tuple[float, float]]) -> tuple[float, bool] | None:
    """Return the q-quantile of a histogram and whether it lies above the last bucket; None of nothing.

    Args:
        q: 0 to 1.
        buckets: upper ends in ascending order, the last infinite, each with the number of values up to it.

    >>> quantile(0.5, [(1.0, 0.0), (2.0, 10.0), (float("inf"), 10.0)])
    (1.5, False)
    >>> quantile(0.99, [(1.0, 1.0), (float("inf"), 10.0)])
    (1.0, True)
    """
    total = buckets[-1][1] if buckets else 0.0
    if total <= 0.0:
        return None
    rank = q * total
    lower, below = 0.0, 0.0
    for upper, up_to in buckets:
        if up_to >= rank and up_to > below:
            if upper == float("inf"):
                return lower, True
            return lower + (upper - lower) * (rank - below) / (up_to - below), False
        lower, below = upper, up_to
    return lower, True


def latency(name: str, about: str, now: Sequence[tuple[float, float]], before: Sequence[tuple[float, float]]) -> Latency | None:
    """Return the percentiles of what came between two moments, or of all where nothing came; None where there never was anything.

    Args:
        name: of what took so long.
        about: in a sentence.
        now: the buckets, as `quantile` takes them.
        before: those of the earlier moment; empty where the process did not tell then.
    """
    if not now or now[-1][1] <= 0.0:
        return None
    grown = [(upper, count - old) for (upper, count), (_, old) in zip(now, before, strict=True)] if len(now) == len(before) else list(now)
    # A process that began anew has fewer than before.
    if any(count < 0.0 for _, count in grown):
        grown = list(now)
    lately = grown[-1][1] > 0.0
    shown = grown if lately else list(now)
    found = [quantile(q, shown) for q in _QUANTILES]
    p50, p90, p99 = (None if one is None else one[0] for one in found)
    return Latency(name, about, int(shown[-1][1]), p50, p90, p99, above=bool(found[-1] and found[-1][1]), lately=lately)


def figures(looks: Sequence[Look]) -> Figures:
    """Return what the page shows.

    Args:
        looks: oldest first, at least one.
    """
    first, last = looks[0], looks[-1]
    latencies = (
        latency(
            name, about, _buckets(last.of(service), metric, labels), _buckets(first.of(service), metric, labels) if len(looks) > 1 else ()
        )
        for service, metric, name, about, labels in _LATENCIES
    )
    return Figures(
        since_ms=first.at_ms,
        lags=_lags(last),
        waiting=tuple((look.at_ms, sum(lag.records for lag in _lags(look))) for look in looks),
        latencies=tuple(one for one in latencies if one is not None),
        problems=tuple(_problems(first, last)),
        sizes=tuple(
            Size(name, about, value, unit)
            for service, metric, name, about, unit, labels in _SIZES
            if (value := last.of(service).value(f"veilocity_{metric}", **labels)) is not None
        ),
        flows=tuple(_flow(looks, service, f"veilocity_{metric}", name, about, labels) for service, metric, name, about, labels in _FLOWS),
        models=learned_rules(last.of("rules"), last.of("dashboard")),
    )


def _lags(look: Look) -> tuple[Lag, ...]:
    found = []
    for service in ("rules", "privacy"):
        waiting = look.of(service).by(f"veilocity_{service}_lag_records", "topic")
        found += [Lag(service, topic, int(records)) for topic, records in waiting.items()]
    return tuple(found)


def _buckets(scrape: Scrape, metric: str, labels: Mapping[str, str]) -> list[tuple[float, float]]:
    counted = scrape.by(f"veilocity_{metric}_bucket", "le", **labels)
    return sorted((float(upper), count) for upper, count in counted.items())


def _problems(first: Look, last: Look) -> list[Problem]:
    found = []
    for service, metric, what, label, well in _PROBLEMS:
        now = last.of(service).by(f"veilocity_{metric}", label)
        before = first.of(service).by(f"veilocity_{metric}", label) if first is not last else now
        for reason, count in now.items():
            if reason in well or count <= 0:
                continue
            # Fewer than before: the process began anew, and all of it is new.
            grown = count - before.get(reason, 0.0)
            found.append(Problem(service, what, reason, int(grown if grown >= 0 else count), int(count)))
    return sorted(found, key=lambda one: (-one.lately, -one.ever, one.service, one.reason))


def _flow(looks: Sequence[Look], service: str, metric: str, name: str, about: str, labels: Mapping[str, str]) -> Flow:
    rates: list[float | None] = []
    for before, after in pairwise(looks):
        old, new = before.of(service).value(metric, **labels), after.of(service).value(metric, **labels)
        seconds = (after.at_ms - before.at_ms) / 1000.0
        rates.append(None if old is None or new is None or new < old or seconds <= 0.0 else round((new - old) / seconds, 3))
    return Flow(name, about, tuple(look.at_ms for look in looks[1:]), tuple(rates))
