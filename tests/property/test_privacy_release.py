"""Releases are safe by an auditor that shares no code with them, whatever the rows."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import h3
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.anonymity import Classes, Limits, Row, loss_of, losses_of
from privacy.distributed import packed_region, search_regions, unpacked_found, verified_region
from privacy.hierarchies import HEIGHTS, PATHS, QuasiIdentifiers, hour_path
from privacy.members import members_of
from privacy.regions import Found, Region, Regional, Terms, anonymise_window, here
from privacy.releases import class_id, verify, verify_written
from privacy.releases import release as released_window
from privacy.table import RowTable
from privacy.windows import Window
from veilocity.contracts import Release, Verdict
from veilocity.errors import UnsafeReleaseError

CELLS = [
    "none",
    *(h3.latlng_to_cell(lat, lon, 7) for lat, lon in ((51.5, -0.12), (51.52, -0.1), (51.9, 0.4), (48.85, 2.35), (-33.8, 151.2))),
]
GROUPS = {"cafe": "going-out", "groceries": "everyday", "zeppelins": "other", "*": "other"}
QUASI = st.builds(
    QuasiIdentifiers,
    cell=st.sampled_from(CELLS),
    hour=st.sampled_from(["2026-11-22T14", "2026-11-22T15"]),
    amount_band=st.sampled_from(["EUR 0-1", "EUR 10-20", "EUR 20-50", "GBP 20-50", "EUR back 10-20"]),
    category=st.sampled_from(list(GROUPS)),
)
VERDICTS = ["clear", "flagged", "not-scorable"]
WINDOW = Window(0, 1_795_356_000_000, 1_795_359_600_000)
"""2026-11-22T14:00Z."""
SALT = bytes(range(32))
BLOCK = Window(1, 1_795_348_800_000, 1_795_370_400_000)


def row(number: int, person: str, quasi: QuasiIdentifiers, verdict: str = "clear") -> Row:
    return Row(f"{number:06d}", person, quasi, verdict)


class Outcome(NamedTuple):
    """What a window gives, row by row."""

    releases: tuple[Release, ...]
    released: int
    left: tuple[Row, ...]
    loss: float


def release(rows: Sequence[Row], policy: str, asked: Terms, window: Window, regional: Regional = here, salt: bytes = SALT) -> Outcome:
    found = released_window(RowTable.of(rows), policy, asked, window, salt, regional)
    return Outcome(found.releases, found.released, tuple(found.left.rows()), found.loss)


def labelled(*several: tuple[QuasiIdentifiers, Sequence[Row]], left: Sequence[Row] = ()) -> tuple[Classes, RowTable]:
    """Return classes of these rows, and the table of all."""
    labels = [number for number, (_, rows) in enumerate(several) for _ in rows] + [-1 for _ in left]
    table = RowTable.of([*(row for _, rows in several for row in rows), *left])
    return Classes(np.array(labels, dtype=np.int64), [printed for printed, _ in several]), table


def terms(k: int, l: int = 1, t: float = 1.0, loss: float = 1.0, region_rows: int = 10_000, time_level: int = 0) -> Terms:  # noqa: E741
    return Terms(Limits(k, l, t, loss), region_loss=0.5, region_rows=region_rows, time_level=time_level)


ROWS = st.lists(st.tuples(st.integers(0, 12), QUASI, st.sampled_from(VERDICTS)), max_size=50).map(
    lambda made: [row(index, f"person-{person}", quasi, verdict) for index, (person, quasi, verdict) in enumerate(made)]
)
TERMS = st.builds(
    terms,
    k=st.integers(2, 6),
    l=st.integers(1, 3),
    t=st.sampled_from([0.1, 0.3, 0.3333, 1.0]),
    loss=st.sampled_from([0.3, 0.5, 1.0]),
    region_rows=st.sampled_from([1, 10_000]),
    time_level=st.integers(0, 3),
)


def covers(printed: QuasiIdentifiers, exact: QuasiIdentifiers) -> bool:
    """Say by each value's meaning, not by the trees, whether it lies inside what is printed."""
    cell_covered = printed.cell in ("*", exact.cell) or (
        exact.cell != "none" and printed.cell != "none" and h3.cell_to_parent(exact.cell, h3.get_resolution(printed.cell)) == printed.cell
    )
    hour_covered = printed.hour in ("*", exact.hour, "2026-11-22T12/18", "2026-11-22")
    category_covered = printed.category in ("*", exact.category, f"[{GROUPS[exact.category]}]")
    return cell_covered and hour_covered and category_covered and amount_covered(printed.amount_band, exact.amount_band)


