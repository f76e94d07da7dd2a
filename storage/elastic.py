"""Elasticsearch: the copy of masked documents that people search, on a map and over time.

Every document has its own id and an external version, so writing it again, or an older revision after a newer one, is answered by a
conflict that means "done already". A later answer to a payment is put into the document that is there, which is then written whole with the
answer's revision as its version, because a partial update knows no external version. Only what every edition of Elasticsearch has is used:
no scripts, pipelines or by-query calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, AuthenticationException, AuthorizationException, Elasticsearch
from elasticsearch.helpers import streaming_bulk

from storage.documents import MaskedAmendment, MaskedBatch
from storage.kinds import (
    AGGREGATES,
    ALERTS,
    AMENDMENTS,
    GROUPS,
    RELEASES,
    TRANSACTIONS,
    Document,
    Kind,
    amended_fields,
    month,
    to_document,
)
from storage.mappings import index_name
from storage.refusals import Refusal
from veilocity.errors import SettingsError, StateError, StoreUnavailableError
from veilocity.settings import Settings

__all__ = ["ELASTICSEARCH", "ElasticStore", "connect", "translated"]

ELASTICSEARCH = "elasticsearch"
_CHUNK_BYTES = 4 * 1024 * 1024
"""Elasticsearch's own advice is 5 to 15 MB; less keeps a small heap calm."""
_CHUNK_DOCUMENTS = 1_000
_CONFLICT = 409
_BAD_REQUEST = 400
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_NO_INDEX = "index_not_found_exception"
_BLOCKED = "cluster_block_exception"
"""Read-only because a disk is full: passes when somebody makes room."""


class ElasticStore:
    """The writing half; every method may be repeated, and raises `StoreUnavailableError` when Elasticsearch does not answer."""

    def __init__(self, settings: Settings, *, request_timeout_s: float = 30.0) -> None:
        self._prefix = settings.elasticsearch_index_prefix
        self._client = connect(settings, request_timeout_s=request_timeout_s)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def write(self, batch: MaskedBatch) -> list[Refusal]:
        """Write what people search; return what was refused for good.

        Guarantee: afterwards, whatever was written before or is written meanwhile, each id holds the highest version offered.
        """
        actions = [
            *(self._action(TRANSACTIONS, to_document(TRANSACTIONS, record), record.revision) for record in batch.transactions),
            *(self._action(ALERTS, to_document(ALERTS, record), record.revision) for record in batch.alerts),
            *(self._action(RELEASES, to_document(RELEASES, record), 1) for record in batch.releases),
            *(self._action(GROUPS, to_document(GROUPS, record), 1) for record in batch.groups),
            *(self._action(AGGREGATES, to_document(AGGREGATES, record), 1) for record in batch.aggregates),
        ]
        refused = self._index(actions)
        for start in range(0, len(batch.amendments), _CHUNK_DOCUMENTS):
            refused += self._amend(batch.amendments[start : start + _CHUNK_DOCUMENTS])
        return refused

    def _amend(self, amendments: Sequence[MaskedAmendment]) -> list[Refusal]:
        """Replace the answers of payments by higher revisions; a payment that is not there is not made.

        Reading and writing are two steps: only the privacy stage writes, and its folder's lock lets no second one in.
        """
        places = [{"_index": self._month_of(amendment), "_id": amendment.id} for amendment in amendments]
        with translated():
            # By id, so what was just written is found without a refresh.
            answers = self._client.mget(docs=places)["docs"]
        actions = []
        for amendment, answer in zip(amendments, answers, strict=True):
            known = _source_of(answer)
            if known is not None and known.get("revision", 1) < amendment.revision:
                document = {**known, **amended_fields(amendment), "_id": amendment.id}
                actions.append(self._action(TRANSACTIONS, document, amendment.revision))
        return [replace(refusal, kind=AMENDMENTS) for refusal in self._index(actions)]

    def _month_of(self, amendment: MaskedAmendment) -> str:
        return index_name(self._prefix, TRANSACTIONS, month(amendment.minute_ms))

    def _index(self, actions: list[Document]) -> list[Refusal]:
        refused: list[Refusal] = []
        with translated():
            results = streaming_bulk(
                self._client,
                actions,
                chunk_size=_CHUNK_DOCUMENTS,
                max_chunk_bytes=_CHUNK_BYTES,
                raise_on_error=False,
                max_retries=0,
            )
            for action, (written, result) in zip(actions, results, strict=True):
                refusal = None if written else self._judge(action, result["index"])
                if refusal is not None:
                    refused.append(refusal)
        return refused

    def _action(self, kind: Kind[Any], document: Document, version: int) -> Document:
        for name in kind.unsearched:
            document.pop(name, None)
        return {
            "_op_type": "index",
            "_index": index_name(self._prefix, kind, month(document["minute_ms"])),
            "_id": document.pop("_id"),
            "version": version,
            "version_type": "external",
            "_source": document,
        }

    def _judge(self, action: Document, result: Document) -> Refusal | None:
        """Tell a document that is there already (None) from one that is refused for good; anything else ends the attempt."""
        status = result["status"]
        if status == _CONFLICT:
            return None
        fault = result.get("error", {})
        reason = fault.get("type", "unknown") if isinstance(fault, dict) else "unknown"
        if status in _PASSING or reason == _BLOCKED:
            raise StoreUnavailableError(f"Elasticsearch cannot write now ({status} {reason})")
        if status != _BAD_REQUEST:
            raise StateError(f"Elasticsearch refuses to write ({status} {reason}): see docs/stores.md")
        kind = action["_index"].removeprefix(f"{self._prefix}-").partition("-")[0]
        return Refusal(ELASTICSEARCH, kind, action["_id"], action["_source"]["seq"], reason)


