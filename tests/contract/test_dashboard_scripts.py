"""What the page's scripts repeat of the program is what the program has: changes of a case, fields of a filter, keys in the document."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from storage.cases.model import TRANSITIONS, Status
from storage.filters import Filter

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "dashboard" / "assets"


def script(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def test_the_page_knows_every_change_of_a_case_and_which_needs_a_reason() -> None:
    told = {(before, after): reason == "true" for before, after, reason in re.findall(r'"(\w+) (\w+)": (true|false)', script("case.js"))}
    assert told == {(before.value, after.value): reason for (before, after), reason in TRANSITIONS.items()}
    statuses = re.search(r"STATUSES = \[([^\]]+)\]", script("case.js"))
    assert statuses is not None
    assert re.findall(r'"(\w+)"', statuses[1]) == [status.value for status in Status]


def test_the_page_writes_a_filter_in_the_words_and_the_order_of_the_server() -> None:
    names = re.search(r"NAMES = \[([^\]]+)\]", script("filter.js"))
    assert names is not None
    told = re.findall(r'"(\w+)"', names[1])
    assert len(told) == len(msgspec.structs.fields(Filter)) + 1, "amount has two fields, the place three names"
    values = {"since": "60000", "until": "120000", "severity": "high", "rule": "x", "status": "new", "verdict": "flagged", "channel": "atm"}
    values |= {"category": "fuel", "currency": "GBP", "amount": "1.0..2.0", "subject": "ada"}
    area = {"box": "37.0,-123.0,38.0,-122.0", "circle": "37.0,-122.0,500.0", "cell": "87283472bffffff"}
    for name in area:
        link = urlencode([(one, (values | area)[one]) for one in told if one in values or one == name])
        assert Filter.from_query(link).to_query() == link
