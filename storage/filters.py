"""What a list or a figure is limited to, as one value that fits into a link: checked, and the same after a round trip. Pure.

A link that holds the text of a filter shows the same view to whoever opens it. Where a filter has several values of a field, one of them
must hold; of several fields all must.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec

from storage.areas import Area, Box, Cell, Circle, is_in
from storage.cases.model import Status
from storage.documents import MaskedAlert, MaskedTransaction
from veilocity.contracts import Channel, Severity, Verdict
from veilocity.errors import InvalidInputError, RejectReason

__all__ = ["ALERT_FIELDS", "PAYMENT_FIELDS", "Filter", "alert_minute_ms", "holds_alert", "holds_payment", "only"]

_LONGEST_TEXT = 100
_MOST_VALUES = 30
_LONGEST_QUERY = 8_000
_LAST_MS = 253_402_300_800_000
"""The year 10000: beyond it nobody can write a date."""
_E = TypeVar("_E", bound=StrEnum)
_R = TypeVar("_R")


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted; an empty field does not matter.

    Times are milliseconds since 1970 UTC. An alert lies where either of its two observations does, at the later of their minutes.
    """

    since_ms: int | None = None
    """First minute, inclusive."""
    until_ms: int | None = None
    """Last minute, exclusive."""
    severities: tuple[Severity, ...] = ()
    rules: tuple[str, ...] = ()
    status: Status | None = None
    """Of the alert's case; an alert without a case is new."""
    verdicts: tuple[Verdict, ...] = ()
    channels: tuple[Channel, ...] = ()
    categories: tuple[str, ...] = ()
    currency: str | None = None
    amount_low: float | None = None
    """Of the payment, inclusive, in major units of its currency; of an alert: of a payment whose gravest finding it is."""
    amount_high: float | None = None
    area: Area | None = None
    subject: str | None = None
    """Token of a person in MongoDB."""

    def __post_init__(self) -> None:
        """Refuse what cannot be asked for.

        Raises:
            InvalidInputError: a value is out of its range, or two contradict each other; the sentence names the field.
        """
        for name in ("since_ms", "until_ms"):
            value = getattr(self, name)
            _demand(value is None or 0 <= value < _LAST_MS, f"{name} is no time: write milliseconds since 1970 UTC")
        if self.since_ms is not None and self.until_ms is not None:
            _demand(self.since_ms < self.until_ms, "the range of time is empty: `until` is exclusive and must come after `since`")
        for name in ("amount_low", "amount_high"):
            value = getattr(self, name)
            _demand(value is None or (math.isfinite(value) and value >= 0.0), f"{name} is no amount: write a number of 0 or more")
        if self.amount_low is not None and self.amount_high is not None:
            _demand(self.amount_low <= self.amount_high, "the range of amounts is empty: the first must not be above the second")
        for name in ("rules", "categories"):
            for text in getattr(self, name):
                _demand(_is_word(text), f"{name} must be of 1 to {_LONGEST_TEXT} characters without a comma")
        for name in ("currency", "subject"):
            text = getattr(self, name)
            _demand(text is None or _is_word(text), f"{name} must be of 1 to {_LONGEST_TEXT} characters without a comma")
        for name in ("severities", "rules", "verdicts", "channels", "categories"):
            values = getattr(self, name)
            _demand(len(set(values)) == len(values) <= _MOST_VALUES, f"{name} must be at most {_MOST_VALUES} different ones")

    def to_query(self) -> str:
        """Return the text for a link; equal filters have equal texts.

        >>> Filter(severities=(Severity.HIGH,), area=Box(37.0, -123.0, 38.0, -122.0), amount_low=500.0).to_query()
        'severity=high&amount=500.0..&box=37.0%2C-123.0%2C38.0%2C-122.0'
        """
        told = {
            "since": _text(self.since_ms),
            "until": _text(self.until_ms),
            "severity": ",".join(self.severities),
            "rule": ",".join(self.rules),
            "status": _text(self.status),
            "verdict": ",".join(self.verdicts),
            "channel": ",".join(self.channels),
            "category": ",".join(self.categories),
            "currency": _text(self.currency),
            "amount": _amounts(self),
            "subject": _text(self.subject),
            **_area_text(self.area),
        }
        return urlencode({name: text for name, text in told.items() if text})

    @classmethod
    def from_query(cls, query: str) -> Filter:
        """Return the filter that a link's text says.

        Raises:
            InvalidInputError: a name is unknown or comes twice, or a value cannot be read.

        >>> Filter.from_query("severity=high%2Clow&until=60000") == Filter(severities=(Severity.HIGH, Severity.LOW), until_ms=60_000)
        True
        >>> Filter.from_query("colour=red")
        Traceback (most recent call last):
        veilocity.errors.InvalidInputError: invalid_field: a filter knows no `colour`: see docs/stores.md for its names
        """
        told = _pairs(query)
        low, high = _range_of_amounts(told.get("amount", ""))
        return cls(
            since_ms=_integer(told, "since"),
            until_ms=_integer(told, "until"),
            severities=_choices(Severity, told, "severity"),
            rules=tuple(_split(told.get("rule", ""))),
            status=_choice(Status, told["status"], "status") if "status" in told else None,
            verdicts=_choices(Verdict, told, "verdict"),
            channels=_choices(Channel, told, "channel"),
            categories=tuple(_split(told.get("category", ""))),
            currency=told.get("currency"),
            amount_low=low,
            amount_high=high,
            area=_area(told),
            subject=told.get("subject"),
        )


