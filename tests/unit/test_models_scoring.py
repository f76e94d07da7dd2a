"""Learned rules beside written ones: what their scores make of decisions, how models are swapped, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pytest

from rules import Engine, default_rule_book
from rules.explain import explain_alert
from rules.models.drift import LEAST_ROWS, SCORE, Window, drift
from rules.models.features import FEATURES, FEATURES_VERSION
from rules.models.model import Floats, Model
from rules.models.reference import Reference, reference_of
from rules.models.scoring import Scorer
from rules.models.swap import LOOK_EVERY_S
from rules.models.verdict import Policy
from tests.unit.rules_world import LONDON, payment
from veilocity.contracts import Decision, Severity, Verdict
from veilocity.errors import StateError

SIGHT = Engine(default_rule_book()).sight
ROWS = np.random.default_rng(7).normal(size=(1_000, len(FEATURES)))
REFERENCE = reference_of(ROWS, ROWS[:, 0])
CLEAR = Decision(payment(0.0, LONDON, id="t1"), Verdict.CLEAR, 0.1, ("short",), {"low": "1"}, "a1", Severity.LOW)
FLAGGED = Decision(payment(0.0, LONDON, id="t2"), Verdict.FLAGGED, 0.9, ("far",), {"travel": "1"}, "a2", Severity.HIGH)


@dataclass
class First:
    """Scores a row by its first figure, and remembers how often it was asked."""

    name: str = "first"
    version: str = "1"
    kind: str = "boosting"
    threshold: float = 0.5
    features_version: int = FEATURES_VERSION
    reference: Reference = REFERENCE
    asked: list[int] = field(default_factory=list)
    broken: bool = False

    def score(self, rows: Floats) -> Floats:
        self.asked.append(len(rows))
        return rows[:-1, 0] if self.broken else np.nan_to_num(rows[:, 0], nan=0.0)


@dataclass
class Shelf:
    """A registry that says what it is told to say."""

    models: Sequence[Model] = ()
    number: int = 0
    fails: Exception | None = None

    def stamp(self) -> str:
        return str(self.number)

    def active(self) -> Sequence[Model]:
        if self.fails is not None:
            raise self.fails
        return self.models

    def promote(self, *models: Model) -> None:
        self.models, self.number = models, self.number + 1


def row(first: float) -> tuple[float, ...]:
    return (first, *(0.0,) * (len(FEATURES) - 1))


def scorer(*models: Model, policy: Policy = "shadow") -> Scorer:
    made = Scorer(Shelf(models), SIGHT, policy)
    made.look(0.0)
    return made


def test_without_a_model_decisions_leave_as_they_came() -> None:
    alone = scorer()
    assert not alone.is_scoring
    assert [one.decision for one in alone.answers([CLEAR], [row(9.0)])] == [CLEAR]


def test_in_the_shadow_a_score_changes_no_verdict() -> None:
    high, low, none = scorer(First()).answers([CLEAR, FLAGGED, CLEAR], [row(0.75), row(0.25), None])
    (score,) = high.decision.learned
    assert (score.rule, score.version, score.score, score.threshold) == ("learned-first", "1", 0.75, 0.5)
    assert high.decision == msgspec.structs.replace(CLEAR, learned=(score,), reasons=("short", "learned-first"))
    assert low.decision == msgspec.structs.replace(FLAGGED, learned=low.decision.learned)
    assert none.decision == CLEAR
    assert [one.alert for one in (high, low, none)] == [None] * 3


def test_under_verdict_a_learned_rule_flags_and_opens_an_alert_that_recomputes() -> None:
    made = scorer(First(), First(name="second", kind="autoencoder", threshold=0.25), policy="verdict")
    news, known = made.answers([CLEAR, FLAGGED], [row(0.75), row(0.75)])
    told = news.decision
    assert (told.verdict, told.severity, told.reasons) == (Verdict.FLAGGED, Severity.MEDIUM, ("learned-first", "learned-second", "short"))
    assert told.rule_versions == {"low": "1", "learned-first": "1", "learned-second": "1"}
    assert news.alert is not None
    # 0.75 / (0.75 + 0.25) of the autoencoder ties with the probability; the later name wins.
    assert (told.score, news.alert.rule, told.alert_id) == (0.75, "learned-second", news.alert.id)
    explained = explain_alert(news.alert)
    assert explained.recomputes
    assert not explain_alert(msgspec.structs.replace(news.alert, score=0.9)).recomputes
    assert (known.alert, known.decision.alert_id, known.decision.severity) == (None, "a2", Severity.HIGH)
    assert known.decision.reasons == ("far", "learned-first", "learned-second")


def test_a_later_answer_is_scored_and_opens_no_second_alert() -> None:
    (later,) = scorer(First(), policy="verdict").answers([msgspec.structs.replace(CLEAR, revision=2)], [row(0.75)])
    assert later.decision.verdict is Verdict.FLAGGED
    assert later.alert is None


def test_a_batch_is_one_call_of_each_model() -> None:
    model = First()
    made = scorer(model)
    model.asked.clear()
    made.answers([CLEAR] * 300, [row(number / 300) for number in range(300)])
    assert model.asked == [300]


def test_the_figures_farthest_from_training_explain_a_score() -> None:
    unusual = list(row(0.75))
    unusual[FEATURES.index("phone_km_log")] = 6.0
    unusual[FEATURES.index("payments_1h")] = -9.0
    unusual[FEATURES.index("hour_sin")] = np.nan
    (one,) = scorer(First()).answers([CLEAR], [tuple(unusual)])
    figures = one.decision.learned[0].figures
    assert list(figures)[:2] == ["payments_1h", "phone_km"]
    assert figures["phone_km"] == pytest.approx(np.expm1(6.0), rel=1e-5)


def test_a_promotion_is_taken_up_between_batches_and_not_before_it_is_asked_for() -> None:
    shelf = Shelf((First(),), 1)
    made = Scorer(shelf, SIGHT)
    made.look(0.0)
    shelf.promote(First(version="2"))
    made.look(LOOK_EVERY_S / 2)
    assert [model.version for model in made.models] == ["1"]
    made.look(LOOK_EVERY_S)
    assert [model.version for model in made.models] == ["2"]
    assert made.answers([CLEAR], [row(0.1)])[0].decision.learned[0].version == "2"


@pytest.mark.parametrize(
    "bad",
    [
        First(features_version=FEATURES_VERSION + 1),
        First(broken=True),
        First(threshold=float("nan")),
        First(reference=msgspec.structs.replace(REFERENCE, means=(0.0,), features=())),
    ],
)
def test_a_broken_model_is_refused_and_that_of_before_stays(bad: First) -> None:
    shelf = Shelf((First(),), 1)
    made = Scorer(shelf, SIGHT)
    made.look(0.0)
    shelf.promote(replace(bad, version="2"))
    made.look(1.0)
    assert [model.version for model in made.models] == ["1"]
    assert made.answers([CLEAR], [row(0.75)])[0].decision.learned[0].version == "1"
    shelf.promote(First(version="3"))
    made.look(2.0)
    assert [model.version for model in made.models] == ["3"]


def test_a_registry_that_cannot_be_read_is_asked_again() -> None:
    shelf = Shelf((First(),), 1, fails=StateError("damaged"))
    made = Scorer(shelf, SIGHT)
    made.look(0.0)
    assert not made.models
    shelf.fails = None
    made.look(1.0)
    assert not made.models
    made.look(60.0)
    assert [model.version for model in made.models] == ["1"]


def test_a_model_that_fails_on_payments_costs_only_its_own_scores() -> None:
    bad = First(name="bad")
    made = scorer(bad, First())
    bad.broken = True
    (one,) = made.answers([CLEAR], [row(0.75)])
    assert [score.rule for score in one.decision.learned] == ["learned-first"]
    assert [model.name for model in made.models] == ["first"]


def test_drift_is_told_of_what_moved_and_not_of_few_rows() -> None:
    recent = ROWS[: LEAST_ROWS * 2].copy()
    still = drift(REFERENCE, recent, recent[:, 0])
    assert set(still) == {*FEATURES, SCORE}
    assert max(still.values()) < 0.1
    recent[:, 3] += 1.0
    assert max(drift(REFERENCE, recent, recent[:, 0]).items(), key=lambda pair: pair[1])[0] == FEATURES[3]
    assert drift(REFERENCE, recent[:10], recent[:10, 0]) == {}


def test_a_window_keeps_the_newest_rows() -> None:
    window = Window(3, 1)
    window.add(np.array([[1.0], [2.0]]))
    window.add(np.array([[3.0], [4.0]]))
    assert sorted(window.rows[:, 0]) == [2.0, 3.0, 4.0]
    window.add(np.arange(10.0).reshape(-1, 1))
    assert sorted(window.rows[:, 0]) == [7.0, 8.0, 9.0]
