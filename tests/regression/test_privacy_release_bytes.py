"""Releases must not change when the anonymiser is made faster: digests of what the search over single rows released, before columns.

Red: somebody changed what is released. If that is meant, say so in CHANGELOG.md as a **Format** and put the new digests here.
"""

import random
from hashlib import sha256

import h3
import pytest

from privacy.anonymity import Limits
from privacy.hierarchies import QuasiIdentifiers
from privacy.regions import Terms
from privacy.releases import release
from privacy.table import Row, RowTable
from privacy.windows import Window
from veilocity.contracts import encode

_CITIES = ((51.5, -0.1), (48.85, 2.35), (52.5, 13.4), (40.4, -3.7))
_CATEGORIES = ["groceries", "cafe", "fuel", "pharmacy", "clothing", "travel", "zeppelins"]
_BANDS = ["0-1", "1-2", "5-10", "10-20", "20-50", "50-100", "100-200"]


def rows(seed: int, count: int, people: int) -> list[Row]:
    dice = random.Random(seed)  # noqa: S311  # a seeded test, nothing secret
    made = []
    for number in range(count):
        person = dice.randrange(people)
        lat, lon = _CITIES[person % len(_CITIES)]
        nowhere = dice.random() < 0.15
        cell = "none" if nowhere else h3.latlng_to_cell(lat + dice.gauss(0, 0.15), lon + dice.gauss(0, 0.15), 7)
        hour = f"2026-11-22T{dice.randrange(12, 15)}"
        quasi = QuasiIdentifiers(cell, hour, f"EUR {dice.choice(_BANDS)}", dice.choice(_CATEGORIES))
        identity, subject = (sha256(text.encode()).hexdigest()[:32] for text in (f"id{seed}{number}", f"p{person}"))
        made.append(Row(identity, subject, quasi, dice.choices(["clear", "flagged", "not-scorable"], [90, 7, 3])[0]))
    return made


@pytest.mark.parametrize(
    ("seed", "count", "people", "limits", "region_rows", "time_level", "expected"),
    [
        (1, 3000, 400, Limits(5, 1, 0.3, 0.5), 10**9, 0, "0d09d6eb19c44567811f7317e42cf9f1"),
        (2, 3000, 400, Limits(5, 1, 0.3, 1.0), 400, 2, "e80cc89f86e6d56067f89399958eb67c"),
        (3, 2500, 900, Limits(10, 2, 0.4, 0.5), 300, 0, "09f671a28c8f346018d4017ed017687b"),
        (4, 40, 12, Limits(3, 1, 1.0, 1.0), 10**9, 1, "8d79ff7094623ceba43e50e4bc60a435"),
        (5, 3000, 2000, Limits(4, 1, 0.2, 0.7), 10**9, 0, "00063c949a70a8f8537ac2cf402f43a8"),
    ],
)
def test_the_same_rows_give_the_same_bytes_as_ever(
    seed: int, count: int, people: int, limits: Limits, region_rows: int, time_level: int, expected: str
) -> None:
    outcome = release(
        RowTable.of(rows(seed, count, people)), "p", Terms(limits, 0.4, region_rows, time_level), Window(0, 0, 3_600_000), bytes(32)
    )
    told = b"\n".join(map(encode, outcome.releases)) + b"|" + b"".join(outcome.left.ids.tolist())
    assert sha256(told).hexdigest()[:32] == expected