def amount_covered(printed: str, exact: str) -> bool:
    label, _, span = exact.rpartition(" ")
    if printed in ("*", exact, f"{label.split(' ')[0]} *"):
        return True
    shown_label, _, shown = printed.rpartition(" ")
    low, high = (int(bound) for bound in span.split("-"))
    shown_low, shown_high = (int(bound) for bound in shown.split("-"))
    return shown_label == label and shown_low <= low and high <= shown_high


def distance(rows: tuple[Row, ...], whole: list[Row]) -> float:
    """Return half the sum of absolute differences of the two distributions, in floats, from the rows alone."""
    shares = [[sum(one.sensitive == verdict for one in some) / len(some) for verdict in VERDICTS] for some in (rows, whole)]
    return float(sum(abs(one - other) for one, other in zip(shares[0], shares[1], strict=True))) / 2


@given(rows=ROWS, asked=TERMS, shuffler=st.randoms(use_true_random=False))
def test_every_release_is_safe_whatever_the_rows(rows: list[Row], asked: Terms, shuffler: random.Random) -> None:
    table = RowTable.of(rows).ordered()
    assert table.rows() == rows
    classes, _ = anonymise_window(table, asked, here)
    losses = losses_of(table, classes)
    for number, printed in enumerate(classes.printed):
        members = tuple(row for row, label in zip(rows, classes.labels.tolist(), strict=True) if label == number)
        assert len({row.subject for row in members}) >= asked.limits.k
        assert len({row.sensitive for row in members}) >= asked.limits.l
        assert distance(members, rows) <= asked.limits.t + 1e-9
        assert all(covers(printed, row.quasi) for row in members)
        assert asked.time_level == 0 or hour_path(members[0].quasi.hour).index(printed.hour) >= asked.time_level
        assert losses[number] == pytest.approx(sum(loss_of(printed, row.quasi) for row in members) / len(members))
        assert losses[number] <= asked.limits.loss + 1e-9
    assert len(set(classes.printed)) == len(classes.printed)
    outcome = release(rows, "p", asked, WINDOW)
    assert 0.0 <= outcome.loss <= 1.0
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert release(shuffled, "p", asked, WINDOW) == outcome
    assert outcome.released + len(outcome.left) == len(rows)
    assert [one.class_id for one in outcome.releases] == sorted({one.class_id for one in outcome.releases})
    names = [member for told in outcome.releases for member in told.members]
    assert len(names) == len(set(names)), "a person has one name in two classes"
    for told in outcome.releases:
        assert told.people == len(told.members) == len(set(told.members)) >= asked.limits.k
        assert list(told.members) == sorted(told.members)
        assert told.payments == sum(told.sensitive.values()) >= told.people
        assert told.flagged == told.sensitive[Verdict.FLAGGED]
        assert told.l == sum(count > 0 for count in told.sensitive.values()) >= asked.limits.l
        assert told.t <= asked.limits.t


@given(rows=ROWS, k=st.integers(2, 6))
def test_at_the_deadline_only_fewer_than_k_people_are_left(rows: list[Row], k: int) -> None:
    outcome = release(rows, "p", terms(k), WINDOW)
    assert not outcome.left or len({row.subject for row in outcome.left}) < k or not outcome.releases


@given(rows=ROWS, asked=TERMS)
def test_regions_give_the_same_bytes_wherever_they_are_searched(rows: list[Row], asked: Terms) -> None:
    """The worker's function gets packed regions in Arrow batches cut anyhow and gives packed classes, as on Spark without Spark."""

    def elsewhere(regions: Sequence[Region]) -> list[Found]:
        sent = pa.table({"place": range(len(regions)), "packed": [packed_region(one) for one in regions]})
        back = [line for batch in search_regions(reversed(sent.to_batches(max_chunksize=2))) for line in batch.to_pylist()]
        return [unpacked_found(line["packed"]) for line in sorted(back, key=lambda line: line["place"])]

    driver, executors = (release(rows, "p", asked, WINDOW, regional) for regional in (here, elsewhere))
    assert msgspec.json.encode(driver.releases) == msgspec.json.encode(executors.releases)
    assert driver == executors


