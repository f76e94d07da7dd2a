"""Avro schemas made from our records, so that there is one description of each. Pure.

Integers become `long`, floats `double`, enumerations `string`: Avro's own enumerations allow no dashes, and a new value would break readers
of before. What may be None is a union that begins with `null`, and its default is null. Source: Avro 1.12, "Schema Declaration".
"""

from __future__ import annotations

from typing import Any

import msgspec

from veilocity.errors import StateError

__all__ = ["NAMESPACE", "Payment", "avro_schema"]

NAMESPACE = "veilocity"
_PLAIN: dict[type[msgspec.inspect.Type], str] = {
    msgspec.inspect.StrType: "string",
    msgspec.inspect.EnumType: "string",
    msgspec.inspect.IntType: "long",
    msgspec.inspect.FloatType: "double",
    msgspec.inspect.BoolType: "boolean",
    msgspec.inspect.NoneType: "null",
}


class Payment(msgspec.Struct, frozen=True, gc=False):
    """A payment of another system, in the normal form of docs/http-api.md.

    Nothing is required by the schema, so that a row with gaps can be sent at all: what is missing is said in `rejects`.
    """

    id: str | None = None
    authorised_ms: int | None = None
    authorised_at: str | None = None
    amount: str | None = None
    """Decimal text in major units, `12.50`: a double has already lost what was written."""
    currency: str | None = None
    merchant: str | None = None
    category: str | None = None
    channel: str | None = None
    card: str | None = None
    device: str | None = None
    user: str | None = None
    device_type: str | None = None
    lat: float | None = None
    lon: float | None = None
    place_accuracy_m: float | None = None
    country: str | None = None


def avro_schema(record: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the Avro schema of a record.

    Raises:
        StateError: a field has a type that Avro has no word for.

    >>> avro_schema(msgspec.defstruct("Pair", [("name", str), ("count", int | None, None)]))["fields"]
    [{'name': 'name', 'type': 'string'}, {'name': 'count', 'type': ['null', 'long'], 'default': None}]
    """
    described: dict[str, Any] = _record(msgspec.inspect.type_info(record), set())
    return described


def _record(kind: Any, known: set[str]) -> Any:
    name = kind.cls.__name__
    if name in known:
        return f"{NAMESPACE}.{name}"
    known.add(name)
    return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": [_field(field, known) for field in kind.fields]}


def _field(field: msgspec.inspect.Field, known: set[str]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": field.name, "type": _type(field.type, known)}
    if not field.required:
        default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
        # As JSON has it: a tuple is no array to Avro.
        described["default"] = msgspec.json.decode(msgspec.json.encode(default))
    return described


def _type(kind: msgspec.inspect.Type, known: set[str]) -> Any:
    if type(kind) in _PLAIN:
        return _PLAIN[type(kind)]
    if isinstance(kind, msgspec.inspect.StructType):
        return _record(kind, known)
    if isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        return {"type": "array", "items": _type(kind.item_type, known)}
    if isinstance(kind, msgspec.inspect.DictType):
        return {"type": "map", "values": _type(kind.value_type, known)}
    if isinstance(kind, msgspec.inspect.UnionType):
        # Null first: a default must be of the first branch.
        return sorted((_type(one, known) for one in kind.types), key=lambda one: one != "null")
    raise StateError(f"Avro has no word for {type(kind).__name__}: describe it in ingest/avro/schemas.py")
