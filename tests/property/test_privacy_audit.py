"""The auditor's own reading of printed values, texts and sets agrees with independent ones."""

from __future__ import annotations

from typing import Any

import h3
import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from privacy.amounts import band, band_path
from privacy.audit import StoredDocument
from privacy.audit.columns import PaymentColumns
from privacy.audit.known import KnownIdentifiers
from privacy.audit.linkage import LinkageCheck
from privacy.audit.ordering import kendall_s
from privacy.audit.patterns import in_text, luhn
from privacy.audit.printed import band_covers, category_covers, cell_covers, malformed, time_span_ms
from privacy.categories import category_path
from privacy.hierarchies import MISSING, cell_path, hour_of, hour_path
from tests.unit.audit_world import CELLS, HOUR_MS, START_MS, clean_world

cells = st.builds(lambda lat, lon: h3.latlng_to_cell(lat, lon, 7), st.floats(-80, 80), st.floats(-179, 179)) | st.just(MISSING)
bands = st.builds(band, st.integers(-(10**9), 10**9), st.sampled_from(["EUR", "JPY", "KWD"]))
categories = st.sampled_from(["groceries", "cafe", "5812", "atm", "zeppelins"])
minutes = st.integers(0, 40_000_000).map(lambda minute: minute * 60_000)


@given(cells, bands, categories, minutes)
def test_every_level_of_every_path_covers_its_value(cell: str, narrow: str, category: str, minute_ms: int) -> None:
    assert all(cell_covers(printed, cell) for printed in cell_path(cell))
    assert all(band_covers(printed, narrow) for printed in band_path(narrow))
    assert all(category_covers(printed, category) for printed in category_path(category))
    for printed in hour_path(hour_of(minute_ms)):
        start_ms, end_ms = time_span_ms(printed)
        assert start_ms <= minute_ms < end_ms
        assert malformed(cell, -1 if cell == MISSING else 7, printed, narrow) == {}


@given(cells, cells, bands, bands, categories, categories)
def test_a_printed_value_covers_exactly_what_has_it_in_its_path(
    one: str, other: str, narrow: str, wide: str, category: str, another: str
) -> None:
    assert [cell_covers(printed, other) for printed in cell_path(one)] == [printed in cell_path(other) for printed in cell_path(one)]
    assert [band_covers(printed, narrow) for printed in band_path(wide)] == [printed in band_path(narrow) for printed in band_path(wide)]
    found = [category_covers(printed, category) for printed in category_path(another)]
    assert found == [printed in category_path(category) for printed in category_path(another)]


@given(st.integers(10**9, 10**17), st.lists(st.sampled_from(["", " ", "-", ". "]), min_size=20, max_size=20), st.text("abc, ", max_size=9))
def test_a_card_number_is_found_however_it_is_spaced(number: int, separators: list[str], words: str) -> None:
    body = str(number)
    whole = next(body + digit for digit in "0123456789" if luhn(body + digit))
    spaced = "".join(digit + separator for digit, separator in zip(whole, separators, strict=False))
    assert ("card-number" in in_text(f"{words} {spaced} {words}")) == (len(whole) >= 11 and whole[0] != "0")


@given(st.lists(st.text("ab1-", min_size=6, max_size=9), max_size=8), st.text("ab1-", max_size=40))
def test_known_identifiers_are_found_exactly_where_they_are(identifiers: list[str], text: str) -> None:
    assert KnownIdentifiers(identifiers).in_text(text) == any(identifier in text for identifier in identifiers)


@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_kendall_counts_pairs(values: list[str]) -> None:
    pairs = [(one, other) for place, one in enumerate(values) for other in values[place + 1 :]]
    assert kendall_s(values) == sum(one < other for one, other in pairs) - sum(one > other for one, other in pairs)


payment_rows = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from([*CELLS, None]), st.sampled_from(["EUR 10-20", "EUR 20-50"]), categories, st.integers(0, 150)
    ),
    max_size=30,
)


@example([(0, None, "EUR 20-50", "cafe", 59), (1, None, "EUR 20-50", "cafe", 60)], (3, 0, 3, 2), 2)
@given(payment_rows, st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 3), st.integers(0, 2)), st.integers(1, 6))
def test_candidates_are_those_that_fit_everything(rows: list[tuple[Any, ...]], levels: tuple[int, ...], k: int) -> None:
    level, width, amount, group = levels
    printed = {
        "cell": cell_path(CELLS[0])[level],
        "hour": hour_path(hour_of(START_MS))[width],
        "amount_band": band_path("EUR 20-50")[amount],
        "category": category_path("cafe")[group],
    }
    columns = PaymentColumns()
    check = LinkageCheck(columns)
    for number, (person, cell, narrow, category, minute) in enumerate(rows):
        place = {"cell": cell} if cell else None
        fields = {"_id": str(number), "subject": f"{person:032x}", "minute_ms": START_MS + minute * 60_000, "amount": 1.0}
        columns.see(StoredDocument("mongodb", "transactions", {**fields, "place": place, "amount_band": narrow, "category": category}))
    release = clean_world()["mongodb"]["releases"][0]
    resolution = -1 if printed["cell"] == "*" else h3.get_resolution(printed["cell"])
    claim = {"k": k, "people": k, "payments": k, "members": [], "cell_resolution": resolution, "window_end_ms": START_MS + 2 * HOUR_MS}
    check.see(StoredDocument("mongodb", "releases", {**release, "release": {**release["release"], **printed, **claim}}))
    check.close()
    table = pd.DataFrame(rows, columns=["person", "cell", "band", "category", "minute"])
    table = table[table.minute < 120]
    fits = [
        (minute < 60 or width > 0)
        and printed["cell"] in cell_path(cell or MISSING)
        and printed["amount_band"] in band_path(narrow)
        and printed["category"] in category_path(category)
        for cell, narrow, category, minute in table[["cell", "band", "category", "minute"]].itertuples(index=False)
    ]
    people = table[np.array(fits, dtype=bool)].person.nunique()
    if rows:
        assert check.figures["fewest_candidates"] == people
        assert any("fewer than k people" in fault.reason for fault in check.faults.kept) == (people < k)