def test_a_region_that_failed_its_proof_far_away_releases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    unsafe, table = labelled((EXACT._replace(category="groceries"), GOOD))
    monkeypatch.setattr("privacy.regions.anonymise", lambda *_: unsafe)
    region = Region(table, Limits(5), 0, {"clear": 6})
    assert verified_region(region).fault.startswith("a value lies outside")
    with pytest.raises(UnsafeReleaseError, match="outside"):
        release(GOOD, "p", terms(5, region_rows=1), WINDOW, lambda regions: [verified_region(one) for one in regions])


def test_regions_far_apart_are_searched_apart_and_what_is_left_together() -> None:
    london, paris, sydney = CELLS[1], CELLS[4], CELLS[5]
    rows = [row(number, f"p{number}", EXACT._replace(cell=london)) for number in range(6)]
    rows += [row(number, f"p{number}", EXACT._replace(cell=(paris, sydney)[number % 2])) for number in range(6, 12)]
    outcome = release(rows, "p", terms(5, region_rows=11), WINDOW)
    assert {(one.cell, one.payments) for one in outcome.releases} == {(london, 6), ("*", 6)}


def test_what_would_lose_much_is_left_while_a_wider_window_is_to_come() -> None:
    spread = [row(number, f"p{number}", EXACT._replace(cell=CELLS[number % 5 + 1], category=f"c{number}")) for number in range(10)]
    assert release(spread, "p", terms(5, loss=0.3), WINDOW).left == tuple(spread)
    assert release(spread, "p", terms(5), WINDOW).left == ()


def beside(cell: str, alike_at: int, different_at: int) -> str:
    """Return a cell that has the same ancestor at one resolution and another one at a finer."""
    lat, lon = h3.cell_to_latlng(cell)
    places = (h3.latlng_to_cell(lat + north * 0.1, lon + east * 0.1, 7) for north in range(-20, 20) for east in range(-20, 20))
    same, other = h3.cell_to_parent(cell, alike_at), h3.cell_to_parent(cell, different_at)
    return next(one for one in places if h3.cell_to_parent(one, alike_at) == same and h3.cell_to_parent(one, different_at) != other)


def test_joining_a_class_keeps_its_limit_of_loss() -> None:
    stranger = beside(EXACT.cell, alike_at=3, different_at=5)
    rows = [row(0, "a", EXACT), row(1, "b", EXACT), row(2, "c", EXACT._replace(cell=stranger, category="bar"))]
    # Two of three steps of the cell and one of two of the category: 2/3 and 1/2 of a quarter each.
    assert release(rows, "p", terms(2, loss=0.25), WINDOW).left == (rows[2],)
    assert [one.loss for one in release(rows, "p", terms(2, loss=0.3), WINDOW).releases] == [round(7 / 24, 6)]


def test_classes_of_two_regions_that_are_printed_alike_are_one() -> None:
    cells = [CELLS[1], CELLS[5]]
    others = [beside(cell, alike_at=2, different_at=3) for cell in cells]
    rows = [row(number, f"p{number}", EXACT._replace(cell=cell)) for number, cell in enumerate([*cells, *others] * 3)]
    (one,) = release(rows, "p", terms(4, region_rows=1), WINDOW).releases
    assert (one.cell, one.payments, one.people) == ("*", 12, 12)


def test_what_is_left_of_regions_is_compared_with_the_whole_window() -> None:
    rows = [row(number, f"p{number}", EXACT) for number in range(20)]
    flagged = [row(number, f"p{number}", EXACT._replace(cell=(CELLS[4], CELLS[5])[number % 2]), "flagged") for number in range(20, 26)]
    outcome = release([*rows, *flagged], "p", terms(5, t=0.3, region_rows=1), WINDOW)
    assert outcome.left == tuple(flagged)
    assert release([*rows, *flagged], "p", terms(5, t=0.8, region_rows=1), WINDOW).left == ()


def test_a_later_tier_prints_times_as_wide_as_its_window() -> None:
    rows = [row(number, f"p{number}", EXACT._replace(hour=f"2026-11-22T{12 + number % 2}")) for number in range(12)]
    (one,) = release(rows, "p", terms(5, time_level=1), BLOCK).releases
    assert (one.hour, one.loss, one.window_end_ms) == ("2026-11-22T12/18", round(1 / 12, 6), BLOCK.end_ms)
    assert len(release(rows, "p", terms(5), BLOCK).releases) == 2


