"""What the page's scripts repeat of the program is what the program has: changes of a case, fields of a filter, keys in the document."""

from __future__ import annotations

import re
from pathlib import Path

from storage.cases.model import TRANSITIONS, Status

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
