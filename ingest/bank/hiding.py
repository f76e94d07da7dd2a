"""Refused items of the bank, fit to be kept: without the customer's name, and of a card's number its last four digits at most."""

from __future__ import annotations

import re

import msgspec

from ingest.fields import Arrival, reject
from ingest.outcome import Outcome
from veilocity.contracts import Reject
from veilocity.errors import RejectError

__all__ = ["hidden_reject", "hide_all"]

_LONG_NUMBER = re.compile(r"(?<![\d.])\d(?:[ -]?\d){8,}")
"""Nine digits or more: a number that was cut off in the middle is one, too; the digits behind a decimal point are a coordinate's."""
_NAME = re.compile(r'("Name"\s*:\s*)"(?:[^"\\]|\\.)*"?')


def hide(text: str) -> str:
    """Return a text with long numbers and the values of `Name` hidden.

    >>> hide('{"Name": "John Wick", "Card Number": "4539 1488 0343 6467", "Location Latitude": "37.335913912"}')
    '{"Name": "*", "Card Number": "*6467", "Location Latitude": "37.335913912"}'
    """
    return _LONG_NUMBER.sub(lambda found: "*" + found[0][-4:], _NAME.sub(r'\1"*"', text))


def hidden_reject(cause: RejectError, item: object, source: str, arrival: Arrival) -> Reject:
    """Return the record of a refused item as `reject` does, hidden."""
    return _hidden(reject(cause, item, source, arrival))


def hide_all(outcome: Outcome) -> Outcome:
    """Return the outcome with every refused item hidden."""
    outcome.rejects = [_hidden(item) for item in outcome.rejects]
    return outcome


def _hidden(item: Reject) -> Reject:
    return msgspec.structs.replace(item, payload=hide(item.payload))