def city(payments: int, people: int, seed: int) -> list[Row]:
    generator = random.Random(seed)  # noqa: S311  # a seeded test, nothing secret
    homes = [(51.5 + generator.gauss(0, 0.08), -0.12 + generator.gauss(0, 0.12)) for _ in range(people)]
    rows = []
    for index in range(payments):
        person = generator.randrange(people)
        category = generator.choice(["groceries", "cafe", "cafe", "transport", "fuel", "clothing", "online"])
        lat, lon = (home + generator.gauss(0, 0.03) for home in homes[person])
        cell = "none" if category == "online" else h3.latlng_to_cell(lat, lon, 7)
        band = generator.choice(["GBP 2-5", "GBP 5-10", "GBP 10-20", "GBP 20-50", "GBP 50-100"])
        rows.append(row(index, f"p{person}", QuasiIdentifiers(cell, "2026-11-22T14", band, category)))
    return rows


def full_domain_loss(rows: list[Row], k: int) -> float:
    """Return the least loss of hiding all rows by one level vector, suppressing what is still too lonely: the method to beat."""
    best = 1.0
    paths = [tuple(path(value) for path, value in zip(PATHS, row.quasi, strict=True)) for row in rows]
    for levels in product(*(range(height + 1) for height in HEIGHTS)):
        cells = [tuple(path[level] for path, level in zip(one, levels, strict=True)) for one in paths]
        people: dict[tuple[str, ...], set[str]] = {}
        for cell, row in zip(cells, rows, strict=True):
            people.setdefault(cell, set()).add(row.subject)
        cost = sum(level / height for level, height in zip(levels, HEIGHTS, strict=True)) / len(HEIGHTS)
        best = min(best, sum(cost if len(people[cell]) >= k else 1.0 for cell in cells) / len(rows))
    return best


