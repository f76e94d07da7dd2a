"""What the privacy soak must end with, judged from the input and the key ring: nothing below k, nothing raw, nothing lost or doubled.

Every payment that was written must be one document in each store under the token that the ring gives it, with its newest answer; every
alert likewise; every released class is counted again from its members, in both stores; the counters of the stage are those of the input;
and the auditor, who knows neither, must find no fault. Under a policy that stores no payments counters, classes and auditor are left.

Ids are compared by their first 64 of 128 bits: among 20 million of them two are alike by accident with probability below 1e-5.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from numpy.typing import NDArray
from pymongo import MongoClient

from benchmarks.privacy_soak_classes import Fitting, too_small
from benchmarks.privacy_soak_world import Plan, Truth, known_identifiers
from privacy.audit import KnownIdentifiers, audit_stores
from privacy.audit.run import limits_of
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.policies.catalogue import SINKS
from privacy.policy import compiled_policy
from privacy.tokens import TokenKind
from storage.census import take_census
from storage.documents import Progress
from storage.kinds import ALERTS, RELEASES, TRANSACTIONS, Document, Kind
from storage.mappings import alias
from veilocity.cli.conservation import Figures, State, conservation
from veilocity.settings import Settings

__all__ = ["Balance", "Verdict", "judge", "weighed", "weighed_counters"]

_CHUNK = 100_000
_PAGE = 5_000
_SOME_PAYMENTS = 2_000
_Ids = NDArray[np.uint64]


class Balance(msgspec.Struct, frozen=True):
    """What is missing and what is too much of one thing."""

    what: str
    lost: int
    doubled: int


class Verdict(msgspec.Struct):
    """What was found."""

    balances: list[Balance]
    classes: int
    """Released, in MongoDB."""
    classes_below_k: int
    """In either store, by their members, and by the input; and the faults of the auditor's check."""
    classes_fitted: int
    """Held against the input."""
    identifiers_found: int
    """By the auditor, and in what the stage leaves outside the stores."""
    faults: list[str]
    """Everything wrong, a sentence each; no values."""
    progress: Progress

    @property
    def lost(self) -> int:
        """Records and counts that are missing."""
        return sum(balance.lost for balance in self.balances)

    @property
    def doubled(self) -> int:
        """Records and counts that are too much."""
        return sum(balance.doubled for balance in self.balances)

    @property
    def passed(self) -> bool:
        """Whether nothing at all is wrong."""
        return not (self.lost or self.doubled or self.classes_below_k or self.identifiers_found or self.faults)


def weighed(what: str, expected: _Ids, found: _Ids) -> Balance:
    """Compare a set of ids with a list of them.

    >>> ids = lambda *numbers: np.array(numbers, dtype=np.uint64)
    >>> weighed("payments", ids(1, 2, 3), ids(2, 3, 3, 9))
    Balance(what='payments', lost=1, doubled=2)
    """
    distinct = np.unique(found)
    known = int(np.isin(distinct, expected, assume_unique=True).sum())
    return Balance(what, len(expected) - known, len(found) - known)


def weighed_counters(truth: Truth, progress: Progress, *, stored: bool = True) -> list[Balance]:
    """Compare what the stage counted with what was written, and its five fates of a payment with their sum.

    Args:
        truth: of the blocks that were written.
        progress: of the stage, at rest.
        stored: whether the policy stores alerts; one that drops them counts their revisions and no alerts.
    """
    fates = progress.released + progress.suppressed + progress.late + progress.pending + progress.erased
    pairs = {
        "payments counted": (len(truth.payments), progress.transactions),
        "amendments counted": (len(truth.amended), progress.amendments),
        "decisions counted": (truth.decisions, progress.decisions),
        "fixes counted": (truth.fixes, progress.fixes),
        "revisions of alerts counted": (truth.alert_revisions, progress.alert_revisions),
        "alerts counted": (len(truth.alerts) if stored else 0, progress.alerts),
        "rejected counted": (truth.bad_decisions + truth.bad_fixes, progress.rejected),
        "payments released, suppressed, late, pending or erased": (progress.transactions, fates),
    }
    return [Balance(what, max(0, left - right), max(0, right - left)) for what, (left, right) in pairs.items()]


def judge(settings: Settings, plan: Plan, truth: Truth, progress: Progress, leaked: list[str], *, stored: bool = True) -> Verdict:
    """Judge both stores and the counters.

    Args:
        settings: where the stores are.
        plan: what was simulated.
        truth: of the blocks that were written.
        progress: of the stage, at rest.
        leaked: what was found outside the stores, a sentence each.
        stored: whether the policy stores payments and alerts.
    """
    with _opened(settings) as stores:
        balances = weighed_counters(truth, progress, stored=stored)
        if stored:
            balances += [balance for sink in SINKS for balance in _documents(settings, sink, stores[sink], truth)]
        classes, below, faults = _classes(settings, stores, balances, progress)
        fitting = _fitting(stores["mongodb"], plan, truth)
    dice = np.random.default_rng(plan.seed)
    some = dice.choice(truth.payments, min(_SOME_PAYMENTS, len(truth.payments)), replace=False).tolist()
    report = audit_stores(settings, limits_of(settings), known=KnownIdentifiers(known_identifiers(plan, some)), keep=False)
    by_check = {check.name: check.fault_count for check in report.checks}
    faults += [f"audit, {check.name}: {fault.sentence()}" for check in report.checks for fault in check.faults[:5]]
    told = conservation(Figures(census=take_census(settings)))
    faults += [f"{one.name}: {one.sentence}" for one in told.equations if one.state is State.VIOLATED]
    faults += leaked
    faults += [f"{one.what}: {one.lost} lost, {one.doubled} doubled" for one in balances if one.lost or one.doubled]
    faults += [f"{fitting.too_small} classes say more than the input holds"] if fitting.too_small else []
    return Verdict(
        balances=balances,
        classes=classes,
        classes_below_k=below + fitting.too_small + by_check["classes"],
        classes_fitted=fitting.classes,
        identifiers_found=by_check["identifiers"] + by_check["exactness"] + len(leaked),
        faults=faults,
        progress=progress,
    )


