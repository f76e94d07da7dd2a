"""The `$jsonSchema` validators of MongoDB, derived from the records, so that the two cannot drift apart.

MongoDB then refuses a document with a missing, unknown or mistyped field, whoever writes it.
"""

from __future__ import annotations

from typing import Any

from msgspec import inspect

from storage.documents import Place
from storage.kinds import Kind
from veilocity.geo import Interval

__all__ = ["Schema", "validator"]

Schema = dict[str, Any]

_NUMBER: Schema = {"bsonType": "number"}
"""Any number: a whole amount may arrive as an integer."""
_STRING: Schema = {"bsonType": "string"}


def validator(kind: Kind[Any]) -> Schema:
    """Return the validator of the kind's collection: every field required, none besides.

    >>> from storage.kinds import SAMPLES
    >>> sorted(validator(SAMPLES)["$jsonSchema"]["required"])
    ['_id', 'members', 'seen', 'seq']
    """
    fields = _fields(kind.record)
    fields["_id"] = fields.pop("id")
    fields.update(dict.fromkeys(kind.derived, _SCALARS[inspect.IntType]))
    return {"$jsonSchema": _object(fields)}


def _object(fields: dict[str, Schema]) -> Schema:
    return {"bsonType": "object", "required": sorted(fields), "additionalProperties": False, "properties": fields}


def _fields(record: type[Any]) -> dict[str, Schema]:
    described = inspect.type_info(record)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{record} is no record")
    return {field.encode_name: _schema(field.type) for field in described.fields}


_SCALARS: dict[type[inspect.Type], Schema] = {
    inspect.IntType: {"bsonType": ["int", "long"]},
    inspect.FloatType: _NUMBER,
    inspect.BoolType: {"bsonType": "bool"},
    inspect.StrType: _STRING,
}


def _schema(described: inspect.Type) -> Schema:
    match described:
        case inspect.UnionType(types=types):
            schema = _nullable(types)
        case inspect.StructType(cls=cls):
            schema = _SHAPES.get(cls) or _object(_fields(cls))
        case inspect.VarTupleType(item_type=item):
            schema = {"bsonType": "array", "items": _schema(item)}
        case inspect.DictType(value_type=value):
            schema = {"bsonType": "object", "additionalProperties": _schema(value)}
        case inspect.EnumType(cls=cls):
            schema = {"enum": sorted(member.value for member in cls)}
        case _:
            schema = _SCALARS[type(described)]
    return schema


def _nullable(types: tuple[inspect.Type, ...]) -> Schema:
    """Return the schema of `X | None`: `null` joins the allowed types, and constraints on objects do not concern it."""
    (described,) = (candidate for candidate in types if not isinstance(candidate, inspect.NoneType))
    schema = _schema(described)
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    allowed = schema["bsonType"]
    return {**schema, "bsonType": [*(allowed if isinstance(allowed, list) else [allowed]), "null"]}


_POINT = _object(
    {"type": {"enum": ["Point"]}, "coordinates": {"bsonType": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}},
)
_SHAPES: dict[type[Any], Schema] = {
    Place: _object({"cell": _STRING, "point": _POINT}),
    Interval: _object(dict.fromkeys(("low", "likely", "high"), _NUMBER)),
}
"""The records that `storage.kinds` gives another shape."""