def _source_of(answer: Document) -> Document | None:
    """Return a document of a multi-get, None where there is none.

    Raises:
        StoreUnavailableError: it cannot be read now.
    """
    fault = answer.get("error")
    if fault is not None and fault["type"] != _NO_INDEX:
        raise StoreUnavailableError(f"Elasticsearch cannot read now ({fault['type']})")
    return answer["_source"] if answer.get("found") else None


def connect(settings: Settings, *, request_timeout_s: float) -> Elasticsearch:
    """Return a client; it connects when it is first used.

    Args:
        settings: where Elasticsearch is.
        request_timeout_s: how long one answer may take.

    Raises:
        SettingsError: the address cannot be read.
    """
    user = settings.elasticsearch_username
    try:
        return Elasticsearch(
            settings.elasticsearch_url,
            basic_auth=(user, settings.elasticsearch_password.get_secret_value()) if user else None,
            request_timeout=request_timeout_s,
            # Repeating is `storage.patience`'s work, which also knows when to stop.
            max_retries=0,
        )
    except ValueError as cause:
        raise SettingsError("VEILOCITY_ELASTICSEARCH_URL is not an address: write http://HOST:PORT") from cause


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the client raises into our errors.

    Raises:
        StoreUnavailableError: Elasticsearch does not answer, or says "not now".
        SettingsError: it refuses our user.
        StateError: it refuses what we ask.
    """
    try:
        yield
    except (AuthenticationException, AuthorizationException) as cause:
        if cause.error == _BLOCKED:
            raise StoreUnavailableError("Elasticsearch is read-only: is its disk full?") from cause
        message = "Elasticsearch refuses the user: check VEILOCITY_ELASTICSEARCH_USERNAME, _PASSWORD and the user's rights"
        raise SettingsError(message) from cause
    except ApiError as cause:
        if cause.status_code in _PASSING:
            raise StoreUnavailableError(f"Elasticsearch cannot serve now ({cause.status_code} {cause.error})") from cause
        raise StateError(f"Elasticsearch refuses a request ({cause.status_code} {cause.error}): see docs/stores.md") from cause
    except TransportError as cause:
        raise StoreUnavailableError(f"Elasticsearch does not answer ({type(cause).__name__}): is it running?") from cause
