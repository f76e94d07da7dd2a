"""What a model sees of a payment: one row of figures, from what the engine remembers of the person before it.

Nothing of a row is sent by the producer but the payment itself: counts, sums, usual places and phones come from the subject's state, as of
event time. So a payment that arrives out of order is given the habits that came before it, and not those that came after.

A figure that is not known is NaN, and never a guess: a payment without a place has no distance. Names that end in `_log` hold
ln(1 + x), because amounts, times and distances run over many powers of ten; `plain` gives x back.

Guarantee: a row is a function of the state, the payment and this module alone. The same floating point operations run in training and in
the stream, so the rows are equal bit for bit (tests/property/test_models_rows.py).
"""

from __future__ import annotations

import math

from rules.judgement import profile_of
from rules.models.phones import phone_before
from rules.profile import Profile, Recent, name_hash, recent_of
from rules.rows import unpack
from rules.ruling import absorb
from rules.sight import ATM, CARD_PRESENT, ECOMMERCE, RECURRING, Sight
from rules.subject import SubjectState
from rules.travel import gap_m
from veilocity.contracts import Transaction
from veilocity.geo import great_circle_m

__all__ = ["FEATURES", "FEATURES_VERSION", "habits_before", "plain", "row_of"]

FEATURES_VERSION = 1
"""Raised whenever the same history would give another row; a model says for which version it was trained."""
FEATURES: tuple[str, ...] = (
    "amount_log",
    "amount_deviations",
    "payments_10min",
    "payments_1h",
    "payments_24h",
    "spent_1h_log",
    "spent_24h_log",
    "merchants_24h",
    "cards_24h",
    "countries_24h",
    "same_merchant_24h",
    "same_amount_24h",
    "last_payment_s_log",
    "known_payments_log",
    "known_days_log",
    "usual_place_km_log",
    "usual_place_payments_log",
    "last_place_km_log",
    "last_place_kmh_log",
    "phone_km_log",
    "phone_s_log",
    "phone_kmh_log",
    "new_country",
    "new_device",
    "hour_sin",
    "hour_cos",
    "weekend",
    "is_card_present",
    "is_atm",
    "is_e_commerce",
    "is_recurring",
)
"""The columns, in order. Windows count what came before the payment, without it; hour and day are UTC."""

_NS = 1_000_000_000
_HOUR_NS = 3_600 * _NS
_DAY_NS = 24 * _HOUR_NS
_UNKNOWN = math.nan
_SETTLED = 3.0
"""Amounts from which on a spread says something."""
_LEAST_SPREAD = 0.1
"""Of the logarithm of amounts: who always pays the same is not surprised by a tenth more."""
_LEAST_S = 60.0
"""Payments are often stamped in whole minutes, so a speed over less time is no speed."""
_SATURDAY = 2
"""Days since 1970-01-01, a Thursday."""


def plain(name: str, value: float) -> tuple[str, float]:
    """Return a figure as people read it: its name without `_log`, and its value before the logarithm.

    >>> plain("spent_1h_log", math.log1p(0.0)), plain("weekend", 1.0)
    (('spent_1h', 0.0), ('weekend', 1.0))
    """
    return (name.removesuffix("_log"), math.expm1(value)) if name.endswith("_log") else (name, value)


def habits_before(state: SubjectState, sight: Sight) -> Profile:
    """Return what is known of the person before a payment, in event time; the payment may be part of the history already.

    Guarantee: the state is unchanged. What is returned may belong to the state: it must not be changed either.
    """
    key, payments = (sight.event_ns, sight.source), state.payments
    if not payments or payments[-1].key < key:
        return state.tip if state.tip is not None else Profile()
    profile = profile_of(state.base)
    for payment in payments:
        if payment.key >= key:
            break
        absorb(profile, payment.sight, unpack(payment.row), payment.hits)
    return profile


