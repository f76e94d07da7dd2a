"""Which models are in force, looked up in the registry between batches: the running service changes them without a restart.

A registry that cannot be read, or a model that does not score what it should, changes nothing: what was in force stays, and the refusal is
counted, logged, and tried again. Either all models of the registry are taken up or none, so two are never of different promotions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rules.models import telemetry
from rules.models.features import FEATURES, FEATURES_VERSION
from rules.models.model import Model
from rules.models.verdict import learned_scores
from veilocity.errors import StateError, VeilocityError
from veilocity.logs import get_logger

__all__ = ["LOOK_EVERY_S", "InForce", "Source", "check"]

_log = get_logger(__name__)
LOOK_EVERY_S = 0.25
"""A promotion is taken up within this time, and one file is asked for its age so often."""
_TRY_AGAIN_S = 30.0
"""After a refusal, as long as the registry says nothing new."""


class Source(Protocol):
    """Where models come from: `rules.models.registry.Registry`, or a test's own."""

    def stamp(self) -> str:
        """Return what changes whenever other models are in force."""

    def active(self) -> Sequence[Model]:
        """Return the models that shall be in force."""


class InForce:
    """The models that score."""

    def __init__(self, source: Source) -> None:
        """Begin without any; `look` takes them up."""
        self._source = source
        self._stamp: str | None = None
        self._refused: str | None = None
        self._next_s = self._again_s = float("-inf")
        self.models: tuple[Model, ...] = ()

    def look(self, now_s: float) -> bool:
        """Take up what the registry says; say whether other models are in force now.

        Args:
            now_s: monotonic time.
        """
        if now_s < self._next_s:
            return False
        self._next_s = now_s + LOOK_EVERY_S
        reason, stamp = "registry", None
        try:
            stamp = self._source.stamp()
            if stamp == self._stamp or (stamp == self._refused and now_s < self._again_s):
                return False
            models = tuple(self._source.active())
            reason = "model"
            check(models)
        except (VeilocityError, OSError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as cause:
            # A file that somebody put there: the payments must be judged all the same.
            self._refused, self._again_s, self._next_s = stamp, now_s + _TRY_AGAIN_S, now_s + LOOK_EVERY_S
            telemetry.refused(reason)
            _log.error("Learned rules were refused, those of before stay in force", reason=reason, error=str(cause))
            return False
        self._stamp, self._refused, self.models = stamp, None, models
        telemetry.in_force(models)
        telemetry.swapped()
        for model in models:
            _log.info("A learned rule is in force", rule=model.name, version=model.version)
        return True

    def drop(self, model: Model) -> None:
        """Let a model no longer score: it failed on payments."""
        self.models = tuple(one for one in self.models if one is not model)
        telemetry.in_force(self.models)
        telemetry.refused("payments")
        _log.error(
            "A learned rule failed on payments and is out of force until another is promoted", rule=model.name, version=model.version
        )


def check(models: Sequence[Model]) -> None:
    """Let each model score two rows, one of them unknown in every figure.

    Raises:
        StateError: a model was trained on other features, or gives something else than one number per row.
    """
    probe = np.vstack([np.full(len(FEATURES), np.nan), np.zeros(len(FEATURES))])
    for model in models:
        if model.features_version != FEATURES_VERSION:
            raise StateError("a model was trained on another version of the features: train it anew, then promote that")
        if len(model.reference.features) != len(FEATURES) or len(model.reference.means) != len(FEATURES):
            raise StateError("a model does not carry what its training rows were like: train it anew, then promote that")
        if None in learned_scores(model, probe) or not np.isfinite(model.threshold):
            raise StateError("a model gives scores that are no numbers: train it anew, then promote that")
