"""What a host needs of the engine: one call per event, and the bytes of a state.

A host keeps states, gives events and carries results. It knows nothing else of the judgement, so the Kafka service, Spark and a backtest
all host the same engine.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

import msgspec

from rules.engine import evaluate
from rules.parameters import EngineParameters
from rules.state import SubjectState
from veilocity.contracts import Alert, Decision, Fix, Transaction
from veilocity.errors import StateError
from veilocity.settings import Settings

__all__ = ["Engine", "Outcome", "SubjectState", "dump", "engine_of", "load", "newest_ns"]

_STATE_VERSION = 1
_VERSION = bytes((_STATE_VERSION,))
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SubjectState)


class Outcome(NamedTuple):
    """What follows from one event."""

    counted: str
    """The counter of `RulesProgress` that the event belongs to."""
    decisions: tuple[Decision, ...]
    alerts: tuple[Alert, ...]


class Engine(Protocol):
    """The judgement."""

    @property
    def version(self) -> str:
        """Changes whenever the same input could be judged differently."""

    def process(self, state: SubjectState, event: Fix | Transaction) -> Outcome:
        """Bring the state up to date and return what follows.

        Raises:
            InvalidInputError: the event cannot be; the state is as it was.
        """


class _Engine:
    """The judgement under one set of parameters."""

    def __init__(self, parameters: EngineParameters) -> None:
        """Keep the parameters; they are part of the version."""
        self._parameters = parameters
        self.version = hashlib.blake2b(repr(parameters).encode(), digest_size=6).hexdigest()

    def process(self, state: SubjectState, event: Fix | Transaction) -> Outcome:
        """Judge one event."""
        outcome = evaluate(state, event, self._parameters)
        return Outcome(outcome.counted, () if outcome.decision is None else (outcome.decision,), outcome.alerts)


def engine_of(settings: Settings) -> Engine:
    """Return the engine that the settings in force ask for."""
    return _Engine(EngineParameters.from_settings(settings))


def dump(state: SubjectState) -> bytes:
    """Return the state as bytes: the same state gives the same bytes."""
    return _VERSION + _encoder.encode(state)


def load(data: bytes) -> SubjectState:
    """Read what `dump` wrote.

    Raises:
        StateError: written by a newer version, or damaged.
    """
    if not data or data[0] > _STATE_VERSION:
        raise StateError("rules-state was written by a newer version: upgrade the rules service")
    try:
        return _decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as cause:
        raise StateError("rules-state holds a damaged state: restore the topic, or delete it and replay the input topics") from cause


def newest_ns(state: SubjectState | bytes) -> int:
    """Return the newest event time in a state."""
    return (load(state) if isinstance(state, bytes) else state).newest_ns
