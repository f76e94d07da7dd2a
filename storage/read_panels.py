"""The figures of the page of payments: ten panels, asked of Elasticsearch in one search. No token is shown, so nothing has to join.

- A search spans at most a week, one period of pseudonyms: a longer one would count a person once for each period.
- Distinct people, cards and merchants are exact up to 3,000, then estimates within a few per cent (HyperLogLog++).
- Money is never added across currencies; amounts were rounded to two digits, so a sum or an average is within 5 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from storage.desk import Desk
from storage.filters import PAYMENT_FIELDS, Filter, only
from storage.finding import clauses, search
from storage.kinds import TRANSACTIONS, Document
from storage.mappings import alias
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["LONGEST_SPAN_MS", "STEP_MS", "Averages", "Money", "Panels", "Share", "Volume", "check_panels", "panels_question", "read_panels"]

STEP_MS = 600_000
"""Ten minutes, of the two panels over time."""
_DAY_MS = 86_400_000
LONGEST_SPAN_MS = 7 * _DAY_MS
_EXACT = 3_000
_TOP = 5
_CURRENCIES = 3
_CHANNELS = 10
_OTHER = "(none)"


class Share(msgspec.Struct, frozen=True):
    """Payments of one value of a field."""

    name: str
    payments: int


class Money(msgspec.Struct, frozen=True):
    """Payments in one currency, in its major units."""

    currency: str
    payments: int
    total: float
    average: float
    categories: tuple[tuple[str, float], ...] = ()
    """The five categories with the largest sums, and these."""


class Volume(msgspec.Struct, frozen=True):
    """Payments of ten minutes."""

    start_ms: int
    payments: int


class Averages(msgspec.Struct, frozen=True):
    """The average amount in one currency over time; stretches without a payment are left out."""

    currency: str
    points: tuple[tuple[int, float], ...]
    """Start of ten minutes, average."""


class Panels(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of payments shows."""

    since_ms: int
    until_ms: int
    """Exclusive."""
    payments: int = 0
    """Total count."""
    people: int = 0
    """Distinct users."""
    cards: int = 0
    merchants: int = 0
    categories: tuple[Share, ...] = ()
    """The five most frequent."""
    money: tuple[Money, ...] = ()
    """Of the three most frequent currencies: average amount, and the top five categories by amount."""
    volume: tuple[Volume, ...] = ()
    """Per ten minutes, stretches without a payment left out."""
    averages: tuple[Averages, ...] = ()
    """Average amount per ten minutes."""
    channels: tuple[Share, ...] = ()
    device_types: tuple[Share, ...] = ()
    """The five most frequent; `(none)` is a payment whose device is not known."""


def read_panels(desk: Desk, which: Filter) -> Panels:
    """Return the ten panels.

    Args:
        desk: the stores.
        which: limits the payments; without times it is the last day up to the latest event.

    Raises:
        InvalidInputError: the filter is refused: it spans more than seven days, or names a person.
        StoreUnavailableError: a store does not answer.
    """
    check_panels(which)
    since_ms, until_ms = _span(which, desk)
    bounded = msgspec.structs.replace(which, since_ms=since_ms, until_ms=until_ms)
    answer = search(desk.search, alias(desk.prefix, TRANSACTIONS), panels_question(bounded))
    found: Mapping[str, Any] | None = answer.get("aggregations")
    if found is None:
        return Panels(since_ms=since_ms, until_ms=until_ms)
    currencies: Sequence[Mapping[str, Any]] = found["currencies"]["buckets"]
    return Panels(
        since_ms=since_ms,
        until_ms=until_ms,
        payments=int(found["payments"]["value"]),
        people=int(found["people"]["value"]),
        cards=int(found["cards"]["value"]),
        merchants=int(found["merchants"]["value"]),
        categories=_shares(found["categories"]),
        money=tuple(map(_money, currencies)),
        volume=tuple(Volume(int(bucket["key"]), int(bucket["doc_count"])) for bucket in found["volume"]["buckets"]),
        averages=tuple(map(_averages, currencies)),
        channels=_shares(found["channels"]),
        device_types=_shares(found["device_types"]),
    )


def check_panels(which: Filter) -> None:
    """Return if the ten panels can be asked for payments so limited.

    Raises:
        InvalidInputError: the filter spans more than seven days, or limits what payments are not counted by.
    """
    only(which, PAYMENT_FIELDS - {"subject"}, "figures of payments")
    if which.since_ms is not None and which.until_ms is not None and which.until_ms - which.since_ms > LONGEST_SPAN_MS:
        raise InvalidInputError(
            RejectReason.INVALID_FIELD,
            "figures span at most seven days: people have other pseudonyms after that and would be counted twice",
        )


def _span(which: Filter, desk: Desk) -> tuple[int, int]:
    until_ms = which.until_ms
    if until_ms is None:
        until_ms = desk.event_ms() // 60_000 * 60_000 + 60_000 if which.since_ms is None else which.since_ms + _DAY_MS
    since_ms = max(0, until_ms - _DAY_MS) if which.since_ms is None else which.since_ms
    return since_ms, until_ms


def panels_question(which: Filter) -> Document:
    """Return the body of the search; the filter must have both times."""
    over_time: Document = {"date_histogram": {"field": "minute_ms", "fixed_interval": f"{STEP_MS // 60_000}m", "min_doc_count": 1}}
    average: Document = {"avg": {"field": "amount"}}
    total: Document = {"sum": {"field": "amount"}}
    averages: Document = {**over_time, "aggs": {"average": average}}
    by_amount: Document = {"terms": {"field": "category", "size": _TOP, "order": {"total": "desc"}}, "aggs": {"total": total}}
    return {
        "query": {"bool": {"filter": clauses(TRANSACTIONS, which)}},
        "size": 0,
        "track_total_hits": False,
        "aggs": {
            "payments": {"value_count": {"field": "seq"}},
            "people": {"cardinality": {"field": "subject", "precision_threshold": _EXACT}},
            "cards": {"cardinality": {"field": "card", "precision_threshold": _EXACT}},
            "merchants": {"cardinality": {"field": "merchant", "precision_threshold": _EXACT}},
            "categories": {"terms": {"field": "category", "size": _TOP}},
            "channels": {"terms": {"field": "channel", "size": _CHANNELS}},
            "device_types": {"terms": {"field": "device_type", "size": _TOP, "missing": _OTHER}},
            "volume": over_time,
            "currencies": {
                "terms": {"field": "currency", "size": _CURRENCIES},
                "aggs": {"total": total, "average": average, "categories": by_amount, "over_time": averages},
            },
        },
    }


def _shares(found: Mapping[str, Any]) -> tuple[Share, ...]:
    return tuple(Share(str(bucket["key"]), int(bucket["doc_count"])) for bucket in found["buckets"])


def _money(bucket: Mapping[str, Any]) -> Money:
    categories = tuple((str(one["key"]), float(one["total"]["value"])) for one in bucket["categories"]["buckets"])
    average, total = bucket["average"]["value"], bucket["total"]["value"]
    return Money(str(bucket["key"]), int(bucket["doc_count"]), float(total), float(average), categories)


def _averages(bucket: Mapping[str, Any]) -> Averages:
    points = ((int(one["key"]), float(one["average"]["value"])) for one in bucket["over_time"]["buckets"])
    return Averages(str(bucket["key"]), tuple(points))
