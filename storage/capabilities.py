"""What an Elasticsearch server can do beyond what every edition can, found by asking it and never by its version or licence.

The minimal distribution answers the address of a feature that it has not with 400 or 404. What is not there is not needed: indices are then
deleted by us. Data streams are told of and never used: they only append, and our documents are amended under an external version.
"""

from __future__ import annotations

from typing import Any

import msgspec
from elasticsearch import ApiError, Elasticsearch

from storage.elastic import translated
from storage.mappings import Mapping

__all__ = ["Capabilities", "ask_capabilities", "lifecycle_policy", "policy_name"]

_ABSENT = frozenset({400, 403, 404, 405, 500})
"""No such address, or none for our user; 500 from a build that has the address and not what answers it."""


class Capabilities(msgspec.Struct, frozen=True):
    """What one cluster can do."""

    version: str
    lifecycle: bool
    """Index lifecycle management: a policy deletes an index."""
    data_streams: bool


def ask_capabilities(client: Elasticsearch) -> Capabilities:
    """Ask a cluster.

    Raises:
        StoreUnavailableError: it does not answer.
    """
    with translated():
        # The minimal distribution does not answer at its root.
        nodes = client.nodes.info(filter_path="nodes.*.version")["nodes"]
        version = min(str(node["version"]) for node in nodes.values())
        return Capabilities(version, _answers(client, "/_ilm/status"), _answers(client, "/_data_stream"))


def policy_name(prefix: str) -> str:
    """Return the name of the policy that deletes an index.

    >>> policy_name("veilocity")
    'veilocity-retired'
    """
    return f"{prefix}-retired"


def lifecycle_policy() -> Mapping:
    """Return the policy that deletes an index at its next look; given to an index only once its documents are counted.

    An operator may add what an index must wait for, such as a snapshot (`wait_for_snapshot`): a policy that is there is not replaced.

    >>> sorted(lifecycle_policy()["phases"])
    ['delete']
    """
    policy: dict[str, Any] = {"phases": {"delete": {"min_age": "0ms", "actions": {"delete": {}}}}}
    return policy


def _answers(client: Elasticsearch, path: str) -> bool:
    try:
        client.perform_request("GET", path, headers={"accept": "application/json"})
    except ApiError as cause:
        if cause.status_code in _ABSENT:
            return False
        raise
    return True
