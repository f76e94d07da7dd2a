"""The contract of the sketches, checked for every class: whoever adds one adds an example and gets these tests."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import pkgutil
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pytest

from sketches.contract import Repeats, Sketch
from sketches.deltas import Deltas
from sketches.frame import pack, unpack
from tests.fresh_process import printed
from tests.unit import sketch_examples
from tests.unit.sketch_examples import sketch_classes
from tests.unit.sketch_examples.example import Example, equal
from veilocity.errors import SketchMismatchError, StateError

GOLDEN = Path(__file__).parent / "data" / "sketches"
FAMILIES = [name for _, name, _ in pkgutil.iter_modules(sketch_examples.__path__) if name != "example"]
BY_FAMILY: dict[str, list[Example]] = {name: importlib.import_module(f"tests.unit.sketch_examples.{name}").EXAMPLES for name in FAMILIES}
EXAMPLES = [example for family in BY_FAMILY.values() for example in family]
every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)


def filled(example: Example, start: int = 0, end: int | None = None) -> Sketch:
    sketch = example.make()
    for item in example.items[start:end]:
        sketch.update(item)
    return sketch


def digests(family: str) -> dict[str, str]:
    """Return a hash of the bytes of each sketch; `python -m tests.unit.test_sketches_contract FAMILY` writes those of a new one."""
    return {one.name: hashlib.sha256(filled(one).to_bytes()).hexdigest() for one in BY_FAMILY[family]}


def test_every_sketch_has_an_example_and_a_kind_of_its_own() -> None:
    assert sketch_classes() == {type(one.make()) for one in EXAMPLES}
    kinds = [one.kind for one in sketch_classes()]
    assert len(set(kinds)) == len(kinds)
    assert all(len(kind) == 4 for kind in kinds)


@pytest.mark.parametrize("sketch", sorted(sketch_classes(), key=str), ids=str)
def test_every_sketch_is_documented(sketch: type[Sketch]) -> None:
    module = inspect.getdoc(inspect.getmodule(sketch)) or ""
    assert ">>>" in (inspect.getdoc(sketch) or ""), "a runnable example"
    assert "Guarantee" in module, "what it promises, with the formula"
    assert "Reference" in module, "where it comes from"
    assert isinstance(sketch.repeats, Repeats)
    for name in ("estimate", "bounds"):
        assert inspect.getdoc(getattr(sketch, name)), f"{name} says what it answers"


@every_example
def test_bytes_come_back_as_the_same_sketch(example: Example) -> None:
    for sketch in (example.make(), filled(example, 0, 10), filled(example)):
        again = type(sketch).from_bytes(sketch.to_bytes())
        assert again.to_bytes() == sketch.to_bytes()
        again.update(example.items[0])
        sketch.update(example.items[0])
        assert again.to_bytes() == sketch.to_bytes(), "a restored sketch goes on as the first one"


@every_example
def test_a_clone_is_independent(example: Example) -> None:
    sketch = filled(example, 0, 500)
    before, twin = sketch.to_bytes(), sketch.clone()
    twin.update_batch(example.items[500:])
    assert sketch.to_bytes() == before
    assert twin.to_bytes() != before


@every_example
def test_the_merge_of_parts_is_the_sketch_of_the_stream(example: Example) -> None:
    size = len(example.items)
    parts = [filled(example, start, start + size // 4) for start in range(0, size, size // 4)]
    kept = [part.to_bytes() for part in parts]
    whole = filled(example)
    left = example.make()
    for part in parts:
        left.merge(part)
    assert example.merged_like_single(left, whole)
    first, second = parts[0].clone(), parts[2].clone()
    first.merge(parts[1])
    for part in parts[3:]:
        second.merge(part)
    first.merge(second)
    assert example.merged_like_single(first, whole), "a tree of merges"
    assert [part.to_bytes() for part in parts] == kept, "what is merged stays as it is"


@every_example
def test_an_empty_sketch_changes_nothing(example: Example) -> None:
    sketch = filled(example)
    before = sketch.to_bytes()
    sketch.merge(example.make())
    assert sketch.to_bytes() == before


@every_example
def test_a_column_is_its_items_one_by_one(example: Example) -> None:
    one_by_one, at_once, in_two = filled(example), example.make(), example.make()
    at_once.update_batch(example.items)
    in_two.update_batch(example.items[:700])
    in_two.update_batch(example.items[700:])
    assert example.batch_like_single(at_once, one_by_one)
    assert example.batch_like_single(in_two, one_by_one)


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.is_column], ids=lambda one: one.name)
def test_lists_arrays_and_arrow_columns_are_the_same(example: Example) -> None:
    listed, array, arrow = example.make(), example.make(), example.make()
    listed.update_batch(example.items)
    array.update_batch(np.asarray(example.items))
    arrow.update_batch(pyarrow.chunked_array([pyarrow.array([*example.items[:900], None]), pyarrow.array(example.items[900:])]))
    assert listed.to_bytes() == array.to_bytes() == arrow.to_bytes()


@every_example
def test_the_same_items_and_seed_give_the_same_bytes(example: Example) -> None:
    assert equal(filled(example), filled(example))


@every_example
def test_a_sketch_with_other_parameters_is_refused(example: Example) -> None:
    sketch = filled(example)
    before = sketch.to_bytes()
    with pytest.raises(SketchMismatchError, match="differ in"):
        sketch.merge(example.other())
    with pytest.raises(SketchMismatchError, match="merges only with its like"):
        sketch.merge(object())  # type: ignore[arg-type]  # on purpose
    assert sketch.to_bytes() == before


@every_example
def test_damaged_foreign_and_newer_bytes_are_refused(example: Example) -> None:
    sketch = filled(example, 0, 50)
    data, kind = sketch.to_bytes(), type(sketch)
    for cut in (0, 5, len(data) // 2, len(data) - 1):
        with pytest.raises(StateError):
            kind.from_bytes(data[:cut])
    with pytest.raises(StateError, match="damaged"):
        kind.from_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    with pytest.raises(StateError, match="not a sketch of kind"):
        kind.from_bytes(pack(b"????", 1, unpack(data, kind.kind, kind.layout)))
    with pytest.raises(StateError, match="newer"):
        kind.from_bytes(pack(kind.kind, kind.layout + 1, unpack(data, kind.kind, kind.layout)))
    with pytest.raises(StateError):
        kind.from_bytes(pack(kind.kind, kind.layout, b"\x93\x01\x02\x03"))


@every_example
def test_a_sketch_of_another_hash_is_refused(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    sketch = filled(example, 0, 50)
    data = sketch.to_bytes()
    monkeypatch.setattr(type(sketch), "hash_name", "another")
    with pytest.raises(SketchMismatchError, match="hash"):
        type(sketch).from_bytes(data)


@every_example
def test_what_a_repetition_does_is_what_is_declared(example: Example) -> None:
    sketch = filled(example)
    before = sketch.to_bytes()
    sketch.merge(sketch.clone())
    assert (sketch.to_bytes() == before) == (sketch.repeats is Repeats.HARMLESS)


@every_example
def test_a_replayed_batch_counts_once(example: Example) -> None:
    size = len(example.items)
    halves = [filled(example, 0, size // 2), filled(example, size // 2)]
    deltas, replayed = Deltas(example.make()), Deltas(example.make())
    for batch, half in enumerate(halves):
        assert deltas.put(batch, 0, half)
        assert replayed.put(batch, 0, half)
        again = Deltas(example.make())
        again.restore(replayed.to_bytes())
        replayed = again
        assert replayed.put(batch, 0, half)
    assert not replayed.put(0, 0, halves[0])
    assert replayed.total().to_bytes() == deltas.total().to_bytes()
    assert example.merged_like_single(replayed.total(), filled(example))


@every_example
def test_memory_is_bounded(example: Example) -> None:
    sketch = filled(example)
    for _ in range(3):
        sketch.update_batch(example.items)
    assert 0 < sketch.memory_bytes <= example.most_bytes


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_are_those_of_every_machine_and_release(family: str) -> None:
    assert digests(family) == json.loads((GOLDEN / f"{family}.json").read_text())


def test_bytes_do_not_depend_on_the_process() -> None:
    script = "from tests.unit.test_sketches_contract import FAMILIES, digests; print([digests(family) for family in FAMILIES])"
    assert printed(script, "1") == printed(script, "2")


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        (GOLDEN / f"{wanted}.json").write_text(json.dumps(digests(wanted), indent=1) + "\n")
