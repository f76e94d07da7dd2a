"""Elasticsearch: the copy of masked documents that people search, on a map and over time.

Every document has its own id and an external version, so writing it again, or an older revision after a newer one, is answered by a
conflict that means "done already". A later answer to a payment is put into the document that is there, which is then written whole with the
answer's revision as its version, because a partial update knows no external version. Only what every edition of Elasticsearch has is used:
no scripts, pipelines or by-query calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
from elastic_transport import TransportError
from elasticsearch import ApiError, AuthenticationException, AuthorizationException, Elasticsearch

from storage.chunks import Answer, ChunkLimit, Step, Work
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
_LARGE_BYTES = 1024 * 1024
"""A server, or what is in front of it, that finds less too large for a request is not set up for us."""
_LOOKED_AT = "items.*.status,items.*.error.type"
"""Of the answer, which is a fifth as long then."""
_CONFLICT = 409
_BAD_REQUEST = 400
_TOO_LARGE = 413
_WRITTEN = 300
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_NO_INDEX = "index_not_found_exception"
_BLOCKED = "cluster_block_exception"
"""Read-only because a disk is full, or an index is about to be deleted: passes when somebody makes room, or it is gone."""
_PASSING_REASONS = frozenset({_BLOCKED, "index_closed_exception", "validation_exception"})
"""Faults of an index or the cluster that come as if the document were wrong: somebody has closed the index, or the month's new index
would be one shard more than the cluster allows (a setting). The documents are good, so they wait."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One document for the bulk interface."""

    kind: str
    id: str
    seq: int
    action: bytes
    source: bytes

    @property
    def size(self) -> int:
        return len(self.action) + len(self.source)


class _Amendment(msgspec.Struct, frozen=True):
    """A later answer; about as long as the payment that it is put into."""

    answer: MaskedAmendment
    size: int = 1_000


class ElasticStore:
    """The writing half; for one thread."""

    def __init__(self, settings: Settings, *, request_timeout_s: float = 30.0) -> None:
        self._prefix = settings.elasticsearch_index_prefix
        self._client = connect(settings, request_timeout_s=request_timeout_s)
        self._limit = ChunkLimit(_CHUNK_DOCUMENTS, _CHUNK_BYTES)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def begin(self, batch: MaskedBatch) -> Work:
        """Return the writing of what people search, which has yet to be done.

        Guarantee: once it is done, whatever was written before or is written meanwhile, each id holds the highest version offered.
        """
        return Work(partial(self._steps, batch))

    def write(self, batch: MaskedBatch) -> list[Refusal]:
        """Write what people search; return what was refused for good.

        Raises:
            StoreUnavailableError: Elasticsearch does not answer, or cannot take something now; writing it again is safe.
        """
        return self.begin(batch).go_on()

    def _steps(self, batch: MaskedBatch, refused: list[Refusal]) -> Iterator[Step[Any]]:
        yield Step(self._lines(batch, refused), self._send, self._limit)
        yield Step(map(_Amendment, batch.amendments), self._amend, self._limit)

    def _lines(self, batch: MaskedBatch, refused: list[Refusal]) -> Iterator[_Line]:
        """Give the documents, each made when its chunk is; what cannot be JSON is refused here, or it would take its chunk along."""
        kinds: tuple[tuple[Kind[Any], Sequence[Any]], ...] = (
            (TRANSACTIONS, batch.transactions),
            (ALERTS, batch.alerts),
            (RELEASES, batch.releases),
            (GROUPS, batch.groups),
            (AGGREGATES, batch.aggregates),
        )
        for kind, records in kinds:
            for record in records:
                try:
                    line = self._line(kind, to_document(kind, record))
                except (UnicodeError, OverflowError) as cause:
                    refused.append(Refusal(ELASTICSEARCH, kind.name, record.id, record.seq, type(cause).__name__))
                else:
                    yield line

    def _amend(self, amendments: list[_Amendment]) -> Answer[_Amendment]:
        """Replace the answers of payments by higher revisions; a payment that is not there is not made.

        Reading and writing are two steps: only the privacy stage writes, and its folder's lock lets no second one in.
        """
        answers = {one.answer.id: one for one in amendments}
        places = [{"_index": self._month_of(one.answer), "_id": one.answer.id} for one in amendments]
        with translated():
            # By id, so what was just written is found without a refresh.
            found = _whole(self._client.mget(docs=places).body, "docs", len(places))
        lines = []
        for one, answer in zip(amendments, found, strict=True):
            known, amendment = _source_of(answer), one.answer
            if known is not None and known.get("revision", 1) < amendment.revision:
                document = {**known, **amended_fields(amendment), "_id": amendment.id}
                lines.append(self._line(TRANSACTIONS, document))
        if not lines:
            return Answer()
        said = self._send(lines)
        return Answer([answers[line.id] for line in said.later], [replace(one, kind=AMENDMENTS) for one in said.refused], said.why)

    def _month_of(self, amendment: MaskedAmendment) -> str:
        return index_name(self._prefix, TRANSACTIONS, month(amendment.minute_ms))

    def _line(self, kind: Kind[Any], document: Document) -> _Line:
        for name in kind.unsearched:
            document.pop(name, None)
        identity = document.pop("_id")
        where = index_name(self._prefix, kind, month(document["minute_ms"]))
        # What is never amended has one version.
        action = {"index": {"_index": where, "_id": identity, "version": document.get("revision", 1), "version_type": "external"}}
        return _Line(kind.name, identity, document["seq"], msgspec.json.encode(action), msgspec.json.encode(document))

    def _send(self, lines: list[_Line]) -> Answer[_Line]:
        body = b"\n".join(part for line in lines for part in (line.action, line.source))
        try:
            with translated():
                answer = self._client.bulk(
                    operations=[body],  # type: ignore[list-item]  # bytes go as they are, which the annotation does not say
                    filter_path=_LOOKED_AT,
                )
        except _TooLargeError as cause:
            if len(lines) > 1:
                raise StoreUnavailableError("Elasticsearch, or what is in front of it, wants smaller requests") from cause
            (line,) = lines
            if line.size < _LARGE_BYTES:
                raise
            return Answer(refused=[Refusal(ELASTICSEARCH, line.kind, line.id, line.seq, "too large for one request")])
        results = _whole(answer.body, "items", len(lines))
        return _judged(zip(lines, (result["index"] for result in results), strict=True))


