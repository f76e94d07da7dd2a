"""A person forgotten: the key of sealed evidence, every document of both stores, and what the stage still holds back.

    plan       the tokens that the person has in each store, over the time that its documents cover, made from the key ring
    key        deleted, with a tombstone: evidence opens no more, in no copy, and nothing is sealed about the person again
    documents  payments, alerts and positions by these tokens; groups, the sample, dead letters and kept audits no longer name the payments;
               cases with their trails, reports of missed frauds, and whom the log of unmaskings is about
    stage      a request (`privacy.erasure_requests`): pending payments, the sample's memory, and the ledger's lists of places

All of it may be repeated after a crash anywhere, and a second run finds nothing. Documents of a micro-batch that has begun and may be
repeated are left until it is committed, as they would come back; the request is carried out by three micro-batches. So `forget` waits a
while for the stage, and says whether there is more to be done by running it again.

Reference: GDPR, Article 17 (erasure) and Recital 26 (what is no longer about anybody may stay); NIST SP 800-88 Rev. 1, 2.6.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from privacy.erasure_requests import Request, Requests
from privacy.files import read_whole, write_whole
from privacy.heartbeat import newest_batch
from privacy.identifiers.keyring import KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.identifiers.sealing import owner_token
from privacy.masking import ELASTICSEARCH, MONGODB, STAGE
from privacy.policies.catalogue import SINKS
from privacy.policies.compiling import CompiledPolicy
from privacy.policies.model import PERSON_KINDS
from privacy.policies.operators import Token
from privacy.policies.services import SHARED
from privacy.policy import compiled_policy
from privacy.staged import PackedStaged, Staged
from privacy.state import sequence_of
from privacy.tokens import TokenKind
from storage.erasure import Eraser, Stores, erase_documents, erasing, mend
from storage.kinds import ALERTS, TRANSACTIONS
from storage.vault import SubjectKeys
from veilocity.errors import KeyMissingError, SettingsError
from veilocity.settings import Settings

__all__ = ["STAYS", "Erasure", "Plan", "StoreErasure", "forget", "plan"]

STAYS = (
    "Released classes stay: each is about k people or more, and nobody can tell who was in one, as the salt of its members is gone.",
    "Raw records stay in Kafka for as long as its retention says; one that is still to be read is masked and stored as new.",
    "The filter of places seen before stays: who holds the key ring can ask it if the person was at a cell, until the stage begins anew.",
    "Rows in Cassandra go as soon as its sink runs.",
    "A dashboard that runs shows what it has read until it is started anew.",
    "Notifications that were sent are with who got them.",
    "Back-ups of the stores, of people's keys and of the stage's folder are yours to delete.",
)
"""What is not erased, and why."""
_POLL_S = 0.2
_RECORDS = (("transaction", SINKS), ("alert", SINKS), ("position", (MONGODB,)))
Key = Literal["deleted", "deleted before", "there was none"]


class StoreErasure(msgspec.Struct):
    """What became of a person's documents in one store."""

    erased: dict[str, int]
    """Deleted or mended documents, by collection."""
    left: dict[str, int]
    """Documents of a micro-batch that is not committed, or that came meanwhile."""
    payments_of_others: int = 0
    """That name a card, device or user of the person as well: they are about somebody else, and stay."""


class Erasure(msgspec.Struct, frozen=True):
    """What `forget` did; it holds no identifier and no pseudonym."""

    key: Key
    stores: dict[str, StoreErasure]
    pending: int
    """Payments that waited in the stage's folder when it was asked."""
    requested: bool
    """Whether the stage had to be asked."""
    waiting: bool
    """Whether it is yet to carry that out."""
    complete: bool
    """Nothing is left: neither documents nor a request."""
    found: bool
    """Whether there was anything to erase."""
    history: int | None = None
    """Readings that were erased from the sensor history; None where no PostgreSQL is named."""
    stays: tuple[str, ...] = STAYS


class Plan(msgspec.Struct, frozen=True):
    """The pseudonyms of one person."""

    subjects: dict[str, tuple[str, ...]]
    """By store, oldest first."""
    person: str
    """Of the stage."""
    owner: str
    """In the store of keys."""


class _Run(msgspec.Struct, frozen=True):
    """What a run that is not complete knows: once a payment is deleted, a group that names it can be found by nothing else."""

    person: str
    payments: dict[str, tuple[str, ...]]


