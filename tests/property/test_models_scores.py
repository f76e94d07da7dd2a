"""A score depends on its row alone, and the arrays of a model are the model that was trained."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rules.models.archive import from_bytes, to_bytes
from rules.models.features import FEATURES
from rules.models.training import Trained, fit_trees, train, trees_of
from tests.unit.models_world import QUICK, payments


@cache
def trained() -> Trained:
    return train(payments(), QUICK)


def _rows(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, len(FEATURES))) * 10.0 ** rng.integers(-3, 6, size=(count, len(FEATURES)))
    rows[rng.random(rows.shape) < rng.random()] = np.nan
    return rows


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.lists(st.integers(0, 200), max_size=8))
def test_any_split_into_batches_gives_the_same_scores_bit_for_bit(seed: int, count: int, cuts: list[int]) -> None:
    rows = _rows(seed, count)
    for model in (trained().boosting, trained().autoencoder):
        whole = model.score(rows)
        parts = [model.score(part) for part in np.split(rows, sorted(cut for cut in cuts if cut <= count))]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
        assert model.score(np.asfortranarray(rows)).tobytes() == whole.tobytes()
        single = np.concatenate([model.score(rows[number : number + 1]) for number in range(min(count, 20))])
        assert single.tobytes() == whole[:20].tobytes()
        assert np.all(np.isfinite(whole))


@given(st.integers(0, 2**32 - 1))
def test_the_raw_scores_are_scikit_learns_own(seed: int) -> None:
    classifier, rows = _classifier(), _rows(seed, 50)
    assert trees_of(classifier).raw(rows).tobytes() == classifier.decision_function(rows).tobytes()


@cache
def _classifier() -> Any:
    return fit_trees(payments(), QUICK.choices[0], QUICK.seed)


@given(st.integers(0, 2**32 - 1))
def test_a_model_that_was_stored_scores_as_before(seed: int) -> None:
    rows = _rows(seed, 20)
    for model in (trained().boosting, trained().autoencoder):
        again = from_bytes(to_bytes(model), "0001-00000000")
        assert again.score(rows).tobytes() == model.score(rows).tobytes()
        assert (again.version, again.threshold, again.reference) == ("0001-00000000", model.threshold, model.reference)
        assert to_bytes(again) == to_bytes(model)


@given(st.binary(max_size=40), st.integers(0, 2**20))
def test_a_damaged_file_is_refused_or_still_a_model(noise: bytes, place: int) -> None:
    from veilocity.errors import StateError

    data = to_bytes(trained().autoencoder)
    at = place % len(data)
    damaged = data[:at] + noise + data[at + len(noise) :]
    try:
        model = from_bytes(damaged)
    except StateError:
        return
    assert len(model.score(_rows(1, 3))) == 3