def _whole(body: Any, name: str, count: int) -> list[Document]:
    """Return the answers to so many documents.

    Raises:
        StoreUnavailableError: they are not all there: a connection that breaks within the head of an answer leaves one without a body.
    """
    answers = body.get(name) if isinstance(body, dict) else None
    if not isinstance(answers, list) or len(answers) != count:
        raise StoreUnavailableError("Elasticsearch's answer is not whole")
    return answers


class _TooLargeError(StateError):
    """One request is larger than Elasticsearch, or a proxy in front of it, takes."""


def _judged(results: Iterable[tuple[_Line, Document]]) -> Answer[_Line]:
    """Sort documents that are there already or written from those that must wait, and those that are refused for good.

    Raises:
        StateError: what is wrong is no document.
    """
    later: list[_Line] = []
    refused: list[Refusal] = []
    why = ""
    for line, result in results:
        status = result["status"]
        if status < _WRITTEN or status == _CONFLICT:
            continue
        reason = result.get("error", {}).get("type", "unknown")
        if status in _PASSING or reason in _PASSING_REASONS:
            later.append(line)
            why = why or f"Elasticsearch cannot write now ({status} {reason})"
        elif status == _BAD_REQUEST:
            refused.append(Refusal(ELASTICSEARCH, line.kind, line.id, line.seq, reason))
        else:
            raise StateError(f"Elasticsearch refuses to write ({status} {reason}): see docs/stores.md")
    return Answer(later, refused, why)


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
        if cause.status_code == _TOO_LARGE:
            message = "Elasticsearch, or a proxy in front of it, takes no request of a megabyte: raise `http.max_content_length` there"
            raise _TooLargeError(message) from cause
        if cause.status_code in _PASSING or cause.error in _PASSING_REASONS:
            raise StoreUnavailableError(f"Elasticsearch cannot serve now ({cause.status_code} {cause.error})") from cause
        raise StateError(f"Elasticsearch refuses a request ({cause.status_code} {cause.error}): see docs/stores.md") from cause
    except TransportError as cause:
        raise StoreUnavailableError(f"Elasticsearch does not answer ({type(cause).__name__}): is it running?") from cause