def plan(compiled: CompiledPolicy, ring: KeyRing, subject: str, from_ms: int, until_ms: int) -> Plan:
    """Return every pseudonym that a person had for events from `from_ms` (inclusive) to `until_ms` (exclusive).

    Raises:
        KeyMissingError: the ring has no version for the earliest time.
        SettingsError: the policy does not name people by tokens.

    >>> from privacy.policies.compiling import compile_policy
    >>> from privacy.policies.model import DEFAULT_FILE, read_policy
    >>> ring, day_ms = KeyRing([(1, -(2**63), bytes(range(32)))]), 86_400_000
    >>> found = plan(compile_policy(read_policy(DEFAULT_FILE)), ring, "anna", 0, 15 * day_ms)
    >>> {store: len(tokens) for store, tokens in found.subjects.items()}, len(set().union(*found.subjects.values()))
    ({'mongodb': 3, 'elasticsearch': 3}, 6)
    """
    periods = {kind: compiled.period_ms(kind) or 0 for kind in PERSON_KINDS}
    subjects: dict[str, tuple[str, ...]] = {}
    for store in SINKS:
        scopes = dict.fromkeys(_scope(compiled, record, store) for record, stores in _RECORDS if store in stores)
        makers = [Pseudonymiser(ring, SHARED if scope == "shared" else store, periods[TokenKind.SUBJECT], periods) for scope in scopes]
        tokens = (token for one in makers for token in one.tokens_between(TokenKind.SUBJECT, subject, from_ms, until_ms))
        subjects[store] = tuple(dict.fromkeys(tokens))
    always_ms = ring.from_ms(ring.versions[0])
    person = Pseudonymiser(ring, STAGE, 0).token(TokenKind.SUBJECT, subject, always_ms)
    return Plan(subjects, person, owner_token(ring, subject))


def _scope(compiled: CompiledPolicy, record: str, store: str) -> str:
    operator = compiled.operator(record, "subject", store)
    if not isinstance(operator, Token):
        raise SettingsError(
            f"by the policy {record}.subject is no token in {store}: nobody can be found again, so use one with `token` there"
        )
    return operator.scope


def forget(settings: Settings, subject: str, *, from_ms: int | None = None, until_ms: int | None = None, wait_s: float = 60.0) -> Erasure:
    """Erase a person.

    Args:
        settings: where the stores, the key ring and the stage's folder are.
        subject: the person, as it came.
        from_ms: look for pseudonyms from this event time on, where it is before the oldest document.
        until_ms: and to this one, where it is after the newest.
        wait_s: how long to wait for the stage.

    Raises:
        KeyMissingError: the key ring is not there, or has no version for the earliest time.
        SettingsError: the stage's folder is not here, or the policy does not name people by tokens.
        StoreUnavailableError: a store does not answer; what was done stays done, so run it again.
        StateError: a file of the stage is damaged.
    """
    compiled, ring = compiled_policy(settings), KeyRing.from_file(settings.token_key_file)
    if not (settings.privacy_dir / "ledger").is_dir():
        raise SettingsError("the folder of the privacy stage is not here: run this where the stage runs (VEILOCITY_PRIVACY_STATE_DIR)")
    key = _delete_key(settings, owner_token(ring, subject))
    with erasing(settings) as stores:
        spans = [span for eraser in stores.erasers.values() if (span := eraser.span_ms()) is not None]
        begins = [span[0] for span in spans] + ([] if from_ms is None else [from_ms])
        ends = [span[1] + 1 for span in spans] + ([] if until_ms is None else [until_ms])
        found = plan(compiled, ring, subject, min(begins, default=0), max(ends, default=0))
        return _Forgetting(settings.privacy_dir, stores, found).run(key, wait_s)