Rows = Callable[[Kind[Any], tuple[str, ...]], Iterator[Document]]
"""Gives all documents of a kind, with some fields of each."""


@contextmanager
def _opened(settings: Settings) -> Iterator[dict[str, Rows]]:
    client: MongoClient[Document] = MongoClient(settings.mongodb_uri.get_secret_value())
    search = Elasticsearch(settings.elasticsearch_url, request_timeout=120)
    prefix = settings.elasticsearch_index_prefix

    def mongodb(kind: Kind[Any], fields: tuple[str, ...]) -> Iterator[Document]:
        yield from client[settings.mongodb_database][kind.name].find({}, dict.fromkeys(fields, 1), batch_size=_PAGE)

    def elasticsearch(kind: Kind[Any], fields: tuple[str, ...]) -> Iterator[Document]:
        index = alias(prefix, kind)
        if not search.indices.exists(index=index):
            return
        search.indices.refresh(index=index)
        for hit in scan(search, index=index, size=_PAGE, query={"_source": list(fields)}):
            yield {"_id": hit["_id"], **hit["_source"]}

    try:
        yield {"mongodb": mongodb, "elasticsearch": elasticsearch}
    finally:
        client.close()
        search.close()


def _documents(settings: Settings, sink: str, rows: Rows, truth: Truth) -> Iterator[Balance]:
    """Weigh payments, their answers and alerts of one store."""
    made = Pseudonymiser(KeyRing.from_file(settings.token_key_file), sink, 0, cache_size=0)
    ids, answers = _read(rows(TRANSACTIONS, ("revision",)))
    yield weighed(f"payments in {sink}", _tokens(made, TokenKind.TRANSACTION, "PAYMENT", truth.payments), ids)
    yield weighed(f"amended payments in {sink}", _tokens(made, TokenKind.TRANSACTION, "PAYMENT", truth.amended), ids[answers == 2])
    ids, revisions = _read(rows(ALERTS, ("revision",)))
    for revision in (1, 2, 3):
        newest = np.array([ordinal for ordinal, last in truth.alerts.items() if last == revision], dtype=np.int64)
        expected = _tokens(made, TokenKind.ALERT, "ALERT", newest)
        yield weighed(f"alerts of revision {revision} in {sink}", expected, ids[revisions == revision])


def _read(documents: Iterable[Document]) -> tuple[_Ids, NDArray[np.int64]]:
    ids: list[int] = []
    revisions: list[int] = []
    parts: list[tuple[_Ids, NDArray[np.int64]]] = [(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))]
    for document in documents:
        ids.append(int(document["_id"][:16], 16))
        revisions.append(document["revision"])
        if len(ids) == _CHUNK:
            parts.append((np.array(ids, dtype=np.uint64), np.array(revisions, dtype=np.int64)))
            ids, revisions = [], []
    parts.append((np.array(ids, dtype=np.uint64), np.array(revisions, dtype=np.int64)))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _tokens(made: Pseudonymiser, kind: TokenKind, name: str, ordinals: NDArray[np.int64]) -> _Ids:
    """Return the beginnings of the tokens of payments or alerts."""
    parts = [np.zeros(0, dtype=np.uint64)]
    for start in range(0, len(ordinals), _CHUNK):
        raw = [f"{name}-{ordinal:09d}" for ordinal in ordinals[start : start + _CHUNK].tolist()]
        parts.append(np.array([int(token[:16], 16) for token in made.tokens(kind, raw, 0) if token], dtype=np.uint64))
    return np.concatenate(parts)


def _classes(settings: Settings, stores: dict[str, Rows], balances: list[Balance], progress: Progress) -> tuple[int, int, list[str]]:
    """Count the classes of both stores again; return how many there are, how many hold fewer than k people, and what else is wrong."""
    k = compiled_policy(settings).releases.k
    counted, below = 0, 0
    told: dict[str, dict[str, bytes]] = {}
    for sink in SINKS:
        payments, counted, found = 0, 0, {}
        for document in stores[sink](RELEASES, ("release",)):
            release = document["release"]
            below += not k <= release["people"] == len(set(release["members"]))
            payments += release["payments"]
            counted += 1
            found[document["_id"]] = json.dumps(release, sort_keys=True).encode()
        told[sink] = found
        balances.append(Balance(f"released payments in the classes of {sink}", *_difference(progress.released, payments)))
        balances.append(Balance(f"classes in {sink}", *_difference(progress.classes, counted)))
    alike = told["mongodb"] == told["elasticsearch"]
    return counted, below, [] if alike else ["the two stores tell different classes"]


def _fitting(rows: Rows, plan: Plan, truth: Truth) -> Fitting:
    return too_small(plan, truth.blocks, [document["release"] for document in rows(RELEASES, ("release",))])


def _difference(expected: int, found: int) -> tuple[int, int]:
    return max(0, expected - found), max(0, found - expected)