@pytest.mark.parametrize(("payments", "k"), [(200, 5), (1000, 5), (1000, 10)])
def test_local_recoding_hides_far_less_than_full_domain_generalisation(payments: int, k: int) -> None:
    rows = city(payments, people=payments // 2, seed=payments)
    assert release(rows, "p", terms(k), WINDOW).loss < 0.75 * full_domain_loss(rows, k)


def test_rows_of_few_people_are_never_counted_as_many_people() -> None:
    quasi = QuasiIdentifiers(CELLS[1], "2026-11-22T14", "EUR 20-50", "cafe")
    rows = [row(index, f"person-{index % 4}", quasi) for index in range(400)]
    assert release(rows, "p", terms(5), WINDOW).releases == ()
    assert len(release(rows, "p", terms(4), WINDOW).releases) == 1


EXACT = QuasiIdentifiers(CELLS[1], "2026-11-22T14", "EUR 20-50", "cafe")
GOOD = [row(index, f"person-{index}", EXACT) for index in range(6)]

MORE = [row(index, f"person-{index}", EXACT) for index in range(6, 12)]
changed = msgspec.structs.replace


def doubled(table: RowTable) -> RowTable:
    """Return a table in which a person has two numbers, as if it were two."""
    values = table.people.values.copy()
    values[1] = values[0]
    return replace(table, people=table.people._replace(values=values))


@pytest.mark.parametrize(
    ("classes", "fault"),
    [
        (labelled((EXACT, GOOD[:4]), left=[*GOOD[4:], *MORE]), "fewer distinct people"),
        (labelled((EXACT, [*GOOD[:4], *(changed(one, id=f"again{one.id}") for one in GOOD[:4])])), "fewer distinct people"),
        (labelled((EXACT._replace(category="groceries"), GOOD)), "outside"),
        (labelled((EXACT._replace(amount_band="EUR 1-10"), GOOD)), "outside"),
        (labelled((EXACT, GOOD), (EXACT._replace(hour="*"), [changed(GOOD[0], subject="person-9"), *MORE])), "there twice"),
        (labelled((EXACT, GOOD), (EXACT, MORE)), "printed alike"),
        ((labelled((EXACT, GOOD))[0], RowTable.of([*GOOD, *MORE])), "not of these payments"),
        ((labelled((EXACT, GOOD))[0]._replace(printed=[]), RowTable.of(GOOD)), "not of these payments"),
        ((labelled((EXACT, GOOD))[0], doubled(RowTable.of(GOOD))), "two numbers"),
    ],
)
def test_a_class_that_is_not_safe_stops_the_release(classes: tuple[Classes, RowTable], fault: str) -> None:
    with pytest.raises(UnsafeReleaseError, match=fault) as stopped:
        verify(classes[0], Limits(5), classes[1])
    assert "person-" not in str(stopped.value)


def test_a_search_that_proposes_an_unsafe_class_releases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.regions.anonymise", lambda *_: labelled((EXACT, GOOD[:2]), left=GOOD[2:])[0])
    with pytest.raises(UnsafeReleaseError):
        release(GOOD, "p", terms(5), WINDOW)


def test_members_are_of_their_class_and_window_alone() -> None:
    (one,) = release(GOOD, "p", terms(5), WINDOW).releases
    assert one.members == members_of(SALT, one.class_id, [row.subject for row in GOOD])
    (other,) = release(GOOD, "p", terms(5), WINDOW, salt=bytes(32)).releases
    assert not set(one.members) & set(other.members)
    assert changed(other, members=one.members) == one


@pytest.mark.parametrize(
    ("people", "salt", "told"),
    [
        ([*(f"person-{index}" for index in range(5)), "person-9"], SALT, 6),
        ([f"person-{index}" for index in range(5)], SALT, 5),
        ([f"person-{index}" for index in range(7)], SALT, 7),
        ([f"person-{index}" for index in range(6)], bytes(32), 6),
        ([f"person-{index}" for index in range(6)], SALT, 7),
    ],
)
def test_members_that_are_not_the_people_of_the_class_stop_the_release(people: list[str], salt: bytes, told: int) -> None:
    (right,) = release(GOOD, "p", terms(5), WINDOW).releases
    wrong = changed(right, members=members_of(salt, class_id("p", WINDOW, EXACT), people), people=told)
    verify_written(*labelled((EXACT, GOOD)), [right], SALT)
    with pytest.raises(UnsafeReleaseError, match="members"):
        verify_written(*labelled((EXACT, GOOD)), [wrong], SALT)


def test_a_release_that_tells_wrong_members_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.releases.members_of", lambda salt, identity, people: members_of(salt, identity, [*people, "nobody"]))
    with pytest.raises(UnsafeReleaseError, match="members"):
        release(GOOD, "p", terms(5), WINDOW)


def test_what_is_written_counts_what_is_in_the_class() -> None:
    rows = [row(index, f"person-{index % 5}", EXACT, "flagged" if index < 2 else "clear") for index in range(9)]
    (one,) = release(rows, "policy-9", terms(5), WINDOW).releases
    assert (one.people, one.payments, one.flagged, one.loss, one.k) == (5, 9, 2, 0.0, 5)
    assert (one.cell, one.cell_resolution, one.hour, one.amount_band, one.category) == (EXACT.cell, 7, EXACT.hour, "EUR 20-50", "cafe")


@pytest.mark.parametrize(
    ("limits", "time_level", "fault"),
    [
        (Limits(5, l=2), 0, "than l"),
        (Limits(5, t=0.2), 0, "than t"),
        (Limits(5), 1, "more finely"),
    ],
)
def test_a_class_that_gives_the_sensitive_value_or_the_time_away_stops_the_release(limits: Limits, time_level: int, fault: str) -> None:
    classes, table = labelled((EXACT, GOOD), left=[changed(one, sensitive="flagged") for one in MORE[:2]])
    with pytest.raises(UnsafeReleaseError, match=fault):
        verify(classes, limits, table, time_level=time_level)
    # 6 of 6 against 6 of 8 are exactly a quarter apart.
    verify(classes, Limits(5, t=0.25), table)


def test_closeness_is_told_in_four_digits_rounded_up() -> None:
    rows = [row(index, f"p{index}", EXACT, "flagged" if index == 0 else "clear") for index in range(6)]
    rows += [row(index, f"p{index}", EXACT._replace(category="online"), "clear") for index in range(6, 12)]
    told = {one.category: (one.l, one.t) for one in release(rows, "p", terms(5), WINDOW).releases}
    assert told == {"cafe": (2, 0.0834), "online": (1, 0.0834)}  # one of six, one of twelve: a twelfth apart


def test_loss_grows_with_every_step() -> None:
    assert Counter(loss_of(EXACT._replace(hour=hour), EXACT) for hour in hour_path(EXACT.hour)) == {0.0: 1, 1 / 12: 1, 1 / 6: 1, 0.25: 1}
    with pytest.raises(ValueError, match="not in tuple"):
        loss_of(EXACT._replace(hour="2026-11-22T15"), EXACT)
