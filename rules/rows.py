"""Transactions as rows: half the bytes of their JSON, for the payments of every history.

An amended decision holds the whole transaction again, so it must be kept as long as the decision may change. A row is its values without
their names; values that a later version of the contract adds go at the end, so that older rows still can be read.
"""

from __future__ import annotations

from typing import Any

import msgspec

from veilocity.contracts import Transaction

__all__ = ["pack", "unpack"]


def _columns() -> list[Any]:
    return [
        (field.name, field.type) if field.required else (field.name, field.type, field.default)
        for field in msgspec.structs.fields(Transaction)
    ]


_Row = msgspec.defstruct("_Row", _columns(), array_like=True)
_decoder = msgspec.msgpack.Decoder(_Row)
_encode = msgspec.msgpack.Encoder().encode


def pack(transaction: Transaction) -> bytes:
    """Return a transaction as a row."""
    return _encode(msgspec.structs.astuple(transaction))


def unpack(row: bytes) -> Transaction:
    """Return the transaction of a row.

    Raises:
        msgspec.ValidationError: what was written is no row.
    """
    return Transaction(*msgspec.structs.astuple(_decoder.decode(row)))
