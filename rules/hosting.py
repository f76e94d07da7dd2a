"""What a host needs of the engine: one call per event, and the bytes of a state.

A host keeps states, gives events and carries results. It knows nothing else of the judgement, so the Kafka service, Spark and a backtest
all host the same engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from rules import codec
from rules.codec import dump, load
from rules.engine import Engine, Outcome
from rules.library import rule_book_of
from rules.subject import SubjectState
from veilocity.settings import Settings

if TYPE_CHECKING:
    from rules.models.scoring import Scorer
    from rules.models.verdict import Policy

__all__ = ["Engine", "Outcome", "SubjectState", "dump", "engine_of", "load", "newest_ns", "scorer_of"]


def engine_of(settings: Settings) -> Engine:
    """Return the engine that the settings in force ask for."""
    return Engine(rule_book_of(settings))


def scorer_of(settings: Settings, engine: Engine) -> Scorer | None:
    """Return the learned rules that the settings ask for, beside an engine; None where they ask for none."""
    if not settings.rules_models_dir:
        return None
    from rules.models.registry import Registry  # noqa: PLC0415  # a service without learned rules pays for none of it
    from rules.models.scoring import Scorer  # noqa: PLC0415  # as above

    return Scorer(Registry(Path(settings.rules_models_dir)), engine.sight, cast("Policy", settings.rules_models_policy))


def newest_ns(state: SubjectState | bytes) -> int:
    """Return the newest event time in a state."""
    return codec.newest_ns(state) if isinstance(state, bytes) else state.newest_ns
