"""Windows of the streaming reports: edges, ties, what is withheld, and what a difference of two windows can tell."""

from __future__ import annotations

from itertools import combinations

import pytest

from privacy.reports.clock import Clock, Late, Mark, known_before
from privacy.reports.day_counts import DAY_MS, HOUR_MS, DayCounts
from privacy.reports.events import UNKNOWN, Payment, Visit, Widths
from privacy.reports.frauds import Frauds
from privacy.reports.high_value import HighValue, read_thresholds
from privacy.reports.merchants import MOST_ROWS, Merchants
from privacy.reports.pieces import Pieces
from privacy.reports.pulse import Silence, next_mark
from privacy.reports.sessions import Sessions
from privacy.reports.suppression import Group, told
from storage.reports import ReportDocument

WIDTHS = Widths()
CELL = "87194ad32ffffff"
FAR_MS = 10 * DAY_MS


def paid(event_ms: int, person: int, **values: object) -> Payment:
    fields: dict[str, object] = {"verdict": "clear", "merchant": "shop", "category": "food", "currency": "EUR", "amount_minor": 100}
    return Payment(event_ms=event_ms, person=f"p{person}", **{**fields, "band": UNKNOWN, **values})  # type: ignore[arg-type]  # spelled out above


def frauds(payments: list[Payment], k: int = 2) -> dict[int, ReportDocument]:
    report = Frauds()
    for payment in payments:
        report.add(payment, WIDTHS)
    return {document.start_ms: document for document in report.close(FAR_MS, WIDTHS, k)}


def test_a_flagged_payment_is_in_twelve_windows_and_its_edges_are_half_open() -> None:
    found = frauds([paid(120_000, person, verdict="flagged") for person in range(3)])
    assert {start: document.count for start, document in found.items()} == {start: 3 for start in range(10_000, 120_001, 10_000)}
    assert all(document.end_ms - document.start_ms == 120_000 for document in found.values())


def test_a_window_without_frauds_tells_zero_and_one_without_payments_is_not_there() -> None:
    found = frauds([paid(120_000, 1)])
    assert {document.count for document in found.values()} == {0}
    assert len(found) == 12


def test_a_window_of_few_people_is_withheld() -> None:
    found = frauds([paid(120_000 + number, 1, verdict="flagged") for number in range(9)])
    assert {(document.count, document.suppressed) for document in found.values()} == {(None, 1)}


def test_cells_and_bands_are_told_where_windows_do_not_overlap_and_of_k_people() -> None:
    crowd = [paid(120_000, person, verdict="flagged", cell=CELL, band="25-34") for person in range(4)]
    lonely = [paid(121_000, 9, verdict="flagged", cell="87195da4bffffff", band="65-plus")]
    found = frauds([*crowd, *lonely, paid(121_000, 10, verdict="flagged")])
    aligned = found[120_000]
    # The one in a cell of their own and the one without a place are two together: what is left over hides each of them.
    assert [(cell.cell, cell.count) for cell in aligned.cells] == [(CELL, 4)]
    assert [(band.band, band.count) for band in aligned.bands] == [("25-34", 4)]
    assert (aligned.count, aligned.suppressed) == (6, 4)
    assert not any(document.cells or document.bands for start, document in found.items() if start % 120_000)


def test_no_sum_or_difference_of_told_windows_speaks_of_fewer_than_k_people() -> None:
    k, steps = 3, [{"a"}, {"b"}, set(), {"c", "d"}, {"e"}, {"f", "g", "h"}, set(), {"a"}, {"b", "c"}, {"d"}]
    pieces = Pieces()
    for place, people in enumerate(steps):
        if people:
            pieces.add(place, place + 1, people, k)
    edges = [place for place in range(len(steps) + 1) if pieces.between(place)]
    for begin, end in combinations(edges, 2):
        people = set[str]().union(*steps[begin:end])
        assert not people or len(people) >= k
    assert edges == [0, 4, 6, 7, 9]


def test_merchants_are_ranked_by_count_then_amount_then_id_whatever_the_order_of_arrival() -> None:
    sales = [paid(1_000, person, merchant=name) for name in ("b", "a", "c") for person in (1, 2)]
    sales += [paid(2_000, 3, merchant="c", amount_minor=1), paid(2_000, 3, merchant="z"), paid(2_000, 4, merchant="z", amount_minor=500)]
    for order in (sales, sales[::-1]):
        report = Merchants()
        for sale in order:
            report.add(sale, WIDTHS)
        (document,) = report.close(30_000, WIDTHS, 2, {"a": ("A shop", "books")})
        assert [(row.rank, row.id, row.count) for row in document.rows] == [(1, "c", 3), (2, "z", 2), (3, "a", 2), (4, "b", 2)]
        assert (document.rows[2].name, document.rows[2].category, document.rows[3].name) == ("A shop", "books", "b")
        assert document.rows[1].amounts == {"EUR": 600}


def test_flagged_payments_do_not_count_for_merchants_and_twenty_are_told() -> None:
    report = Merchants()
    for number in range(30):
        for person in (1, 2):
            report.add(paid(1_000, person, merchant=f"shop-{number:02d}"), WIDTHS)
    report.add(paid(1_000, 7, verdict="flagged"), WIDTHS)
    report.add(paid(1_000, 8, verdict="not-scorable", merchant="shop-00"), WIDTHS)
    assert report.close(29_999, WIDTHS, 2, {}) == []
    (document,) = report.close(30_000, WIDTHS, 2, {})
    assert (document.count, len(document.rows), document.suppressed) == (61, MOST_ROWS, 0)
    assert (document.rows[0].id, document.rows[0].count) == ("shop-00", 3)


