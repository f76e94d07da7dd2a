"""The id of a class is its own, also where a drain has cut the windows of two tiers down to the same span."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.anonymity import Limits
from privacy.hierarchies import QuasiIdentifiers
from privacy.regions import Terms
from privacy.releases import ReleasedWindow, class_id, release
from privacy.table import Row, RowTable
from privacy.windows import Clock, Window, WindowPolicy

DAY_MS = 86_400_000
SALT = bytes(range(32))
TIERS = WindowPolicy(2 * DAY_MS, 0, 0, later_ms=(4 * DAY_MS,))
PRINTED = QuasiIdentifiers("*", "*", "EUR *", "cafe")
WINDOWS = st.builds(Window, st.integers(0, 3), st.integers(0, 5), st.integers(6, 9))


def row(name: str, day: int, amount_band: str, verdict: str, cell: str = "87195da49ffffff") -> Row:
    return Row(name, name, QuasiIdentifiers(cell, f"1970-01-0{day}T00", amount_band, "cafe"), verdict)


def drained_tiers(rows: list[Row]) -> list[ReleasedWindow]:
    """Return what each tier releases of a window of two days that a drain closes: both tiers' windows are these two days."""
    clock = Clock().drained(TIERS, [0])
    windows = [clock.window(TIERS, tier, 0) for tier in (0, 1)]
    assert [(one.start_ms, one.end_ms) for one in windows] == [(0, 2 * DAY_MS)] * 2
    terms = Terms(Limits(k=3, t=0.1, loss=0.5), region_loss=0.5, region_rows=1_000, time_level=0)
    narrow = release(RowTable.of(rows), "p", terms, windows[0], SALT)
    last = msgspec.structs.replace(terms, limits=Limits(k=3, t=0.1, loss=1.0), time_level=3)
    return [narrow, release(narrow.left, "p", last, windows[1], SALT)]


def test_two_tiers_that_print_alike_in_one_window_have_two_ids() -> None:
    far = [row(f"far-{number:02d}", 1, "EUR 10-20", "clear", "872830828ffffff") for number in range(30)]
    near = [row(f"m{number}", day, "EUR 10-20", "clear") for number, day in enumerate((1, 1, 2))]
    # Their verdict keeps them out of the class of their place, which one more payment widens until it would hold them.
    apart = [row("a1", 1, "EUR 100-200", "flagged"), row("a2", 2, "EUR 100-200", "flagged"), row("a3", 2, "EUR 1000-2000", "flagged")]
    narrow, wide = drained_tiers([*far, *near, *apart, row("z", 1, "EUR 100-200", "clear")])
    assert [(one.people, one.flagged) for one in wide.releases] == [(3, 3)]
    alike = [one for one in narrow.releases if one.hour == "*"]
    (late,) = wide.releases
    assert [(one.cell, one.hour, one.amount_band, one.category) for one in alike] == [
        (late.cell, late.hour, late.amount_band, late.category)
    ]
    assert {late.class_id}.isdisjoint(one.class_id for one in narrow.releases)
    assert set(late.members).isdisjoint(member for one in narrow.releases for member in one.members)


@given(WINDOWS, WINDOWS, st.sampled_from("pq"), st.sampled_from("pq"), st.sampled_from([PRINTED, PRINTED._replace(hour="1970-01-01")]))
def test_ids_differ_where_anything_differs(one: Window, other: Window, policy: str, other_policy: str, printed: QuasiIdentifiers) -> None:
    alike = (one, policy, printed) == (other, other_policy, PRINTED)
    assert (class_id(policy, one, printed) == class_id(other_policy, other, PRINTED)) == alike


@pytest.mark.parametrize(("tier", "known"), [(0, "57f0ab202f0548719c89a5674cacec12"), (1, "0d54b30d2547fd80c91bcce639168ae9")])
def test_ids_never_change(tier: int, known: str) -> None:
    assert class_id("default-1", Window(tier, 0, 3_600_000), PRINTED) == known
