"""Versions appear whole or not at all, what is in force changes in one step, and a file that was changed is refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path
from threading import Thread

import msgspec
import numpy as np
import pytest

from rules.models.archive import from_bytes, to_bytes
from rules.models.card import Card
from rules.models.making import Made, make
from rules.models.registry import Change, Registry, _Active, _Pointer
from tests.unit.models_world import QUICK, payments
from veilocity.errors import SettingsError, StateError

ROOT = Path(__file__).resolve().parents[2]
NOW_MS = 1_764_000_000_000


@cache
def made() -> Made:
    return make(payments(), QUICK, "Random figures.", NOW_MS)[0][0]


def changed(name: str, value: object) -> tuple[bytes, Card]:
    """Return the same model with one thing changed."""
    model = from_bytes(made().data)
    object.__setattr__(model, name, value)
    data = to_bytes(model)
    return data, msgspec.structs.replace(made().card, sha256=hashlib.sha256(data).hexdigest())


def other(number: int) -> tuple[bytes, Card]:
    """Return the same model with another threshold."""
    return changed("threshold", float(number))


def test_a_model_of_other_features_is_not_put_in_force(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    version = registry.add(*changed("features_version", 10_000))
    with pytest.raises(SettingsError, match="other features"):
        registry.promote("boosting", version, NOW_MS)
    assert registry.active() == ()


def test_promotions_and_rollbacks_walk_back_to_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    assert (registry.active(), registry.stamp(), registry.entries()) == ((), "", [])
    first, second = registry.add(made().data, made().card), registry.add(*other(2))
    assert (first[:5], second[:5]) == ("0001-", "0002-")
    stamps = [registry.stamp()]
    for step in (first, second):
        registry.promote("boosting", step, NOW_MS)
        stamps.append(registry.stamp())
        assert [model.version for model in registry.active()] == [step]
    registry.promote("boosting", second, NOW_MS)
    assert registry.stamp() == stamps[-1]
    assert registry.active()[0].threshold == 2.0
    back: list[str | None] = [first, None]
    for before in back:
        assert registry.rollback("boosting", NOW_MS) == before
        stamps.append(registry.stamp())
        assert [model.version for model in registry.active()] == ([before] if before else [])
    assert len(set(stamps)) == 5
    with pytest.raises(SettingsError, match="no promotion"):
        registry.rollback("boosting", NOW_MS)
    assert [change.action for change in registry.history()] == ["promote", "promote", "rollback", "rollback"]


def test_the_same_model_keeps_its_version_and_its_card(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    version = registry.add(made().data, made().card)
    later = msgspec.structs.replace(made().card, created_ms=NOW_MS + 1)
    assert registry.add(made().data, later) == version
    assert registry.card("boosting", version).created_ms == NOW_MS
    assert "# Model card: boosting" in (tmp_path / "boosting" / version / "card.md").read_text()


def test_a_file_that_was_changed_is_refused_and_what_is_in_force_stays(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    first, second = registry.add(made().data, made().card), registry.add(*other(2))
    registry.promote("boosting", first, NOW_MS)
    # Model and card are changed together: the promotion remembers what was promoted.
    data, card = other(3)
    (tmp_path / "boosting" / second / "model.npz").write_bytes(data)
    with pytest.raises(StateError, match="SHA-256"):
        registry.promote("boosting", second, NOW_MS)
    assert registry.active()[0].version == first
    (tmp_path / "boosting" / first / "model.npz").write_bytes(data)
    (tmp_path / "boosting" / first / "card.json").write_bytes(msgspec.json.encode(card))
    with pytest.raises(StateError, match="SHA-256"):
        registry.active()
    (tmp_path / "boosting" / first / "model.npz").unlink()
    with pytest.raises(StateError, match="cannot be read"):
        registry.active()


def test_what_was_half_written_is_no_version_and_goes_with_the_next(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    left = tmp_path / ".part-killed"
    left.mkdir()
    (left / "model.npz").write_bytes(b"half")
    (tmp_path / "boosting").mkdir()
    assert registry.entries() == []
    version = registry.add(made().data, made().card)
    assert not left.exists()
    assert [entry.version for entry in registry.entries()] == [version]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"layout": 9}',
        '{"active": {"boosting": {"version": "../../etc", "sha256": ""}}}',
        '{"active": {"../x": {"version": "0001-00000000", "sha256": ""}}}',
    ],
)
def test_a_pointer_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "active.json").write_text(text)
    with pytest.raises(StateError, match=r"active\.json"):
        Registry(tmp_path).active()


@pytest.mark.parametrize(("name", "version"), [("boosting", "0009-00000000"), ("../boosting", "0001-00000000"), ("boosting", "..")])
def test_what_is_not_there_is_not_promoted(tmp_path: Path, name: str, version: str) -> None:
    with pytest.raises(SettingsError, match="models list"):
        Registry(tmp_path).promote(name, version, NOW_MS)


def test_a_model_that_is_not_its_cards_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="card"):
        Registry(tmp_path).add(made().data + b" ", made().card)


def test_a_file_with_python_objects_is_refused_without_running_them(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)

    np.savez(tmp_path / "bomb.npz", about=np.array([Bomb()], dtype=object))
    with pytest.raises(StateError, match="cannot be read"):
        from_bytes((tmp_path / "bomb.npz").read_bytes())
    assert not (tmp_path / "ran").exists()


def test_trees_that_point_outside_themselves_are_refused() -> None:
    model = from_bytes(made().data)
    for name, value in (("left", 10**6), ("right", -1), ("roots", 10**6), ("feature", 31)):
        trees = model.trees  # type: ignore[union-attr]  # the made one is boosting
        kept = getattr(trees, name).copy()
        getattr(trees, name)[0] = value
        with pytest.raises(StateError):
            from_bytes(to_bytes(model))
        getattr(trees, name)[0] = kept[0]
    assert from_bytes(to_bytes(model)).threshold == model.threshold


def test_a_change_waits_for_the_one_before_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    first, second = registry.add(made().data, made().card), registry.add(*other(2))
    meanwhile = Thread(target=Registry(tmp_path).promote, args=("boosting", second, NOW_MS))

    def change(old: _Active) -> _Active:
        # Without the lock the other one would be done within this time, and be overwritten.
        meanwhile.start()
        meanwhile.join(0.5)
        pointer = _Pointer(first, made().card.sha256)
        return _Active({"boosting": pointer}, {"boosting": [None]}, (*old.history, Change(NOW_MS, "promote", "boosting", first)))

    registry._change(change)
    meanwhile.join()
    assert [one.version for one in registry.history()] == [first, second]


_WRITER = """
import sys
from pathlib import Path
from rules.models.registry import Registry
registry = Registry(Path(sys.argv[1]))
for number in range(10):
    registry.promote("boosting", sys.argv[2 + number % 2], number)
"""


def test_two_processes_lose_no_promotion_and_a_reader_sees_whole_ones(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    versions = [registry.add(*other(number)) for number in range(4)]
    registry.promote("boosting", versions[0], NOW_MS)
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), *pair], cwd=ROOT) for pair in (versions[:2], versions[2:])]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen |= {model.version for model in registry.active()}
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= set(versions)
    # Each process alternates between versions of its own, so each promotion but perhaps the first changes something.
    history = registry.history()
    assert len(history) in (20, 21)
    for change in reversed(history[:-1]):
        assert registry.rollback("boosting", NOW_MS) == change.version