_SHARED = ("since_ms", "until_ms", "severities", "area", "subject", "currency", "amount_low", "amount_high")
ALERT_FIELDS = frozenset((*_SHARED, "rules", "status"))
"""What alerts can be limited to."""
PAYMENT_FIELDS = frozenset((*_SHARED, "verdicts", "channels", "categories"))
"""What payments can be limited to."""


def only(which: Filter, allowed: frozenset[str], what: str) -> Filter:
    """Return the filter if it limits nothing but what it may.

    Args:
        which: the filter.
        allowed: names of fields.
        what: is asked for, for the sentence.

    Raises:
        InvalidInputError: another field is limited.
    """
    for name in which.__struct_fields__:
        _demand(name in allowed or getattr(which, name) in (None, ()), f"{what} cannot be limited by {name}: leave it out")
    return which


def alert_minute_ms(alert: MaskedAlert) -> int:
    """Return the minute that orders alerts: the later of both observations."""
    return max(alert.first.minute_ms, alert.second.minute_ms)


def holds_alert(which: Filter, alert: MaskedAlert) -> bool:
    """Say whether an alert is wanted by all that it says itself: without the status of its case and the amount of its payments."""
    return (
        _is_within(which, alert_minute_ms(alert))
        and (not which.severities or alert.severity in which.severities)
        and (not which.rules or alert.rule in which.rules)
        and (which.subject is None or alert.subject == which.subject)
        and (which.area is None or any(is_in(which.area, end.place) for end in (alert.first, alert.second)))
    )


def holds_payment(which: Filter, payment: MaskedTransaction) -> bool:
    """Say whether a payment is wanted."""
    return (
        _is_within(which, payment.minute_ms)
        and (not which.severities or payment.severity in which.severities)
        and (not which.verdicts or payment.verdict in which.verdicts)
        and (not which.channels or payment.channel in which.channels)
        and (not which.categories or payment.category in which.categories)
        and (which.currency is None or payment.currency == which.currency)
        and (which.amount_low is None or payment.amount >= which.amount_low)
        and (which.amount_high is None or payment.amount <= which.amount_high)
        and (which.subject is None or payment.subject == which.subject)
        and (which.area is None or is_in(which.area, payment.place))
    )


def _is_within(which: Filter, minute_ms: int) -> bool:
    return (which.since_ms is None or minute_ms >= which.since_ms) and (which.until_ms is None or minute_ms < which.until_ms)


