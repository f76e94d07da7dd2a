"""Releases are safe by an auditor that shares no code with them, whatever the rows."""

import random
from collections import Counter
from itertools import product

import h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.anonymity import AnonymousClass, Row, anonymise, loss_of, mean_loss
from privacy.hierarchies import HEIGHTS, PATHS, QuasiIdentifiers
from privacy.releases import release, verify
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
ROWS = st.lists(st.tuples(st.integers(0, 12), QUASI, st.booleans()), max_size=50).map(
    lambda made: [Row(f"{index:04d}", f"person-{person}", quasi, flagged) for index, (person, quasi, flagged) in enumerate(made)]
)


def covers(printed: QuasiIdentifiers, exact: QuasiIdentifiers) -> bool:
    """Say by each value's meaning, not by the trees, whether it lies inside what is printed."""
    cell_covered = printed.cell in ("*", exact.cell) or (
        exact.cell != "none" and printed.cell != "none" and h3.cell_to_parent(exact.cell, h3.get_resolution(printed.cell)) == printed.cell
    )
    hour_covered = printed.hour in ("*", exact.hour)
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


@given(rows=ROWS, k=st.integers(2, 6), shuffler=st.randoms(use_true_random=False))
def test_every_release_is_safe_whatever_the_rows(rows: list[Row], k: int, shuffler: random.Random) -> None:
    classes, suppressed = anonymise(rows, k)
    members = [row for one in classes for row in one.rows]
    assert sorted(row.id for row in [*members, *suppressed]) == [row.id for row in rows]
    for one in classes:
        assert len({row.subject for row in one.rows}) >= k
        assert all(covers(one.printed, row.quasi) for row in one.rows)
    assert len({one.printed for one in classes}) == len(classes)
    assert 0.0 <= mean_loss(classes, len(suppressed)) <= 1.0
    if suppressed:
        assert len({row.subject for row in suppressed}) < k or not classes
    outcome = release(rows, "p", k, 0, 3_600_000)
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert release(shuffled, "p", k, 0, 3_600_000) == outcome
    assert outcome.released + outcome.suppressed == len(rows)
    assert [one.class_id for one in outcome.releases] == sorted({one.class_id for one in outcome.releases})
    assert all(one.people >= k and one.payments >= one.people and one.flagged <= one.payments for one in outcome.releases)


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
        rows.append(Row(f"{index:06d}", f"p{person}", QuasiIdentifiers(cell, "2026-11-22T14", band, category), flagged=False))
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
    assert release(rows, "p", k, 0, 3_600_000).loss < 0.75 * full_domain_loss(rows, k)


def test_rows_of_few_people_are_never_counted_as_many_people() -> None:
    quasi = QuasiIdentifiers(CELLS[1], "2026-11-22T14", "EUR 20-50", "cafe")
    rows = [Row(f"{index:03d}", f"person-{index % 4}", quasi, flagged=False) for index in range(400)]
    assert release(rows, "p", 5, 0, 3_600_000).releases == ()
    assert len(release(rows, "p", 4, 0, 3_600_000).releases) == 1


EXACT = QuasiIdentifiers(CELLS[1], "2026-11-22T14", "EUR 20-50", "cafe")
GOOD = [Row(f"{index}", f"person-{index}", EXACT, flagged=False) for index in range(6)]


@pytest.mark.parametrize(
    ("classes", "fault"),
    [
        ([AnonymousClass(EXACT, tuple(GOOD[:4]))], "fewer distinct people"),
        ([AnonymousClass(EXACT, tuple(GOOD[:4]) + tuple(GOOD[:4]))], "fewer distinct people"),
        ([AnonymousClass(EXACT._replace(category="groceries"), tuple(GOOD))], "outside"),
        ([AnonymousClass(EXACT._replace(amount_band="EUR 1-10"), tuple(GOOD))], "outside"),
        ([AnonymousClass(EXACT, tuple(GOOD)), AnonymousClass(EXACT._replace(hour="*"), tuple(GOOD))], "two classes"),
        ([AnonymousClass(EXACT, tuple(GOOD)), AnonymousClass(EXACT, tuple(GOOD))], "printed alike"),
        ([AnonymousClass(EXACT, (*GOOD, Row("99", "nobody", EXACT, flagged=False)))], "never staged"),
    ],
)
def test_a_class_that_is_not_safe_stops_the_release(classes: list[AnonymousClass], fault: str) -> None:
    with pytest.raises(UnsafeReleaseError, match=fault) as stopped:
        verify(classes, 5, GOOD)
    assert "person-" not in str(stopped.value)


def test_a_search_that_proposes_an_unsafe_class_releases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.releases.anonymise", lambda rows, k: ([AnonymousClass(EXACT, tuple(rows[:2]))], []))
    with pytest.raises(UnsafeReleaseError):
        release(GOOD, "p", 5, 0, 3_600_000)


def test_what_is_written_counts_what_is_in_the_class() -> None:
    rows = [Row(f"{index}", f"person-{index % 5}", EXACT, flagged=index < 2) for index in range(9)]
    (one,) = release(rows, "policy-9", 5, 0, 3_600_000).releases
    assert (one.people, one.payments, one.flagged, one.loss, one.k) == (5, 9, 2, 0.0, 5)
    assert (one.cell, one.cell_resolution, one.hour, one.amount_band, one.category) == (EXACT.cell, 7, EXACT.hour, "EUR 20-50", "cafe")


def test_loss_grows_with_every_step() -> None:
    assert Counter(loss_of(EXACT._replace(hour=hour), EXACT) for hour in (EXACT.hour, "*")) == {0.0: 1, 0.25: 1}
    with pytest.raises(ValueError, match="not in tuple"):
        loss_of(EXACT._replace(hour="2026-11-22T15"), EXACT)
