from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import h3
import msgspec
import pytest

from privacy import aggregates
from privacy.aggregates import TOTAL_SHARE, AggregateState, Aggregator
from privacy.anonymity import Row
from privacy.differential import counts, tree
from privacy.differential.counts import HOUR_MS, CountsPolicy, CountsRecord, Payment, Window
from privacy.differential.noise import scale_for
from privacy.differential.publication import Rate
from privacy.hierarchies import MISSING, QuasiIdentifiers, hour_of
from privacy.policies.model import Aggregates
from privacy.write_ahead import FileAhead
from storage.documents import AggregateDocument
from veilocity.errors import SettingsError, StateError, UnsafePolicyError, UnsafeReleaseError

KEY = bytes(range(32))
POLICY = Aggregates(epsilon=1.0, delta=1e-6, contributions=2, cell_resolution=5, horizon_days=1)
START_MS = 1_795_305_600_000
FINE = h3.latlng_to_cell(51.5, -0.12, 7)
COARSE = h3.cell_to_parent(FINE, 5)


class Memory(dict[Window, bytes]):
    """A write-ahead store that notes what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[Window] = []

    def load(self, window: Window) -> bytes | None:
        return self.get(window)

    def save(self, window: Window, data: bytes) -> None:
        self.saved.append(window)
        self[window] = data


def window(number: int, hours: int = 1) -> Window:
    return Window(START_MS + number * hours * HOUR_MS, START_MS + (number + 1) * hours * HOUR_MS)


def row(number: int, person: str, hour: int = 0, *, cell: str = FINE, sensitive: str = "clear") -> Row:
    return Row(f"t{number}", person, QuasiIdentifiers(cell, hour_of(START_MS + hour * HOUR_MS), "EUR 20-50", "groceries"), sensitive)


@pytest.fixture
def aggregator() -> Aggregator:
    return Aggregator(POLICY, "p", KEY)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the noise away, so that what is counted can be seen."""

    def shown(counted: Mapping[str, int], scale: float, threshold: int) -> dict[str, int]:
        del scale, threshold
        return dict(counted)

    def unchanged(values: Sequence[int], scale: float) -> list[int]:
        del scale
        return list(values)

    monkeypatch.setattr(counts, "add_laplace", unchanged)
    monkeypatch.setattr(tree, "add_laplace", unchanged)
    monkeypatch.setattr(counts, "select", shown)


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """Note every window that is drawn."""
    drawn: list[Window] = []

    def noting(payments: Sequence[Payment], at: Window, policy: CountsPolicy, key: bytes) -> CountsRecord:
        drawn.append(at)
        return counts.draw(payments, at, policy, key)

    monkeypatch.setattr(aggregates, "draw", noting)
    return drawn


def value(document: AggregateDocument) -> tuple[int, int]:
    assert document.payments is not None
    assert document.flagged is not None
    return document.payments.value, document.flagged.value


@pytest.mark.usefixtures("silent")
def test_a_window_gives_one_document_for_the_whole_and_one_for_each_cell(aggregator: Aggregator) -> None:
    rows = [
        *(row(number, f"p{number}") for number in range(3)),
        row(10, "p10", sensitive="flagged"),
        row(11, "p11", sensitive="not_scorable"),
        row(12, "p12", cell=MISSING),
    ]
    _, (whole, here, nowhere) = aggregator.closed(aggregator.begin(START_MS), rows, window(0), 7, Memory())
    assert [(one.cell, one.hour, value(one)) for one in (whole, here, nowhere)] == [
        ("*", "*", (6, 1)),
        (COARSE, "2026-11-22T00", (5, 1)),
        ("none", "2026-11-22T00", (1, 0)),
    ]
    assert [one.id for one in (whole, here)] == ["2026-11-22T00:1h:p:*:*", f"2026-11-22T00:1h:p:{COARSE}:2026-11-22T00"]
    assert {(one.seq, one.policy, one.window_start_ms, one.window_end_ms, one.refused, one.epsilon_left) for one in (whole, here)} == {
        (7, "p", START_MS, START_MS + HOUR_MS, False, None)
    }
    assert whole.fraud_rate is not None
    assert whole.fraud_rate.value == 0.1667
    assert whole.total is not None
    assert here.total is None


