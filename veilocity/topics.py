"""The Kafka topics: names, how they are cut and kept. Declared once; the launcher, docker-compose and the docs are held to it."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "ALERTS",
    "AVRO_DECISIONS",
    "AVRO_PAYMENTS",
    "DECISIONS",
    "DIRECTORY",
    "EXTRAS",
    "FIXES",
    "HEARTBEATS",
    "REJECTS",
    "REPORTS",
    "REPORT_MARKS",
    "RULES_PROGRESS",
    "RULES_STATE",
    "SESSIONS",
    "TOPICS",
    "TRANSACTIONS",
    "Topic",
    "markdown",
]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. All with keys of people share the partition count, so that one subject has the same partition number everywhere."""

    name: str
    help: str
    compacted: bool = False
    partitions: int | None = None
    """Where it is not the number of all the others."""
    config: dict[str, str] = field(default_factory=dict)

    def configuration(self) -> dict[str, str]:
        """Return the broker's settings for this topic."""
        return {"cleanup.policy": "compact" if self.compacted else "delete", **self.config}


_SMALL_SEGMENTS = {"segment.bytes": "33554432", "min.cleanable.dirty.ratio": "0.3", "max.compaction.lag.ms": "600000"}
"""Compaction only touches closed segments: small ones keep the time to restore state short."""

FIXES = Topic("fixes", "phone places, key = subject")
TRANSACTIONS = Topic("transactions", "payments, key = subject")
REJECTS = Topic("rejects", "refused items with a reason; as secret as what they hold")
DIRECTORY = Topic("directory", "which subject a device, card or user id belongs to, key = kind:id", compacted=True)
DECISIONS = Topic("decisions", "one answer per transaction, key = subject; read committed")
ALERTS = Topic("alerts", "every revision of every alert, key = subject; read committed")
RULES_STATE = Topic(
    "rules-state",
    "snapshots of states and the journal, key = bucket or place in the journal; read committed",
    compacted=True,
    config=_SMALL_SEGMENTS,
)
RULES_PROGRESS = Topic(
    "rules-progress", "counters of each partition, key = partition; read committed", compacted=True, config=_SMALL_SEGMENTS
)

HEARTBEATS = Topic("heartbeats", "the privacy stage waits with open windows: wall clock and ends of decisions; one partition", partitions=1)

SESSIONS = Topic("sessions", "browsing events, key = subject")
REPORT_MARKS = Topic(
    "report-marks", "the reports waited for a silent partition: its end, and the time it then has; one partition", partitions=1
)
REPORTS = Topic(
    "reports", "windows of the streaming reports, key = report:start; counts of k people; one partition; read committed", partitions=1
)

TOPICS = (
    FIXES,
    TRANSACTIONS,
    REJECTS,
    DIRECTORY,
    DECISIONS,
    ALERTS,
    RULES_STATE,
    RULES_PROGRESS,
    HEARTBEATS,
    SESSIONS,
    REPORT_MARKS,
    REPORTS,
)

AVRO_PAYMENTS = Topic("payments-avro", "payments of other systems in Avro, read by `veilocity feeds avro`; as secret as `transactions`")
AVRO_DECISIONS = Topic("decisions-avro", "decisions in Avro, key = subject; read committed; as secret as `decisions`")

EXTRAS = (AVRO_PAYMENTS, AVRO_DECISIONS)
"""Made by the feeds that use them."""


def markdown() -> str:
    """Return the table of all topics for docs/topics.md."""
    lines = ["| topic | what | kept | settings |", "|---|---|---|---|"]
    for topic in (*TOPICS, *EXTRAS):
        kept = "the newest record of each key" if topic.compacted else "as long as the broker's retention says"
        settings = ", ".join(f"`{name}={value}`" for name, value in topic.configuration().items())
        lines.append(f"| `{topic.name}` | {topic.help} | {kept} | {settings} |")
    return "\n".join(lines) + "\n"
