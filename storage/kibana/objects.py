"""The envelope of Kibana's saved objects: fixed ids, references by name, JSON that is the same bytes every time.

The versions are those that Kibana 9 itself writes into an export. They tell Kibana which migrations an object still needs; without them it
would take our objects for ones of its first versions. A newer Kibana migrates them, an older one refuses them.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CORE_VERSION", "TYPE_VERSIONS", "Json", "Reference", "SavedObject", "compact", "identity"]

Json = dict[str, Any]

CORE_VERSION = "8.8.0"
"""Of the envelope, since Kibana 8.8."""
TYPE_VERSIONS = {"index-pattern": "8.0.0", "search": "10.5.0", "map": "8.4.0", "dashboard": "10.3.0"}
"""Of the attributes; what lies by value in a dashboard has the dashboard's."""
_NAMESPACE = uuid.UUID("6f1d0c6e-6f3c-5d55-9f6b-7a4d2b0c1e90")
"""Ours alone. Changing it gives every object a new id, so that an import leaves the old ones beside the new."""


def identity(prefix: str, kind: str, name: str) -> str:
    """Return the id of an object: the same for the same names, everywhere (UUID version 5, RFC 9562).

    >>> identity("veilocity", "dashboard", "payments")
    'c68f69d1-00f7-536d-be58-5b57b2d32f2f'
    """
    return str(uuid.uuid5(_NAMESPACE, f"{prefix}/{kind}/{name}"))


def compact(value: Any) -> str:
    """Return JSON in one line with sorted keys.

    >>> compact({"b": 1, "a": "é"})
    '{"a":"é","b":1}'
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A link to another object, by the name that the attributes use for it."""

    type: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class SavedObject:
    """One object as an export holds it."""

    type: str
    id: str
    attributes: Json
    references: tuple[Reference, ...] = field(default=())

    def document(self) -> Json:
        """Return the object in the shape of one line of an export."""
        return {
            "type": self.type,
            "id": self.id,
            "attributes": self.attributes,
            "references": [{"type": each.type, "id": each.id, "name": each.name} for each in self.references],
            "managed": False,
            "coreMigrationVersion": CORE_VERSION,
            "typeMigrationVersion": TYPE_VERSIONS[self.type],
        }