def _demand(holds: bool, sentence: str) -> None:
    if not holds:
        raise InvalidInputError(RejectReason.INVALID_FIELD, sentence)


def _is_word(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_TEXT and "," not in text and text.isprintable() and text == text.strip()


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _amounts(which: Filter) -> str:
    if which.amount_low is None and which.amount_high is None:
        return ""
    return "..".join("" if amount is None else repr(float(amount)) for amount in (which.amount_low, which.amount_high))


def _area_text(area: Area | None) -> dict[str, str]:
    match area:
        case Box():
            return {"box": ",".join(repr(float(value)) for value in (area.south, area.west, area.north, area.east))}
        case Circle():
            return {"circle": ",".join(repr(float(value)) for value in (area.lat, area.lon, area.radius_m))}
        case Cell():
            return {"cell": area.cell}
        case None:
            return {}


_NAMES = (
    *("since", "until", "severity", "rule", "status", "verdict", "channel", "category", "currency", "amount", "subject"),
    *("box", "circle", "cell"),
)


def _pairs(query: str) -> dict[str, str]:
    _demand(len(query) <= _LONGEST_QUERY, f"a filter is at most {_LONGEST_QUERY} characters long: limit fewer fields")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        pairs = None
    if pairs is None:
        raise InvalidInputError(RejectReason.MALFORMED, "a filter is written as name=value&name=value")
    told: dict[str, str] = {}
    for name, text in pairs:
        _demand(name in _NAMES, f"a filter knows no `{name[:20]}`: see docs/stores.md for its names")
        _demand(name not in told, f"`{name}` comes twice: write its values with commas between them")
        _demand(text != "", f"`{name}` is empty: leave it out")
        told[name] = text
    return told


def _split(text: str) -> list[str]:
    return text.split(",") if text else []


def _integer(told: dict[str, str], name: str) -> int | None:
    if name not in told:
        return None
    return _number(int, told[name], f"`{name}` is no time: write milliseconds since 1970 UTC")


def _numbers(text: str, count: int, sentence: str) -> list[float]:
    numbers = [_number(float, part, sentence) for part in text.split(",")]
    _demand(len(numbers) == count, sentence)
    return numbers


def _read(parse: Callable[[str], _R], text: str, sentence: str) -> _R:
    try:
        return parse(text)
    except (ValueError, OverflowError):
        raise InvalidInputError(RejectReason.INVALID_FIELD, sentence) from None


def _number(parse: Callable[[str], _R], text: str, sentence: str) -> _R:
    # Python reads more than we write: underscores, other digits, spaces.
    _demand(text.isascii() and "_" not in text and text == text.strip(), sentence)
    return _read(parse, text, sentence)


def _range_of_amounts(text: str) -> tuple[float | None, float | None]:
    if not text:
        return None, None
    sentence = "`amount` is low..high, one of which may be left out"
    low, dots, high = text.partition("..")
    _demand(dots != "" and (low + high) != "", sentence)
    return (_number(float, low, sentence) if low else None), (_number(float, high, sentence) if high else None)


def _choice(choices: type[_E], text: str, name: str) -> _E:
    return _read(choices, text, f"`{name}` is one of {', '.join(choices)}")


def _choices(choices: type[_E], told: dict[str, str], name: str) -> tuple[_E, ...]:
    return tuple(_choice(choices, text, name) for text in _split(told.get(name, "")))


def _area(told: dict[str, str]) -> Area | None:
    areas = [name for name in ("box", "circle", "cell") if name in told]
    _demand(len(areas) <= 1, "a filter has one place: a box, a circle or a cell")
    match areas:
        case ["box"]:
            return Box(*_numbers(told["box"], 4, "a box is south,west,north,east in degrees"))
        case ["circle"]:
            return Circle(*_numbers(told["circle"], 3, "a circle is latitude,longitude,metres"))
        case ["cell"]:
            return Cell(told["cell"])
        case _:
            return None
