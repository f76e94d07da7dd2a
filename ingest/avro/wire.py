"""Records as registries frame them: a zero, the schema's number in four bytes, the record in Avro. Pure.

Source: Confluent Schema Registry, "Wire format", which Apicurio and Karapace share.
"""

from __future__ import annotations

import datetime
import io
import struct
from typing import Any

from veilocity.errors import DependencyError, InvalidInputError, RejectReason

try:
    from fastavro import parse_schema, schemaless_reader, schemaless_writer
except ImportError as cause:
    raise DependencyError("Avro is not installed: install the extra, `pip install 'veilocity[avro]'`") from cause

__all__ = ["Schema", "frame", "open_frame", "read", "to_schema"]

Schema = Any
"""A schema as fastavro has parsed it."""
_MAGIC = 0
_HEADER = struct.Struct(">bI")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def to_schema(described: Any) -> Schema:
    """Return a schema ready for `frame` and `read`."""
    return parse_schema(described)


def frame(number: int, schema: Schema, record: dict[str, Any]) -> bytes:
    """Return a record in its frame.

    Args:
        number: of the schema in the registry.
        schema: by which it is written.
        record: has the schema's fields; those that are missing take their defaults.

    >>> frame(7, to_schema({"type": "record", "name": "A", "fields": [{"name": "a", "type": "long"}]}), {"a": 1}).hex()
    '000000000702'
    """
    out = io.BytesIO()
    out.write(_HEADER.pack(_MAGIC, number))
    schemaless_writer(out, schema, record)
    return out.getvalue()


def open_frame(value: bytes | None) -> tuple[int, bytes]:
    r"""Return the number of the schema and the bytes of the record.

    Raises:
        InvalidInputError: ``malformed``.

    >>> open_frame(bytes.fromhex("000000000702"))
    (7, b'\x02')
    """
    if value is None or len(value) <= _HEADER.size or value[0] != _MAGIC:
        raise InvalidInputError(
            RejectReason.MALFORMED, "a record must be in the frame of a schema registry: a zero, the schema's number, Avro"
        )
    return _HEADER.unpack_from(value)[1], value[_HEADER.size :]


def read(payload: bytes, schema: Schema) -> dict[str, Any]:
    """Return the fields of a record; times are integer milliseconds.

    Args:
        payload: the record in Avro.
        schema: by which it was written.

    Raises:
        InvalidInputError: ``undecodable``.
    """
    rest = io.BytesIO(payload)
    try:
        found = schemaless_reader(rest, schema, None)
    except Exception as cause:  # fastavro raises whatever the bytes lead it into
        raise _undecodable() from cause
    if not isinstance(found, dict) or rest.read(1):
        raise _undecodable()
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime.datetime):
        return (value - _EPOCH) // datetime.timedelta(milliseconds=1) if value.tzinfo else None
    return value


def _undecodable() -> InvalidInputError:
    return InvalidInputError(
        RejectReason.UNDECODABLE, "the record is not what its schema says: write it by the schema whose number it carries"
    )
