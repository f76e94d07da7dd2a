"""What a host needs of the engine: one call per event, and the bytes of a state.

A host keeps states, gives events and carries results. It knows nothing else of the judgement, so the Kafka service, Spark and a backtest
all host the same engine.
"""

from __future__ import annotations

from rules import codec
from rules.codec import dump, load
from rules.engine import Engine, Outcome
from rules.library import rule_book_of
from rules.subject import SubjectState
from veilocity.settings import Settings

__all__ = ["Engine", "Outcome", "SubjectState", "dump", "engine_of", "load", "newest_ns"]


def engine_of(settings: Settings) -> Engine:
    """Return the engine that the settings in force ask for."""
    return Engine(rule_book_of(settings))


def newest_ns(state: SubjectState | bytes) -> int:
    """Return the newest event time in a state."""
    return codec.newest_ns(state) if isinstance(state, bytes) else state.newest_ns