@pytest.mark.usefixtures("silent")
def test_the_total_runs_over_windows_and_counts_a_person_as_often_as_allowed(aggregator: Aggregator) -> None:
    state, totals = aggregator.begin(START_MS), []
    for number in range(5):
        rows = [row(number * 10 + place, "ann", number) for place in range(number)] + [row(number * 10 + 9, "bob", number)]
        state, documents = aggregator.closed(state, rows, window(number), number, Memory())
        total = documents[0].total
        assert total is not None
        totals.append(total.value)
        assert value(documents[0])[0] == 1 + min(number, POLICY.contributions)
        assert (total.since_ms, total.windows_left_out) == (START_MS, 0)
    assert totals == [1, 3, 6, 9, 12]


@pytest.mark.usefixtures("silent")
def test_a_wider_window_shows_each_of_its_hours() -> None:
    aggregator = Aggregator(POLICY, "p", KEY, window_ms=2 * HOUR_MS)
    _, documents = aggregator.closed(aggregator.begin(START_MS), [row(1, "ann"), row(2, "bob", 1)], window(0, 2), 1, Memory())
    assert [(one.hour, value(one)[0]) for one in documents] == [("*", 2), ("2026-11-22T00", 1), ("2026-11-22T01", 1)]
    assert documents[0].id.startswith("2026-11-22T00:2h:p:")


def test_windows_that_are_due_have_no_gaps(aggregator: Aggregator) -> None:
    state = aggregator.begin(START_MS)
    assert aggregator.due(state, START_MS + HOUR_MS - 1) == []
    assert aggregator.due(state, START_MS + 3 * HOUR_MS + 1) == [window(0), window(1), window(2)]
    state, _ = aggregator.closed(state, [], window(0), 1, Memory())
    assert aggregator.due(state, START_MS + 2 * HOUR_MS) == [window(1)]


def test_a_long_silence_is_left_out_and_everything_begins_anew_after_it(aggregator: Aggregator) -> None:
    horizon = POLICY.horizon_days * 24
    state, _ = aggregator.closed(aggregator.begin(START_MS), [row(0, "p0")], window(0), 1, Memory())
    # As long as the horizon is not longer than it: somebody may have paid at both ends of one stretch.
    paid = window(1 + horizon).start_ms
    assert len(aggregator.due(state, paid + HOUR_MS, [paid])) == horizon + 1
    assert aggregator.after_silence(state, paid) == state
    paid = window(2 + horizon).start_ms
    due = aggregator.due(state, window(2 * horizon + 9).start_ms, [paid, window(4 + horizon).start_ms])
    assert due == [window(2 + horizon), window(3 + horizon), window(4 + horizon)]
    anew = aggregator.after_silence(state, paid)
    assert anew == aggregator.begin(paid)
    state, documents = aggregator.closed(anew, [row(0, "p0", hour=2 + horizon)], due[0], 2, Memory())
    assert documents[0].total is not None
    assert documents[0].total.since_ms == paid
    # A silence that lasts is over with the clock, whatever minute it shows.
    assert aggregator.after_silence(state, window(9 * horizon).start_ms + 1).next_start_ms == window(9 * horizon).start_ms


def test_only_the_next_window_is_taken(aggregator: Aggregator) -> None:
    state, _ = aggregator.closed(aggregator.begin(START_MS), [], window(0), 1, Memory())
    for wrong in (window(0), window(2), Window(window(1).start_ms, window(2).end_ms)):
        with pytest.raises(StateError, match="in order"):
            aggregator.closed(state, [], wrong, 2, Memory())
    with pytest.raises(StateError, match="no window starts"):
        aggregator.begin(START_MS + 1)


def test_a_repeated_window_is_drawn_once_and_gives_the_same(aggregator: Aggregator, draws: list[Window], tmp_path: Path) -> None:
    before, rows = aggregator.begin(START_MS), [row(number, f"p{number}") for number in range(200)]
    first = aggregator.closed(before, rows, window(0), 7, FileAhead(tmp_path))
    # Another process, from the ledger's bytes; what rows say now does not count.
    repeated = Aggregator(POLICY, "p", KEY).closed(AggregateState.from_bytes(before.to_bytes()), [], window(0), 7, FileAhead(tmp_path))
    assert repeated == first
    assert repeated[0].to_bytes() == first[0].to_bytes()
    assert draws == [window(0)]


def test_nothing_is_returned_that_was_not_saved(aggregator: Aggregator) -> None:
    class Full(Memory):
        def save(self, window: Window, data: bytes) -> None:
            raise OSError("no space left on the disk")

    before = aggregator.begin(START_MS)
    with pytest.raises(OSError, match="no space"):
        aggregator.closed(before, [], window(0), 1, Full())
    memory = Memory()
    after, _ = aggregator.closed(before, [], window(0), 1, memory)
    assert memory.saved == [window(0)]
    assert after.next_start_ms == window(1).start_ms


