"""What is judged is later than what was learned from, whenever the payments happened."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.models.splitting import GAP_MS, folds, split_in_time
from veilocity.errors import SettingsError

_HOUR_MS = 3_600_000


@st.composite
def _times(draw: st.DrawFn) -> np.ndarray:
    """Draw hours of up to two months, so densely that some lie beside every cut."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    days, count = draw(st.integers(1, 60)), draw(st.integers(1, 400))
    return rng.integers(0, days * 24, count) * _HOUR_MS


@given(_times())
def test_no_payment_that_judges_is_older_than_one_that_was_learned_from(event_ms: np.ndarray) -> None:
    try:
        split = split_in_time(event_ms)
    except SettingsError:
        return
    assert event_ms[split.train].max() + GAP_MS < event_ms[split.calibration].min()
    assert event_ms[split.calibration].max() + GAP_MS < event_ms[split.test].min()
    together = np.concatenate(split)
    assert len(np.unique(together)) == len(together)
    for rows in split:
        assert np.all(np.diff(event_ms[rows]) >= 0)


@given(_times(), st.integers(2, 5))
def test_folds_learn_from_what_is_older_than_what_they_are_judged_by(event_ms: np.ndarray, count: int) -> None:
    rows = np.flatnonzero(event_ms % (2 * _HOUR_MS) == 0)
    if not len(rows):
        return
    for fold in folds(event_ms, rows, count):
        assert set(fold.train) <= set(rows) and set(fold.judge) <= set(rows)
        if len(fold.train) and len(fold.judge):
            assert event_ms[fold.train].max() + GAP_MS < event_ms[fold.judge].min()


def test_too_short_a_time_is_said() -> None:
    with pytest.raises(SettingsError, match="at least two weeks"):
        split_in_time(np.arange(10, dtype=np.int64) * _HOUR_MS)
    with pytest.raises(SettingsError, match="no payment"):
        split_in_time(np.zeros(0, np.int64))
