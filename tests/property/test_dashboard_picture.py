"""A picture grown by changes equals a picture read at the end: the law that lets a stream resume."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dashboard.picture import Content, Limits, Picture
from storage.documents import MaskedAlert, MaskedTransaction, Position, Progress
from tests.e2e.dashboard_world import FAR, LONDON, MINUTE_MS, START_MS, World, make_alert, place

_PAYMENT = World(people=1).pay(1)[0]
_CELL = place(*LONDON)


@st.composite
def batches(draw: st.DrawFn) -> list[list[Position | MaskedAlert | MaskedTransaction]]:
    """Return batches as the privacy stage writes them: versions may come late, never twice with another content."""
    sizes = draw(st.lists(st.integers(0, 6), min_size=1, max_size=8))
    found: list[list[Position | MaskedAlert | MaskedTransaction]] = []
    revisions: dict[int, int] = {}
    payments: list[MaskedTransaction] = []
    for seq, size in enumerate(sizes):
        batch: list[Position | MaskedAlert | MaskedTransaction] = []
        for number in range(size):
            match draw(st.integers(0, 3)):
                case 0:
                    minute_ms = START_MS + draw(st.integers(0, 5)) * MINUTE_MS
                    batch.append(Position(f"person{draw(st.integers(0, 4))}", seq, minute_ms, _CELL))
                case 1:
                    which = draw(st.integers(0, 4))
                    revisions[which] = revisions.get(which, 0) + 1
                    when = START_MS + which * MINUTE_MS
                    batch.append(make_alert(which, LONDON, FAR["Lagos"], minute_ms=when, seq=seq, revision=revisions[which]))
                case 2 if payments:
                    index = draw(st.integers(0, len(payments) - 1))
                    payments[index] = msgspec.structs.replace(payments[index], seq=seq, revision=payments[index].revision + 1)
                    batch.append(payments[index])
                case _:
                    payments.append(msgspec.structs.replace(_PAYMENT, id=f"payment{seq}-{number}", seq=seq))
                    batch.append(payments[-1])
        found.append(batch)
    return found


def apply(picture: Picture, seq: int, documents: list[Position | MaskedAlert | MaskedTransaction]) -> Content:
    return picture.apply(
        Progress(id="privacy", seq=seq),
        [document for document in documents if isinstance(document, Position)],
        [document for document in documents if isinstance(document, MaskedAlert)],
        [document for document in documents if isinstance(document, MaskedTransaction)],
    )


def viewed(start: Content, deltas: list[Content]) -> Content:
    """Do what the page does: put in what came, take out what went."""
    positions = {item.id: item for item in start.positions}
    alerts = {item.id: item for item in start.alerts}
    payments = {item.id: item for item in start.transactions}
    progress = start.progress
    for delta in deltas:
        progress = delta.progress
        positions.update({item.id: item for item in delta.positions})
        alerts.update({item.id: item for item in delta.alerts})
        payments.update({item.id: item for item in delta.transactions})
        for gone in delta.gone_positions:
            del positions[gone]
        for gone in delta.gone_alerts:
            del alerts[gone]
        for gone in delta.gone_transactions:
            del payments[gone]
    picture = Picture(Limits(1_000, 1_000, 1_000))
    picture.apply(progress, positions.values(), alerts.values(), payments.values())
    return picture.content()


@given(batches(), st.integers(0, 8))
def test_a_snapshot_and_the_deltas_after_it_equal_a_later_snapshot(
    written: list[list[Position | MaskedAlert | MaskedTransaction]], joined: int
) -> None:
    limits = Limits(people=3, alerts=3, payments=4)
    picture = Picture(limits)
    start, deltas = picture.content(), []
    for seq, batch in enumerate(written):
        delta = apply(picture, seq, batch)
        deltas.append(delta)
        if seq + 1 == joined:
            start, deltas = picture.content(), []
    assert viewed(start, deltas) == picture.content()


@given(batches(), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(written: list[list[Position | MaskedAlert | MaskedTransaction]], random: object) -> None:
    straight = Picture()
    for seq, batch in enumerate(written):
        apply(straight, seq, batch)
    everything = [document for batch in written for document in batch]
    shuffled = everything + everything[: len(everything) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random, typed as object by the strategy
    at_once = Picture()
    apply(at_once, len(written) - 1, shuffled)
    assert at_once.content() == straight.content()


@given(batches())
def test_a_picture_never_holds_more_than_its_limits(written: list[list[Position | MaskedAlert | MaskedTransaction]]) -> None:
    picture = Picture(Limits(people=2, alerts=1, payments=3))
    for seq, batch in enumerate(written):
        apply(picture, seq, batch)
        content = picture.content()
        assert (len(content.positions), len(content.alerts), len(content.transactions)) <= (2, 1, 3)
        assert len(content.alerts) <= 1
        assert len(content.transactions) <= 3


@given(batches())
def test_every_cell_that_is_named_has_its_outline(written: list[list[Position | MaskedAlert | MaskedTransaction]]) -> None:
    picture = Picture()
    for seq, batch in enumerate(written):
        delta = apply(picture, seq, batch)
        named = {item.place.cell for item in delta.positions}
        named |= {end.place.cell for alert in delta.alerts for end in (alert.first, alert.second) if end.place}
        assert named <= set(delta.cells)
        assert all(len(outline) in (10, 12) for outline in delta.cells.values())


@given(batches())
def test_of_every_document_the_newest_version_is_held(written: list[list[Position | MaskedAlert | MaskedTransaction]]) -> None:
    picture = Picture()
    for seq, batch in enumerate(written):
        apply(picture, seq, batch)
    everything = [document for batch in written for document in batch]
    for alert in picture.content().alerts:
        assert alert.revision == max(item.revision for item in everything if isinstance(item, MaskedAlert) and item.id == alert.id)
    for payment in picture.content().transactions:
        assert payment.revision == max(
            item.revision for item in everything if isinstance(item, MaskedTransaction) and item.id == payment.id
        )
    for position in picture.content().positions:
        versions = [(item.minute_ms, item.seq) for item in everything if isinstance(item, Position) and item.id == position.id]
        assert (position.minute_ms, position.seq) == max(versions)


def test_nobody_is_on_the_map_twice_when_people_get_new_ids() -> None:
    """The stores delete positions of a period that ended; whoever watches meanwhile is told to take them away."""
    turn_ms = START_MS + 3 * MINUTE_MS
    picture = Picture()
    picture.apply(Progress("privacy", 1), [Position("old-a", 1, turn_ms - MINUTE_MS, _CELL), Position("old-b", 1, START_MS, _CELL)])
    delta = picture.apply(Progress("privacy", 2, positions_since_ms=turn_ms), [Position("new-a", 2, turn_ms, _CELL)])
    assert delta.gone_positions == ("old-a", "old-b")
    assert [position.id for position in picture.content().positions] == ["new-a"]
    assert picture.apply(Progress("privacy", 3, positions_since_ms=turn_ms), []).gone_positions == ()