def test_a_draw_of_another_ledger_is_refused_and_never_drawn_again(aggregator: Aggregator, draws: list[Window]) -> None:
    memory, other = Memory(), Memory()
    state, _ = aggregator.closed(aggregator.begin(START_MS), [], window(0), 1, memory)
    aggregator.closed(state, [], window(1), 2, memory)
    stranger, _ = aggregator.closed(aggregator.begin(START_MS), [], window(0), 1, other)
    with pytest.raises(StateError, match="another ledger"):
        aggregator.closed(stranger, [], window(1), 2, memory)
    memory[window(1)] = memory[window(1)][:-1]
    with pytest.raises(StateError, match="never start it anew"):
        aggregator.closed(state, [], window(1), 2, memory)
    assert draws == [window(0), window(1), window(0)]


def test_what_does_not_belong_to_the_window_is_refused_before_anything_is_saved(aggregator: Aggregator) -> None:
    memory, state = Memory(), aggregator.begin(START_MS)
    for rows in ([row(1, "ann", hour=1)], [row(1, "ann"), row(1, "bob")]):
        with pytest.raises(UnsafeReleaseError):
            aggregator.closed(state, rows, window(0), 1, memory)
    with pytest.raises(UnsafePolicyError, match="coarser"):
        aggregator.closed(state, [row(1, "ann", cell=h3.cell_to_parent(FINE, 4))], window(0), 1, memory)
    assert not memory


def test_a_spent_budget_publishes_nothing_but_that_and_the_stream_goes_on(draws: list[Window]) -> None:
    aggregator = Aggregator(msgspec.structs.replace(POLICY, person_epsilon=2.5), "p", KEY)
    state, memory = aggregator.begin(START_MS), Memory()
    published: list[int] = []
    for number in range(60):
        state, documents = aggregator.closed(state, [row(number, "ann", number)], window(number), number, memory)
        whole = documents[0]
        if not whole.refused:
            published.append(number)
            assert whole.total is not None
            assert whole.total.windows_left_out == number + 1 - len(published)
            continue
        assert len(documents) == 1
        assert (whole.cell, whole.hour, whole.payments, whole.flagged, whole.fraud_rate, whole.total) == ("*", "*", None, None, None, None)
        assert (whole.terms.epsilon, whole.terms.delta, whole.terms.person_epsilon) == (0.0, 0.0, 2.5)
        assert whole.epsilon_left == 0.5
    # Two in any stretch of a day: 25 windows touch one.
    assert published == [0, 1, 25, 26, 50, 51]
    assert draws == [window(number) for number in published]
    assert state.windows_left_out == 54


@pytest.mark.usefixtures("silent")
def test_payments_of_a_refused_window_are_not_in_the_total() -> None:
    aggregator = Aggregator(msgspec.structs.replace(POLICY, person_epsilon=1.0), "p", KEY)
    state, totals = aggregator.begin(START_MS), []
    for number in range(26):
        state, documents = aggregator.closed(state, [row(number, "ann", number)], window(number), number, Memory())
        totals.append(documents[0].total and documents[0].total.value)
    assert totals == [1, *[None] * 24, 2]


def test_without_a_limit_every_window_is_published_and_a_person_s_loss_is_told() -> None:
    aggregator = Aggregator(POLICY, "p", KEY)
    state, memory = aggregator.begin(START_MS), Memory()
    for number in range(60):
        state, documents = aggregator.closed(state, [], window(number), number, memory)
        assert not documents[0].refused
        terms = documents[0].terms
        assert state.budget.spent().epsilon <= terms.person_epsilon
    # 25 windows touch a stretch of a day; basic composition is the smaller one for so few.
    assert terms.person_epsilon == pytest.approx(25.0)
    assert terms.person_delta == pytest.approx(50e-6)
    assert state.windows_left_out == 0
    assert len(state.budget.charges) == 24, "what no later window needs is forgotten"


def test_the_shares_of_a_window_cost_no_more_than_the_window() -> None:
    scales = []
    for epsilon in (0.1, 1 / 3, 1.0, 2.7, 9.99):
        policy = msgspec.structs.replace(POLICY, epsilon=epsilon)
        aggregator = Aggregator(policy, "p", KEY)
        assert aggregator._counts.epsilon + aggregator._total.epsilon <= epsilon
        assert aggregator._counts.epsilon == pytest.approx(epsilon * (1 - TOTAL_SHARE))
        state, documents = aggregator.closed(aggregator.begin(START_MS), [], window(0), 1, Memory())
        assert [charge.epsilon for charge in state.budget.charges] == [documents[0].terms.epsilon] == [epsilon]
        assert documents[0].total is not None
        scales.append(documents[0].total.standard_error)
        # A window is in at most seven nodes of the first tree.
        assert scales[-1] == pytest.approx(scale_for(7 * 2, epsilon * TOTAL_SHARE) * 2**0.5, rel=0.01)
    assert scales == sorted(scales, reverse=True)