def _delete_key(settings: Settings, owner: str) -> Key:
    keys = SubjectKeys(settings, now_ms=time.time_ns() // 1_000_000)
    try:
        try:
            state: Key = "deleted" if keys.get(owner) is not None else "deleted before"
        except KeyMissingError:
            state = "there was none"
        keys.erase(owner)
        return state
    finally:
        keys.close()


class _Forgetting:
    """One run over both stores and the stage's folder."""

    def __init__(self, directory: Path, stores: Stores, found: Plan) -> None:
        self._directory, self._stores, self._plan = directory, stores, found
        self._requests = Requests(directory)
        self._counts: dict[str, dict[str, int]] = {store: {} for store in SINKS}
        self._known: dict[str, set[str]] = {store: set() for store in SINKS}

    def run(self, key: Key, wait_s: float) -> Erasure:
        path = self._remember()
        things = {store: eraser.things(self._plan.subjects[store]) for store, eraser in self._stores.erasers.items()}
        pending = _staged(self._directory, self._plan.person)
        requested = self._ask()
        begun = self._newest("offsets")
        self._pass()
        if not self._is_settled(begun) and self._wait(begun, wait_s):
            # What was under way is committed by now, and no later micro-batch knows the person.
            path = self._remember()
            self._pass()
        stores = {
            store: StoreErasure(self._counts[store], self._left(eraser), eraser.naming(sorted(things[store]), self._plan.subjects[store]))
            for store, eraser in self._stores.erasers.items()
        }
        complete = self._is_settled(begun) and not self._is_named() and not any(one.left for one in stores.values())
        if complete:
            path.unlink(missing_ok=True)
        found = key == "deleted" or requested or any(self._counts.values())
        return Erasure(key, stores, pending, requested, bool(self._requests.of(self._plan.person)), complete, found)

    def _remember(self) -> Path:
        """Add the person's payments to what is known, put it on the disk if there are any, and return where."""
        folder = self._directory / "erasures"
        runs = {path: read_whole(path, _Run) for path in sorted(folder.glob("*.run"))}
        mine = [path for path, run in runs.items() if run.person == self._plan.person]
        for store, eraser in self._stores.erasers.items():
            self._known[store] |= eraser.ids(TRANSACTIONS.name, self._plan.subjects[store])
            self._known[store] |= {payment for path in mine for payment in runs[path].payments.get(store, ())}
        path = mine[0] if mine else folder / f"{secrets.token_hex(8)}.run"
        if any(self._known.values()):
            payments = {store: tuple(sorted(known)) for store, known in self._known.items()}
            write_whole(path, msgspec.msgpack.encode(_Run(self._plan.person, payments)))
        return path

    def _ask(self) -> bool:
        """Ask the stage to forget the person, if it knows one; a request that waits is not made twice."""
        if not self._is_named():
            return False
        payments = self._known[MONGODB]
        if not any(payments <= set(request.payments) for request in self._requests.of(self._plan.person)):
            self._requests.add(Request(self._plan.person, tuple(sorted(payments))))
        return True

    def _pass(self) -> None:
        up_to_seq = sequence_of(self._newest("commits"))
        for store, eraser in self._stores.erasers.items():
            subjects = self._plan.subjects[store]
            named = (*subjects, *sorted(eraser.ids(ALERTS.name, subjects)))
            _add(self._counts[store], mend(eraser, self._stores.mongodb, self._known[store], named, up_to_seq))
            _add(self._counts[store], erase_documents(eraser, subjects, up_to_seq, self._stores.journal))
        # After the alerts and payments that they are about: who is just writing one sees that its person is gone.
        _add(self._counts[MONGODB], self._stores.mongodb.forget_cases(self._plan.subjects[MONGODB]))

    def _wait(self, begun: int, wait_s: float) -> bool:
        deadline_s = time.monotonic() + wait_s
        while not (settled := self._is_settled(begun)) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        return settled

    def _is_settled(self, begun: int) -> bool:
        """Say whether no micro-batch that had begun can be repeated, and the stage has carried out what it was asked for."""
        return self._newest("commits") >= begun and not self._requests.of(self._plan.person)

    def _is_named(self) -> bool:
        return self._requests.names(self._plan.person, self._known[MONGODB] | self._known[ELASTICSEARCH])

    def _left(self, eraser: Eraser) -> dict[str, int]:
        counts = {kind: eraser.count(kind, self._plan.subjects[eraser.name]) for kind in eraser.kinds()}
        if eraser.name == MONGODB:
            counts |= self._stores.mongodb.left_cases(self._plan.subjects[MONGODB])
        return {kind: count for kind, count in counts.items() if count}

    def _newest(self, name: str) -> int:
        return newest_batch(self._directory / "checkpoint" / name)


def _staged(directory: Path, person: str) -> int:
    """Return how many payments of a person wait in the stage's folder."""
    count = 0
    for path in directory.glob("staged/*/*.rows"):
        try:
            rows = Staged.unpacked(msgspec.msgpack.decode(path.read_bytes(), type=PackedStaged))
        except FileNotFoundError:
            continue  # the stage goes on meanwhile
        count += rows.count - rows.without({person}).count
    return count


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count
