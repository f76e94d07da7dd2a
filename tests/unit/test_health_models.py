"""The learned rules on the page of health, and what labels say of them."""

from __future__ import annotations

import pytest

from dashboard.health_models import learned_rules
from dashboard.scraping import EMPTY
from storage.cases.labels import wilson
from storage.cases.learned import count_learned
from storage.cases.model import Label
from tests.e2e.health_world import scrapes

FRAUD, WRONG = Label.CONFIRMED_FRAUD, Label.FALSE_POSITIVE


def test_what_is_in_force_is_shown_with_its_labels_and_its_worst_drift() -> None:
    told = scrapes(1)
    quiet, busy = learned_rules(told["rules"], told["dashboard"])
    assert (busy.rule, busy.version, busy.flagged, busy.drift_feature, busy.drift) == (
        "learned-boosting",
        "0003-3f2a9c1d",
        61,
        "usual_place_km_log",
        0.31,
    )
    share = wilson(34, 40)
    assert (busy.precision, busy.low, busy.high) == (share.value, share.low, share.high)
    assert (quiet.precision, quiet.low, quiet.high, quiet.drift, quiet.drift_feature) == (None, 0.0, 1.0, None, "")


def test_what_is_not_in_force_is_not_shown() -> None:
    assert learned_rules(EMPTY, scrapes(1)["dashboard"]) == ()


def test_labels_count_for_every_learned_rule_that_a_payment_met() -> None:
    labelled = [
        (("learned-a", "learned-b", "far"), FRAUD),
        (("learned-a",), WRONG),
        (("far",), WRONG),
        (("learned-b", "learned-b"), FRAUD),
    ]
    found = count_learned(labelled)
    assert {rule: (share.hits, share.of) for rule, share in found.items()} == {"learned-a": (1, 2), "learned-b": (2, 2)}
    assert found["learned-a"].value == pytest.approx(0.5)
