"""Records of `decisions` in Avro. Pure."""

from __future__ import annotations

import msgspec

from ingest.avro.wire import Schema, frame
from veilocity.contracts import Decision, decode

__all__ = ["SUBJECT_RECORD", "to_avro"]

SUBJECT_RECORD = Decision
"""What the schema is made from."""


def to_avro(value: bytes, number: int, schema: Schema) -> bytes:
    """Return a decision in the frame of the registry.

    Args:
        value: as it is on `decisions`.
        number: of the schema in the registry.
        schema: made from `Decision`.

    Raises:
        ContractError: that is no decision.
    """
    decision = decode(value, Decision)
    return frame(
        number,
        schema,
        msgspec.to_builtins(msgspec.structs.asdict(decision) | {"transaction": msgspec.structs.asdict(decision.transaction)}),
    )
