"""The rows of learned rules on a system that answers at once: they tell what the decisions say, and nothing stays changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rules.models.archive import from_bytes, to_bytes
from rules.models.registry import Registry
from rules.models.shipping import SHIPPED, install
from veilocity import settings as kernel_settings
from veilocity.cli.tour import models
from veilocity.cli.tour.models import scored_by, swapped, watched
from veilocity.cli.tour.stops import State
from veilocity.cli.tour.visit import Visit
from veilocity.contracts import Decision, LearnedScore

NOW_MS = 1_764_000_000_000


class _Tail:
    def __init__(self) -> None:
        self.decisions: dict[str, Decision] = {}

    def until(self, holds: Any, _patience_s: float) -> bool:
        return bool(holds())


class _Answering(Visit):
    """A system that answers each payment with the models in force, or with those that were when it began."""

    def __init__(self, folder: Path, *, is_stuck: bool = False) -> None:
        self.settings = kernel_settings.load({}, rules_models_dir=str(folder))
        self.registry, self.sent = Registry(folder), 0
        self.tail: Any = _Tail()
        self._stuck = self.registry.active() if is_stuck else None

    def send(self, door: str, items: Any) -> dict[str, Any]:
        active = self.registry.active() if self._stuck is None else self._stuck
        learned = tuple(LearnedScore(f"learned-{one.name}", one.version, 0.25, one.threshold, {"amount": 5.0}) for one in active)
        for item in items:
            self.sent += 1
            name = msgspec.json.decode(bytes(item))["id"]
            self.tail.decisions[name] = _Decided(learned)
        return {}

    def metrics(self, service: str) -> str:
        if service == "dashboard":
            return 'veilocity_rule_labelled_payments{rule="learned-boosting",outcome="confirmed"} 3\n'
        found = 'veilocity_rules_model_info{rule="learned-boosting",version="2"} 1\n'
        return found + 'veilocity_rules_model_drift{rule="learned-boosting",feature="x"} 0.3\n' if self.sent >= 200 else found

    def page(self, path: str) -> str:
        return f"http://dashboard{path}"


class _Decided(msgspec.Struct):
    learned: tuple[LearnedScore, ...]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(SHIPPED, tmp_path, NOW_MS)
    return tmp_path


@pytest.mark.parametrize("name", ["boosting", "autoencoder"])
def test_the_score_of_a_new_payment_is_told(folder: Path, name: str) -> None:
    (version,) = (model.version for model in Registry(folder).active() if model.name == name)
    found = scored_by(_Answering(folder), name)
    assert found.state is State.OK and f"{name} {version} gave a payment 0.2500" in found.sentence and "amount 5" in found.sentence


def _second(folder: Path) -> str:
    """Store boosting with another threshold, and return its version."""
    (entry,) = (one for one in Registry(SHIPPED).entries() if one.name == "boosting")
    model = from_bytes(Registry(SHIPPED).data(entry.name, entry.version))
    object.__setattr__(model, "threshold", 0.75)
    data = to_bytes(model)
    return Registry(folder).add(data, msgspec.structs.replace(entry.card, sha256=hashlib.sha256(data).hexdigest()))


@pytest.mark.parametrize("has_two", [False, True])
def test_versions_are_seen_to_change_and_what_was_in_force_is_again(folder: Path, *, has_two: bool) -> None:
    registry = Registry(folder)
    other = _second(folder) if has_two else "none of it"
    before = [(model.name, model.version) for model in registry.active()]
    found = swapped(_Answering(folder))
    assert found.state is State.OK and f"then from {other}, then" in found.sentence
    assert [(model.name, model.version) for model in registry.active()] == before
    assert [change.action for change in registry.history()[-2:]] == (["promote", "rollback"] if has_two else ["rollback", "promote"])


def test_a_service_that_takes_up_nothing_fails_and_the_version_is_put_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_PATIENCE_S", 0.05)
    before = [(model.name, model.version) for model in Registry(folder).active()]
    found = swapped(_Answering(folder, is_stuck=True))
    assert found.state is State.FAILED and "do not show it" in found.sentence
    assert [(model.name, model.version) for model in Registry(folder).active()] == before


def test_drift_and_precision_are_those_of_the_page_of_health(folder: Path) -> None:
    visit = _Answering(folder)
    found = watched(visit)
    assert visit.sent >= 200, "drift wants as many payments"
    assert "learned-boosting 2: drift at most 0.30 (x), 0 flags, right in 100 % of 3 labelled" in found.sentence
    assert found.sentence.endswith("http://dashboard/health")


def test_without_models_it_is_said_what_brings_them(tmp_path: Path) -> None:
    for found in (scored_by(_Answering(tmp_path), "boosting"), swapped(_Answering(tmp_path))):
        assert found.state is State.ABSENT and "veilocity models install" in found.sentence
