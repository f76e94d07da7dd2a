"""What Elasticsearch's templates and indices are now: made by the program at start, and what the cluster says of its history.

Making them again changes nothing. The history is kept in `_meta` of the component template of settings: it is part of the cluster's state,
written and read in one piece, and no index has to be there for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from storage.elastic import translated
from storage.kinds import SEARCHABLE, Kind
from storage.mappings import MAPPING_VERSION, alias, component_names, components, index_name, mapping, patterns, template
from veilocity.errors import StateError

__all__ = ["declared", "ensure_templates", "extend_mapping", "read_meta", "refuse_newer_mappings", "write_meta"]

Meta = dict[str, Any]


def declared() -> dict[str, Any]:
    """Return all that `ensure_templates` makes, for a checksum; the prefix is left out."""
    return {"components": components(""), "templates": {kind.name: template("", kind) for kind in SEARCHABLE}}


def read_meta(client: Elasticsearch, prefix: str) -> Meta:
    """Return what the cluster says of its history, empty where it says nothing.

    Raises:
        StoreUnavailableError: Elasticsearch does not answer.
    """
    name = component_names(prefix)[0]
    with translated():
        try:
            found = client.cluster.get_component_template(name=name)
        except NotFoundError:
            return {}
        meta: Meta = found["component_templates"][0]["component_template"].get("_meta", {})
        return meta


def write_meta(client: Elasticsearch, prefix: str, meta: Mapping[str, Any]) -> None:
    """Keep the history, and make today's settings with it."""
    name = component_names(prefix)[0]
    with translated():
        client.cluster.put_component_template(name=name, template=components(prefix)[name], version=MAPPING_VERSION, meta=meta)


def refuse_newer_mappings(client: Elasticsearch, prefix: str) -> None:
    """Stop before the templates of a newer program are replaced.

    Raises:
        StateError: a template is of a newer version.
        StoreUnavailableError: Elasticsearch does not answer.
    """
    for kind in SEARCHABLE:
        version = _version(client, alias(prefix, kind))
        if version > MAPPING_VERSION:
            raise StateError(
                f"Elasticsearch has mappings of version {version}, this program knows {MAPPING_VERSION}: upgrade it, "
                "or set VEILOCITY_ELASTICSEARCH_INDEX_PREFIX to another prefix"
            )


def ensure_templates(client: Elasticsearch, prefix: str, meta: Mapping[str, Any]) -> None:
    """Make the templates and the indices that are not cut by month, and give older indices the fields they lack.

    Args:
        client: of the cluster.
        prefix: of all names.
        meta: the history, kept with the templates.

    Raises:
        StateError: a template is of a newer version.
        StoreUnavailableError: Elasticsearch does not answer.
    """
    refuse_newer_mappings(client, prefix)
    settings, fields = component_names(prefix)
    with translated():
        client.cluster.put_component_template(name=fields, template=components(prefix)[fields], version=MAPPING_VERSION)
        if not client.cluster.exists_component_template(name=settings):
            client.cluster.put_component_template(name=settings, template=components(prefix)[settings], version=MAPPING_VERSION)
        for kind in SEARCHABLE:
            name = alias(prefix, kind)
            version = _version(client, name)
            client.indices.put_index_template(name=name, **template(prefix, kind))
            if version and version < MAPPING_VERSION:
                extend_mapping(client, prefix, kind, mapping(kind)["properties"])
            if not kind.monthly:
                _ensure_index(client, index_name(prefix, kind, ""))
    # Last, so that it says what is there.
    write_meta(client, prefix, meta)


def extend_mapping(client: Elasticsearch, prefix: str, kind: Kind[Any], fields: Iterable[str]) -> None:
    """Give every index of the kind some of its fields; those it has stay as they are."""
    wanted = mapping(kind)
    with translated():
        client.indices.put_mapping(
            index=patterns(prefix, kind),
            dynamic=wanted["dynamic"],
            properties={name: wanted["properties"][name] for name in fields},
            meta=wanted["_meta"],
            allow_no_indices=True,
        )


def _ensure_index(client: Elasticsearch, name: str) -> None:
    if client.indices.exists(index=name):
        return
    try:
        client.indices.create(index=name)
    except BadRequestError as cause:
        if cause.error != "resource_already_exists_exception":
            raise


def _version(client: Elasticsearch, name: str) -> int:
    """Return the version of a template in the cluster, 0 where there is none."""
    with translated():
        try:
            found = client.indices.get_index_template(name=name)
        except NotFoundError:
            return 0
        return int(found["index_templates"][0]["index_template"].get("version", 0))