def test_the_amount_of_one_person_is_not_told_in_a_currency_of_their_own() -> None:
    report = Merchants()
    for person in range(3):
        report.add(paid(1_000, person), WIDTHS)
    report.add(paid(1_000, 1, currency="JPY", amount_minor=777), WIDTHS)
    (document,) = report.close(30_000, WIDTHS, 2, {})
    assert document.rows[0].amounts == {"EUR": 300}


def test_what_is_left_over_beside_told_groups_has_k_people_or_none() -> None:
    groups = [Group("big", 9, frozenset("abcde")), Group("mid", 4, frozenset("fgh")), Group("one", 1, frozenset("i"))]
    shown, few = told(groups, 3)
    assert ([group.name for group in shown], few) == (["big"], 2)
    assert told(groups[:2], 3) == (groups[:2], 0)
    assert told([], 3) == ([], 0)


def test_people_with_high_values_are_distinct_and_by_currency() -> None:
    report, least = HighValue(), read_thresholds("EUR=1000,*=5000")
    for person in range(3):
        for _ in range(4):
            report.add(paid(1_000, person, verdict="flagged", amount_minor=1_000, band="25-34"), WIDTHS, least)
    report.add(paid(1_000, 8, verdict="flagged", amount_minor=999), WIDTHS, least)
    report.add(paid(1_000, 9, verdict="flagged", amount_minor=4_999, currency="GBP"), WIDTHS, least)
    report.add(paid(1_000, 10, amount_minor=9_999), WIDTHS, least)
    (document,) = report.close(HOUR_MS, WIDTHS, 2)
    assert (document.count, [(band.band, band.count) for band in document.bands]) == (3, [("25-34", 3)])
    assert report.close(FAR_MS, WIDTHS, 2) == []


def test_day_counts_slide_by_an_hour_and_round_their_bands() -> None:
    report = DayCounts()
    for person in range(7):
        for number in range(person):
            report.add(paid(number * 1_000, person))
    report.add(paid(5 * HOUR_MS, 1))
    documents = report.close(FAR_MS, 2, customers={"p0", "p1"})
    first = documents[0]
    assert (first.end_ms, first.count) == (HOUR_MS, 21)
    # Three with one to three payments and the customer with none; three with four to six.
    assert [(band.band, band.count) for band in first.bands] == [("0-3", 4), ("4-6", 4)]
    # One lonely payment in an hour of its own can be subtracted from no other window.
    assert {document.count for document in documents[5:]} == {None}
    assert documents[-1].end_ms == 5 * HOUR_MS + DAY_MS
    assert report.hours == {}


def test_a_session_has_bought_when_a_payment_of_its_person_follows_within_the_bound() -> None:
    report = Sessions()
    for person in range(4):
        visit = Visit(1_000, f"p{person}", f"s{person}", "ATC")
        report.add_visit(visit, WIDTHS)
        report.add_visit(visit, WIDTHS)
        report.add_visit(Visit(2_000, f"p{person}", f"s{person}", "HP"), WIDTHS)
    for event_ms, person in ((999, 0), (1_000, 1), (2_000 + WIDTHS.join_ms, 2), (2_001 + WIDTHS.join_ms, 3)):
        report.add_payment(paid(event_ms, person))
    assert report.close(239_999, 239_999, WIDTHS, 2) == []
    (document,) = report.close(240_000, 240_000, WIDTHS, 2)
    assert document.count == 4
    assert [(band.band, band.count) for band in document.bands] == [("bought", 2), ("L1", 4), ("L3", 4)]
    assert report.payments == []


def test_payments_wait_for_browsing_events_that_are_still_to_come() -> None:
    report = Sessions()
    report.add_payment(paid(5_000, 1))
    report.close(None, None, WIDTHS, 2)
    assert len(report.payments) == 1


def test_lateness_is_that_of_the_records_own_partition() -> None:
    clock = Clock()
    assert clock.passed("decisions/0", [(0, 500), (1, 399), (2, 400)], 3, (), 100) == [None, 400, None]
    assert clock.passed("decisions/1", [(0, 10)], 1, (), 100) == [None]
    assert clock.watermark_ms(["decisions/0", "decisions/1"], 100) == -90


@pytest.mark.parametrize("offset", [3, 5])
def test_a_mark_stands_before_the_records_after_its_end(offset: int) -> None:
    clock = Clock(newest_ms={"decisions/0": 100})
    mark = Mark({"decisions/0": 3}, 900)
    assert clock.passed("decisions/0", [(2, 100), (offset, 100)], offset + 1, [mark], 50) == [None, 850]
    assert known_before([mark], {"decisions/0": 3}) == [mark]
    assert known_before([mark], {"decisions/0": 4}) == []


def test_late_records_are_told_by_the_windows_that_were_open_then() -> None:
    late = Late()
    late.add("decisions", [95, 100, 205], step_ms=10)
    assert [late.before("decisions", end) for end in (90, 100, 110, 300)] == [0, 1, 2, 3]
    late.fold(110)
    assert (late.before("decisions", 110), late.before("decisions", 300), late.total()) == (2, 3, 3)


def test_a_silent_stream_goes_on_with_the_clock_on_the_wall() -> None:
    clock = Clock(newest_ms={"decisions/0": 1_000, "sessions/0": 400}, positions={"decisions/0": 5, "sessions/0": 2}, event_ms=1_000)
    silence = Silence()
    silence.look({"decisions/0": 5, "sessions/0": 3}, 0.0)
    # What has not been processed is not silent.
    assert next_mark(clock, silence, 60.0, 10.0, 1) is None
    silence.look({"decisions/0": 5, "sessions/0": 2}, 60.0)
    mark = next_mark(clock, silence, 75.0, 10.0, 60)
    assert mark == Mark({"decisions/0": 5, "sessions/0": 2}, 1_000 + 15_000 * 60)
