"""The panels on a real Elasticsearch: their fields against the indices that are there, their answers against known ones.

For the answers the made-up day of `storage.kibana.trial` is written into indices of its own, with our mappings, which are removed again; no
document of yours is read or changed.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

from storage.elastic import translated
from storage.kibana.dashboards import DASHBOARDS
from storage.kibana.data_views import VIEWED
from storage.kibana.fields import UNUSABLE, fields_of
from storage.kibana.findings import Finding
from storage.kibana.questions import Question, Row
from storage.kibana.trial import trial
from storage.kinds import SEARCHABLE
from storage.mappings import alias, mapping

__all__ = ["alike", "check_answers", "check_fields", "trial_indices"]


def check_fields(client: Elasticsearch, prefix: str) -> list[Finding]:
    """Return every field of the data views that the indices lack, or have with another type.

    A kind without an index yet has nothing to differ in.

    Raises:
        StoreUnavailableError, SettingsError, StateError: see `storage.elastic.translated`.
    """
    found = []
    for kind in VIEWED:
        with translated():
            answer = client.field_caps(index=alias(prefix, kind), fields="*", ignore_unavailable=True, allow_no_indices=True)
        if not answer["indices"]:
            continue
        for name, expected in fields_of(kind).items():
            types = set(answer["fields"].get(name, {}))
            if types != {"keyword" if expected == UNUSABLE else expected}:
                there = ", ".join(sorted(types)) or "missing"
                found.append(Finding("fields", alias(prefix, kind), f"{name} should be {expected} and is {there}"))
    return found


def check_answers(client: Elasticsearch, prefix: str) -> list[Finding]:
    """Return every panel that Elasticsearch answers differently from plain Python.

    Raises:
        StoreUnavailableError, SettingsError, StateError: see `storage.elastic.translated`.
    """
    documents = trial()
    found = []
    with trial_indices(client, prefix) as names:
        for dashboard in DASHBOARDS:
            for question in dashboard.questions():
                rows, expected = ask(client, question, names[question.kind.name]), question.reckon(documents[question.kind.name])
                if not alike(rows, expected):
                    sentence = f"{question.name} should have {len(expected)} rows as in the known answer and has {len(rows)} that differ"
                    found.append(Finding("answers", dashboard.title, sentence))
    return found


@contextmanager
def trial_indices(client: Elasticsearch, prefix: str) -> Iterator[dict[str, str]]:
    """Give the names of indices, by kind, that hold the made-up day; they are removed in the end."""
    # Named so that no alias leads to them, and that the audit, which reads all that begins with the prefix, never takes them for records.
    mark = uuid.uuid4().hex[:12]
    names = {kind.name: f"kibana-trial-{prefix}-{kind.name}-{mark}" for kind in SEARCHABLE if kind.name in trial()}
    try:
        with translated():
            for kind in SEARCHABLE:
                if kind.name in names:
                    client.indices.create(index=names[kind.name], mappings=mapping(kind), settings={"number_of_replicas": 0})
            documents = ({"_index": names[kind], **document} for kind, made in trial().items() for document in made)
            bulk(client, documents, refresh=True)
        yield names
    finally:
        with translated():
            client.indices.delete(index=list(names.values()), ignore_unavailable=True)


def ask(client: Elasticsearch, question: Question, index: str) -> list[Row]:
    """Return what Elasticsearch answers."""
    with translated():
        answer: Any = client.search(index=index, **_arguments(question)).body
    return question.read(answer)


def _arguments(question: Question) -> dict[str, Any]:
    # The client calls what the body calls `_source` by another name.
    return {{"_source": "source"}.get(name, name): value for name, value in question.body.items()}


def alike(rows: list[Row], expected: list[Row]) -> bool:
    """Whether two answers are the same, figures to six digits: Elasticsearch keeps floats of four bytes.

    >>> alike([("EUR", 12.3000001)], [("EUR", 12.3)]), alike([("EUR", 12.4)], [("EUR", 12.3)])
    (True, False)
    """
    return len(rows) == len(expected) and all(
        len(row) == len(known) and all(_same(one, other) for one, other in zip(row, known, strict=True))
        for row, known in zip(rows, expected, strict=True)
    )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6)
    return bool(one == other)
