"""The labels in the store and what they say of each rule: asked by minute, from indexes, and kept nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
from pymongo import ASCENDING
from pymongo.database import Database

from storage.cases.collections import CASES, MISSED_FRAUDS
from storage.cases.labels import Flag, RuleLabels, Share, measure_rules, wilson
from storage.cases.model import Label
from storage.kinds import ALERTS, Document
from storage.mongo import connect, translated
from veilocity import metrics
from veilocity.contracts import AlertState
from veilocity.settings import Settings

__all__ = ["ANSWER_MS", "MOST_ALERTS", "LabelReport", "publish", "read_labels", "read_precision"]

MOST_ALERTS = 200_000
"""Read at most: some 100 bytes each."""
ANSWER_MS = 60_000
"""How long a question over many cases may take."""
_PRECISION = metrics.gauge("rule_precision", "Share of a rule's labelled alerts that are confirmed fraud.", "rule")


class LabelReport(msgspec.Struct, frozen=True):
    """What people's decisions say of the rules in a span of time."""

    since_ms: int
    until_ms: int
    """Of the alerts' minutes, exclusive."""
    complete: bool
    """False where there were more alerts than are read: then those from `since_ms` on count, and a shorter span is honest."""
    known_frauds: int
    reported: int
    """Frauds that people reported and no rule had flagged at that time."""
    rules: tuple[RuleLabels, ...]


def read_labels(settings: Settings, since_ms: int, until_ms: int, within_ms: int = 3_600_000, most: int = MOST_ALERTS) -> LabelReport:
    """Return precision and recall of each rule.

    Args:
        settings: where MongoDB is.
        since_ms: alerts and payments of this minute and later.
        until_ms: and before this one.
        within_ms: how far apart two flags of one person may be and still be about one fraud.
        most: alerts to read.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    client = connect(settings, socket_timeout_ms=ANSWER_MS)
    try:
        database: Database[Document] = client[settings.mongodb_database]
        span = {"minute_ms": {"$gte": since_ms, "$lt": until_ms}}
        with translated():
            labels = {
                case["_id"]: case["label"]
                for case in database[CASES.name].find(span, {"label": 1}).limit(most)
                if case["label"] is not None
            }
            asked = dict.fromkeys(("rule", "subject", "minute_ms", "state"), 1)
            alerts = list(database[ALERTS.name].find(span, asked).sort("minute_ms", ASCENDING).limit(most + 1))
            reported = list(database[MISSED_FRAUDS.name].find(span, {"subject": 1, "minute_ms": 1}).limit(most))
    finally:
        client.close()
    flags = [_flag(alert, labels.get(alert["_id"])) for alert in alerts[:most]]
    flags += [Flag(None, one["subject"], int(one["minute_ms"]), Label.CONFIRMED_FRAUD) for one in reported]
    rules = measure_rules(flags, within_ms)
    known = max((one.recall.of for one in rules), default=len(reported))
    return LabelReport(since_ms, until_ms, len(alerts) <= most, known, len(reported), rules)


def read_precision(settings: Settings, since_ms: int, until_ms: int) -> dict[str, Share]:
    """Return the precision of each rule that has a label: asked of cases alone, so it may be asked often.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    client = connect(settings, socket_timeout_ms=ANSWER_MS)
    try:
        with translated():
            span = {"minute_ms": {"$gte": since_ms, "$lt": until_ms}}
            found = list(client[settings.mongodb_database][CASES.name].find(span, {"rule": 1, "label": 1}).limit(MOST_ALERTS))
    finally:
        client.close()
    counts = Counter((case["rule"], case["label"]) for case in found if case["label"] is not None)
    confirmed = {rule: counts[rule, Label.CONFIRMED_FRAUD.value] for rule, _ in counts}
    return {rule: wilson(hits, hits + counts[rule, Label.FALSE_POSITIVE.value]) for rule, hits in sorted(confirmed.items())}


def publish(precision: Mapping[str, Share]) -> None:
    """Put the precision of each rule into the metrics of this process; a rule whose labels are gone shows none any more."""
    _PRECISION.clear()
    for rule, share in precision.items():
        if share.value is not None:
            _PRECISION.labels(rule=rule).set(share.value)


def _flag(alert: Document, label: str | None) -> Flag:
    retracted = alert["state"] == AlertState.RETRACTED.value
    return Flag(alert["rule"], alert["subject"], int(alert["minute_ms"]), None if label is None else Label(label), retracted)
