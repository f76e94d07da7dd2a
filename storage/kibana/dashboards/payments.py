"""Payments: the ten panels of the bank project, over masked fields.

What masking changes is said on each panel: amounts are rounded, so averages are; people and cards are tokens that change with the period.
Money is never added across currencies.
"""

from __future__ import annotations

from storage.kibana.charts import Chart, Metric, Shape, Terms, Times
from storage.kibana.dashboards.model import Dashboard, Filter, Grid, Note, Placed
from storage.kinds import TRANSACTIONS

__all__ = ["PAYMENTS"]

_TOKENS = (
    "Tokens are counted. They change with the period of pseudonyms (7 days by default), so a longer span counts {who} once for each "
    "period. Beyond 3,000 the count is an estimate (HyperLogLog++, a few per cent)."
)
_ROUNDED = (
    "Each amount is stored rounded to two significant digits, so an average lies within 5 % of the true one. "
    "Currencies are not converted: the most frequent three, each by itself."
)
_PAYMENTS = Metric("payments")
_TEN_MINUTES = Times(10, "10 minutes")
_CURRENCY = Terms("currency", "currency", 3)
_AVERAGE = Metric("average amount", "average", "amount", decimals=2)

_INTRODUCTION = Note(
    "introduction",
    "**Payments, masked.** People, cards, phones and users are tokens that change every 7 days; places are cells of about 5 km²; times are "
    "cut to the minute; amounts are rounded to two significant digits, so an average is within 5 %. Distinct people and cards over more "
    "than one period are counted once for each. Merchants and categories are as the feed gave them.",
)


def _figure(name: str, title: str, note: str, metric: Metric, *buckets: Terms) -> Chart:
    return Chart(name, title, note, TRANSACTIONS, "metric", (metric,), buckets)


def _share(name: str, title: str, note: str, shape: Shape, bucket: Terms) -> Chart:
    return Chart(name, title, note, TRANSACTIONS, shape, (_PAYMENTS,), (bucket,))


_COUNT = _figure("count", "Total count", "Decided payments, each once, whatever became of its answer later.", _PAYMENTS)
_PEOPLE = _figure("people", "Distinct users", _TOKENS.format(who="a person"), Metric("people", "unique_count", "subject"))
_CARDS = _figure("cards", "Distinct cards", _TOKENS.format(who="a card"), Metric("cards", "unique_count", "card"))
_MERCHANTS = _figure(
    "merchants",
    "Unique merchants",
    "Merchants are kept as the feed gave them. Beyond 3,000 the count is an estimate (HyperLogLog++, a few per cent).",
    Metric("merchants", "unique_count", "merchant"),
)
_AMOUNT = _figure("amount", "Average amount", _ROUNDED, _AVERAGE, _CURRENCY)
_VOLUME = Chart(
    "volume", "Volume per 10 minutes", "Payments by the minute of their authorisation.", TRANSACTIONS, "bar", (_PAYMENTS,), (_TEN_MINUTES,)
)
_AMOUNTS = Chart(
    "amount-over-time", "Average amount per 10 minutes", _ROUNDED, TRANSACTIONS, "line", (_AVERAGE,), (_CURRENCY, _TEN_MINUTES)
)
_CATEGORIES = _share(
    "categories", "Top 5 merchant categories", "Categories as the feed gave them.", "pie", Terms("category", "category", 5)
)
_TYPES = _share(
    "types", "Transaction type", "How the payment was made; only card-present and ATM have a place.", "donut", Terms("channel", "type", 4)
)
_DEVICES = _share(
    "devices",
    "By device type",
    "What the feed says of the device. Payments without one are counted as missing.",
    "donut",
    Terms("device_type", "device type", 5, rest=True),
)

PAYMENTS = Dashboard(
    "payments",
    "Veilocity: payments",
    "The masked payments of the last day. No panel holds an identifier, an exact place or an exact amount.",
    TRANSACTIONS,
    (Filter("category", "Category"), Filter("channel", "Transaction type"), Filter("verdict", "Verdict"), Filter("currency", "Currency")),
    (
        Placed(_INTRODUCTION, Grid(0, 0, 48, 5)),
        Placed(_COUNT, Grid(0, 5, 9, 6)),
        Placed(_PEOPLE, Grid(9, 5, 9, 6)),
        Placed(_CARDS, Grid(18, 5, 9, 6)),
        Placed(_MERCHANTS, Grid(27, 5, 9, 6)),
        Placed(_AMOUNT, Grid(36, 5, 12, 6)),
        Placed(_VOLUME, Grid(0, 11, 24, 11)),
        Placed(_AMOUNTS, Grid(24, 11, 24, 11)),
        Placed(_CATEGORIES, Grid(0, 22, 16, 12)),
        Placed(_TYPES, Grid(16, 22, 16, 12)),
        Placed(_DEVICES, Grid(32, 22, 16, 12)),
    ),
)