def test_cells_that_are_named_beforehand_are_always_shown_and_no_others() -> None:
    named = Aggregator(POLICY, "p", KEY, public_cells=(COARSE, "none"))
    _, documents = named.closed(named.begin(START_MS), [], window(0), 1, Memory())
    assert [one.cell for one in documents] == ["*", COARSE, "none"]
    assert (documents[0].terms.delta, documents[0].terms.threshold) == (0.0, None)


def test_a_lonely_person_s_cell_is_not_shown(aggregator: Aggregator) -> None:
    _, documents = aggregator.closed(aggregator.begin(START_MS), [row(1, "ann")], window(0), 1, Memory())
    assert [one.cell for one in documents] == ["*"]
    assert (documents[0].terms.threshold or 0) > 30


@pytest.mark.parametrize(
    "changed",
    [{"epsilon": 0.5}, {"contributions": 3}, {"horizon_days": 2}, {"delta": 1e-7}],
    ids="".join,
)
def test_other_figures_do_not_go_on_with_a_state(aggregator: Aggregator, changed: dict[str, float]) -> None:
    other = Aggregator(msgspec.structs.replace(POLICY, **changed), "p", KEY)
    with pytest.raises(UnsafePolicyError, match="other figures"):
        other.closed(aggregator.begin(START_MS), [], window(0), 1, Memory())


def test_what_cannot_be_kept_is_refused_at_the_start() -> None:
    for width in (HOUR_MS // 2, HOUR_MS * 3 // 2, 0, -HOUR_MS):
        with pytest.raises(UnsafePolicyError, match="whole hours"):
            Aggregator(POLICY, "p", KEY, window_ms=width)
    for changed in ({"epsilon": 0.0}, {"epsilon": 20.0}, {"delta": 1e-4}, {"contributions": 0}, {"horizon_days": 0}):
        with pytest.raises(UnsafePolicyError):
            Aggregator(msgspec.structs.replace(POLICY, **changed), "p", KEY)
    for limit in (0.5, float("nan"), float("inf")):
        with pytest.raises(UnsafePolicyError):
            Aggregator(msgspec.structs.replace(POLICY, person_epsilon=limit), "p", KEY)
    with pytest.raises(SettingsError, match="instead of 32"):
        Aggregator(POLICY, "p", b"short")


def test_a_state_comes_back_and_a_damaged_one_does_not(aggregator: Aggregator) -> None:
    state, _ = aggregator.closed(aggregator.begin(START_MS), [], window(0), 1, Memory())
    data = state.to_bytes()
    assert AggregateState.from_bytes(data) == state
    for damaged in (data[:-1], data[:-1] + bytes([data[-1] ^ 1]), state.budget.to_bytes(), b""):
        with pytest.raises(StateError):
            AggregateState.from_bytes(damaged)


def test_files_are_the_owner_s_kept_whole_and_forgotten_by_their_end(tmp_path: Path) -> None:
    ahead = FileAhead(tmp_path / "drawn")
    assert stat.S_IMODE((tmp_path / "drawn").stat().st_mode) == 0o700
    for number in range(3):
        ahead.save(window(number), bytes([number]))
    ahead.save(window(1), b"again")
    ahead.forget(window(1).end_ms - 1)
    assert [FileAhead(tmp_path / "drawn").load(window(number)) for number in range(4)] == [None, b"again", b"\x02", None]
    ahead.forget(window(1).end_ms)
    assert [ahead.load(window(number)) for number in range(3)] == [None, None, b"\x02"]


def test_a_file_that_cannot_be_read_is_not_a_file_that_is_not_there(tmp_path: Path) -> None:
    ahead = FileAhead(tmp_path)
    (tmp_path / f"{window(0).start_ms}-{window(0).end_ms}.drawn").mkdir()
    with pytest.raises(StateError, match="cannot be read"):
        ahead.load(window(0))


def test_a_share_is_rounded_and_its_interval_outwards() -> None:
    share = aggregates._share(Rate(1 / 3, 0.12349, 0.12341))
    assert (share.value, share.low, share.high) == (0.3333, 0.1234, 0.1235)
    assert aggregates._share(Rate(None, 0.0, 1.0)).value is None
    assert aggregates._share(Rate(1.0, 0.99999, 0.99999)).high == 1.0
