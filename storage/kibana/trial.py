"""A small made-up day of masked documents to hold the panels to: values that a panel tells apart, and gaps that a field may have."""

from __future__ import annotations

import hashlib
from typing import Any

from storage.documents import MaskedAlert, MaskedEpisode, MaskedObservation, MaskedTransaction, Place
from storage.kibana.objects import Json
from storage.kinds import ALERTS, TRANSACTIONS, Kind, to_document
from veilocity.contracts import AlertState, Channel, ObservationKind, Severity, Verdict
from veilocity.geo import Interval

__all__ = ["START_MS", "trial"]

START_MS = 1_795_305_600_000
"""2026-11-22T00:00Z."""
_MINUTE_MS = 60_000
_PLACES = (
    Place("87283082affffff", 37.77, -122.41),
    Place("871fb4662ffffff", 48.85, 2.35),
    Place("87be0e35cffffff", -33.87, 151.21),
    Place("87589e919ffffff", 6.45, 3.39),
)
_CATEGORIES = ("grocery", "fuel", "travel", "restaurant", "online", "entertainment", "cash")
_AMOUNTS = (12.0, 5.5, 230.0, 41.0, 0.99, 1_800.0)
_CURRENCIES = ("EUR", "EUR", "USD", "EUR", "GBP", "USD", "CHF")
_DEVICES = ("mobile", "tablet", None, "mobile")
_RULES = ("impossible-travel", "impossible-travel", "phone-far-from-card", "payments-count")


def trial() -> dict[str, list[Json]]:
    """Return documents by kind, each with its `_id`: 96 payments over four hours, 16 alerts over fifteen.

    >>> {name: len(documents) for name, documents in trial().items()}
    {'transactions': 96, 'alerts': 16}
    """
    return {
        TRANSACTIONS.name: [_stored(TRANSACTIONS, _payment(number)) for number in range(96)],
        ALERTS.name: [_stored(ALERTS, _alert(number)) for number in range(16)],
    }


def _stored(kind: Kind[Any], record: MaskedTransaction | MaskedAlert) -> Json:
    document = to_document(kind, record)
    return {name: value for name, value in document.items() if name not in kind.unsearched}


def _token(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _payment(number: int) -> MaskedTransaction:
    # The square makes some groups larger than others, so that "most frequent" means something.
    skewed = number * number
    channel = list(Channel)[number % 5 % 3 if number % 8 else 3]
    place = _PLACES[number % 4] if channel.has_place else None
    flagged = number % 12 == 0
    return MaskedTransaction(
        id=_token("payment", number),
        seq=number // 10,
        revision=1,
        subject=_token("subject", skewed % 23),
        card=None if number % 16 == 5 else _token("card", skewed % 29),
        device=None,
        user=None,
        device_type=_DEVICES[number % 4],
        minute_ms=START_MS + number * 5 // 2 * _MINUTE_MS,
        amount=_AMOUNTS[number % 6],
        currency=_CURRENCIES[number % 7],
        amount_band="10-20",
        merchant=f"merchant {skewed % 17}",
        category=_CATEGORIES[skewed % 11 % 7],
        channel=channel,
        country="US" if place else None,
        place=place,
        verdict=Verdict.FLAGGED if flagged else Verdict.CLEAR,
        score=0.75 if flagged else 0.0,
        reasons=("impossible_travel",) if flagged else (),
        alert=_token("alert", number) if flagged else None,
        severity=Severity.HIGH if flagged else None,
        place_seen_before=True if place else None,
    )


def _alert(number: int) -> MaskedAlert:
    rule = _RULES[number % 4]
    travels = rule != "payments-count"
    later_ms = START_MS + number * 55 * _MINUTE_MS
    elapsed_s = 0.0 if number == 8 else 600.0 * (number + 1)
    distance_m = 1e6 * (number + 1)
    first, second = (_PLACES[number % 4], _PLACES[(number + 1) % 3]) if travels else (None, None)
    return MaskedAlert(
        id=_token("alert", number),
        seq=number,
        revision=1 + number % 3,
        rule=rule,
        rule_version="1",
        cause=rule.replace("-", "_"),
        severity=list(Severity)[number % 3],
        state=list(AlertState)[2 if number % 7 == 6 else number % 2],
        subject=_token("subject", number * number % 9),
        score=0.5 + number / 64,
        probability=0.01 if travels else None,
        first=MaskedObservation(ObservationKind.FIX, later_ms - int(elapsed_s) * 1000, first, 30.0),
        second=MaskedObservation(ObservationKind.ATM if travels else ObservationKind.ECOMMERCE, later_ms, second, 1000.0),
        distance_m=Interval(distance_m, distance_m * 1.1, distance_m * 1.2) if travels else None,
        elapsed_s=elapsed_s,
        speed_kmh=Interval(900.0 + number, 1000.0 + number, 1100.0 + number) if travels and elapsed_s else None,
        speed_limit_kmh=1100.0 if travels else None,
        minimum_distance_m=50_000.0 if travels else None,
        fine_with_s=32_000.0 if travels else None,
        sentence="9,000 km in 1 h 00 min.",
        checks=(),
        episode=MaskedEpisode(START_MS, later_ms, 1),
    )
