"""A sum of sketches under replay: each batch of each partition counts once."""

from __future__ import annotations

import pytest

from sketches.deltas import Deltas
from sketches.frequency import CountMin
from veilocity.errors import SketchMismatchError, StateError


def counts(*items: str, width: int = 64) -> CountMin:
    sketch = CountMin(width=width, depth=4, seed=1)
    sketch.update_batch(items)
    return sketch


def test_batches_and_partitions_add_up() -> None:
    deltas = Deltas(counts())
    for batch in range(3):
        for partition in range(2):
            assert deltas.put(batch, partition, counts("a"))
    assert deltas.total().estimate("a") == 6


def test_a_replayed_batch_replaces_itself_also_with_other_content() -> None:
    deltas = Deltas(counts())
    deltas.put(0, 0, counts("a"))
    deltas.put(1, 0, counts("a", "b"))
    deltas.put(1, 0, counts("a"))
    assert (deltas.total().estimate("a"), deltas.total().estimate("b")) == (2, 0)


def test_an_older_batch_was_counted() -> None:
    deltas = Deltas(counts())
    deltas.put(5, 0, counts("a"))
    deltas.put(6, 0, counts("a"))
    assert not deltas.put(5, 0, counts("a"))
    assert deltas.put(5, 1, counts("a")), "of another partition it was not"
    assert deltas.total().estimate("a") == 3


def test_what_is_put_or_asked_for_may_change_afterwards() -> None:
    deltas, part = Deltas(counts()), counts("a")
    deltas.put(0, 0, part)
    part.update("a")
    deltas.total().update("a")
    assert deltas.total().estimate("a") == 1


def test_another_sketch_is_refused_before_anything_changes() -> None:
    deltas = Deltas(counts())
    deltas.put(0, 0, counts("a"))
    with pytest.raises(SketchMismatchError, match="differ in width"):
        deltas.put(1, 0, counts("a", width=128))
    assert deltas.total().to_bytes() == counts("a").to_bytes()


def test_saved_deltas_go_on_and_damaged_ones_are_refused() -> None:
    deltas = Deltas(counts())
    for batch in range(3):
        deltas.put(batch, batch % 2, counts("a"))
    again, data = Deltas(counts()), deltas.to_bytes()
    again.restore(data)
    assert again.to_bytes() == data
    assert not again.put(1, 0, counts("a"))
    assert again.put(2, 0, counts("a"))
    assert again.total().estimate("a") == 3
    with pytest.raises(StateError, match="damaged"):
        again.restore(data[:-1] + bytes((data[-1] ^ 1,)))
    with pytest.raises(SketchMismatchError, match="differ in width"):
        Deltas(counts(width=128)).restore(deltas.to_bytes())