def row_of(state: SubjectState, transaction: Transaction, sight: Sight) -> tuple[float, ...]:
    """Return the row of one payment.

    Args:
        state: of the subject; before the payment, or later, as long as the payment is in its history.
        transaction: the payment.
        sight: the payment as the engine judges it (`Engine.sight`).
    """
    profile = habits_before(state, sight)
    own = recent_of(sight, transaction)
    figures = (
        *_amount(profile, own),
        *_windows(profile, own),
        _since_last_s_log(profile, own.event_ns),
        math.log1p(profile.payments),
        math.log1p((own.event_ns - profile.first_ns) / _DAY_NS) if profile.payments and own.event_ns >= profile.first_ns else _UNKNOWN,
        *_places(profile, sight),
        *_phone(state, sight),
        *_news(profile, transaction),
        *_moment(own.event_ns),
    )
    return (*figures, *(float(sight.kind == kind) for kind in (CARD_PRESENT, ATM, ECOMMERCE, RECURRING)))


def _amount(profile: Profile, own: Recent) -> tuple[float, float]:
    amount = max(0, own.amount_minor)
    if profile.amounts < _SETTLED:
        return math.log1p(amount), _UNKNOWN
    spread = max(_LEAST_SPREAD, math.sqrt(max(0.0, profile.amount_variance)))
    return math.log1p(amount), (math.log(max(1, amount)) - profile.amount_mean) / spread


def _windows(profile: Profile, own: Recent) -> tuple[float, ...]:
    day = list(profile.since(own.event_ns - _DAY_NS))
    hour = [one for one in day if one.event_ns >= own.event_ns - _HOUR_NS]
    return (
        float(sum(one.event_ns >= own.event_ns - 600 * _NS for one in hour)),
        float(len(hour)),
        float(len(day)),
        math.log1p(sum(max(0, one.amount_minor) for one in hour)),
        math.log1p(sum(max(0, one.amount_minor) for one in day)),
        float(len({one.merchant for one in day})),
        float(len({one.card for one in day if one.card})),
        float(len({one.country for one in day if one.country != b"  "})),
        float(sum(one.merchant == own.merchant for one in day)),
        float(sum(one.amount_minor == own.amount_minor for one in day)),
    )


def _since_last_s_log(profile: Profile, event_ns: int) -> float:
    last = profile.newest()
    return math.log1p(max(0, event_ns - last.event_ns) / _NS) if last is not None else _UNKNOWN


def _places(profile: Profile, sight: Sight) -> tuple[float, float, float, float]:
    """Return distance and payments of the nearest usual place, then distance and speed from the last place that is believed."""
    if not sight.has_place:
        return _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN
    near_km = near_payments = last_km = last_kmh = _UNKNOWN
    usual = [
        (great_circle_m(one.lat_e7 / 1e7, one.lon_e7 / 1e7, sight.lat_e7 / 1e7, sight.lon_e7 / 1e7), -one.weight) for one in profile.places
    ]
    if usual:
        nearest_m, weight = min(usual)
        near_km, near_payments = math.log1p(nearest_m / 1000.0), math.log1p(-weight)
    if profile.reference is not None:
        last_km, last_kmh = _apart(profile.reference, sight)
    return near_km, near_payments, last_km, last_kmh


def _phone(state: SubjectState, sight: Sight) -> tuple[float, float, float]:
    """Return distance, age and speed from the newest fix up to the payment."""
    seen = phone_before(state, sight.event_ns)
    if seen is None:
        return _UNKNOWN, _UNKNOWN, _UNKNOWN
    age_s_log = math.log1p((sight.event_ns - seen.event_ns) / _NS)
    if not sight.has_place:
        return _UNKNOWN, age_s_log, _UNKNOWN
    km_log, kmh_log = _apart(seen, sight)
    return km_log, age_s_log, kmh_log


def _apart(first: Sight, second: Sight) -> tuple[float, float]:
    """Return the logarithms of kilometres and of kilometres per hour."""
    km = gap_m(first, second) / 1000.0
    return math.log1p(km), math.log1p(km * 3600.0 / max(_LEAST_S, abs(second.event_ns - first.event_ns) / _NS))


def _news(profile: Profile, transaction: Transaction) -> tuple[float, float]:
    """Say whether country and device are new to a person of whom some are known."""
    country = device = _UNKNOWN
    if transaction.country and profile.countries:
        country = float(transaction.country not in profile.countries)
    if transaction.device and profile.devices:
        device = float(name_hash(transaction.device) not in profile.devices)
    return country, device


def _moment(event_ns: int) -> tuple[float, float, float]:
    angle = 2.0 * math.pi * (event_ns % _DAY_NS) / _DAY_NS
    return math.sin(angle), math.cos(angle), float((event_ns // _DAY_NS - _SATURDAY) % 7 < 2)
