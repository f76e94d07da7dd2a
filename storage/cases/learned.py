"""How often learned rules are right on live payments, by what people decided of the alerts and payments that they met.

A payment at or above a model's threshold has the model's reason code, `learned-` and its name, whether or not the model may flag. It counts

    as confirmed   if the alert that it names was confirmed as fraud, or the payment was reported as fraud that no rule flagged
    as wrong       if that alert was called a false positive

and precision is confirmed / (confirmed + wrong), over all versions that were in force in the span. People label what they are shown: a
model that may not flag is judged where a written rule flagged as well, or somebody reported the payment, so its precision is of those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from pymongo.collection import Collection

from storage.cases.collections import CASES, MISSED_FRAUDS
from storage.cases.labelling import ANSWER_MS, MOST_ALERTS
from storage.cases.labels import Share, wilson
from storage.cases.model import Label
from storage.kinds import TRANSACTIONS, Document
from storage.mongo import connect, translated
from veilocity import metrics
from veilocity.contracts import Severity
from veilocity.settings import Settings

__all__ = ["CONFIRMED", "LEARNED", "WRONG", "count_learned", "publish_learned", "read_learned"]

LEARNED = "learned-"
"""What the reason codes of learned rules begin with."""
CONFIRMED, WRONG = "confirmed", "false-positive"
_CHUNK = 1_000
_LABELLED = metrics.gauge(
    "rule_labelled_payments", "Payments at or above a learned rule's threshold, by what people decided of them.", "rule", "outcome"
)


def count_learned(labelled: Iterable[tuple[Iterable[str], Label]]) -> dict[str, Share]:
    """Return the precision of each learned rule that a label speaks of, by its reason code.

    Args:
        labelled: reason codes and label of each payment that has one.

    >>> fraud, wrong = Label.CONFIRMED_FRAUD, Label.FALSE_POSITIVE
    >>> found = count_learned([(("learned-a", "far"), fraud), (("learned-a",), wrong), (("far",), fraud)])
    >>> {rule: (share.hits, share.of) for rule, share in found.items()}
    {'learned-a': (1, 2)}
    """
    counts: Counter[tuple[str, Label]] = Counter()
    for reasons, label in labelled:
        counts.update((reason, label) for reason in set(reasons) if reason.startswith(LEARNED))
    found = {}
    for rule in sorted({rule for rule, _ in counts}):
        confirmed, wrong = counts[rule, Label.CONFIRMED_FRAUD], counts[rule, Label.FALSE_POSITIVE]
        if confirmed + wrong:
            found[rule] = wilson(confirmed, confirmed + wrong)
    return found


def read_learned(settings: Settings, since_ms: int, until_ms: int) -> dict[str, Share]:
    """Return the precision of each learned rule on payments of the alerts, and of the reports, of a span of time.

    Args:
        settings: where MongoDB is.
        since_ms: alerts and reports of this minute and later.
        until_ms: and before this one.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    client = connect(settings, socket_timeout_ms=ANSWER_MS)
    try:
        database = client[settings.mongodb_database]
        span = {"minute_ms": {"$gte": since_ms, "$lt": until_ms}}
        with translated():
            cases = database[CASES.name].find(span, {"label": 1}).limit(MOST_ALERTS)
            labels = {case["_id"]: Label(case["label"]) for case in cases if case["label"] is not None}
            missed = [one["_id"] for one in database[MISSED_FRAUDS.name].find(span, {"_id": 1}).limit(MOST_ALERTS)]
            return count_learned(_labelled(database[TRANSACTIONS.name], labels, missed))
    finally:
        client.close()


def publish_learned(precision: Mapping[str, Share]) -> None:
    """Put what people decided of each learned rule's payments into the metrics of this process."""
    _LABELLED.clear()
    for rule, share in precision.items():
        _LABELLED.labels(rule, CONFIRMED).set(share.hits)
        _LABELLED.labels(rule, WRONG).set(share.of - share.hits)


def _labelled(payments: Collection[Document], labels: Mapping[str, Label], missed: Iterable[str]) -> Iterator[tuple[list[str], Label]]:
    for alerts in _chunks(labels):
        for severity in Severity:
            # One severity at a time, because it stands first in the index by alert.
            question = {"severity": severity.value, "alert": {"$in": alerts}}
            for payment in payments.find(question, {"reasons": 1, "alert": 1}).limit(MOST_ALERTS):
                yield payment["reasons"], labels[payment["alert"]]
    for ids in _chunks(missed):
        for payment in payments.find({"_id": {"$in": ids}}, {"reasons": 1}).limit(_CHUNK):
            yield payment["reasons"], Label.CONFIRMED_FRAUD


def _chunks(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
